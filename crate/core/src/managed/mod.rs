//! Floor 4: what a managed segment is made of.
//!
//! - [`heap`] allocates and frees bytes of it by offset, and survives a member that is killed inside.

pub mod heap;

pub use heap::{Heap, Reclaimed, Statistics};
