//! What people build on shared memory, over the named objects of a managed segment.
//!
//! * [`Ring`]: messages from producers to consumers, each to one.
//! * [`SharedMap`]: values by key, in shards with a lock each, and read without one.
//! * [`List`]: values in a row, under a lock.
//! * [`Broadcast`] and [`Latest`]: what one writer tells many readers, all of it or the newest.

// Each structure is a folder or file of its noun: its words and their states, its algorithm over `membership::Platform`, and the handles with which Rust uses it.
// Broadcast and latest stand on `one_writer`; `seating` is their part of the door, and `payload` copies their bytes. `operation` is the door through which the
// binding waits, for locks too.
pub mod broadcast;
pub mod latest;
pub mod list;
pub mod map;
#[doc(hidden)]
pub mod one_writer;
#[doc(hidden)]
pub mod operation;
mod payload;
pub mod ring;
#[doc(hidden)]
pub mod seating;
pub(crate) mod takeover;

pub use broadcast::Broadcast;
pub use latest::Latest;
pub use list::List;
pub use map::SharedMap;
#[doc(hidden)]
pub use operation::Operation;
pub use ring::Ring;
