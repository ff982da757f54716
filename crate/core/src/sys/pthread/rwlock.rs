//! pthread_rwlock_init(3), pthread_rwlock_clockrdlock(3), pthread_rwlock_clockwrlock(3).

use super::{ClockCall, answer, clock_call, deadline};
use crate::sys::SysResult;
use libc::pthread_rwlock_t as RwLock;
use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::time::Duration;

/// Bytes of a `pthread_rwlock_t` of this libc.
pub const SIZE_BYTES: usize = size_of::<RwLock>();
/// Alignment of a `pthread_rwlock_t`.
pub const ALIGN_BYTES: usize = align_of::<RwLock>();

// The libc crate declares them for other systems only.
unsafe extern "C" {
    fn pthread_rwlock_timedrdlock(lock: *mut RwLock, deadline: *const libc::timespec) -> libc::c_int;
    fn pthread_rwlock_timedwrlock(lock: *mut RwLock, deadline: *const libc::timespec) -> libc::c_int;
}

/// `pthread_rwlock_init(3)`, process-shared.
///
/// # Safety
/// `address` must be aligned for, and valid for writes of, one `pthread_rwlock_t`, which nobody uses.
///
/// # Errors
/// EAGAIN EINVAL ENOMEM.
pub(crate) unsafe fn init(address: usize) -> SysResult<()> {
    let mut wanted = MaybeUninit::<libc::pthread_rwlockattr_t>::uninit();
    // SAFETY: room for one.
    answer(unsafe { libc::pthread_rwlockattr_init(wanted.as_mut_ptr()) })?;
    let wanted = wanted.as_mut_ptr();
    // SAFETY: initialised above. It holds nothing that a destroy would free (glibc, musl).
    answer(unsafe { libc::pthread_rwlockattr_setpshared(wanted, libc::PTHREAD_PROCESS_SHARED) })?;
    // SAFETY: the caller's word for `address`; the attributes are live.
    answer(unsafe { libc::pthread_rwlock_init(address as *mut RwLock, wanted) })
}

/// `pthread_rwlock_tryrdlock(3)`.
///
/// # Safety
/// `address` must be an initialised lock that stays mapped for the call.
///
/// # Errors
/// EAGAIN (too many readers) EBUSY.
pub(crate) unsafe fn try_read(address: usize) -> SysResult<()> {
    // SAFETY: the caller's word.
    answer(unsafe { libc::pthread_rwlock_tryrdlock(address as *mut RwLock) })
}

/// `pthread_rwlock_trywrlock(3)`.
///
/// # Safety
/// As [`try_read`].
///
/// # Errors
/// EBUSY.
pub(crate) unsafe fn try_write(address: usize) -> SysResult<()> {
    // SAFETY: the caller's word.
    answer(unsafe { libc::pthread_rwlock_trywrlock(address as *mut RwLock) })
}

/// `pthread_rwlock_clockrdlock(3)` on the monotonic clock, or `pthread_rwlock_timedrdlock(3)`, with a duration from now.
///
/// # Safety
/// As [`try_read`].
///
/// # Errors
/// EAGAIN EDEADLK EINVAL ETIMEDOUT.
pub(crate) unsafe fn read(address: usize, timeout: Duration) -> SysResult<()> {
    static CLOCK_READ: OnceLock<Option<ClockCall<RwLock>>> = OnceLock::new();
    // SAFETY: the libraries that have this name have it with this signature.
    let call = *CLOCK_READ.get_or_init(|| unsafe { clock_call(c"pthread_rwlock_clockrdlock") });
    if let Some(call) = call {
        let limit = deadline(libc::CLOCK_MONOTONIC, timeout)?;
        // SAFETY: the caller's word for `address`; the deadline is live.
        return answer(unsafe { call(address as *mut RwLock, libc::CLOCK_MONOTONIC, &raw const limit) });
    }
    let limit = deadline(libc::CLOCK_REALTIME, timeout)?;
    // SAFETY: as above.
    answer(unsafe { pthread_rwlock_timedrdlock(address as *mut RwLock, &raw const limit) })
}

/// `pthread_rwlock_clockwrlock(3)` on the monotonic clock, or `pthread_rwlock_timedwrlock(3)`, with a duration from now.
///
/// # Safety
/// As [`try_read`].
///
/// # Errors
/// EDEADLK EINVAL ETIMEDOUT.
pub(crate) unsafe fn write(address: usize, timeout: Duration) -> SysResult<()> {
    static CLOCK_WRITE: OnceLock<Option<ClockCall<RwLock>>> = OnceLock::new();
    // SAFETY: the libraries that have this name have it with this signature.
    let call = *CLOCK_WRITE.get_or_init(|| unsafe { clock_call(c"pthread_rwlock_clockwrlock") });
    if let Some(call) = call {
        let limit = deadline(libc::CLOCK_MONOTONIC, timeout)?;
        // SAFETY: the caller's word for `address`; the deadline is live.
        return answer(unsafe { call(address as *mut RwLock, libc::CLOCK_MONOTONIC, &raw const limit) });
    }
    let limit = deadline(libc::CLOCK_REALTIME, timeout)?;
    // SAFETY: as above.
    answer(unsafe { pthread_rwlock_timedwrlock(address as *mut RwLock, &raw const limit) })
}

/// `pthread_rwlock_unlock(3)`.
///
/// # Safety
/// `address` must be a lock that this thread holds.
///
/// # Errors
/// EPERM.
pub(crate) unsafe fn unlock(address: usize) -> SysResult<()> {
    // SAFETY: the caller's word.
    answer(unsafe { libc::pthread_rwlock_unlock(address as *mut RwLock) })
}
