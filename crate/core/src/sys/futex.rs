//! Sleeping on a word: futex(2). By reference for words of this process, by address for words of shared memory.

#![expect(unsafe_code, reason = "this floor calls C")]

use super::SysResult;
use super::conv::ret_long;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Sleeps while the word is `expected`. Returns at once when it is not, and may return for no reason.
pub fn wait_private(word: &'static AtomicU32, expected: u32) {
    // SAFETY: the word is live; a null timeout means without limit. What it returned for does not matter: callers look again.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            std::ptr::null::<libc::timespec>(),
        )
    };
}

/// Wakes everybody who sleeps on the word. Async-signal-safe.
///
/// # Errors
/// None that a live word can give.
pub fn wake_all_private(word: &'static AtomicU32) -> SysResult<()> {
    // SAFETY: the word is live.
    let woken = unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, i32::MAX)
    };
    ret_long(woken).map(drop)
}

/// Sleeps while the word at `address` is `expected`, for `timeout` at most; `private` where only this process uses it.
///
/// # Errors
/// EAGAIN (another value) EFAULT (not mapped, or beyond the object's end) EINTR EINVAL ETIMEDOUT.
pub fn wait(address: usize, expected: u32, timeout: Duration, private: bool) -> SysResult<()> {
    let limit = timespec(timeout);
    let operation = libc::FUTEX_WAIT | scope(private);
    // SAFETY: the kernel checks the address; the timeout is live.
    ret_long(unsafe { libc::syscall(libc::SYS_futex, address, operation, expected, &raw const limit) })
        .map(drop)
}

/// Wakes up to `count` sleepers on the word at `address`. Answers how many.
///
/// # Errors
/// EFAULT EINVAL.
pub fn wake(address: usize, count: i32, private: bool) -> SysResult<u32> {
    // SAFETY: the kernel checks the address.
    ret_long(unsafe { libc::syscall(libc::SYS_futex, address, libc::FUTEX_WAKE | scope(private), count) })
        .map(|woken| u32::try_from(woken).unwrap_or(u32::MAX))
}

/// As many words as one futex_waitv(2) takes.
pub const WORDS_MAX: usize = 128;

/// One word of [`wait_any`]: `struct futex_waitv` of linux/futex.h.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Watched {
    expected: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

impl Watched {
    /// A word of memory that processes share.
    #[must_use]
    pub fn new(address: usize, expected: u32) -> Self {
        // FUTEX2_SIZE_U32, and not FUTEX2_PRIVATE.
        Self { expected: expected.into(), address: address as u64, flags: 2, reserved: 0 }
    }
}

/// Sleeps until one of the words is woken, and not at all unless each has its expected value (futex_waitv(2), Linux 5.16).
/// Answers the index of the last word that was woken; those before it may have been woken too. `until` is a time of CLOCK_MONOTONIC.
///
/// # Errors
/// EAGAIN (another value) EFAULT EINTR EINVAL ENOSYS EPERM (a container forbids it) ETIMEDOUT.
pub fn wait_any(words: &[Watched], until: Option<Duration>) -> SysResult<usize> {
    let until = until.map(timespec);
    let limit = until.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the array and the limit are live; the kernel checks the addresses in it.
    ret_long(unsafe {
        libc::syscall(SYS_FUTEX_WAITV, words.as_ptr(), words.len(), 0, limit, libc::CLOCK_MONOTONIC)
    })
    .map(|index| usize::try_from(index).unwrap_or(0))
}

/// The same number on every architecture (it came after they were made one).
const SYS_FUTEX_WAITV: libc::c_long = 449;

/// What CLOCK_MONOTONIC says.
#[must_use]
pub fn now() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is live; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    Duration::new(now.tv_sec.cast_unsigned(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}

const fn scope(private: bool) -> i32 {
    if private { libc::FUTEX_PRIVATE_FLAG } else { 0 }
}
