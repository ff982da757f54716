//! A list's bytes: its words, and an arena of nodes of equal size. Links are offsets from the list's first byte, so that they hold at
//! whatever address each process has it.
//!
//! ```text
//!   0 lock · 4 head · 8 tail · 12 length · 16 free · 20 fresh · 24 redo · 28 changes
//!                                           head, tail, free, redo: offsets of nodes, 0 for none; length, fresh, changes: counts
//! 128 node · node · node …                  as many as the capacity, and one to write with; each a multiple of 16 bytes:
//!     0 generation · 4 next · 8 previous · 16 value            even: not in the list · odd: in the list
//! ```
//!
//! A node of even generation is in the list of free ones, linked by `next`, or one of those behind `fresh` that were never used.

use super::super::layout::PARTS;
use super::NUMBERS;
use crate::error::{Error, Result};

/// First node in the list.
pub const HEAD: u64 = 4;
/// Last node.
pub const TAIL: u64 = 8;
/// How many nodes are in the list.
pub const LENGTH: u64 = 12;
/// First node that was used and is free.
pub const FREE: u64 = 16;
/// How many nodes were ever used.
pub const FRESH: u64 = 20;
/// The node with the new value of another, whose offset is its `next`; 0: no value is being written.
pub const REDO: u64 = 24;
/// Counts before and after each change: odd while one is under way, or was when its member died.
pub const CHANGES: u64 = 28;

/// In a node: how often it came and went.
pub const GENERATION: u64 = 0;
/// In a node: the one behind.
pub const NEXT: u64 = 4;
/// In a node: the one in front.
pub const PREVIOUS: u64 = 8;
/// In a node: its value.
pub const VALUE: u64 = 16;

/// Nodes, and with them their values, begin at multiples of this.
pub const NODE_ALIGN: u64 = 16;
/// Bits of a node's index, so that index and generation together are a number that a double can hold.
pub const INDEX_BITS: u32 = 21;
/// As many nodes as a list can hold at once.
pub const CAPACITY_MAX: u32 = (1 << INDEX_BITS) - 1;
/// As many bytes as a value can have.
pub const VALUE_BYTES_MAX: u32 = 1 << 20;

/// A list's numbers, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListGeometry {
    /// Of each value.
    pub value_bytes: u32,
    /// Nodes that can be in the list at once.
    pub capacity: u32,
}

impl ListGeometry {
    /// From a shape's numbers.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn of(numbers: [u32; NUMBERS]) -> Result<Self> {
        let [value_bytes, capacity, ..] = numbers;
        let geometry = Self { value_bytes, capacity };
        let sized = (1..=VALUE_BYTES_MAX).contains(&value_bytes) && (1..=CAPACITY_MAX).contains(&capacity);
        // A link is an offset of 32 bits.
        if sized && geometry.bytes() <= u64::from(u32::MAX) {
            return Ok(geometry);
        }
        Err(Error::own(
            "ERR_OUT_OF_RANGE",
            format!(
                "no list has {capacity} values of {value_bytes} bytes: 1 to {CAPACITY_MAX} values of 1 to {VALUE_BYTES_MAX} bytes, of 4 GiB in all"
            ),
        ))
    }

    /// The numbers of its shape.
    #[must_use]
    pub const fn numbers(self) -> [u32; NUMBERS] {
        [self.value_bytes, self.capacity, 0, 0]
    }

    /// Nodes that there are: one is for writing.
    #[must_use]
    pub const fn nodes(self) -> u32 {
        self.capacity + 1
    }

    /// From one node to the next.
    #[must_use]
    pub const fn stride(self) -> u64 {
        (VALUE + self.value_bytes as u64).next_multiple_of(NODE_ALIGN)
    }

    /// Bytes of the object.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        PARTS + self.nodes() as u64 * self.stride()
    }

    /// As users would write it.
    #[must_use]
    pub fn words(self) -> String {
        format!("{{ valueBytes: {}, capacity: {} }}", self.value_bytes, self.capacity)
    }
}
