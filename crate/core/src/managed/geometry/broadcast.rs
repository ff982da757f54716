//! How the bytes of a Broadcast lie: slots that the writer fills round and round.
//!
//! ```text
//! 0 gate · 4 writer · 8 ended   64 head, 64 bits of floating point · 72 lost
//! 128 + stride × slot   slot: 0 stamp · 4 lap · 8 length · 16 payload
//! ```

use super::super::layout::PARTS;
use super::NUMBERS;
use crate::error::{Error, Result};

/// How many messages were published: as a floating-point number, which JavaScript writes in one store.
pub const HEAD: u64 = 64;
/// How many messages readers found overwritten, all together; wraps.
pub const LOST: u64 = 72;
/// In a slot: see `structures::broadcast`.
pub const SLOT_STAMP: u64 = 0;
/// In a slot: the higher bits of the position.
pub const SLOT_LAP: u64 = 4;
/// In a slot: bytes of the message.
pub const SLOT_LENGTH: u64 = 8;
/// In a slot: where the message begins.
pub const SLOT_PAYLOAD: u64 = 16;
/// Slots begin at multiples of this.
pub const SLOT_ALIGN: u64 = 64;
/// As many slots as a Broadcast can have.
pub const SLOTS_MAX: u32 = 1 << 24;
/// The longest message.
pub const SLOT_BYTES_MAX: u32 = 1 << 30;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// A power of two.
    pub slots: u32,
    /// The longest message.
    pub slot_bytes: u32,
}

impl Geometry {
    /// From the numbers of a shape: slots, bytes of each.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn of(numbers: [u32; NUMBERS]) -> Result<Self> {
        let [slots, slot_bytes, more @ ..] = numbers;
        let fits = (2..=SLOTS_MAX).contains(&slots)
            && slots.is_power_of_two()
            && (1..=SLOT_BYTES_MAX).contains(&slot_bytes);
        if !fits || more != [0; 2] {
            return Err(Error::own(
                "ERR_OUT_OF_RANGE",
                format!(
                    "a broadcast has 2 to {SLOTS_MAX} slots, a power of two, of 1 to {SLOT_BYTES_MAX} bytes, not {numbers:?}"
                ),
            ));
        }
        Ok(Self { slots, slot_bytes })
    }

    /// First byte of a slot.
    #[must_use]
    pub const fn slot(&self, index: u32) -> u64 {
        PARTS + self.slot_stride() * index as u64
    }

    /// From one slot to the next.
    #[must_use]
    pub const fn slot_stride(&self) -> u64 {
        (SLOT_PAYLOAD + self.slot_bytes as u64).next_multiple_of(SLOT_ALIGN)
    }

    /// Bytes of all of it.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.slot(self.slots)
    }
}
