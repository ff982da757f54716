//! pthread mutexes at an offset of a segment.

use crate::convert::whole;
use crate::error::{OrThrow, throw};
use crate::segment::NativeSegment;
use napi::Result;
use napi::bindgen_prelude::Env;
use napi_derive::napi;
use shmem_core::error::{Errno, Error};
use shmem_core::memory::{Access, Mapping};
use shmem_core::sync::ABI;
use shmem_core::sync::pthread_mutex::{
    ALIGN_BYTES, Attributes, MutexOutcome, PthreadMutex, SIZE_BYTES, Type,
};
use std::sync::Arc;
use std::time::Duration;

/// A mutex inside a segment.
#[napi]
#[derive(Debug)]
pub struct NativePthreadMutex {
    pub(crate) mutex: PthreadMutex,
}

#[napi]
impl NativePthreadMutex {
    /// `pthread_mutex_trylock(3)`: 0 not now, 1 locked, 2 locked and its last owner died.
    #[napi(catch_unwind)]
    pub fn try_lock(&self, env: Env) -> Result<u32> {
        self.mutex.try_lock().or_throw(&env).map(word)
    }

    /// `pthread_mutex_clocklock(3)`, with the words of `try_lock`.
    #[napi(catch_unwind)]
    pub fn lock(&self, env: Env, slice_ms: u32) -> Result<u32> {
        self.mutex.lock(Duration::from_millis(slice_ms.into())).or_throw(&env).map(word)
    }

    /// `pthread_mutex_unlock(3)`.
    #[napi(catch_unwind)]
    pub fn unlock(&self, env: Env) -> Result<()> {
        self.mutex.unlock().or_throw(&env)
    }

    /// `pthread_mutex_consistent(3)`.
    #[napi(catch_unwind)]
    pub fn mark_consistent(&self, env: Env) -> Result<()> {
        self.mutex.mark_consistent().or_throw(&env)
    }

    /// `pthread_mutex_destroy(3)`.
    #[napi(catch_unwind)]
    pub fn destroy(&self, env: Env) -> Result<()> {
        self.mutex.destroy().or_throw(&env)
    }
}

/// Makes a mutex. `kind`: 0 normal, 1 error-checking, 2 recursive.
#[napi(catch_unwind)]
pub fn pthread_mutex_initialise(
    env: Env,
    segment: &NativeSegment,
    offset: f64,
    kind: u32,
    robust: bool,
    inherits: bool,
) -> Result<NativePthreadMutex> {
    let kind = match kind {
        0 => Type::Normal,
        1 => Type::ErrorChecking,
        _ => Type::Recursive,
    };
    let mapping = writable(&env, segment)?;
    let mutex = PthreadMutex::initialise(mapping, whole(offset)?, Attributes { kind, robust, inherits });
    mutex.or_throw(&env).map(|mutex| NativePthreadMutex { mutex })
}

/// The mutex that lies there.
#[napi(catch_unwind)]
pub fn pthread_mutex_at(env: Env, segment: &NativeSegment, offset: f64) -> Result<NativePthreadMutex> {
    let mapping = writable(&env, segment)?;
    PthreadMutex::at(mapping, whole(offset)?).or_throw(&env).map(|mutex| NativePthreadMutex { mutex })
}

/// Bytes and alignment of a `pthread_mutex_t`.
#[napi(catch_unwind)]
pub fn pthread_mutex_layout(env: Env) -> Result<Vec<u32>> {
    layout(&env, SIZE_BYTES, ALIGN_BYTES)
}

/// The C library whose pthread objects these are: `glibc`, `musl`.
#[napi(catch_unwind)]
pub fn pthread_abi() -> String {
    ABI.to_owned()
}

/// The mapping, for an object that is written to and that others must see.
pub(crate) fn writable<'segment>(
    env: &Env,
    segment: &'segment NativeSegment,
) -> Result<&'segment Arc<Mapping>> {
    if segment.segment.access == Access::Write {
        return Ok(&segment.segment.mapping);
    }
    let error =
        Error::own("ERR_SHM_READ_ONLY", "a pthread object needs memory that is mapped shared, for writing");
    Err(throw(env, &error))
}

pub(crate) fn layout(env: &Env, size_bytes: usize, align_bytes: usize) -> Result<Vec<u32>> {
    match (u32::try_from(size_bytes), u32::try_from(align_bytes)) {
        (Ok(size), Ok(align)) => Ok(vec![size, align]),
        _ => Err(throw(env, &Error::system("pthread_mutex_init", Errno::EOVERFLOW))),
    }
}

fn word(outcome: MutexOutcome) -> u32 {
    match outcome {
        MutexOutcome::NotNow => 0,
        MutexOutcome::Locked => 1,
        MutexOutcome::OwnerDied => 2,
    }
}
