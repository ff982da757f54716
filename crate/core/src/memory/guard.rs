//! The fault guard: a bad touch of one of our mappings does not kill the process.
//!
//! A write through a read-only view (SIGSEGV), a touch of a hole or of a closed range (SIGSEGV), a touch beyond an
//! object that somebody truncated (SIGBUS): the handler puts a private page under the touched address and returns, and the
//! instruction goes on. A copy of the page where it can be read, zeroes where it cannot. Shared bytes do not change. The
//! mapping is marked; its next use through the API reports it. Any other fault goes to whoever handled it before us.
//!
//! Without a fault the guard costs nothing: no code runs, no access is checked.
//!
//! Limits: the exchanged page stays private until the mapping is closed. Another thread of this process that reads
//! the same page of the same mapping in the same moment may see zeroes. An access that a system call makes for us
//! is `EFAULT` there, as ever. Where a container's profile forbids `process_vm_readv(2)`, which reads the page for the copy, and
//! the process has no two descriptors left for a pipe, the page reads zeroes and counts as a hole.

#![expect(unsafe_code, reason = "exchanges pages of our own ranges")]

use super::ranges::{self, Hit};
use crate::error::{Named, Result};
use crate::sys::checked_copy::copy_checked;
use crate::sys::mman::{self, flags};
use crate::sys::signal::{self, Fault};
use crate::sys::{futex, machine};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// How often a mapping was touched badly since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Writes to readable pages that forbid writing.
    pub read_only: u32,
    /// Touches beyond the end of a shrunk object.
    pub truncated: u32,
    /// Touches of pages that were unmapped or protected against any access.
    pub hole: u32,
}

/// Faults repaired in this process so far, of all mappings, modulo 2^32. A binding may show the word itself to its
/// language: whoever sees it unchanged since the last look has nothing to ask.
pub static REPAIRED: AtomicU32 = AtomicU32::new(0);

/// Who sleeps in [`wait_beyond`]; nobody is woken without a sleeper.
static SLEEPERS: AtomicU32 = AtomicU32::new(0);

/// What [`REPAIRED`] says now.
#[must_use]
pub fn count() -> u32 {
    REPAIRED.load(Ordering::SeqCst)
}

/// Sleeps until [`REPAIRED`] is not `seen` any more, and answers what it is.
#[must_use]
pub fn wait_beyond(seen: u32) -> u32 {
    // SYNC: sleepers first, then the counter; the handler does the reverse. The futex looks at the counter once more.
    SLEEPERS.fetch_add(1, Ordering::SeqCst);
    while count() == seen {
        futex::wait_private(&REPAIRED, seen);
    }
    SLEEPERS.fetch_sub(1, Ordering::SeqCst);
    count()
}

/// Touches of closed ranges that the guard answered with zeroes, modulo 2^32. Nobody holds such a mapping any more, so
/// they are counted for the process.
pub static TOUCHED_AFTER_CLOSE: AtomicU32 = AtomicU32::new(0);

/// A range that somebody else in this process mapped, watched as if it were ours, until it is dropped.
#[derive(Debug)]
pub struct WatchedRange(ranges::Slot);

impl WatchedRange {
    /// Watches the whole pages of a range.
    ///
    /// # Safety
    /// The pages must hold shared memory only, no Rust object, and stay mapped until the answer is dropped: on a fault they are
    /// exchanged.
    ///
    /// # Errors
    /// Those of sigaction(2); `ERR_SHM_TOO_MANY_MAPPINGS`.
    pub unsafe fn new(address: usize, length_bytes: usize) -> Result<Self> {
        install()?;
        let page = machine::page_size_bytes();
        let start = address & !(page - 1);
        let end = (address + length_bytes).next_multiple_of(page);
        ranges::enter(start, end - start, page).map(Self)
    }

    /// Whether a page of it was exchanged.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        let entry = self.0.entry();
        let counts = [&entry.read_only, &entry.truncated, &entry.hole];
        counts.iter().any(|count| count.load(Ordering::Relaxed) != 0) // Relaxed: counters.
    }
}

impl Drop for WatchedRange {
    fn drop(&mut self) {
        self.0.leave(|| {});
    }
}

/// Installs the handler, once a process.
///
/// # Errors
/// Those of sigaction(2).
pub(super) fn install() -> Result<()> {
    static INSTALLED: OnceLock<Result<()>> = OnceLock::new();
    INSTALLED.get_or_init(|| signal::install(decide).called("sigaction")).clone()
}

/// Runs in signal context.
fn decide(fault: Fault) -> bool {
    fault.is_plain() && ranges::find(fault.address, |hit| repair(fault, hit)).unwrap_or(false)
}

fn repair(fault: Fault, hit: &Hit) -> bool {
    let page = fault.address & !(hit.page_size_bytes - 1);
    let Some(readable) = exchange(page, hit.page_size_bytes).or_else(|| exchange_all(hit)) else {
        return false;
    };
    let count = if hit.quarantined {
        &TOUCHED_AFTER_CLOSE
    } else if fault.signal == signal::SIGBUS {
        &hit.entry.truncated
    } else if readable {
        &hit.entry.read_only
    } else {
        &hit.entry.hole
    };
    // Relaxed: whoever learns of it by REPAIRED sees it.
    count.fetch_add(1, Ordering::Relaxed);
    // SYNC: counter first, then sleepers; see `wait_beyond`.
    REPAIRED.fetch_add(1, Ordering::SeqCst);
    if SLEEPERS.load(Ordering::SeqCst) != 0 {
        let _ = futex::wake_all_private(&REPAIRED);
    }
    true
}

/// Puts a private page in place of the one at `page`: a copy (`Some(true)`) or zeroes (`Some(false)`).
/// `None` where the kernel has no mapping left to give.
fn exchange(page: usize, length_bytes: usize) -> Option<bool> {
    let scratch = map_private(0, length_bytes, 0).ok();
    let readable = scratch.is_some_and(|scratch| {
        // SAFETY: `scratch` is a fresh writable mapping of that length.
        unsafe { copy_checked(page, scratch, length_bytes) }.is_ok_and(|copied| copied == length_bytes)
    });
    // In place, not moved there: only so do neighbouring exchanged pages merge into one mapping, and a loop over a large
    // read-only view would otherwise use up vm.max_map_count.
    let exchanged = map_private(page, length_bytes, flags::MAP_FIXED).is_ok();
    if let Some(scratch) = scratch {
        if exchanged && readable {
            // By the kernel again: another thread may be closing the mapping, and then the page is gone. A plain copy would
            // fault inside the handler, which nothing can repair.
            // SAFETY: the kernel checks `page`; `scratch` is a private page of that length.
            let _ = unsafe { copy_checked(scratch, page, length_bytes) };
        }
        // SAFETY: `scratch` is ours alone, and forgotten after this.
        let _ = unsafe { mman::munmap(scratch, length_bytes) };
    }
    exchanged.then_some(readable)
}

/// The last resort, when the process has as many mappings as it may: one private mapping of zeroes over the whole range
/// needs none.
fn exchange_all(hit: &Hit) -> Option<bool> {
    map_private(hit.start, hit.length_bytes, flags::MAP_FIXED).ok().map(|_| false)
}

fn map_private(address: usize, length_bytes: usize, extra: i32) -> crate::sys::SysResult<usize> {
    let map = |sharing| {
        let how = sharing | flags::MAP_ANONYMOUS | flags::MAP_NORESERVE | extra;
        // SAFETY: MAP_FIXED is used only with pages of the range a `Hit` describes, which is ours and cannot leave while
        // the handler is inside; no Rust object lives there.
        unsafe { mman::mmap(address, length_bytes, flags::PROT_READ | flags::PROT_WRITE, how, None, 0) }
    };
    // RLIMIT_DATA counts private writable mappings; a shared one that nobody shares does the same and is not counted.
    map(flags::MAP_PRIVATE).or_else(|_| map(flags::MAP_SHARED))
}
