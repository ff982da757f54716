//! What names a node, for whoever holds it: an index and a generation, as one number below 2^53.

use crate::managed::geometry::list::INDEX_BITS;

/// What names a node of a list, for whoever holds it: an index and a generation. The number can be kept in shared memory and handed to other processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Node(u64);

impl Node {
    /// A handle, from where it was kept. Nothing is checked before it is used.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The number to keep. Never 0.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    pub(super) const fn of(index: u32, generation: u32) -> Self {
        Self((generation as u64) << INDEX_BITS | index as u64)
    }

    pub(super) const fn index(self) -> u64 {
        self.0 & ((1 << INDEX_BITS) - 1)
    }

    pub(super) const fn generation(self) -> u64 {
        self.0 >> INDEX_BITS
    }
}
