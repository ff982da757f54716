//! Process-shared pthread objects at an address: pthread_mutex_lock(3) and its family, with timeouts from now.
//!
//! The calls trust the bytes they are given; what can be checked beforehand is checked on the floor that calls them.

#![expect(unsafe_code, reason = "this floor calls C")]

pub(crate) mod barrier;
pub(crate) mod condition;
pub(crate) mod mutex;
#[cfg(target_env = "gnu")]
pub(crate) mod robust;
pub(crate) mod rwlock;

use super::{SysResult, machine};
use crate::error::Errno;
use std::cell::Cell;
use std::ffi::CStr;
use std::time::Duration;

/// `pthread_…_clock…(object, clock, deadline)` of glibc 2.30.
type ClockCall<T> = unsafe extern "C" fn(*mut T, libc::clockid_t, *const libc::timespec) -> libc::c_int;

/// The calling thread's id, as pthread objects keep it: that of its own PID namespace.
#[must_use]
pub(crate) fn thread_id() -> i32 {
    thread_local!(static ID: Cell<i32> = const { Cell::new(0) });
    ID.with(|id| {
        if id.get() == 0 {
            id.set(i32::try_from(super::process::tid()).unwrap_or(0));
        }
        id.get()
    })
}

/// pthread calls answer the errno itself.
fn answer(code: libc::c_int) -> SysResult<()> {
    if code == 0 { Ok(()) } else { Err(Errno::from_raw(code)) }
}

fn deadline(clock: libc::clockid_t, timeout: Duration) -> SysResult<libc::timespec> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime writes the live timespec.
    super::conv::ret_unit(unsafe { libc::clock_gettime(clock, &raw mut now) })?;
    let nanoseconds = now.tv_nsec + i64::from(timeout.subsec_nanos());
    let tv_sec = now
        .tv_sec
        .checked_add_unsigned(timeout.as_secs())
        .and_then(|seconds| seconds.checked_add(nanoseconds / 1_000_000_000))
        .ok_or(Errno::EINVAL)?;
    Ok(libc::timespec { tv_sec, tv_nsec: nanoseconds % 1_000_000_000 })
}

/// The C library's call of that name, where it has it.
///
/// # Safety
/// The symbol must be a [`ClockCall`] on a `T`.
unsafe fn clock_call<T>(name: &CStr) -> Option<ClockCall<T>> {
    let symbol = machine::symbol(name)?;
    // SAFETY: the caller's word.
    Some(unsafe { std::mem::transmute::<*mut std::ffi::c_void, ClockCall<T>>(symbol.as_ptr()) })
}
