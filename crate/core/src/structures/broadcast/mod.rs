//! What one sends and many see: the writer waits for nobody, and who falls behind is told what it lost.

// What that needs of memory.
#[doc(hidden)]
pub mod feed;
mod handle;

#[doc(hidden)]
pub use handle::feed_of;
pub use handle::{Broadcast, BroadcastReader, BroadcastWriter, From, Received};
