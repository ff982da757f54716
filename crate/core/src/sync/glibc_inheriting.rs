//! Waiting for a priority-inheriting mutex of glibc (nptl/pthread_mutex_timedlock.c), on our own futex(2) call.
//!
//! Why not `pthread_mutex_clocklock` itself: it asserts, and so ends the process, where the kernel answers `EDEADLK` (a circle of waits through
//! two error-checking mutexes), `ESRCH` (a robust mutex whose owner is in another PID namespace) or hands over a non-robust one whose
//! owner died. Here the first two are errors, and the third is an outcome. Before glibc 2.35 it also refuses the monotonic clock.
//!
//! ```text
//! 0 __lock   owner, FUTEX_WAITERS, FUTEX_OWNER_DIED    12 __nusers   threads that hold it: 0 or 1
//! 4 __count  1, or more where it is recursive           24 __prev     ┐ links of the owner's list, where it is robust
//! 8 __owner  owner, INCONSISTENT or NOT_RECOVERABLE     32 __next     ┘
//! ```

#![expect(unsafe_code, reason = "a mutex is an address")]

use super::outcome::MutexOutcome;
use super::pthread_words::{NOT_RECOVERABLE, OWNER_DIED, word};
use crate::error::{Errno, Error, Named, Result};
use crate::sys::pthread::robust::{List, lock_inheriting, unlock_inheriting};
use crate::sys::pthread::thread_id;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const COUNT_AT: usize = 4;
const OWNER_AT: usize = 8;
const USERS_AT: usize = 12;
const NEXT_AT: usize = 32;
const INCONSISTENT: u32 = 0x7fff_ffff;

/// Takes it, waiting for `limit` at most.
///
/// # Safety
/// `address` must be a priority-inheriting, process-shared mutex of glibc that this thread does not hold, mapped as long as it
/// will; `robust` what its kind says.
pub(super) unsafe fn wait(address: usize, robust: bool, limit: Duration) -> Result<MutexOutcome> {
    let list = robust.then(List::of_this_thread).transpose().called("get_robust_list")?;
    if let Some(list) = &list {
        list.begin(address + NEXT_AT);
    }
    let answer = match ask_kernel(address, limit) {
        // SAFETY: the caller's word; the kernel just made this thread its owner.
        Ok(()) => unsafe { owned(address, list.as_ref()) },
        Err(Errno::ETIMEDOUT) => Ok(MutexOutcome::NotNow),
        Err(errno) => Err(Error::system("futex", errno).detail(explained(errno))),
    };
    if let Some(list) = &list {
        list.end();
    }
    answer
}

fn ask_kernel(address: usize, limit: Duration) -> crate::sys::SysResult<()> {
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lock_inheriting(address, left) {
            Err(Errno::EAGAIN | Errno::EINTR) if !left.is_zero() => {}
            Err(Errno::EAGAIN | Errno::EINTR) => return Err(Errno::ETIMEDOUT),
            other => return other,
        }
    }
}

/// glibc's bookkeeping for a lock that the kernel gave.
///
/// # Safety
/// As [`wait`], and this thread owns the lock word.
unsafe fn owned(address: usize, list: Option<&List>) -> Result<MutexOutcome> {
    // SAFETY: the caller's word: all words are inside of the mutex. This thread alone may change them.
    let at = |offset| -> &AtomicU32 { unsafe { word(address, offset) } };
    let died = at(0).fetch_and(!OWNER_DIED, Ordering::SeqCst) & OWNER_DIED != 0;
    let enter = |list: &List| {
        // SAFETY: this thread just locked it, and it stays mapped until it is unlocked (the caller's word).
        unsafe { list.push(address + NEXT_AT) }
    };
    match list {
        Some(list) if died => {
            at(COUNT_AT).store(1, Ordering::Relaxed); // Relaxed here and below: ordered by the lock.
            at(OWNER_AT).store(INCONSISTENT, Ordering::Relaxed); // Relaxed: as above.
            enter(list);
        }
        Some(_) if at(OWNER_AT).load(Ordering::Relaxed) == NOT_RECOVERABLE => {
            at(COUNT_AT).store(0, Ordering::Relaxed); // Relaxed: as above.
            let _ = unlock_inheriting(address);
            return Err(Error::system("pthread_mutex_lock", Errno::ENOTRECOVERABLE));
        }
        _ => {
            at(COUNT_AT).store(1, Ordering::Relaxed); // Relaxed: as above.
            list.into_iter().for_each(enter);
            at(OWNER_AT).store(thread_id().cast_unsigned(), Ordering::Relaxed); // Relaxed: as above.
            at(USERS_AT).fetch_add(1, Ordering::Relaxed); // Relaxed: as above.
        }
    }
    Ok(if died { MutexOutcome::OwnerDied } else { MutexOutcome::Locked })
}

fn explained(errno: Errno) -> &'static str {
    match errno {
        Errno::EDEADLK => "its owner waits, directly or through others, for a mutex that this thread holds",
        Errno::ESRCH => {
            "the owner in its word is no thread of this PID namespace: it died without a trace, or lives in another one"
        }
        _ => "the kernel does not take its word for that of a priority-inheriting mutex",
    }
}
