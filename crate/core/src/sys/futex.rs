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
    let limit = libc::timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    let operation = libc::FUTEX_WAIT | scope(private);
    // SAFETY: the kernel checks the address; the timeout is live.
    ret_long(unsafe { libc::syscall(libc::SYS_futex, address, operation, expected, &raw const limit) })
        .map(drop)
}

/// Wakes up to `count` sleepers on the word at `address`.
///
/// # Errors
/// EFAULT EINVAL.
pub fn wake(address: usize, count: i32, private: bool) -> SysResult<()> {
    // SAFETY: the kernel checks the address.
    ret_long(unsafe { libc::syscall(libc::SYS_futex, address, libc::FUTEX_WAKE | scope(private), count) })
        .map(drop)
}

const fn scope(private: bool) -> i32 {
    if private { libc::FUTEX_PRIVATE_FLAG } else { 0 }
}
