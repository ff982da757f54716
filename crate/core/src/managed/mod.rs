//! Floor 4: managed segments, in which names lead to things.
//!
//! - [`header`] draws the front of the segment and makes it, once, whoever dies meanwhile.
//! - [`directory`] finds named objects and makes them; [`kind`] says which kinds there are and how their bytes lie.
//! - [`geometry`] draws how the bytes of structures lie, from the numbers of their shapes.
//! - [`heap`] gives out the bytes, and survives a member that is killed inside.
//! - [`layout`] draws the objects' words, [`operation`] makes their waits and wakes.
//! - [`handle`] is how Rust uses the objects: a type a kind, with guards.
//! - [`ManagedSegment`] is all of it, opened.

pub mod directory;
pub mod geometry;
pub mod handle;
pub mod header;
pub mod heap;
pub mod kind;
pub mod layout;
pub mod operation;
mod segment;

pub use directory::{Found, ObjectFacts};
pub use header::Geometry;
pub use heap::{Heap, Reclaimed, Statistics};
pub use kind::{Kind, Shape};
pub use operation::{Counters, LockWish, Operation, Place};
pub use segment::{ManagedOptions, ManagedSegment};
