//! pthread read-write locks of the C library of this process, at an offset of a mapping (pthread_rwlock_rdlock(3)).
//!
//! The library does not know its readers, and lets anybody unlock anything; so what this thread holds is recorded (`memory::Holds`).

#![expect(unsafe_code, reason = "a lock is an address")]

use super::pthread_place::{Noun, Place};
use super::pthread_words as words;
use crate::error::{Errno, Error, Named, Result};
use crate::memory::Mapping;
use crate::sys::SysResult;
use crate::sys::pthread::{rwlock, thread_id};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

pub use crate::sys::pthread::rwlock::{ALIGN_BYTES, SIZE_BYTES};

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Beside other readers.
    Read,
    /// Alone.
    Write,
}

const NOUN: Noun = Noun { name: "a read-write lock", size_bytes: SIZE_BYTES, align_bytes: ALIGN_BYTES };

/// See the module.
#[derive(Debug)]
pub struct PthreadRwLock {
    place: Place,
}

impl PthreadRwLock {
    /// Makes one. Nobody may be using the bytes.
    ///
    /// # Errors
    /// ENOMEM; `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`; `ERR_SHM_HELD`.
    pub fn initialise(mapping: &Arc<Mapping>, offset: u64) -> Result<Self> {
        let place = Place::new(mapping, offset, NOUN)?;
        // SAFETY: aligned and mapped (`Place`); that nobody uses the bytes is the caller's business, as in C.
        place.anew(|address| unsafe { rwlock::init(address) }.called("pthread_rwlock_init"))?;
        Ok(Self { place })
    }

    /// The one that lies there.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`; `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn at(mapping: &Arc<Mapping>, offset: u64) -> Result<Self> {
        let place = Place::new(mapping, offset, NOUN)?;
        // SAFETY: aligned and mapped (`Place`).
        place.with(|address, _| unsafe { words::rwlock(address) }.map(drop))?;
        Ok(Self { place })
    }

    /// Takes it, now (`pthread_rwlock_tryrdlock(3)`, `pthread_rwlock_trywrlock(3)`) or within `timeout`. Answers whether it did.
    ///
    /// # Errors
    /// EAGAIN (too many readers) EDEADLK (this thread holds it in a way that forbids it; with a timeout); `ERR_SHM_CLOSED`;
    /// `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TRUNCATED`; `ERR_SHM_HOLE`.
    pub fn take(&self, mode: Mode, timeout: Option<Duration>) -> Result<bool> {
        let got = Cell::new(false);
        let answer = self.place.with(|address, holds| {
            // SAFETY: aligned and mapped (`Place`).
            let writer = unsafe { words::rwlock(address) }?;
            let held = holds.count(self.place.offset(), thread_id()) > 0;
            if writer == thread_id() || held && mode == Mode::Write {
                return if timeout.is_none() {
                    Ok(false)
                } else {
                    Err(Error::system(call(mode), Errno::EDEADLK))
                };
            }
            // SAFETY: an initialised lock as far as its words tell, mapped; it is recorded as held, and so stays mapped.
            let took = match unsafe { take_at(address, mode, timeout) } {
                Ok(()) => true,
                Err(Errno::EBUSY | Errno::ETIMEDOUT) => false,
                Err(errno) => return Err(Error::system(call(mode), errno)),
            };
            if took {
                holds.add(self.place.offset(), thread_id());
                got.set(true);
            }
            Ok(took)
        });
        if answer.is_err() && got.get() {
            // It was locked on a private page.
            let _ = self.place.blindly(|_, holds| {
                holds.take(self.place.offset(), thread_id());
                Ok(())
            });
        }
        answer
    }

    /// `pthread_rwlock_unlock(3)`.
    ///
    /// # Errors
    /// EPERM (not locked by this thread through this mapping); as [`Self::take`].
    pub fn unlock(&self) -> Result<()> {
        self.place.with(|address, holds| {
            if holds.count(self.place.offset(), thread_id()) == 0 {
                return Err(Error::system("pthread_rwlock_unlock", Errno::EPERM)
                    .detail("this thread did not lock it through this mapping"));
            }
            // SAFETY: aligned and mapped (`Place`).
            unsafe { words::rwlock(address) }?;
            // SAFETY: this thread holds it, as the record says.
            unsafe { rwlock::unlock(address) }.called("pthread_rwlock_unlock")?;
            holds.take(self.place.offset(), thread_id());
            Ok(())
        })
    }

    /// Makes the bytes no lock any more (`pthread_rwlock_destroy(3)`, which does nothing in either C library).
    ///
    /// # Errors
    /// EBUSY (somebody has it or waits); `ERR_SHM_HELD`; as [`Self::take`].
    pub fn destroy(&self) -> Result<()> {
        self.place.anew(|address| {
            // SAFETY: aligned and mapped (`Place`).
            unsafe { words::rwlock(address) }?;
            // SAFETY: as above.
            if unsafe { words::rwlock_is_used(address) } {
                return Err(Error::system("pthread_rwlock_destroy", Errno::EBUSY));
            }
            // SAFETY: as above; nobody uses them, and all zeroes are no process-shared lock.
            unsafe { std::ptr::write_bytes(address as *mut u8, 0, SIZE_BYTES) };
            Ok(())
        })
    }
}

/// # Safety
/// As [`rwlock::read`].
unsafe fn take_at(address: usize, mode: Mode, timeout: Option<Duration>) -> SysResult<()> {
    match (mode, timeout.filter(|limit| !limit.is_zero())) {
        // SAFETY: the caller's word.
        (Mode::Read, None) => unsafe { rwlock::try_read(address) },
        // SAFETY: the caller's word.
        (Mode::Write, None) => unsafe { rwlock::try_write(address) },
        // SAFETY: the caller's word.
        (Mode::Read, Some(limit)) => unsafe { rwlock::read(address, limit) },
        // SAFETY: the caller's word.
        (Mode::Write, Some(limit)) => unsafe { rwlock::write(address, limit) },
    }
}

const fn call(mode: Mode) -> &'static str {
    match mode {
        Mode::Read => "pthread_rwlock_rdlock",
        Mode::Write => "pthread_rwlock_wrlock",
    }
}
