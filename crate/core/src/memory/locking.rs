//! A mapping locked in RAM, whole or not at all.
//!
//! mlock(2) marks the range first and brings it in after that: where the second fails (the object was truncated, memory is
//! short), the mark stays. So a failure here is undone, to what was before.

use super::mapping::Mapping;
use super::pages::Extent;
use crate::error::{Named, Result};
use crate::sys::mman;

/// How a mapping is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locking {
    /// Every page now.
    Now,
    /// Each page when it is touched (`MLOCK_ONFAULT`, Linux 4.4).
    OnFault,
}

impl Locking {
    const fn flags(self) -> i32 {
        match self {
            Self::Now => 0,
            Self::OnFault => mman::MLOCK_ONFAULT,
        }
    }

    const fn syscall(self) -> &'static str {
        match self {
            Self::Now => "mlock",
            Self::OnFault => "mlock2",
        }
    }
}

impl Mapping {
    /// `mlock2(2)` of all of it. A failure leaves it as it was.
    ///
    /// # Errors
    /// EAGAIN ENOMEM EPERM; `ERR_SHM_CLOSED`.
    pub fn lock_whole(&self, how: Locking) -> Result<()> {
        let mut alive = self.living()?;
        let (start, length) = self.touched_pages(Extent::default())?;
        if let Err(errno) = mman::mlock2(start, length, how.flags()) {
            let _ = match alive.locking {
                None => mman::munlock(start, length),
                Some(before) => mman::mlock2(start, length, before.flags()),
            };
            return Err(errno).called(how.syscall());
        }
        alive.locking = Some(how);
        Ok(())
    }

    /// `munlock(2)` of all of it.
    ///
    /// # Errors
    /// ENOMEM; `ERR_SHM_CLOSED`.
    pub fn unlock_whole(&self) -> Result<()> {
        let mut alive = self.living()?;
        let (start, length) = self.touched_pages(Extent::default())?;
        mman::munlock(start, length).called("munlock")?;
        alive.locking = None;
        Ok(())
    }

    /// Whether and how [`Mapping::lock_whole`] locked it.
    #[must_use]
    pub fn locking(&self) -> Option<Locking> {
        self.life().locking
    }
}
