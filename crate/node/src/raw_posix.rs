//! `shm_open(3)`, `mmap(2)` and their family as they are, for `shmem/posix`.

use crate::convert::whole;
use crate::error::OrThrow;
use crate::segment::{NativeObjectStat, NativeSegment};
use napi::bindgen_prelude::Env;
use napi::{Error, Result, Status};
use napi_derive::napi;
use shmem_core::error::{Named, Subject};
use shmem_core::memory::raw::{self, MmapArguments};
use shmem_core::sys::{file, memfd, shm};

/// `shm_open(3)`, umask and all.
#[napi(catch_unwind)]
pub fn shm_open(env: Env, name: String, flags: i32, mode: u32) -> Result<i32> {
    shm::shm_open(&name, flags, mode)
        .called("shm_open")
        .map(file::into_raw)
        .map_err(|error| error.on(Subject::Name(name)))
        .or_throw(&env)
}

/// `shm_unlink(3)`.
#[napi(catch_unwind)]
pub fn shm_unlink(env: Env, name: String) -> Result<()> {
    shm::shm_unlink(&name).called("shm_unlink").map_err(|error| error.on(Subject::Name(name))).or_throw(&env)
}

/// `ftruncate(2)`.
#[napi(catch_unwind)]
pub fn ftruncate(env: Env, fd: i32, length: f64) -> Result<()> {
    let length = whole(length)?;
    file::with_borrowed(fd, |fd| file::ftruncate(fd, length)).called("ftruncate").or_throw(&env)
}

/// `fallocate(2)`, which is what posix_fallocate(3) means on file systems that have it.
#[napi(catch_unwind)]
pub fn fallocate(env: Env, fd: i32, offset: f64, length: f64) -> Result<()> {
    let (offset, length) = (whole(offset)?, whole(length)?);
    file::with_borrowed(fd, |fd| file::fallocate(fd, offset, length)).called("fallocate").or_throw(&env)
}

/// `fstat(2)`.
#[napi(catch_unwind)]
pub fn fstat(env: Env, fd: i32) -> Result<NativeObjectStat> {
    file::with_borrowed(fd, file::stat).called("fstat").or_throw(&env).map(Into::into)
}

/// `fchmod(2)`.
#[napi(catch_unwind)]
pub fn fchmod(env: Env, fd: i32, mode: u32) -> Result<()> {
    file::with_borrowed(fd, |fd| file::fchmod(fd, mode)).called("fchmod").or_throw(&env)
}

/// `fchown(2)`; an absent id stays.
#[napi(catch_unwind)]
pub fn fchown(env: Env, fd: i32, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
    file::with_borrowed(fd, |fd| file::fchown(fd, uid, gid)).called("fchown").or_throw(&env)
}

/// `memfd_create(2)`.
#[napi(catch_unwind)]
pub fn raw_memfd_create(env: Env, name: String, flags: u32) -> Result<i32> {
    memfd::memfd_create(&name, flags)
        .called("memfd_create")
        .map(file::into_raw)
        .map_err(|error| error.on(Subject::Name(name)))
        .or_throw(&env)
}

/// `fcntl(2)` with `F_ADD_SEALS`.
#[napi(catch_unwind)]
pub fn fcntl_add_seals(env: Env, fd: i32, seals: i32) -> Result<()> {
    file::with_borrowed(fd, |fd| memfd::add_seals(fd, seals)).called("fcntl").or_throw(&env)
}

/// `fcntl(2)` with `F_GET_SEALS`.
#[napi(catch_unwind)]
pub fn fcntl_get_seals(env: Env, fd: i32) -> Result<i32> {
    file::with_borrowed(fd, memfd::seals).called("fcntl").or_throw(&env)
}

/// `mmap(2)`; an address is a whole number, 0 for none; a descriptor of -1 with `MAP_ANONYMOUS`.
#[napi(catch_unwind)]
pub fn mmap(
    env: Env,
    address: f64,
    length: f64,
    protection: i32,
    raw_flags: i32,
    fd: i32,
    offset: f64,
) -> Result<NativeSegment> {
    let arguments = MmapArguments {
        address: usize::try_from(whole(address)?).map_err(|_| Error::new(Status::InvalidArg, "address"))?,
        length_bytes: whole(length)?,
        protection,
        flags: raw_flags,
        fd,
        offset: whole(offset)?,
    };
    raw::mmap(&arguments).or_throw(&env).map(Into::into)
}
