//! Rings: messages in slots, from producers to consumers, in their order.

// `one` is the algorithm for one producer and one consumer, `many` that for any number of both. `ends` is what both give an end, `one_ends` and `many_ends` are
// those ends over real memory, and `slot` copies bytes in and out. `door` is what the binding calls: ends taken and given back, waits made from an object's place.
// `handle` is how Rust uses a ring, `producer` and `consumer` its ends. The bytes are drawn in `managed::geometry::ring`.
mod consumer;
#[doc(hidden)]
pub mod door;
mod ends;
mod handle;
#[doc(hidden)]
pub mod many;
mod many_ends;
#[doc(hidden)]
pub mod one;
mod one_ends;
mod producer;
mod slot;

pub use crate::managed::geometry::ring::{DROP_OLDEST, MANY_CONSUMERS, MANY_PRODUCERS, RingGeometry};
pub use consumer::{Consumer, Received};
#[doc(hidden)]
pub use door::RingOperation;
pub use ends::Slot;
pub use handle::Ring;
pub use producer::{Producer, Sent};

/// [`crate::managed::geometry::ring::STATE`]: no message follows.
#[doc(hidden)]
pub const PRODUCERS_ENDED: u32 = 1;
/// The same: nobody will take another message.
#[doc(hidden)]
pub const CONSUMERS_ENDED: u32 = 2;

/// Which end of a ring.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Messages go in.
    Producer,
    /// Messages come out.
    Consumer,
}

impl End {
    /// Its bit of the state word.
    #[must_use]
    pub const fn bit(self) -> u32 {
        match self {
            Self::Producer => PRODUCERS_ENDED,
            Self::Consumer => CONSUMERS_ENDED,
        }
    }

    /// As users call who has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Producer => Self::Consumer,
            Self::Consumer => Self::Producer,
        }
    }
}
