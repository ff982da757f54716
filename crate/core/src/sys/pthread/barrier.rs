//! pthread_barrier_init(3), pthread_barrier_wait(3).

use super::answer;
use crate::sys::SysResult;
use libc::pthread_barrier_t as Barrier;
use std::mem::MaybeUninit;

/// Bytes of a `pthread_barrier_t` of this libc.
pub const SIZE_BYTES: usize = size_of::<Barrier>();
/// Alignment of a `pthread_barrier_t`.
pub const ALIGN_BYTES: usize = align_of::<Barrier>();
/// The largest count that both C libraries take.
pub const MAX_COUNT: u32 = i32::MAX.cast_unsigned();

/// `pthread_barrier_init(3)`, process-shared.
///
/// # Safety
/// `address` must be aligned for, and valid for writes of, one `pthread_barrier_t`, which nobody uses.
///
/// # Errors
/// EAGAIN EINVAL (count 0, or too large) ENOMEM.
pub(crate) unsafe fn init(address: usize, count: u32) -> SysResult<()> {
    let mut wanted = MaybeUninit::<libc::pthread_barrierattr_t>::uninit();
    // SAFETY: room for one.
    answer(unsafe { libc::pthread_barrierattr_init(wanted.as_mut_ptr()) })?;
    let wanted = wanted.as_mut_ptr();
    // SAFETY: initialised above. It holds nothing that a destroy would free (glibc, musl).
    answer(unsafe { libc::pthread_barrierattr_setpshared(wanted, libc::PTHREAD_PROCESS_SHARED) })?;
    // SAFETY: the caller's word for `address`; the attributes are live.
    answer(unsafe { libc::pthread_barrier_init(address as *mut Barrier, wanted, count) })
}

/// `pthread_barrier_wait(3)`: answers whether this thread is the serial one. Without a timeout; on glibc we wait at the barrier's own words, with one.
///
/// # Safety
/// `address` must be an initialised barrier that stays mapped for the call.
///
/// # Errors
/// EINVAL.
#[cfg(not(target_env = "gnu"))]
pub(crate) unsafe fn wait(address: usize) -> SysResult<bool> {
    // SAFETY: the caller's word.
    match unsafe { libc::pthread_barrier_wait(address as *mut Barrier) } {
        libc::PTHREAD_BARRIER_SERIAL_THREAD => Ok(true),
        code => answer(code).map(|()| false),
    }
}
