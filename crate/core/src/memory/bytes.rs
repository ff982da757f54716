//! A mapping's bytes, for who uses them: they stay mapped meanwhile, whoever releases the mapping.

#![expect(unsafe_code, reason = "copies by address")]

use super::mapping::{Mapping, not_ours};
use super::options::to_usize;
use crate::error::{Error, Result};
use std::sync::Arc;

impl Mapping {
    /// Copies bytes out. For runtimes that allow no view. Other processes may write meanwhile: then the copy is a mixture
    /// of bytes, which a caller without a lock must expect.
    ///
    /// # Safety
    /// `target` must be valid for writes of `length_bytes`. It may be shared memory, and may overlap the source.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`.
    #[doc(hidden)]
    pub unsafe fn copy_out(&self, offset: u64, target: *mut u8, length_bytes: usize) -> Result<()> {
        self.with_bytes(offset, length_bytes, |start| {
            // SAFETY: the source is `length_bytes` of our mapped range, the target is the caller's word.
            unsafe { std::ptr::copy(start as *const u8, target, length_bytes) };
            Ok(())
        })
    }

    /// Copies bytes in. For runtimes that allow no view.
    ///
    /// # Safety
    /// `source` must be valid for reads of `length_bytes`. It may be shared memory, and may overlap the target.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`.
    #[doc(hidden)]
    pub unsafe fn copy_in(&self, offset: u64, source: *const u8, length_bytes: usize) -> Result<()> {
        self.with_bytes(offset, length_bytes, |start| {
            // SAFETY: the target is `length_bytes` of our mapped range, the source is the caller's word.
            unsafe { std::ptr::copy(source, start as *mut u8, length_bytes) };
            Ok(())
        })
    }

    /// Runs `act` with the address of `length_bytes` bytes at `offset`, which stay mapped meanwhile.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`; what `act` answers.
    #[doc(hidden)]
    pub fn with_bytes<T>(
        &self,
        offset: u64,
        length_bytes: usize,
        act: impl FnOnce(usize) -> Result<T>,
    ) -> Result<T> {
        let _alive = self.living()?;
        let (start, _) = self.bytes_at(offset, length_bytes)?;
        act(start)
    }

    /// As [`Mapping::with_bytes`], for what takes long: the mapping can be used and released meanwhile. A release then closes it at
    /// once, and unmaps when `act` has returned.
    ///
    /// # Errors
    /// As [`Mapping::with_bytes`].
    #[doc(hidden)]
    pub fn with_pinned_bytes<T>(
        &self,
        offset: u64,
        length_bytes: usize,
        act: impl FnOnce(usize) -> Result<T>,
    ) -> Result<T> {
        let mut life = self.living()?;
        let (start, _) = self.bytes_at(offset, length_bytes)?;
        life.pins += 1;
        drop(life);
        let _pin = Pin(self);
        act(start)
    }

    /// Keeps the range mapped, whoever releases the mapping, until the answer is dropped.
    ///
    /// # Errors
    /// `ERR_SHM_CLOSED`.
    #[doc(hidden)]
    pub fn pin(self: &Arc<Self>) -> Result<Pinned> {
        self.living()?.pins += 1;
        Ok(Pinned(Arc::clone(self)))
    }

    /// The mapping of ours in which all those bytes are, pinned.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_OURS`; `ERR_SHM_CLOSED`.
    #[doc(hidden)]
    pub fn pin_owner(address: usize, length_bytes: usize) -> Result<Pinned> {
        let owner = Self::owner(address).filter(|owner| {
            (address - owner.address())
                .checked_add(length_bytes)
                .is_some_and(|end| end <= owner.length_bytes())
        });
        owner.ok_or_else(|| not_ours(address, length_bytes))?.pin()
    }

    pub(super) fn bytes_at(&self, offset: u64, length_bytes: usize) -> Result<(usize, usize)> {
        let offset = to_usize(offset)?;
        match offset.checked_add(length_bytes) {
            Some(end) if end <= self.size_bytes() => Ok((self.address() + offset, length_bytes)),
            _ => Err(self.out_of_range(offset, length_bytes)),
        }
    }

    pub(super) fn out_of_range(&self, offset: usize, length_bytes: usize) -> Error {
        Error::own(
            "ERR_OUT_OF_RANGE",
            format!(
                "{length_bytes} bytes at offset {offset} are not inside the {} bytes of the segment",
                self.size_bytes()
            ),
        )
    }
}

/// A mapping that stays mapped; see [`Mapping::pin`].
#[derive(Debug)]
pub struct Pinned(Arc<Mapping>);

impl Pinned {
    /// The mapping.
    #[must_use]
    pub const fn mapping(&self) -> &Arc<Mapping> {
        &self.0
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        drop(Pin(&self.0));
    }
}

/// Keeps a mapping from being unmapped, also when what it was pinned for panics.
struct Pin<'mapping>(&'mapping Mapping);

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        let mut life = self.0.life();
        life.pins -= 1;
        self.0.unmap_if_unused(life);
    }
}
