//! pthread_cond_init(3), pthread_cond_clockwait(3), pthread_cond_signal(3).

use super::{answer, deadline};
use crate::sys::{SysResult, machine};
use libc::{pthread_cond_t as Condition, pthread_mutex_t as Mutex};
use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::time::Duration;

/// Bytes of a `pthread_cond_t` of this libc.
pub const SIZE_BYTES: usize = size_of::<Condition>();
/// Alignment of a `pthread_cond_t`.
pub const ALIGN_BYTES: usize = align_of::<Condition>();

type ClockWait =
    unsafe extern "C" fn(*mut Condition, *mut Mutex, libc::clockid_t, *const libc::timespec) -> libc::c_int;

/// The clock that `pthread_cond_timedwait(3)` goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// `CLOCK_REALTIME`, the default of C.
    Realtime,
    /// `CLOCK_MONOTONIC`.
    Monotonic,
}

impl Clock {
    const fn id(self) -> libc::clockid_t {
        match self {
            Self::Realtime => libc::CLOCK_REALTIME,
            Self::Monotonic => libc::CLOCK_MONOTONIC,
        }
    }
}

/// `pthread_cond_init(3)`, process-shared.
///
/// # Safety
/// `address` must be aligned for, and valid for writes of, one `pthread_cond_t`, which nobody uses.
///
/// # Errors
/// EAGAIN EINVAL ENOMEM.
pub(crate) unsafe fn init(address: usize, clock: Clock) -> SysResult<()> {
    let mut wanted = MaybeUninit::<libc::pthread_condattr_t>::uninit();
    // SAFETY: room for one.
    answer(unsafe { libc::pthread_condattr_init(wanted.as_mut_ptr()) })?;
    let wanted = wanted.as_mut_ptr();
    // SAFETY: initialised above. It holds nothing that a destroy would free (glibc, musl).
    answer(unsafe { libc::pthread_condattr_setpshared(wanted, libc::PTHREAD_PROCESS_SHARED) })?;
    // SAFETY: as above.
    answer(unsafe { libc::pthread_condattr_setclock(wanted, clock.id()) })?;
    // SAFETY: the caller's word for `address`; the attributes are live.
    answer(unsafe { libc::pthread_cond_init(address as *mut Condition, wanted) })
}

/// `pthread_cond_clockwait(3)` on the monotonic clock, or `pthread_cond_timedwait(3)` on `clock`, which is then the condition's own;
/// with a duration from now. Takes the mutex again however long that lasts.
///
/// # Safety
/// `address` must be an initialised condition variable, `mutex` a mutex that this thread holds once; both stay mapped.
///
/// # Errors
/// EINVAL ENOTRECOVERABLE EOWNERDEAD EPERM ETIMEDOUT. But for ENOTRECOVERABLE and EPERM the mutex is held again.
pub(crate) unsafe fn wait(address: usize, mutex: usize, clock: Clock, timeout: Duration) -> SysResult<()> {
    static CLOCK_WAIT: OnceLock<Option<ClockWait>> = OnceLock::new();
    let call = *CLOCK_WAIT.get_or_init(|| {
        let symbol = machine::symbol(c"pthread_cond_clockwait")?;
        // SAFETY: the libraries that have this name have it with this signature.
        Some(unsafe { std::mem::transmute::<*mut std::ffi::c_void, ClockWait>(symbol.as_ptr()) })
    });
    let (condition, mutex) = (address as *mut Condition, mutex as *mut Mutex);
    if let Some(call) = call {
        let limit = deadline(libc::CLOCK_MONOTONIC, timeout)?;
        // SAFETY: the caller's word for both; the deadline is live.
        return answer(unsafe { call(condition, mutex, libc::CLOCK_MONOTONIC, &raw const limit) });
    }
    let limit = deadline(clock.id(), timeout)?;
    // SAFETY: as above.
    answer(unsafe { libc::pthread_cond_timedwait(condition, mutex, &raw const limit) })
}

/// `pthread_cond_signal(3)`.
///
/// # Safety
/// `address` must be an initialised condition variable that stays mapped for the call.
///
/// # Errors
/// EINVAL.
pub(crate) unsafe fn signal(address: usize) -> SysResult<()> {
    // SAFETY: the caller's word.
    answer(unsafe { libc::pthread_cond_signal(address as *mut Condition) })
}

/// `pthread_cond_broadcast(3)`.
///
/// # Safety
/// As [`signal`].
///
/// # Errors
/// EINVAL.
pub(crate) unsafe fn broadcast(address: usize) -> SysResult<()> {
    // SAFETY: the caller's word.
    answer(unsafe { libc::pthread_cond_broadcast(address as *mut Condition) })
}

/// `pthread_cond_destroy(3)`, which waits for ever where a waiter died.
///
/// # Safety
/// `address` must be an initialised condition variable without waiters.
///
/// # Errors
/// EBUSY EINVAL.
pub(crate) unsafe fn destroy(address: usize) -> SysResult<()> {
    // SAFETY: the caller's word.
    answer(unsafe { libc::pthread_cond_destroy(address as *mut Condition) })
}
