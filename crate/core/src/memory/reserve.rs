//! Reservation at creation: full memory is an error now, not SIGBUS at the first touch.
//!
//! By kind (each measured): POSIX objects and files by `fallocate(2)`, which answers ENOSPC on a full /dev/shm; memory-backed
//! ones only after a look at what the machine and the control group have left, since the kernel would rather kill
//! processes than refuse; huge pages are reserved by mmap(2) itself; System V has no early refusal for memory.

use super::options::{round_up, to_usize};
use crate::error::{Errno, Error, Named, Result};
use crate::sys::{file, machine};
use std::os::fd::BorrowedFd;

/// Whether an object's memory is there for sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// Reserved.
    Done,
    /// Not asked for, or another made the object.
    None,
    /// The file system cannot (`EOPNOTSUPP`).
    Unsupported,
}

/// Below this a look at /proc/meminfo costs more than it can save.
const LOOK_BYTES: u64 = 16 << 20;

/// Gives a new object its size, reserved if `wanted`.
///
/// # Errors
/// EFBIG EINVAL ENOSPC EPERM; `ERR_SHM_NO_MEMORY`.
pub(super) fn size_object(fd: BorrowedFd<'_>, size_bytes: u64, wanted: bool) -> Result<Reservation> {
    if !wanted {
        file::ftruncate(fd, size_bytes).called("ftruncate")?;
        return Ok(Reservation::None);
    }
    let growth = size_bytes.saturating_sub(file::stat(fd).called("fstat")?.allocated_bytes);
    if growth >= LOOK_BYTES && file::file_system(fd).called("fstatfs")? == file::FileSystem::Tmpfs {
        refuse_more_than_memory(growth)?;
    }
    match file::fallocate(fd, 0, size_bytes) {
        Ok(()) => Ok(Reservation::Done),
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => {
            file::ftruncate(fd, size_bytes).called("ftruncate")?;
            Ok(Reservation::Unsupported)
        }
        Err(errno) => Err(Error::system("fallocate", errno)),
    }
}

/// Gives a new object on huge pages its size: whole pages, which mmap(2) reserves in the pool, or answers ENOMEM.
///
/// # Errors
/// EFBIG EINVAL EPERM; `ERR_OUT_OF_RANGE`.
pub(super) fn size_huge_object(
    fd: BorrowedFd<'_>,
    size_bytes: u64,
    page_size_bytes: usize,
) -> Result<Reservation> {
    let size = round_up(to_usize(size_bytes)?, page_size_bytes)?;
    file::ftruncate(fd, u64::try_from(size).unwrap_or(u64::MAX)).called("ftruncate")?;
    Ok(Reservation::Done)
}

/// `ERR_SHM_NO_MEMORY` when the machine or the control group has less than `size_bytes` left.
pub(super) fn refuse_more_than_memory(size_bytes: u64) -> Result<()> {
    match machine::available_memory_bytes() {
        Some(available) if available < size_bytes => Err(Error::own(
            "ERR_SHM_NO_MEMORY",
            format!(
                "{size_bytes} bytes are to be reserved, and this machine or control group has {available} left"
            ),
        )),
        _ => Ok(()),
    }
}
