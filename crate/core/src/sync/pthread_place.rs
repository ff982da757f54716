//! Where a pthread object lies: a mapping and an offset, checked at each use, with what the fault guard saw meanwhile.

use crate::error::{Error, Result};
use crate::memory::{Holds, Mapping};
use std::cell::Cell;
use std::sync::Arc;

/// The C library whose objects this build understands.
pub const ABI: &str = if cfg!(target_env = "gnu") { "glibc" } else { "musl" };

/// What is to lie there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noun {
    pub(super) name: &'static str,
    pub(super) size_bytes: usize,
    pub(super) align_bytes: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Place {
    mapping: Arc<Mapping>,
    offset: usize,
    noun: Noun,
    /// An operation met a bad page, and a private one lies there since.
    spoilt: Cell<bool>,
}

impl Place {
    /// # Errors
    /// `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`.
    pub(super) fn new(mapping: &Arc<Mapping>, offset: u64, noun: Noun) -> Result<Self> {
        mapping.with_bytes(offset, noun.size_bytes, |address| {
            if address.is_multiple_of(noun.align_bytes) {
                Ok(())
            } else {
                let multiple =
                    format!("{} needs an offset that is a multiple of {}", noun.name, noun.align_bytes);
                Err(Error::own("ERR_OUT_OF_RANGE", multiple))
            }
        })?;
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(Self { mapping: Arc::clone(mapping), offset, noun, spoilt: Cell::new(false) })
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Runs `act` with the address, which is aligned and stays mapped meanwhile, and with what is held in the mapping. What was done
    /// on a page that went bad, or beyond the end of a truncated object, was done on a private page, and is an error: now and from then on.
    ///
    /// # Errors
    /// `ERR_SHM_CLOSED`; `ERR_SHM_TRUNCATED`; `ERR_SHM_HOLE`; what `act` answers.
    pub(super) fn with<T>(&self, act: impl FnOnce(usize, &mut Holds) -> Result<T>) -> Result<T> {
        let before = self.mapping.faults();
        let answer = self.blindly(act);
        let after = self.mapping.faults();
        if after.truncated > 0 {
            let message = format!("{} lies in a mapping whose object was truncated", self.noun.name);
            return Err(Error::own("ERR_SHM_TRUNCATED", message));
        }
        self.spoilt.set(self.spoilt.get() || before != after);
        if self.spoilt.get() {
            let message = format!("{} lies in pages that are unmapped or protected", self.noun.name);
            return Err(Error::own("ERR_SHM_HOLE", message));
        }
        answer
    }

    /// As [`Self::with`], without a look at faults.
    pub(super) fn blindly<T>(&self, act: impl FnOnce(usize, &mut Holds) -> Result<T>) -> Result<T> {
        let offset = u64::try_from(self.offset).unwrap_or(u64::MAX);
        self.mapping.with_holds(offset, self.noun.size_bytes, act)
    }

    /// As [`Self::with`], for making an object anew: nobody may hold what lies there.
    ///
    /// # Errors
    /// `ERR_SHM_HELD`; as [`Self::with`].
    pub(super) fn anew<T>(&self, act: impl FnOnce(usize) -> Result<T>) -> Result<T> {
        self.with(|address, holds| {
            holds.refuse_in(self.offset, self.offset + self.noun.size_bytes)?;
            act(address)
        })
    }
}

/// The bytes there are no object of this C library.
pub(super) fn corrupt(noun: &str, why: &str) -> Error {
    Error::own(
        "ERR_SHM_POSSIBLY_CORRUPT",
        format!("the bytes there are no process-shared {noun} of {ABI}: {why}"),
    )
}
