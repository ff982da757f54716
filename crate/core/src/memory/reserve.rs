//! Reservation at creation: full memory is an error now, not SIGBUS at the first touch.
//!
//! By kind (each measured): POSIX objects and files by `fallocate(2)`, which answers ENOSPC on a full /dev/shm; memory-backed
//! ones only after a look at what the machine and the control group have left, since the kernel would rather kill
//! processes than refuse; huge pages are reserved by mmap(2) itself; System V has no early refusal for memory. Bringing in pages that
//! were not reserved looks likewise.

use super::backing::Backing;
use super::options::{Access, round_up, to_usize};
use super::pages::Extent;
use super::segment::Segment;
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
/// Bytes whose residency is asked in one call: a byte a page.
const LOOK_STEP_BYTES: u64 = 1 << 30;

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
        refuse_more_than_memory(|| growth, growth, "reserved")?;
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

impl Segment {
    /// Refuses to bring in pages of shared memory, as prefaulting and locking do, for which there is no memory. Pages on huge pages are
    /// another pool's, and pages of files on disk go when others want memory.
    ///
    /// # Errors
    /// `ERR_SHM_NO_MEMORY`; `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`.
    #[doc(hidden)]
    pub fn refuse_more_than_memory(&self, extent: Extent) -> Result<()> {
        let (_, length) = self.mapping.touched_pages(extent)?;
        let at_most = u64::try_from(length).unwrap_or(u64::MAX);
        if at_most < LOOK_BYTES
            || self.mapping.page_size_bytes() != machine::page_size_bytes()
            || !self.is_memory_of_all()
        {
            return Ok(());
        }
        refuse_more_than_memory(|| self.absent_bytes(extent, at_most), at_most, "brought in")
    }

    /// Whether its pages are charged as shared memory.
    fn is_memory_of_all(&self) -> bool {
        match &self.backing {
            Backing::Sysv { .. } => true,
            // Where nobody can tell, as of an object without a name or descriptor, the kernel decides.
            Backing::Object { .. } => {
                let file_system = || self.with_fd(Access::Read, |fd| file::file_system(fd).called("fstatfs"));
                self.access != Access::CopyOnWrite
                    && file_system().is_ok_and(|found| found == file::FileSystem::Tmpfs)
            }
            Backing::None => false,
        }
    }

    /// Bytes of the extent that are not in RAM. None where a hole hides that: then bringing in fails by itself.
    fn absent_bytes(&self, extent: Extent, length_bytes: u64) -> u64 {
        let mut absent = 0;
        let mut done = 0;
        while done < length_bytes {
            let length = (length_bytes - done).min(LOOK_STEP_BYTES);
            let part = Extent { offset: extent.offset + done, length_bytes: Some(length) };
            let Ok(resident) = self.mapping.residency(part) else { return 0 };
            let pages = resident.iter().filter(|page| **page & 1 == 0).count();
            absent += u64::try_from(pages * machine::page_size_bytes()).unwrap_or(u64::MAX);
            done += length;
        }
        absent
    }
}

/// `ERR_SHM_NO_MEMORY` when the machine or the control group has less than `wanted` answers, which is asked only where `at_most` could
/// be too much.
fn refuse_more_than_memory(wanted: impl FnOnce() -> u64, at_most: u64, what: &str) -> Result<()> {
    let Some(available) = machine::available_memory_bytes().filter(|available| *available < at_most) else {
        return Ok(());
    };
    let wanted = wanted();
    if wanted <= available {
        return Ok(());
    }
    Err(Error::own(
        "ERR_SHM_NO_MEMORY",
        format!("{wanted} bytes are to be {what}, and this machine or control group has {available} left"),
    ))
}
