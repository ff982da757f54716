//! Floor 5: what people build on shared memory, over the named objects of a managed segment.
//!
//! Each structure is a folder or file of its noun: its words and their states, its algorithm over [`crate::membership::Platform`], and the
//! handles with which Rust uses it. [`operation`] is the door through which the binding waits, for locks too.
//!
//! * [`broadcast`] and [`latest`]: one writer and many readers. They stand on [`one_writer`]; [`seating`] is their part of the door, and
//!   `payload` copies their bytes.
//! * [`ring`]: messages from producers to consumers, each to one.
//! * [`map`]: values by key, in shards with a lock each, and read without one.
//! * [`list`]: values in a row, under a lock.

pub mod broadcast;
pub mod latest;
pub mod list;
pub mod map;
pub mod one_writer;
pub mod operation;
mod payload;
pub mod ring;
pub mod seating;
pub mod takeover;

pub use broadcast::Broadcast;
pub use latest::Latest;
pub use list::List;
pub use operation::Operation;
