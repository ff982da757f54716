//! Opening anonymous segments.

use crate::error::OrThrow;
use crate::options::{NativeCreateOptions, NativeMapOptions};
use crate::segment::NativeSegment;
use napi::Result;
use napi::bindgen_prelude::Env;
use napi_derive::napi;
use shmem_core::memory::memfd;

/// Makes one, sealed with `F_SEAL_…` bits after mapping.
#[napi(catch_unwind)]
pub fn memfd_create(
    env: Env,
    label: String,
    options: NativeCreateOptions,
    seals: i32,
) -> Result<NativeSegment> {
    memfd::create(&label, &options.to_core()?, seals).or_throw(&env).map(Into::into)
}

/// Maps an object by a descriptor of ours, which is duplicated.
#[napi(catch_unwind)]
pub fn memfd_from_fd(env: Env, fd: i32, options: NativeMapOptions) -> Result<NativeSegment> {
    memfd::from_fd(fd, &options.to_core()?).or_throw(&env).map(Into::into)
}

/// Maps an object by a descriptor of another process.
#[napi(catch_unwind)]
pub fn memfd_from_process(env: Env, pid: i32, fd: i32, options: NativeMapOptions) -> Result<NativeSegment> {
    memfd::from_process(pid, fd, &options.to_core()?).or_throw(&env).map(Into::into)
}
