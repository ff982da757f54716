//! What one sends and many see: the writer waits for nobody, and who falls behind is told what it lost. What that needs of memory is in [`feed`].

pub mod feed;
mod handle;

pub use handle::{Broadcast, BroadcastReader, BroadcastWriter, From, Received, feed_of};
