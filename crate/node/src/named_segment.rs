//! Opening segments that a name leads to: POSIX objects and files.

use crate::error::OrThrow;
use crate::options::{create_options, map_options};
use crate::segment::NativeSegment;
use napi::Result;
use napi::bindgen_prelude::Env;
use napi_derive::napi;
use shmem_core::memory::{OpenMode, file, posix};

/// Makes a POSIX object; `EEXIST` where the name is taken.
#[napi(catch_unwind)]
pub fn posix_create(
    env: Env,
    name: String,
    wishes: u32,
    offset: f64,
    length: f64,
    size: f64,
    mode: u32,
    huge_page_size: f64,
) -> Result<NativeSegment> {
    posix::create(
        &name,
        &create_options(wishes, offset, length, size, mode, huge_page_size)?,
        OpenMode::Create,
    )
    .or_throw(&env)
    .map(Into::into)
}

/// Opens a POSIX object.
#[napi(catch_unwind)]
pub fn posix_open(env: Env, name: String, wishes: u32, offset: f64, length: f64) -> Result<NativeSegment> {
    posix::open(&name, &map_options(wishes, offset, length)?).or_throw(&env).map(Into::into)
}

/// Opens a POSIX object, or makes it.
#[napi(catch_unwind)]
pub fn posix_open_or_create(
    env: Env,
    name: String,
    wishes: u32,
    offset: f64,
    length: f64,
    size: f64,
    mode: u32,
    huge_page_size: f64,
) -> Result<NativeSegment> {
    posix::create(
        &name,
        &create_options(wishes, offset, length, size, mode, huge_page_size)?,
        OpenMode::OpenOrCreate,
    )
    .or_throw(&env)
    .map(Into::into)
}

/// `shm_unlink(3)`.
#[napi(catch_unwind)]
pub fn posix_remove(env: Env, name: String) -> Result<()> {
    posix::remove(&name).or_throw(&env)
}

/// Makes a file; `EEXIST` where the path is taken.
#[napi(catch_unwind)]
pub fn file_create(
    env: Env,
    path: String,
    wishes: u32,
    offset: f64,
    length: f64,
    size: f64,
    mode: u32,
    huge_page_size: f64,
) -> Result<NativeSegment> {
    file::create(
        &path,
        &create_options(wishes, offset, length, size, mode, huge_page_size)?,
        OpenMode::Create,
    )
    .or_throw(&env)
    .map(Into::into)
}

/// Opens a file.
#[napi(catch_unwind)]
pub fn file_open(env: Env, path: String, wishes: u32, offset: f64, length: f64) -> Result<NativeSegment> {
    file::open(&path, &map_options(wishes, offset, length)?).or_throw(&env).map(Into::into)
}

/// Opens a file, or makes it.
#[napi(catch_unwind)]
pub fn file_open_or_create(
    env: Env,
    path: String,
    wishes: u32,
    offset: f64,
    length: f64,
    size: f64,
    mode: u32,
    huge_page_size: f64,
) -> Result<NativeSegment> {
    file::create(
        &path,
        &create_options(wishes, offset, length, size, mode, huge_page_size)?,
        OpenMode::OpenOrCreate,
    )
    .or_throw(&env)
    .map(Into::into)
}

/// `unlink(2)`.
#[napi(catch_unwind)]
pub fn file_remove(env: Env, path: String) -> Result<()> {
    file::remove(&path).or_throw(&env)
}
