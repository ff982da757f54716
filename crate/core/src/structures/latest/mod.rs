//! The newest value of one writer: readers never wait for it, nor it for them.

mod handle;
// What both need of memory.
#[doc(hidden)]
pub mod register;

pub use handle::{Latest, LatestReader, LatestWriter, News};

#[doc(hidden)]
pub use {
    handle::{give_cell_back, take_cell},
    register::CLEAR,
};
