//! Sleeping on a word of this process: futex(2). Words that other processes see come with the locks.

#![expect(unsafe_code, reason = "this floor calls C")]

use super::SysResult;
use super::conv::ret_long;
use std::sync::atomic::AtomicU32;

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
