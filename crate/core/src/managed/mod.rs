//! Managed segments, in which names lead to things, and the locks in them.
//!
//! - [`ManagedSegment`] is a segment, opened: it makes members, and finds objects by name.
//! - [`handle`] has its locks: mutex, reader-writer lock, semaphore, condition, event, barrier, once, seqlock.
//! - [`Allocator`] lends its bytes. What is larger than a word is in [`crate::structures`].

// `header` draws the front of the segment and makes it, once, whoever dies meanwhile. `directory` finds named objects and makes them; `kind` says which
// kinds there are and how their bytes lie. `heap` gives out the bytes, and survives a member that is killed inside; `allocator` does so for users. `layout`
// draws the objects' words, `geometry` those of structures, `operation` makes their waits and wakes.
mod allocator;
#[doc(hidden)]
pub mod directory;
#[doc(hidden)]
pub mod geometry;
pub mod handle;
#[doc(hidden)]
pub mod header;
#[doc(hidden)]
pub mod heap;
#[doc(hidden)]
pub mod kind;
#[doc(hidden)]
pub mod layout;
mod operation;
mod segment;

pub use allocator::Allocator;
pub use directory::{Found, ObjectFacts};
pub use header::{IfBlank, LAYOUT_VERSION};
pub use heap::{Lent, Reclaimed, Statistics};
pub use kind::{Kind, Shape};
pub use segment::{ManagedOptions, ManagedSegment};

#[doc(hidden)]
pub use {
    header::Geometry,
    heap::Heap,
    operation::{Counters, LockWish, Operation, Place},
};
