//! Where the heap keeps what: its root, and the header of every block. Pure arithmetic; reads no memory.
//!
//! ```text
//! root, 256 bytes, aligned to 8
//! ┌──────┬──────────────┬───────────────────────────────────────────────────────────────────────────┐
//! │    0 │ reclaimed    │ blocks that `recover` took back from the dead, ever                       │
//! │    8 │ heads[31]    │ offset of the first free block of each size class, 0 for none             │
//! └──────┴──────────────┴───────────────────────────────────────────────────────────────────────────┘
//! block, aligned to 16, a multiple of 16 from 32 to 2^36 − 16 bytes
//! ┌──────┬──────────────┬───────────────────────────────────────────────────────────────────────────┐
//! │    0 │ header word  │ 63…48 check │ 47…4 bytes of the block, these 16 included │ 3…0 state      │
//! │    8 │ links word   │ 63…32 bytes of the block before, in units of 16, 0: none │ 31…0 token     │
//! │   16 │ payload      │ the user's, from here on; in a free block: offset of the next free block  │
//! │   24 │              │ of its class, and of the one before it; 0 for none                        │
//! └──────┴──────────────┴───────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Blocks follow one another without a gap from the first byte of the area to its last. Zeroed memory is no block.
//! The check ties the word to its offset: a header that was copied, or bytes that look like one, do not pass for a block.
//!
//! | state | meaning | becomes |
//! |---|---|---|
//! | 1 free | in the list of its class | 2 by `allocate` |
//! | 2 uncommitted | taken by the member of the token; free when that is dead | 3 by `commit`, 4 by `lend`, 1 by `free` and `recover` |
//! | 3 committed | a named object's: taken until freed, whoever dies | 2 by `retract`, 1 by `free` |
//! | 4 lent | a user's: taken until it gives it back, whoever dies | 1 by `take_back` |

use std::mem::{offset_of, size_of};

/// Bytes that the heap's root takes, anywhere outside the area, aligned to 8.
pub const ROOT_BYTES: u64 = 256;
/// Sizes of blocks, and offsets of their payloads, are multiples of this.
pub const UNIT_BYTES: u64 = 16;
/// What a block takes beyond its payload.
pub const HEADER_BYTES: u64 = 16;
/// The smallest block: a header and the two links of a free block.
pub(super) const BLOCK_BYTES_MIN: u64 = 32;
/// The largest block, for the size of the block before has 32 bits in units of 16. A larger area is several blocks.
pub(super) const BLOCK_BYTES_MAX: u64 = 0xffff_ffff * UNIT_BYTES;
/// Size classes, a power of two each: class 0 has blocks from 32 to 48 bytes, class 1 from 64 to 112, and so on.
pub(super) const CLASS_COUNT: usize = 31;

/// The root, drawn above; only its offsets are used.
#[repr(C)]
struct Root {
    reclaimed: u64,
    heads: [u64; CLASS_COUNT],
}

/// A block's first bytes, drawn above; only its offsets are used.
#[repr(C)]
struct Header {
    word: u64,
    links: u64,
    next_free: u64,
    previous_free: u64,
}

pub(super) const RECLAIMED: u64 = offset_of!(Root, reclaimed) as u64;
pub(super) const HEADS: u64 = offset_of!(Root, heads) as u64;
pub(super) const LINKS: u64 = offset_of!(Header, links) as u64;
pub(super) const NEXT_FREE: u64 = offset_of!(Header, next_free) as u64;
pub(super) const PREVIOUS_FREE: u64 = offset_of!(Header, previous_free) as u64;

const _: () = {
    assert!(size_of::<Root>() as u64 == ROOT_BYTES);
    assert!(RECLAIMED == 0 && HEADS == 8);
    assert!(offset_of!(Header, word) == 0 && LINKS == 8 && NEXT_FREE == 16 && PREVIOUS_FREE == 24);
    assert!(size_of::<Header>() as u64 == BLOCK_BYTES_MIN);
    assert!(HEADER_BYTES == NEXT_FREE);
    assert!(class_of(BLOCK_BYTES_MIN) == 0);
    assert!(class_of(BLOCK_BYTES_MAX) == CLASS_COUNT - 1);
    assert!(BLOCK_BYTES_MAX < 1 << CHECK_SHIFT);
};

const STATE: u64 = UNIT_BYTES - 1;
const CHECK_SHIFT: u32 = 48;

/// What a block is; see the module's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Free = 1,
    Uncommitted = 2,
    Committed = 3,
    Lent = 4,
}

/// A copy of a header that passed all checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) state: State,
}

impl Block {
    /// The block that a header word at this offset describes, if it can be one; its end is for the caller to bound.
    pub(super) const fn decode(offset: u64, word: u64) -> Option<Self> {
        let bytes = word & ((1 << CHECK_SHIFT) - 1) & !STATE;
        let state = match word & STATE {
            1 => State::Free,
            2 => State::Uncommitted,
            3 => State::Committed,
            4 => State::Lent,
            _ => return None,
        };
        let block = Self { offset, bytes, state };
        let sized = bytes >= BLOCK_BYTES_MIN && bytes <= BLOCK_BYTES_MAX;
        if sized && block.encode() == word { Some(block) } else { None }
    }

    /// The header word of this block.
    pub(super) const fn encode(self) -> u64 {
        let low = self.bytes | self.state as u64;
        // Two odd factors (the golden ratio's, and one of MurmurHash3): a change of any bit of either reaches the topmost 16.
        let mixed = low.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.offset.wrapping_mul(0xff51_afd7_ed55_8ccd);
        low | ((mixed >> CHECK_SHIFT) << CHECK_SHIFT)
    }

    /// First byte behind it.
    pub(super) const fn end(self) -> u64 {
        self.offset + self.bytes
    }

    /// Bytes that its user has.
    pub(super) const fn payload_bytes(self) -> u64 {
        self.bytes - HEADER_BYTES
    }

    pub(super) fn is_free(self) -> bool {
        self.state == State::Free
    }

    /// Whether both, side by side, may become one.
    pub(super) fn merges_with(self, neighbour: Self) -> bool {
        self.is_free() && neighbour.is_free() && self.bytes + neighbour.bytes <= BLOCK_BYTES_MAX
    }

    /// Bytes to split off in front, so that the rest has its payload aligned and `need` bytes; `None` if it is too small.
    pub(super) fn lead(self, need: u64, align: u64) -> Option<u64> {
        let payload = self.offset + HEADER_BYTES;
        let mut lead = payload.next_multiple_of(align) - payload;
        while lead > 0 && lead < BLOCK_BYTES_MIN {
            lead += align;
        }
        (lead + need <= self.bytes).then_some(lead)
    }
}

/// The size class of a block of this many bytes, which are at least [`BLOCK_BYTES_MIN`].
pub(super) const fn class_of(bytes: u64) -> usize {
    (bytes.ilog2() - BLOCK_BYTES_MIN.ilog2()) as usize
}

/// Bytes of the block that a payload of this many needs; `None` if no block is so large.
pub(super) fn block_bytes(payload_bytes: u64) -> Option<u64> {
    let bytes =
        payload_bytes.max(UNIT_BYTES).checked_next_multiple_of(UNIT_BYTES)?.checked_add(HEADER_BYTES)?;
    (bytes <= BLOCK_BYTES_MAX).then_some(bytes)
}
