//! pthread read-write locks at an offset of a segment.

use crate::convert::whole;
use crate::error::OrThrow;
use crate::pthread_mutex::{layout, writable};
use crate::segment::NativeSegment;
use napi::Result;
use napi::bindgen_prelude::Env;
use napi_derive::napi;
use shmem_core::sync::pthread_rwlock::{ALIGN_BYTES, Mode, PthreadRwLock, SIZE_BYTES};
use std::time::Duration;

/// A read-write lock inside a segment.
#[napi]
#[derive(Debug)]
pub struct NativePthreadRwLock {
    lock: PthreadRwLock,
}

#[napi]
impl NativePthreadRwLock {
    /// `pthread_rwlock_tryrdlock(3)`: whether it was taken.
    #[napi(catch_unwind)]
    pub fn try_read(&self, env: Env) -> Result<bool> {
        self.lock.take(Mode::Read, None).or_throw(&env)
    }

    /// `pthread_rwlock_trywrlock(3)`: whether it was taken.
    #[napi(catch_unwind)]
    pub fn try_write(&self, env: Env) -> Result<bool> {
        self.lock.take(Mode::Write, None).or_throw(&env)
    }

    /// `pthread_rwlock_clockrdlock(3)`: whether it was taken.
    #[napi(catch_unwind)]
    pub fn read(&self, env: Env, slice_ms: u32) -> Result<bool> {
        self.lock.take(Mode::Read, Some(Duration::from_millis(slice_ms.into()))).or_throw(&env)
    }

    /// `pthread_rwlock_clockwrlock(3)`: whether it was taken.
    #[napi(catch_unwind)]
    pub fn write(&self, env: Env, slice_ms: u32) -> Result<bool> {
        self.lock.take(Mode::Write, Some(Duration::from_millis(slice_ms.into()))).or_throw(&env)
    }

    /// `pthread_rwlock_unlock(3)`.
    #[napi(catch_unwind)]
    pub fn unlock(&self, env: Env) -> Result<()> {
        self.lock.unlock().or_throw(&env)
    }

    /// Makes the bytes no lock any more.
    #[napi(catch_unwind)]
    pub fn destroy(&self, env: Env) -> Result<()> {
        self.lock.destroy().or_throw(&env)
    }
}

/// Makes a read-write lock.
#[napi(catch_unwind)]
pub fn pthread_rw_lock_initialise(
    env: Env,
    segment: &NativeSegment,
    offset: f64,
) -> Result<NativePthreadRwLock> {
    let mapping = writable(&env, segment)?;
    PthreadRwLock::initialise(mapping, whole(offset)?).or_throw(&env).map(|lock| NativePthreadRwLock { lock })
}

/// The read-write lock that lies there.
#[napi(catch_unwind)]
pub fn pthread_rw_lock_at(env: Env, segment: &NativeSegment, offset: f64) -> Result<NativePthreadRwLock> {
    let mapping = writable(&env, segment)?;
    PthreadRwLock::at(mapping, whole(offset)?).or_throw(&env).map(|lock| NativePthreadRwLock { lock })
}

/// Bytes and alignment of a `pthread_rwlock_t`.
#[napi(catch_unwind)]
pub fn pthread_rw_lock_layout(env: Env) -> Result<Vec<u32>> {
    layout(&env, SIZE_BYTES, ALIGN_BYTES)
}
