//! Opening anonymous segments.

use crate::error::OrThrow;
use crate::options::{create_options, map_options};
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
    wishes: u32,
    offset: f64,
    length: f64,
    size: f64,
    mode: u32,
    huge_page_size: f64,
    seals: i32,
) -> Result<NativeSegment> {
    memfd::create(&label, &create_options(wishes, offset, length, size, mode, huge_page_size)?, seals)
        .or_throw(&env)
        .map(Into::into)
}

/// Maps an object by a descriptor of ours, which is duplicated.
#[napi(catch_unwind)]
pub fn memfd_from_fd(env: Env, fd: i32, wishes: u32, offset: f64, length: f64) -> Result<NativeSegment> {
    memfd::from_fd(fd, &map_options(wishes, offset, length)?).or_throw(&env).map(Into::into)
}

/// Maps an object by a descriptor of another process.
#[napi(catch_unwind)]
pub fn memfd_from_process(
    env: Env,
    pid: i32,
    fd: i32,
    wishes: u32,
    offset: f64,
    length: f64,
) -> Result<NativeSegment> {
    memfd::from_process(pid, fd, &map_options(wishes, offset, length)?).or_throw(&env).map(Into::into)
}
