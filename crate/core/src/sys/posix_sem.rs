//! POSIX semaphores: sem_open(3), sem_init(3), sem_timedwait(3), sem_post(3).
//!
//! A semaphore is an address here: of libc's own mapping for a named one, of a segment's bytes for an unnamed one.

#![expect(unsafe_code, reason = "this floor calls C")]

use super::SysResult;
use super::conv::{c_string, last, ret_unit};
use crate::error::Errno;
use std::time::Duration;

/// `SEM_VALUE_MAX` of limits.h.
pub const MAX_VALUE: u32 = i32::MAX.cast_unsigned();
/// Bytes of a `sem_t` of this libc.
pub const SIZE_BYTES: usize = size_of::<libc::sem_t>();
/// Alignment of a `sem_t`.
pub const ALIGN_BYTES: usize = align_of::<libc::sem_t>();

/// The file in which sem_open(3) of this libc keeps the semaphore of that name: glibc puts `sem.` before it, musl nothing.
#[must_use]
pub fn path(name: &str) -> String {
    let prefix = if cfg!(target_env = "musl") { "" } else { "sem." };
    format!("{}/{prefix}{}", super::shm::DIRECTORY, name.trim_start_matches('/'))
}

/// `sem_open(3)`. Answers the address of the semaphore; the same name gives the same address in one process.
///
/// # Errors
/// EACCES EEXIST EINVAL EMFILE ENAMETOOLONG ENFILE ENOENT ENOMEM.
pub fn sem_open(name: &str, flags: i32, mode: u32, value: u32) -> SysResult<usize> {
    let name = c_string(name)?;
    // SAFETY: `name` is NUL-terminated and outlives the call; mode and value are there as O_CREAT asks.
    let address = unsafe { libc::sem_open(name.as_ptr(), flags, mode, value) };
    if address == libc::SEM_FAILED { Err(last()) } else { Ok(address as usize) }
}

/// `sem_close(3)`.
///
/// # Safety
/// `address` must come from [`sem_open`], once for each time it was answered.
///
/// # Errors
/// EINVAL.
pub unsafe fn sem_close(address: usize) -> SysResult<()> {
    // SAFETY: the caller's word.
    ret_unit(unsafe { libc::sem_close(address as *mut libc::sem_t) })
}

/// `sem_unlink(3)`.
///
/// # Errors
/// EACCES EINVAL ENAMETOOLONG ENOENT.
pub fn sem_unlink(name: &str) -> SysResult<()> {
    let name = c_string(name)?;
    // SAFETY: `name` is NUL-terminated and outlives the call.
    ret_unit(unsafe { libc::sem_unlink(name.as_ptr()) })
}

/// `sem_init(3)`, process-shared.
///
/// # Safety
/// `address` must be aligned for, and valid for writes of, one `sem_t`, and stay mapped while it is used.
///
/// # Errors
/// EINVAL (value over SEM_VALUE_MAX).
pub unsafe fn sem_init(address: usize, value: u32) -> SysResult<()> {
    // SAFETY: the caller's word.
    ret_unit(unsafe { libc::sem_init(address as *mut libc::sem_t, 1, value) })
}

/// `sem_trywait(3)`.
///
/// # Safety
/// `address` must be a semaphore that stays mapped for the call.
///
/// # Errors
/// EAGAIN EINTR EINVAL.
pub unsafe fn sem_trywait(address: usize) -> SysResult<()> {
    // SAFETY: the caller's word.
    ret_unit(unsafe { libc::sem_trywait(address as *mut libc::sem_t) })
}

/// `sem_timedwait(3)`, with a duration from now.
///
/// # Safety
/// As [`sem_trywait`].
///
/// # Errors
/// EINTR EINVAL ETIMEDOUT.
pub unsafe fn sem_timedwait(address: usize, timeout: Duration) -> SysResult<()> {
    let mut deadline = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime writes the live timespec.
    ret_unit(unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut deadline) })?;
    let nanoseconds = deadline.tv_nsec + i64::from(timeout.subsec_nanos());
    deadline.tv_sec = deadline
        .tv_sec
        .checked_add_unsigned(timeout.as_secs())
        .and_then(|seconds| seconds.checked_add(nanoseconds / 1_000_000_000))
        .ok_or(Errno::EINVAL)?;
    deadline.tv_nsec = nanoseconds % 1_000_000_000;
    // SAFETY: the caller's word for `address`; the deadline is live.
    ret_unit(unsafe { libc::sem_timedwait(address as *mut libc::sem_t, &raw const deadline) })
}

/// `sem_post(3)`.
///
/// # Safety
/// As [`sem_trywait`].
///
/// # Errors
/// EINVAL EOVERFLOW.
pub unsafe fn sem_post(address: usize) -> SysResult<()> {
    // SAFETY: the caller's word.
    ret_unit(unsafe { libc::sem_post(address as *mut libc::sem_t) })
}

/// `sem_getvalue(3)`; may be stale the moment it returns.
///
/// # Safety
/// As [`sem_trywait`].
///
/// # Errors
/// EINVAL.
pub unsafe fn sem_getvalue(address: usize) -> SysResult<i32> {
    let mut value = 0;
    // SAFETY: the caller's word for `address`; `value` is live.
    ret_unit(unsafe { libc::sem_getvalue(address as *mut libc::sem_t, &raw mut value) })?;
    Ok(value)
}
