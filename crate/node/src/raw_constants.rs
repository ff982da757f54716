//! The C constants of this target, by name, and the guard's counters.

use crate::view;
use napi::Result;
use napi::bindgen_prelude::{Env, Object, Unknown};
use napi_derive::napi;
use shmem_core::sys::constants;

/// `sys/ipc.h`, `sys/shm.h`, `sys/sem.h`.
#[napi(catch_unwind, ts_return_type = "Record<string, number>")]
pub fn sysv_constants(env: &Env) -> Result<Object<'_>> {
    table(env, &[constants::SYSV, constants::SYSV_LINUX])
}

/// `sys/mman.h`, `fcntl.h`.
#[napi(catch_unwind, ts_return_type = "Record<string, number>")]
pub fn posix_constants(env: &Env) -> Result<Object<'_>> {
    table(env, &[constants::POSIX, constants::POSIX_LINUX])
}

/// Bytes of a base page.
#[napi(catch_unwind)]
pub fn page_size() -> f64 {
    crate::convert::size(shmem_core::sys::machine::page_size_bytes())
}

/// The guard's counter of repaired faults itself, as 4 bytes of a buffer: a look at it costs no call.
#[napi(catch_unwind, ts_return_type = "ArrayBuffer")]
pub fn repaired_faults(env: &Env) -> Result<Unknown<'_>> {
    view::counter(env, &shmem_core::memory::guard::REPAIRED)
}

/// Touches of closed segments that the guard answered with zeroes.
#[napi(catch_unwind)]
pub fn touches_after_close() -> u32 {
    shmem_core::memory::guard::TOUCHED_AFTER_CLOSE.load(std::sync::atomic::Ordering::Relaxed)
}

#[expect(clippy::cast_precision_loss, reason = "C constants are ints")]
fn table<'env>(env: &'env Env, parts: &[&[constants::Constant]]) -> Result<Object<'env>> {
    let mut object = Object::new(env)?;
    for (name, value) in parts.iter().flat_map(|part| part.iter()) {
        object.set(name, *value as f64)?;
    }
    Ok(object)
}
