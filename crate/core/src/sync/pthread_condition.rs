//! pthread condition variables of the C library of this process, at an offset of a mapping (pthread_cond_timedwait(3)).

#![expect(unsafe_code, reason = "a condition variable is an address")]

use super::condition_words as words;
use super::pthread_mutex::PthreadMutex;
use super::pthread_place::{Noun, Place};
use crate::error::{Errno, Error, Named, Result};
use crate::memory::Mapping;
use crate::sys::SysResult;
use crate::sys::pthread::condition;
use std::sync::Arc;
use std::time::Duration;

pub use crate::sys::pthread::condition::{ALIGN_BYTES, Clock, SIZE_BYTES};

/// What a wait came to. The mutex is held again, whichever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionOutcome {
    /// Somebody notified, or it woke for no reason.
    Notified,
    /// The time is over. Somebody may have notified while the mutex was taken again: look at what you wait for.
    TimedOut,
    /// The mutex is held, and its last owner died holding it.
    OwnerDied,
}

const NOUN: Noun = Noun { name: "a condition variable", size_bytes: SIZE_BYTES, align_bytes: ALIGN_BYTES };

/// See the module.
#[derive(Debug)]
pub struct PthreadCondition {
    place: Place,
}

impl PthreadCondition {
    /// Makes one. Nobody may be using the bytes.
    ///
    /// # Errors
    /// ENOMEM; `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`; `ERR_SHM_HELD`.
    pub fn initialise(mapping: &Arc<Mapping>, offset: u64, clock: Clock) -> Result<Self> {
        let place = Place::new(mapping, offset, NOUN)?;
        place.anew(|address| {
            // SAFETY: aligned and mapped (`Place`); that nobody uses the bytes is the caller's business, as in C.
            unsafe { condition::init(address, clock) }.called("pthread_cond_init")
        })?;
        Ok(Self { place })
    }

    /// The one that lies there.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`; `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn at(mapping: &Arc<Mapping>, offset: u64) -> Result<Self> {
        let place = Place::new(mapping, offset, NOUN)?;
        // SAFETY: aligned and mapped (`Place`).
        place.with(|address, _| unsafe { words::clock(address) }.map(drop))?;
        Ok(Self { place })
    }

    /// `pthread_cond_clockwait(3)`. How long it takes to get the mutex again is not limited.
    ///
    /// # Errors
    /// EINVAL (locked more than once) ENOTRECOVERABLE EPERM (this thread does not hold the mutex); `ERR_SHM_UNSUPPORTED` with a
    /// priority-inheriting mutex; `ERR_SHM_CLOSED`; `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TRUNCATED`; `ERR_SHM_HOLE`.
    pub fn wait(&self, mutex: &PthreadMutex, timeout: Duration) -> Result<ConditionOutcome> {
        let mutex_address = mutex.held_once()?;
        let waited = self.place.with(|address, _| {
            // SAFETY: aligned and mapped (`Place`).
            let clock = unsafe { words::clock(address) }?;
            // SAFETY: as above.
            unsafe { words::may_wait(address) }?;
            // SAFETY: initialised as far as its words tell; the mutex is held once by this thread, which keeps it mapped.
            Ok(unsafe { condition::wait(address, mutex_address, clock, timeout) })
        })?;
        match waited {
            Ok(()) => Ok(ConditionOutcome::Notified),
            Err(Errno::ETIMEDOUT) => Ok(ConditionOutcome::TimedOut),
            Err(Errno::EOWNERDEAD) => Ok(ConditionOutcome::OwnerDied),
            Err(errno) => {
                if errno == Errno::ENOTRECOVERABLE {
                    mutex.lost();
                }
                Err(Error::system("pthread_cond_timedwait", errno))
            }
        }
    }

    /// `pthread_cond_signal(3)`.
    ///
    /// # Errors
    /// `ERR_SHM_CLOSED`; `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TRUNCATED`; `ERR_SHM_HOLE`.
    pub fn notify_one(&self) -> Result<()> {
        // SAFETY: what `call` says.
        self.call("pthread_cond_signal", |address| unsafe { condition::signal(address) })
    }

    /// `pthread_cond_broadcast(3)`.
    ///
    /// # Errors
    /// As [`Self::notify_one`].
    pub fn notify_all(&self) -> Result<()> {
        // SAFETY: what `call` says.
        self.call("pthread_cond_broadcast", |address| unsafe { condition::broadcast(address) })
    }

    /// `pthread_cond_destroy(3)`, which would wait for ever where a waiter died: EBUSY then.
    ///
    /// # Errors
    /// EBUSY (somebody waits, or died waiting); as [`Self::notify_one`].
    pub fn destroy(&self) -> Result<()> {
        self.call("pthread_cond_destroy", |address| {
            // SAFETY: what `call` says.
            if unsafe { words::has_waiters(address) } {
                return Err(Errno::EBUSY);
            }
            // SAFETY: what `call` says; nobody waits.
            unsafe { condition::destroy(address) }
        })
    }

    /// Runs `act` with the address of an initialised condition variable, as far as its words tell, that stays mapped meanwhile.
    fn call(&self, name: &'static str, act: impl FnOnce(usize) -> SysResult<()>) -> Result<()> {
        self.place.with(|address, _| {
            // SAFETY: aligned and mapped (`Place`).
            unsafe { words::clock(address) }?;
            // SAFETY: as above.
            unsafe { words::may_notify(address) }?;
            act(address).called(name)
        })
    }
}
