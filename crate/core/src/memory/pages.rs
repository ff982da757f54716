//! What may be done with the pages of a mapping: protect, advise, flush, lock, bring in, look at, take away.
//!
//! Every extent comes from outside: it is bounded once, here, and only then becomes addresses.

#![expect(unsafe_code, reason = "changes pages of our own range")]

use super::mapping::Mapping;
use super::options::{round_up, to_usize};
use super::quarantine;
use crate::error::{Errno, Error, Named, Result};
use crate::sys::{machine, mman};

/// A part of a mapping, in bytes from its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// First byte.
    pub offset: u64,
    /// Bytes; `None` means to the end.
    pub length_bytes: Option<u64>,
}

impl Mapping {
    /// `mprotect(2)` of whole pages.
    ///
    /// # Errors
    /// EACCES EINVAL ENOMEM; `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`; `ERR_SHM_HELD`.
    pub fn protect(&self, extent: Extent, protection: i32) -> Result<()> {
        let alive = self.living()?;
        let (start, length) = self.exact_pages(extent)?;
        if protection & mman::flags::PROT_WRITE == 0 {
            alive.holds.refuse_in(start - self.address(), start - self.address() + length)?;
        }
        // SAFETY: inside our range, which lives while `alive` is held; no Rust object lives there.
        unsafe { mman::mprotect(start, length, protection) }.called("mprotect")
    }

    /// `madvise(2)` of the pages the extent touches.
    ///
    /// # Errors
    /// Those of madvise(2); `ERR_INVALID_ARG_VALUE` for advice that breaks hardware pages; `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`.
    pub fn advise(&self, extent: Extent, advice: i32) -> Result<()> {
        // MADV_HWPOISON and MADV_SOFT_OFFLINE act on the machine's memory, not on ours.
        if advice == 100 || advice == 101 {
            return Err(Error::own(
                "ERR_INVALID_ARG_VALUE",
                "MADV_HWPOISON and MADV_SOFT_OFFLINE are not for segments",
            ));
        }
        let _alive = self.living()?;
        let (start, length) = self.touched_pages(extent)?;
        // SAFETY: inside our range, which lives while `_alive` is held; no Rust object lives there.
        unsafe { mman::madvise(start, length, advice) }.called("madvise")
    }

    /// `msync(2)` of the pages the extent touches.
    ///
    /// # Errors
    /// EBUSY EINVAL EIO ENOMEM; `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`.
    pub fn flush(&self, extent: Extent, flags: i32) -> Result<()> {
        let _alive = self.living()?;
        let (start, length) = self.touched_pages(extent)?;
        mman::msync(start, length, flags).called("msync")
    }

    /// `mlock2(2)` of the pages the extent touches.
    ///
    /// # Errors
    /// EAGAIN EINVAL ENOMEM EPERM; `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`.
    pub fn lock(&self, extent: Extent, flags: i32) -> Result<()> {
        let _alive = self.living()?;
        let (start, length) = self.touched_pages(extent)?;
        mman::mlock2(start, length, flags).called(if flags == 0 { "mlock" } else { "mlock2" })
    }

    /// `munlock(2)` of the pages the extent touches.
    ///
    /// # Errors
    /// EINVAL ENOMEM; `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`.
    pub fn unlock(&self, extent: Extent) -> Result<()> {
        let _alive = self.living()?;
        let (start, length) = self.touched_pages(extent)?;
        mman::munlock(start, length).called("munlock")
    }

    /// `mincore(2)`: one byte a base page.
    ///
    /// # Errors
    /// EAGAIN ENOMEM; `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`.
    pub fn residency(&self, extent: Extent) -> Result<Vec<u8>> {
        let _alive = self.living()?;
        let (start, length) = self.touched_pages(extent)?;
        let pages = length.div_ceil(machine::page_size_bytes());
        let mut residency = Vec::new();
        residency.try_reserve_exact(pages).map_err(|_| Error::system("mincore", Errno::ENOMEM))?;
        residency.resize(pages, 0);
        mman::mincore(start, length, &mut residency).called("mincore")?;
        Ok(residency)
    }

    /// Unmaps whole pages: a hole stays, in which the guard reads zeroes.
    ///
    /// # Errors
    /// ENOMEM; `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`; `ERR_SHM_HELD`.
    pub fn unmap_part(&self, extent: Extent) -> Result<()> {
        let alive = self.living()?;
        let (start, length) = self.exact_pages(extent)?;
        alive.holds.refuse_in(start - self.address(), start - self.address() + length)?;
        // SAFETY: inside our range, which lives while `alive` is held; no Rust object lives there.
        unsafe { quarantine::blank(start, length) }.called("munmap")
    }

    /// The whole pages an extent touches.
    pub(super) fn touched_pages(&self, extent: Extent) -> Result<(usize, usize)> {
        let (offset, length) = self.bounded(extent)?;
        let first = offset - offset % self.page_size_bytes();
        let end = round_up(offset + length, self.page_size_bytes())?.min(self.length_bytes());
        Ok((self.address() + first, end - first))
    }

    /// As [`Self::touched_pages`], but the extent must begin on a page.
    fn exact_pages(&self, extent: Extent) -> Result<(usize, usize)> {
        let (offset, _) = self.bounded(extent)?;
        if !offset.is_multiple_of(self.page_size_bytes()) {
            return Err(Error::own(
                "ERR_OUT_OF_RANGE",
                format!("the offset {offset} is not a multiple of the page size {}", self.page_size_bytes()),
            ));
        }
        self.touched_pages(extent)
    }

    fn bounded(&self, extent: Extent) -> Result<(usize, usize)> {
        let offset = to_usize(extent.offset)?;
        let length = match extent.length_bytes {
            Some(length) => to_usize(length)?,
            None => self.length_bytes().saturating_sub(offset),
        };
        match offset.checked_add(length) {
            Some(end) if end <= self.length_bytes() && length > 0 => Ok((offset, length)),
            _ => Err(self.out_of_range(offset, length)),
        }
    }
}
