//! Floor 4: managed segments, in which names lead to things.
//!
//! - [`header`] draws the front of the segment and makes it, once, whoever dies meanwhile.
//! - [`directory`] finds named objects and makes them; [`kind`] says which kinds there are and how their bytes lie.
//! - [`heap`] gives out the bytes, and survives a member that is killed inside; [`allocator`] does so for users.
//! - [`layout`] draws the objects' words, [`geometry`] those of structures, [`operation`] makes their waits and wakes.
//! - [`handle`] is how Rust uses the objects: a type a kind, with guards.
//! - [`ManagedSegment`] is all of it, opened.

pub mod allocator;
pub mod directory;
pub mod geometry;
pub mod handle;
pub mod header;
pub mod heap;
pub mod kind;
pub mod layout;
pub mod operation;
mod segment;

pub use allocator::Allocator;
pub use directory::{Found, ObjectFacts};
pub use header::Geometry;
pub use heap::{Heap, Lent, Reclaimed, Statistics};
pub use kind::{Kind, Shape};
pub use operation::{Counters, LockWish, Operation, Place};
pub use segment::{ManagedOptions, ManagedSegment};
