//! Floor 5: what people build on shared memory, over the named objects of a managed segment.
//!
//! Each structure is a folder or file of its noun: its words and their states, its algorithm over [`crate::membership::Platform`], and the
//! handles with which Rust uses it. [`operation`] is the door through which the binding waits, for locks too.
//!
//! [`broadcast`] and [`latest`] have one writer and many readers, which stand on [`one_writer`].

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
