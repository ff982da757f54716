//! The lock-free table of address ranges that are ours, which the fault handler reads.
//!
//! Each entry is a word of state beside a range. A handler may run on any thread at any moment, while another
//! thread releases the range it looks at; were the range handed back to the kernel meanwhile, the handler would
//! put its page over somebody else's memory. So the handler announces itself before it looks, and whoever frees
//! the range waits for announced handlers (Dekker's handshake over two sequentially consistent words, the same
//! that hazard pointers rest on: Michael 2004, "Hazard pointers").
//!
//! | state       | meaning                                             | next                  |
//! |-------------|-----------------------------------------------------|-----------------------|
//! | FREE        | nobody's; only the holder of the free list may take it | CLAIMED            |
//! | CLAIMED     | being filled in                                     | LIVE                  |
//! | LIVE        | a mapping; faults are repaired                      | QUARANTINED, LEAVING  |
//! | QUARANTINED | closed; faults read zeroes                          | LEAVING               |
//! | LEAVING     | no new handler acts; the owner waits for those inside | FREE                |
//!
//! Why no handler acts on a range that is gone: it increments `handlers`, then reads `state`; the owner writes
//! LEAVING, then reads `handlers`. All four are sequentially consistent, so either the handler sees LEAVING and
//! steps back, or the owner sees the handler and waits. Why a handler never mixes two ranges: `start` and `length` are
//! written only in CLAIMED, and an entry leaves LEAVING only with no handler inside.

use crate::error::{Error, Result};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

const FREE: u32 = 0;
const CLAIMED: u32 = 1;
const LIVE: u32 = 2;
const QUARANTINED: u32 = 3;
const LEAVING: u32 = 4;

/// As many as a process may have mappings by default (`vm.max_map_count` is 65,530). The table is zero pages until used.
const CAPACITY: usize = 65_536;

/// One range; a cache line each, since handlers of different ranges do not meet.
#[repr(C, align(64))]
pub(super) struct Entry {
    /// See the table above.
    state: AtomicU32,
    /// How many handlers look at this entry.
    handlers: AtomicU32,
    start: AtomicUsize,
    length_bytes: AtomicUsize,
    page_size_bytes: AtomicUsize,
    pub(super) read_only: AtomicU32,
    pub(super) truncated: AtomicU32,
    pub(super) hole: AtomicU32,
}

impl Entry {
    const fn new() -> Self {
        Self {
            state: AtomicU32::new(FREE),
            handlers: AtomicU32::new(0),
            start: AtomicUsize::new(0),
            length_bytes: AtomicUsize::new(0),
            page_size_bytes: AtomicUsize::new(0),
            read_only: AtomicU32::new(0),
            truncated: AtomicU32::new(0),
            hole: AtomicU32::new(0),
        }
    }
}

static TABLE: [Entry; CAPACITY] = [const { Entry::new() }; CAPACITY];
/// Entries at and above were never used: a handler need not look there.
static USED: AtomicUsize = AtomicUsize::new(0);
/// Entries below [`USED`] that are free again. Never touched by a handler.
static RETURNED: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// A range in the table, owned; dropping it needs [`Slot::leave`] first, so there is no `Drop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(usize);

/// What a handler knows of the range it acts on.
pub(super) struct Hit {
    pub(super) entry: &'static Entry,
    pub(super) start: usize,
    pub(super) length_bytes: usize,
    pub(super) page_size_bytes: usize,
    pub(super) quarantined: bool,
}

/// Registers a range.
///
/// # Errors
/// `ERR_SHM_TOO_MANY_MAPPINGS` when the table is full.
pub(super) fn enter(start: usize, length_bytes: usize, page_size_bytes: usize) -> Result<Slot> {
    let index = take_index()?;
    let entry = &TABLE[index];
    entry.state.store(CLAIMED, Ordering::Relaxed); // Relaxed: the free list's lock gave us the entry alone.
    entry.start.store(start, Ordering::Relaxed); // Relaxed, with those below: published by LIVE.
    entry.length_bytes.store(length_bytes, Ordering::Relaxed);
    entry.page_size_bytes.store(page_size_bytes, Ordering::Relaxed);
    for count in [&entry.read_only, &entry.truncated, &entry.hole] {
        count.store(0, Ordering::Relaxed);
    }
    // SYNC: range visible in `find`.
    entry.state.store(LIVE, Ordering::SeqCst);
    Ok(Slot(index))
}

fn take_index() -> Result<usize> {
    let mut returned = RETURNED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(index) = returned.pop() {
        return Ok(index);
    }
    let index = USED.load(Ordering::Relaxed); // Relaxed: changed only under this lock.
    if index == CAPACITY {
        return Err(Error::own(
            "ERR_SHM_TOO_MANY_MAPPINGS",
            format!("{CAPACITY} guarded mappings exist already"),
        ));
    }
    // SYNC: a handler that sees LIVE must look this far; it reads USED first, so it may miss an entry that is being
    // made, whose address nobody has yet.
    USED.store(index + 1, Ordering::SeqCst);
    Ok(index)
}

impl Slot {
    pub(super) fn entry(self) -> &'static Entry {
        &TABLE[self.0]
    }

    /// From now on faults here read zeroes.
    pub(super) fn quarantine(self) {
        self.entry().state.store(QUARANTINED, Ordering::SeqCst);
    }

    /// Waits until no handler acts on the range, runs `unmap`, and frees the entry.
    pub(super) fn leave(self, unmap: impl FnOnce()) {
        leave_together(std::iter::once(self), unmap);
    }
}

/// As [`Slot::leave`], for ranges that are unmapped together.
pub(super) fn leave_together(slots: impl Iterator<Item = Slot> + Clone, unmap: impl FnOnce()) {
    for slot in slots.clone() {
        // SYNC: handshake with `find`: state first, then handlers.
        slot.entry().state.store(LEAVING, Ordering::SeqCst);
        while slot.entry().handlers.load(Ordering::SeqCst) != 0 {
            // A handler is a few system calls long and never waits for us.
            std::thread::yield_now();
        }
    }
    unmap();
    let mut returned = RETURNED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for slot in slots {
        slot.entry().state.store(FREE, Ordering::SeqCst);
        returned.push(slot.0);
    }
}

/// Finds the range an address lies in, and runs `act` while the range cannot go away.
/// Async-signal-safe as far as `act` is. `None` where the address is not ours.
pub(super) fn find<T>(address: usize, act: impl Fn(&Hit) -> T) -> Option<T> {
    let used = USED.load(Ordering::SeqCst).min(CAPACITY);
    for entry in &TABLE[..used] {
        if !matches!(entry.state.load(Ordering::SeqCst), LIVE | QUARANTINED) || !covers(entry, address) {
            continue;
        }
        // SYNC: handshake with `leave`: handlers first, then state.
        entry.handlers.fetch_add(1, Ordering::SeqCst);
        let state = entry.state.load(Ordering::SeqCst);
        let answer = if matches!(state, LIVE | QUARANTINED) && covers(entry, address) {
            let hit = Hit {
                entry,
                start: entry.start.load(Ordering::Relaxed), // Relaxed, with those below: cannot change while we are inside.
                length_bytes: entry.length_bytes.load(Ordering::Relaxed),
                page_size_bytes: entry.page_size_bytes.load(Ordering::Relaxed),
                quarantined: state == QUARANTINED,
            };
            Some(act(&hit))
        } else {
            None
        };
        entry.handlers.fetch_sub(1, Ordering::SeqCst);
        if answer.is_some() {
            return answer;
        }
    }
    None
}

fn covers(entry: &Entry, address: usize) -> bool {
    // Relaxed: a torn pair is caught by the second look, made while inside.
    let start = entry.start.load(Ordering::Relaxed);
    address.wrapping_sub(start) < entry.length_bytes.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_until_its_range_has_left() {
        let slot = enter(0x7000_0000_0000, 8192, 4096).unwrap();
        assert_eq!(find(0x7000_0000_1fff, |hit| hit.start), Some(0x7000_0000_0000));
        assert_eq!(find(0x7000_0000_2000, |hit| hit.start), None);
        slot.quarantine();
        assert_eq!(find(0x7000_0000_0000, |hit| hit.quarantined), Some(true));
        slot.leave(|| {});
        assert_eq!(find(0x7000_0000_0000, |hit| hit.start), None);
    }

    #[test]
    fn a_range_does_not_leave_while_a_handler_acts_on_it() {
        use std::sync::atomic::AtomicBool;
        static INSIDE: AtomicBool = AtomicBool::new(false);
        static LEFT: AtomicBool = AtomicBool::new(false);
        let slot = enter(0x7100_0000_0000, 4096, 4096).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                find(0x7100_0000_0000, |_| {
                    INSIDE.store(true, Ordering::SeqCst);
                    std::thread::sleep(std::time::Duration::from_millis(30));
                    assert!(!LEFT.load(Ordering::SeqCst), "the range left under the handler");
                });
            });
            while !INSIDE.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            slot.leave(|| LEFT.store(true, Ordering::SeqCst));
        });
        assert!(LEFT.load(Ordering::SeqCst));
    }
}
