//! The newest value of one writer: readers never wait for it, nor it for them. What both need of memory is in [`register`].

mod handle;
pub mod register;

pub use handle::{Latest, LatestReader, LatestWriter, News, give_cell_back, take_cell};
pub use register::CLEAR;
