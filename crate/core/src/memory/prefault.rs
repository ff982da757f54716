//! Pages brought in before they are needed, and made into transparent huge ones.

#![expect(unsafe_code, reason = "touches pages of our own range")]

use super::mapping::Mapping;
use super::options::Access;
use super::pages::Extent;
use super::segment::Segment;
use crate::error::{Errno, Error, Named, Result};
use crate::sys::{file, machine, mman};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Pages that were handed to the kernel a moment ago may wait on a processor's own list, where they cannot be collapsed: `EAGAIN`.
const COLLAPSE_ROUNDS: u32 = 3;

impl Mapping {
    /// Brings every page in now, by `MADV_POPULATE_WRITE` or `MADV_POPULATE_READ` (Linux 5.14), or by touching each. The
    /// mapping can be used and released meanwhile; it stays mapped until this returns.
    ///
    /// # Errors
    /// EFAULT (beyond the object's end) ENOMEM; `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`.
    pub fn populate(self: &Arc<Self>, extent: Extent, for_writing: bool) -> Result<()> {
        let pinned = self.pin()?;
        let (start, length) = pinned.mapping().touched_pages(extent)?;
        let advice =
            if for_writing { mman::flags::MADV_POPULATE_WRITE } else { mman::flags::MADV_POPULATE_READ };
        // SAFETY: inside our range, which `pinned` keeps; bringing pages in changes no contents.
        match unsafe { mman::madvise(start, length, advice) } {
            Err(Errno::EINVAL) => touch(start, length, for_writing),
            other => return other.called("madvise"),
        }
        Ok(())
    }
}

impl Mapping {
    /// `MADV_COLLAPSE` of pages that were brought in. The mapping can be used and released meanwhile, as in [`Mapping::populate`].
    ///
    /// # Errors
    /// EAGAIN EBUSY EINVAL ENOMEM; `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`.
    pub fn collapse(self: &Arc<Self>, extent: Extent) -> Result<()> {
        let pinned = self.pin()?;
        let (start, length) = pinned.mapping().touched_pages(extent)?;
        // Of a range that begins at a huge page and holds none, the kernel says that all are made.
        if machine::transparent_page_size_bytes()
            .is_some_and(|huge| start.next_multiple_of(huge) + huge > start + length)
        {
            return Err(Error::system("madvise", Errno::EINVAL));
        }
        let mut rounds = 0;
        loop {
            rounds += 1;
            // SAFETY: inside our range, which `pinned` keeps; a huge page takes over the bytes of those it stands for.
            match unsafe { mman::madvise(start, length, mman::MADV_COLLAPSE) } {
                Err(Errno::EAGAIN) if rounds < COLLAPSE_ROUNDS => {}
                other => return other.called("madvise"),
            }
        }
    }
}

/// For kernels before 5.14. The guard catches what a touch may cause.
fn touch(start: usize, length: usize, for_writing: bool) {
    for page in (start..start + length).step_by(machine::page_size_bytes()) {
        // SAFETY: inside a mapping that the caller pinned; a byte is always aligned; other processes access it too, so atomically.
        let byte = unsafe { AtomicU8::from_ptr(page as *mut u8) };
        if for_writing {
            byte.fetch_or(0, Ordering::Relaxed); // Relaxed: the value does not matter.
        } else {
            byte.load(Ordering::Relaxed); // Relaxed: as above.
        }
    }
}

impl Segment {
    /// As [`Mapping::populate`], as the segment is open, with the true reason where the kernel says EFAULT for a full file system.
    /// Answers the page faults it took.
    ///
    /// # Errors
    /// EFAULT (beyond the object's end) ENOMEM (memory, or the pool of huge pages) ENOSPC; `ERR_SHM_NO_MEMORY`; as
    /// [`Mapping::populate`].
    pub fn populate(&self, extent: Extent) -> Result<u64> {
        self.refuse_more_than_memory(extent)?;
        let before = machine::thread_page_faults();
        self.mapping
            .populate(extent, self.access != Access::Read)
            .map_err(|error| self.reason_of_fault(error, extent))?;
        Ok(machine::thread_page_faults().saturating_sub(before))
    }

    /// Makes transparent huge pages of the extent's pages, which are brought in first (`MADV_COLLAPSE`, Linux 6.1). Parts that do
    /// not fill a huge page stay as they are.
    ///
    /// # Errors
    /// EAGAIN EBUSY EINVAL ENOMEM; as [`Segment::populate`].
    pub fn collapse(&self, extent: Extent) -> Result<()> {
        self.populate(extent)?;
        self.mapping.collapse(extent)
    }

    fn reason_of_fault(&self, error: Error, extent: Extent) -> Error {
        if error.errno() != Some(Errno::EFAULT) {
            return error;
        }
        let end = extent.length_bytes.map_or(self.mapping.size_bytes() as u64, |length| {
            extent.offset.saturating_add(length).min(self.mapping.size_bytes() as u64)
        });
        let reason = self.with_fd(Access::Read, |fd| full(fd, self.offset.saturating_add(end)));
        match reason {
            Ok(Some(errno)) => Error::system("madvise", errno),
            _ => error,
        }
    }
}

/// Whether there is no room for pages of an object that has these bytes.
fn full(fd: BorrowedFd<'_>, end: u64) -> Result<Option<Errno>> {
    if file::stat(fd).called("fstat")?.size_bytes < end {
        return Ok(None);
    }
    Ok(match file::file_system(fd).called("fstatfs")? {
        file::FileSystem::Hugetlbfs => Some(Errno::ENOMEM),
        _ if file::free_blocks(fd).called("fstatfs")? == 0 => Some(Errno::ENOSPC),
        _ => None,
    })
}
