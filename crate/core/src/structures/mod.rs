//! Floor 5: what people build on shared memory, over the named objects of a managed segment.
//!
//! Each structure is a folder or file of its noun: its words and their states, its algorithm over [`crate::membership::Platform`], and the
//! handles with which Rust uses it. [`operation`] is the door through which the binding waits, for locks too.

pub mod list;
pub mod map;
pub mod operation;

pub use list::List;
pub use operation::Operation;
