//! Sleeping on several words where futex_waitv(2) is missing (before Linux 5.16, gVisor) or forbidden (a container's seccomp profile):
//! on the first word with futex(2), for a short time, and then a look at all.
//!
//! A death is then noticed after that time at most, and not at once.

use crate::error::Errno;
use crate::membership::{Sleep, Word};
use crate::sys::{SysResult, futex};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a sleep on one of several words lasts.
pub(super) const SLICE: Duration = Duration::from_millis(5);

static NEEDED: AtomicBool = AtomicBool::new(false);

/// Whether this process does without futex_waitv(2): the kernel refused it, or `SHMEM_FUTEX_WAITV=off` is in the environment.
pub(super) fn is_needed() -> bool {
    static ASKED: OnceLock<bool> = OnceLock::new();
    // Relaxed: a hint; who does not see it yet finds out by itself.
    NEEDED.load(Ordering::Relaxed)
        || *ASKED.get_or_init(|| std::env::var_os("SHMEM_FUTEX_WAITV").is_some_and(|value| value == "off"))
}

/// The kernel refused.
pub(super) fn need() {
    NEEDED.store(true, Ordering::Relaxed); // Relaxed: see `is_needed`.
}

/// As [`futex::wait_any`]. A change of another word than the first is answered after [`SLICE`], as `EAGAIN`.
pub(super) fn wait_any(sleep: &Sleep<Word>, until: Option<Duration>) -> SysResult<()> {
    let mut words = sleep.words();
    let Some((first, expected)) = words.next() else { return Err(Errno::EINVAL) };
    loop {
        if sleep.words().any(|(word, expected)| word.load() != expected) {
            return Err(Errno::EAGAIN);
        }
        let left = until.map_or(SLICE, |until| until.saturating_sub(futex::now()));
        if left.is_zero() {
            return Err(Errno::ETIMEDOUT);
        }
        match futex::wait(first.address(), expected, left.min(SLICE), false) {
            Err(Errno::ETIMEDOUT) => {}
            other => return other,
        }
    }
}
