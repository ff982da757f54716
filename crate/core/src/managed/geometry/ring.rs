//! How a ring lies: drawn here once, for both algorithms, for Rust, and handed to TypeScript at load.
//!
//! ```text
//! numbers   slots, a power of two · slot bytes · flags · 0
//!
//!    0  common            state · 96 waits · 100 owner deaths · 104 timeouts · 108 recovered · 112 lost
//!  128  producers' line   tail · items gate · items sequence      what a consumer reads, and sleeps on
//!  256  a producer's own  owner · told · laps · full            among many: laps · full · skipped
//!  384  consumers' line   head · room gate · room sequence        what a producer reads, and sleeps on
//!  512  a consumer's own  owner · told · laps · taken           among many: laps · seats · standing · cleared
//!  640  control words     of each slot, apart from the payload, so that a slot of 64 bytes is a cache line
//!       payload           from a multiple of 128 on, a stride a slot
//! ```
//!
//! Two lines stand between any words that two sides write, since processors fetch lines in pairs. All bytes 0 are an empty ring that nobody uses.

use crate::error::{Error, Result};

/// Of the numbers, the first: how many slots.
pub const SLOTS: usize = 0;
/// How long a message can be.
pub const SLOT_BYTES: usize = 1;
/// What kind of ring.
pub const FLAGS: usize = 2;

/// Flag: any number of producers.
pub const MANY_PRODUCERS: u32 = 1;
/// Flag: any number of consumers.
pub const MANY_CONSUMERS: u32 = 2;
/// Flag: who finds it full takes the oldest message away.
pub const DROP_OLDEST: u32 = 4;

/// As few slots as a ring can have.
pub const SLOTS_MIN: u32 = 2;
/// As many: positions of 32 bits wrap around them many times.
pub const SLOTS_MAX: u32 = 1 << 24;
/// As many bytes as a slot can have.
pub const SLOT_BYTES_MAX: u32 = 1 << 30;

/// Who has ended, by bits.
pub const STATE: u64 = 0;
/// Ends taken over from the dead.
pub const RECOVERED: u64 = 108;
/// Messages that nobody will get: in the hands of a consumer that died, or dropped.
pub const LOST: u64 = 112;
/// The producers' line: where the next message goes.
pub const TAIL: u64 = 128;
/// Where consumers sleep.
pub const ITEMS_GATE: u64 = 132;
/// The gate's sequence, where the tail is not it.
pub const ITEMS_SEQUENCE: u64 = 136;
/// A lone producer's token.
pub const PRODUCER: u64 = 256;
/// The dead consumer of which the producer was told.
pub const PRODUCER_TOLD: u64 = 260;
/// How often the tail passed a quarter of its range.
pub const PRODUCER_LAPS: u64 = 264;
/// How often a producer found the ring full.
pub const FULL: u64 = 268;
/// The consumers' line: which message is not given back yet.
pub const HEAD: u64 = 384;
/// Where producers sleep.
pub const ROOM_GATE: u64 = 388;
/// The gate's sequence, where the head is not it.
pub const ROOM_SEQUENCE: u64 = 392;
/// A lone consumer's token.
pub const CONSUMER: u64 = 512;
/// The dead producer of which the consumer was told.
pub const CONSUMER_TOLD: u64 = 516;
/// How often the messages taken passed a quarter of the positions' range.
pub const CONSUMER_LAPS: u64 = 520;
/// Which message nobody has taken yet.
pub const TAKEN: u64 = 524;
/// Among many: claims of which no message came.
pub const SKIPPED: u64 = 272;
/// Among many: the first of [`SEATS`] consumers' tokens.
pub const SEAT: u64 = 528;
/// As many consumers' lives as a producer among many watches: two words each, beside its gate and a claimant.
pub const SEATS: u32 = 12;
/// Among many: how many consumers found no seat, and have not closed.
pub const STANDING: u64 = 576;
/// Among many: claims of which no message came, and that the head has passed.
pub const CLEARED: u64 = 580;
/// The first slot's control words.
pub const CONTROL: u64 = 640;

/// A ring's numbers, checked, and what follows from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingGeometry {
    /// How many slots.
    pub slots: u32,
    /// How long a message can be.
    pub slot_bytes: u32,
    /// What kind of ring.
    pub flags: u32,
}

impl RingGeometry {
    /// Of a shape's numbers.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: numbers that a ring cannot have.
    pub fn of(numbers: [u32; 4]) -> Result<Self> {
        let [slots, slot_bytes, flags, rest] = numbers;
        let is_whole = slots.is_power_of_two() && (SLOTS_MIN..=SLOTS_MAX).contains(&slots);
        if is_whole && (1..=SLOT_BYTES_MAX).contains(&slot_bytes) && flags < 8 && rest == 0 {
            return Ok(Self { slots, slot_bytes, flags });
        }
        Err(Error::own(
            "ERR_OUT_OF_RANGE",
            format!(
                "no ring has {slots} slots (a power of two from {SLOTS_MIN} to {SLOTS_MAX}) of {slot_bytes} bytes (from 1 to {SLOT_BYTES_MAX}), flags {flags:#x}"
            ),
        ))
    }

    /// The numbers of its shape.
    #[must_use]
    pub const fn numbers(&self) -> [u32; 4] {
        [self.slots, self.slot_bytes, self.flags, 0]
    }

    /// Whether one producer and one consumer share it, and nothing is dropped: the simple algorithm does.
    #[must_use]
    pub const fn is_one_to_one(&self) -> bool {
        self.flags == 0
    }

    /// From one slot's control words to the next: the length alone, or what many need besides.
    #[must_use]
    pub const fn control_stride(&self) -> u64 {
        if self.is_one_to_one() { 4 } else { 8 }
    }

    /// The first slot's first byte.
    #[must_use]
    pub const fn payload(&self) -> u64 {
        (CONTROL + self.slots as u64 * self.control_stride()).next_multiple_of(128)
    }

    /// From one slot to the next: whole words of 64 bits, or whole cache lines.
    #[must_use]
    pub const fn stride(&self) -> u64 {
        (self.slot_bytes as u64).next_multiple_of(if self.slot_bytes >= 64 { 64 } else { 8 })
    }

    /// Bytes of all.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.payload() + self.slots as u64 * self.stride()
    }

    /// As users would write it.
    #[must_use]
    pub fn words(&self) -> String {
        let side = |flag| if self.flags & flag == 0 { "one" } else { "many" };
        let drops = if self.flags & DROP_OLDEST == 0 { "" } else { ", whenFull: 'dropOldest'" };
        format!(
            "{{ slots: {}, slotBytes: {}, producers: '{}', consumers: '{}'{drops} }}",
            self.slots,
            self.slot_bytes,
            side(MANY_PRODUCERS),
            side(MANY_CONSUMERS)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_lie_behind_their_control_words_and_small_ones_fill_no_cache_line() {
        let ring = RingGeometry::of([4096, 64, 0, 0]).unwrap();
        assert_eq!((ring.payload() % 128, ring.stride()), (0, 64));
        assert!(ring.payload() >= CONTROL + 4096 * ring.control_stride());
        assert_eq!(ring.bytes(), ring.payload() + 4096 * 64);
        assert_eq!(RingGeometry::of([2, 9, 0, 0]).unwrap().stride(), 16);
        assert_eq!(RingGeometry::of([2, 65, 0, 0]).unwrap().stride(), 128);
    }

    #[test]
    fn numbers_that_no_ring_has_are_refused() {
        for numbers in [
            [1, 1, 0, 0],
            [3, 1, 0, 0],
            [1 << 25, 1, 0, 0],
            [2, 0, 0, 0],
            [2, SLOT_BYTES_MAX + 1, 0, 0],
            [2, 1, 8, 0],
            [2, 1, 0, 1],
        ] {
            assert_eq!(RingGeometry::of(numbers).unwrap_err().code(), "ERR_OUT_OF_RANGE", "{numbers:?}");
        }
    }
}
