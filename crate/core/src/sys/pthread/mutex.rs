//! pthread_mutex_init(3), pthread_mutex_lock(3), pthread_mutex_clocklock(3), pthread_mutex_consistent(3).

use super::{ClockCall, answer, clock_call, deadline};
use crate::sys::SysResult;
use libc::pthread_mutex_t as Mutex;
use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::time::Duration;

/// Bytes of a `pthread_mutex_t` of this libc.
pub const SIZE_BYTES: usize = size_of::<Mutex>();
/// Alignment of a `pthread_mutex_t`.
pub const ALIGN_BYTES: usize = align_of::<Mutex>();

/// What locking twice does (`PTHREAD_MUTEX_…`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// It waits for ever.
    Normal,
    /// EDEADLK.
    ErrorChecking,
    /// It counts.
    Recursive,
}

/// `pthread_mutexattr_t`; always process-shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// `PTHREAD_MUTEX_…`.
    pub kind: Type,
    /// `PTHREAD_MUTEX_ROBUST`.
    pub robust: bool,
    /// `PTHREAD_PRIO_INHERIT`.
    pub inherits: bool,
}

/// `pthread_mutex_init(3)`.
///
/// # Safety
/// `address` must be aligned for, and valid for writes of, one `pthread_mutex_t`, which nobody uses.
///
/// # Errors
/// EINVAL ENOMEM ENOTSUP.
pub(crate) unsafe fn init(address: usize, attributes: Attributes) -> SysResult<()> {
    let kind = match attributes.kind {
        Type::Normal => libc::PTHREAD_MUTEX_NORMAL,
        Type::ErrorChecking => libc::PTHREAD_MUTEX_ERRORCHECK,
        Type::Recursive => libc::PTHREAD_MUTEX_RECURSIVE,
    };
    let robust = if attributes.robust { libc::PTHREAD_MUTEX_ROBUST } else { libc::PTHREAD_MUTEX_STALLED };
    let protocol = if attributes.inherits { libc::PTHREAD_PRIO_INHERIT } else { libc::PTHREAD_PRIO_NONE };
    let mut wanted = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
    // SAFETY: room for one.
    answer(unsafe { libc::pthread_mutexattr_init(wanted.as_mut_ptr()) })?;
    let wanted = wanted.as_mut_ptr();
    // SAFETY: initialised above; so are the three below. They hold nothing that a destroy would free (glibc, musl).
    answer(unsafe { libc::pthread_mutexattr_setpshared(wanted, libc::PTHREAD_PROCESS_SHARED) })?;
    // SAFETY: as above.
    answer(unsafe { libc::pthread_mutexattr_settype(wanted, kind) })?;
    // SAFETY: as above.
    answer(unsafe { libc::pthread_mutexattr_setrobust(wanted, robust) })?;
    // SAFETY: as above.
    answer(unsafe { libc::pthread_mutexattr_setprotocol(wanted, protocol) })?;
    // SAFETY: the caller's word for `address`; the attributes are live.
    answer(unsafe { libc::pthread_mutex_init(address as *mut Mutex, wanted) })
}

/// `pthread_mutex_trylock(3)`.
///
/// # Safety
/// `address` must be an initialised mutex that stays mapped as long as this thread holds it.
///
/// # Errors
/// EAGAIN EBUSY EDEADLK EINVAL ENOTRECOVERABLE EOWNERDEAD.
pub(crate) unsafe fn try_lock(address: usize) -> SysResult<()> {
    // SAFETY: the caller's word.
    answer(unsafe { libc::pthread_mutex_trylock(address as *mut Mutex) })
}

/// `pthread_mutex_clocklock(3)` on the monotonic clock, or `pthread_mutex_timedlock(3)`, with a duration from now.
///
/// # Safety
/// As [`try_lock`].
///
/// # Errors
/// EAGAIN EDEADLK EINVAL ENOTRECOVERABLE EOWNERDEAD ETIMEDOUT.
pub(crate) unsafe fn lock(address: usize, timeout: Duration) -> SysResult<()> {
    static CLOCK_LOCK: OnceLock<Option<ClockCall<Mutex>>> = OnceLock::new();
    // SAFETY: the libraries that have this name have it with this signature.
    let call = *CLOCK_LOCK.get_or_init(|| unsafe { clock_call(c"pthread_mutex_clocklock") });
    if let Some(call) = call {
        let limit = deadline(libc::CLOCK_MONOTONIC, timeout)?;
        // SAFETY: the caller's word for `address`; the deadline is live.
        return answer(unsafe { call(address as *mut Mutex, libc::CLOCK_MONOTONIC, &raw const limit) });
    }
    let limit = deadline(libc::CLOCK_REALTIME, timeout)?;
    // SAFETY: as above.
    answer(unsafe { libc::pthread_mutex_timedlock(address as *mut Mutex, &raw const limit) })
}

/// `pthread_mutex_unlock(3)`.
///
/// # Safety
/// `address` must be a mutex that this thread holds, by this address.
///
/// # Errors
/// EINVAL ENOTRECOVERABLE EPERM.
pub(crate) unsafe fn unlock(address: usize) -> SysResult<()> {
    // SAFETY: the caller's word.
    answer(unsafe { libc::pthread_mutex_unlock(address as *mut Mutex) })
}

/// `pthread_mutex_consistent(3)`.
///
/// # Safety
/// As [`unlock`].
///
/// # Errors
/// EINVAL.
pub(crate) unsafe fn consistent(address: usize) -> SysResult<()> {
    // SAFETY: the caller's word.
    answer(unsafe { libc::pthread_mutex_consistent(address as *mut Mutex) })
}

/// `pthread_mutex_destroy(3)`.
///
/// # Safety
/// `address` must be an initialised mutex that nobody holds or waits for.
///
/// # Errors
/// EBUSY EINVAL.
pub(crate) unsafe fn destroy(address: usize) -> SysResult<()> {
    // SAFETY: the caller's word.
    answer(unsafe { libc::pthread_mutex_destroy(address as *mut Mutex) })
}
