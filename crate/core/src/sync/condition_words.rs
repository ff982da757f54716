//! The words of a condition variable that must be looked at before a call. glibc waits without a limit of time for whoever died inside:
//! for its inner lock, and, before 2.41, for the waiters of an older group when it notifies a newer one.
//!
//! ```text
//! glibc      to 2.40   from 2.41          musl
//! wseq       0         0        bit 0: which group is the older one     0   -1: shared
//! g1_start   8         8                                                16  clock
//! g_refs     16, 20    none     waiters of a group, twice, and a flag
//! g_size     24, 28    16, 20   those not notified yet
//! orig_size  32        24       low two bits: the inner lock
//! wrefs      36        28       bit 0: shared, bit 1: clock, then waiters
//! ```

#![expect(unsafe_code, reason = "a word is an address")]

use super::pthread_place::corrupt;
use super::pthread_words::read;
use crate::error::{Error, Result};
use crate::sys::pthread::condition::{self, Clock, SIZE_BYTES};
use std::sync::OnceLock;
use std::time::Duration;

const NOUN: &str = "condition variable";
/// How often to look, a millisecond apart, before a lock that nobody releases counts as that of a dead one.
const LOOKS: u32 = 100;

/// Where glibc keeps its words.
#[derive(Clone, Copy)]
struct Layout {
    group_references: Option<usize>,
    group_sizes: usize,
    original_size: usize,
    references: usize,
}

const BEFORE_2_41: Layout =
    Layout { group_references: Some(16), group_sizes: 24, original_size: 32, references: 36 };
const SINCE_2_41: Layout =
    Layout { group_references: None, group_sizes: 16, original_size: 24, references: 28 };

/// The layout of the library we run with, by what it makes of a shared one with the monotonic clock; none where it is another library.
fn layout() -> Option<Layout> {
    #[repr(C, align(8))]
    struct Room([u8; SIZE_BYTES]);
    static LAYOUT: OnceLock<Option<Layout>> = OnceLock::new();
    *LAYOUT.get_or_init(|| {
        let mut room = Room([0; SIZE_BYTES]);
        let address = room.0.as_mut_ptr() as usize;
        // SAFETY: room for one, aligned, ours alone.
        unsafe { condition::init(address, Clock::Monotonic) }.ok()?;
        [BEFORE_2_41, SINCE_2_41].into_iter().find(|layout| {
            // SAFETY: inside of it.
            cfg!(target_env = "gnu") && unsafe { read(address, layout.references) } == 3
        })
    })
}

/// Its clock, if it is one.
///
/// # Safety
/// A `pthread_cond_t` must have room at `address`, mapped and writable. So for all here.
pub(super) unsafe fn clock(address: usize) -> Result<Clock> {
    let (shared, monotonic) = if let Some(layout) = layout() {
        // SAFETY: the caller's word.
        let flags = unsafe { read(address, layout.references) };
        (flags & 1 == 1, flags & 2 == 2)
    } else {
        // SAFETY: the caller's word.
        let shared = unsafe { read(address, 0) } == u32::MAX;
        // SAFETY: the caller's word: 16 is inside of it.
        (shared, unsafe { read(address, 16) } == 1)
    };
    match (shared, monotonic) {
        (false, _) => Err(corrupt(NOUN, "it is private, or never initialised")),
        (true, false) => Ok(Clock::Realtime),
        (true, true) => Ok(Clock::Monotonic),
    }
}

/// Whether anybody waits, or died waiting. `false` where the library does not say.
///
/// # Safety
/// As [`clock`].
pub(super) unsafe fn has_waiters(address: usize) -> bool {
    // SAFETY: the caller's word.
    layout().is_some_and(|layout| unsafe { read(address, layout.references) } >> 3 != 0)
}

/// An error where a wait would stand before the inner lock for ever.
///
/// # Safety
/// As [`clock`].
pub(super) unsafe fn may_wait(address: usize) -> Result<()> {
    // SAFETY: the caller's word.
    look_often(|layout| unsafe { is_unlocked(address, layout) })
}

/// An error where a notification would stand before the inner lock, or wait for a dead waiter, for ever.
///
/// # Safety
/// As [`clock`].
pub(super) unsafe fn may_notify(address: usize) -> Result<()> {
    look_often(|layout| {
        // SAFETY: the caller's word.
        let unlocked = unsafe { is_unlocked(address, layout) };
        // SAFETY: the caller's word.
        unlocked && !unsafe { must_wait_for_old_group(address, layout) }
    })
}

fn look_often(is_well: impl Fn(Layout) -> bool) -> Result<()> {
    let Some(layout) = layout() else { return Ok(()) };
    for _ in 0..LOOKS {
        if is_well(layout) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(dead_inside())
}

fn dead_inside() -> Error {
    corrupt(
        NOUN,
        "a process seems to have died in a wait or a notification, and the next would wait for it for ever",
    )
}

/// # Safety
/// As [`clock`].
unsafe fn is_unlocked(address: usize, layout: Layout) -> bool {
    // SAFETY: the caller's word.
    unsafe { read(address, layout.original_size) & 3 == 0 }
}

/// Whether all of the older group are notified and some have not left it, while others wait in the newer one: then a notification waits
/// until they have (nptl/pthread_cond_common.c, quiesce and switch).
///
/// # Safety
/// As [`clock`].
unsafe fn must_wait_for_old_group(address: usize, layout: Layout) -> bool {
    let Some(references) = layout.group_references else { return false };
    // SAFETY: the caller's word, here and below: all are inside of it.
    let at = |offset| unsafe { read(address, offset) };
    let sequence = u64::from(at(0)) | u64::from(at(4)) << 32;
    let older_start = u64::from(at(8)) | u64::from(at(12)) << 32;
    let older = if sequence & 1 == 0 { 4 } else { 0 };
    let waiters = (sequence >> 1).wrapping_sub(older_start >> 1);
    let newer_size = at(layout.group_sizes + 4 - older);
    let newer = u32::try_from(waiters & u64::from(u32::MAX)).unwrap_or(0);
    let newer = newer.wrapping_sub(at(layout.original_size) >> 2).wrapping_add(newer_size);
    newer != 0 && at(layout.group_sizes + older) == 0 && at(references + older) >> 1 != 0
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn the_layout_of_this_library_is_known() {
        assert!(layout().is_some());
    }
}
