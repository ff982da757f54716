//! Closed ranges stay ours for a while.
//!
//! After a close, JavaScript has no view any more, but a thread of the runtime's own may still hold a pointer: a
//! compression, a hash, a write to a stalled socket. So the range is not given back to the kernel at once. It is replaced
//! by an inaccessible one, which releases the memory, the object and its attachment immediately, and the guard answers with
//! zeroes there. The oldest go when there are more than [`RANGES_MAX`] or they cover more than [`BYTES_MAX`].

#![expect(unsafe_code, reason = "replaces and unmaps our own ranges")]

use super::ranges::{self, Slot};
use crate::sys::mman::{self, flags};
use std::collections::VecDeque;
use std::sync::Mutex;

/// At most this many closed ranges are kept, and given back when the process runs out of mappings or addresses. Neighbours
/// merge; at worst each costs one of the 65,530 mappings that `vm.max_map_count` allows by default.
pub(super) const RANGES_MAX: usize = 8192;
/// So many are given back at once when there are more: neighbours cost one system call together.
const BATCH: usize = 512;
/// At most this many bytes of address space are kept (16 TiB of 128); the newest range is kept however large.
const BYTES_MAX: usize = 16 << 40;

struct Retired {
    start: usize,
    length_bytes: usize,
    slot: Slot,
}

struct Quarantine {
    ranges: VecDeque<Retired>,
    bytes: usize,
}

static QUARANTINE: Mutex<Quarantine> = Mutex::new(Quarantine { ranges: VecDeque::new(), bytes: 0 });

/// Takes a range out of use: its memory is released at once, its addresses later.
///
/// # Safety
/// The range must be ours, whole mappings of it, and nobody may use it again but by mistake.
pub(super) unsafe fn retire(start: usize, length_bytes: usize, slot: Slot) {
    slot.quarantine();
    // SAFETY: the caller's word.
    if unsafe { blank(start, length_bytes) }.is_err() {
        // No mapping left to give: then the addresses go at once.
        return slot.leave(|| unmap(start, length_bytes));
    }
    let mut quarantine = QUARANTINE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    quarantine.ranges.push_back(Retired { start, length_bytes, slot });
    quarantine.bytes = quarantine.bytes.saturating_add(length_bytes);
    if quarantine.ranges.len() > RANGES_MAX {
        quarantine.give_back_oldest(BATCH);
    }
    while quarantine.bytes > BYTES_MAX && quarantine.ranges.len() > 1 {
        quarantine.give_back_oldest(1);
    }
}

impl Quarantine {
    /// Gives back the `count` oldest, neighbours in one munmap(2).
    fn give_back_oldest(&mut self, count: usize) {
        let mut oldest: Vec<Retired> = self.ranges.drain(..count.min(self.ranges.len())).collect();
        oldest.sort_unstable_by_key(|retired| retired.start);
        self.bytes =
            oldest.iter().fold(self.bytes, |bytes, retired| bytes.saturating_sub(retired.length_bytes));
        for neighbours in oldest.chunk_by(|left, right| left.start + left.length_bytes == right.start) {
            give_back(neighbours);
        }
    }
}

/// Gives back every closed range that meets `[start, start + length_bytes)`: whoever asks for these very addresses
/// gets them.
pub(super) fn make_room(start: usize, length_bytes: usize) {
    let end = start.saturating_add(length_bytes);
    let mut quarantine = QUARANTINE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let kept = std::mem::take(&mut quarantine.ranges);
    for retired in kept {
        if retired.start < end && start < retired.start + retired.length_bytes {
            quarantine.bytes = quarantine.bytes.saturating_sub(retired.length_bytes);
            give_back(std::slice::from_ref(&retired));
        } else {
            quarantine.ranges.push_back(retired);
        }
    }
}

/// Gives back every closed range. Answers whether there was one.
pub(super) fn give_all_back() -> bool {
    let mut quarantine = QUARANTINE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let count = quarantine.ranges.len();
    quarantine.give_back_oldest(count);
    count > 0
}

/// Makes a range inaccessible in one step: what was mapped there is unmapped, its addresses stay ours.
///
/// # Safety
/// The range must be ours.
pub(super) unsafe fn blank(start: usize, length_bytes: usize) -> crate::sys::SysResult<()> {
    let how = flags::MAP_PRIVATE | flags::MAP_ANONYMOUS | flags::MAP_NORESERVE | flags::MAP_FIXED;
    // SAFETY: the caller's word.
    unsafe { mman::mmap(start, length_bytes, flags::PROT_NONE, how, None, 0) }.map(drop)
}

/// Gives back ranges that follow one another without a gap.
fn give_back(neighbours: &[Retired]) {
    let Some((first, last)) = neighbours.first().zip(neighbours.last()) else { return };
    let (start, end) = (first.start, last.start + last.length_bytes);
    // Every entry must have left before the first byte is unmapped, and none may be free before the last is.
    ranges::leave_together(neighbours.iter().map(|retired| retired.slot), || unmap(start, end - start));
}

/// Runs inside [`Slot::leave`] only.
fn unmap(start: usize, length_bytes: usize) {
    // SAFETY: the range is ours since it was mapped, retired, and no handler is inside.
    let _ = unsafe { mman::munmap(start, length_bytes) };
}
