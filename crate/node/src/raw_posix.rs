//! `shm_open(3)`, `mmap(2)` and their family as they are, for `shmem/posix`.

use crate::convert::whole;
use crate::error::{OrThrow, throw};
use crate::segment::{NativeObjectStat, NativeSegment};
use napi::bindgen_prelude::Env;
use napi::{Error, Result, Status};
use napi_derive::napi;
use shmem_core::error::{Errno, Named, Subject};
use shmem_core::memory::{Access, Backing, MapRequest, Mapping, Place, Reservation, Segment};
use shmem_core::sys::{file, machine, memfd, mman, shm};

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
    use mman::flags;
    if raw_flags & flags::MAP_GROWSDOWN != 0 {
        // Such a mapping grows by itself over addresses that are not ours.
        return Err(throw(
            &env,
            &shmem_core::Error::system("mmap", Errno::EINVAL).detail("MAP_GROWSDOWN is not supported"),
        ));
    }
    let address = usize::try_from(whole(address)?).map_err(|_| Error::new(Status::InvalidArg, "address"))?;
    let (size_bytes, offset) = (whole(length)?, whole(offset)?);
    let place = if raw_flags & flags::MAP_FIXED == flags::MAP_FIXED {
        Place::Replacing(address)
    } else if raw_flags & flags::MAP_FIXED_NOREPLACE == flags::MAP_FIXED_NOREPLACE {
        Place::Exactly(address)
    } else if address != 0 {
        Place::Hint(address)
    } else {
        Place::Anywhere
    };
    let map = |fd: Option<std::os::fd::BorrowedFd<'_>>| {
        Mapping::map(&MapRequest {
            place,
            size_bytes,
            page_size_bytes: page_size_of(raw_flags, fd),
            protection,
            flags: raw_flags & !(flags::MAP_FIXED | flags::MAP_FIXED_NOREPLACE),
            fd,
            offset,
            guard: true,
        })
    };
    let mapping = if raw_flags & flags::MAP_ANONYMOUS != 0 {
        map(None)
    } else {
        let mut mapped = Err(shmem_core::Error::system("mmap", Errno::EBADF));
        let _ = file::with_borrowed(fd, |fd| {
            mapped = map(Some(fd));
            Ok(())
        });
        mapped
    }
    .or_throw(&env)?;
    let access = if protection & flags::PROT_WRITE == 0 { Access::Read } else { Access::Write };
    Ok(Segment {
        mapping,
        access,
        offset,
        length_bytes: None,
        created: false,
        reservation: Reservation::None,
        guard: true,
        backing: Backing::None,
    }
    .into())
}

/// Bytes of a page of the mapping that these flags, or this object, give.
fn page_size_of(raw_flags: i32, fd: Option<std::os::fd::BorrowedFd<'_>>) -> usize {
    use mman::flags;
    if let Some(fd) = fd {
        let huge = matches!(file::file_system(fd), Ok(file::FileSystem::Hugetlbfs));
        let block = file::stat(fd).ok().and_then(|stat| usize::try_from(stat.block_size_bytes).ok());
        return if huge { block.unwrap_or(machine::page_size_bytes()) } else { machine::page_size_bytes() };
    }
    if raw_flags & flags::MAP_HUGETLB == 0 {
        return machine::page_size_bytes();
    }
    match (raw_flags >> flags::MAP_HUGE_SHIFT) & flags::MAP_HUGE_MASK {
        0 => machine::huge_page_size_bytes(),
        log2 => 1_usize.checked_shl(log2.cast_unsigned()).unwrap_or(machine::page_size_bytes()),
    }
}
