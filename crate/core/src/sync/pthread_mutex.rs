//! pthread mutexes of the C library of this process, at an offset of a mapping (pthread_mutex_lock(3)).
//!
//! A mutex belongs to the thread that locked it. Which ones a thread holds through which mapping is recorded there (`memory::Holds`),
//! for two reasons: the memory of a held mutex must not go, and glibc's own owner check takes a thread of another PID namespace with
//! the same id for us.

#![expect(unsafe_code, reason = "a mutex is an address")]

pub use super::outcome::MutexOutcome;
use super::pthread_place::{Noun, Place, corrupt};
use super::pthread_words::{self as words, MutexWords};
use crate::error::{Errno, Error, Named, Result};
use crate::memory::{Holds, Mapping};
use crate::sys::SysResult;
use crate::sys::pthread::{mutex, thread_id};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

pub use crate::sys::pthread::mutex::{ALIGN_BYTES, Attributes, SIZE_BYTES, Type};

const NOUN: Noun = Noun { name: "a mutex", size_bytes: SIZE_BYTES, align_bytes: ALIGN_BYTES };

/// See the module.
#[derive(Debug)]
pub struct PthreadMutex {
    place: Place,
}

impl PthreadMutex {
    /// Makes one. Nobody may be using the bytes.
    ///
    /// # Errors
    /// ENOMEM ENOTSUP; `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`; `ERR_SHM_HELD`.
    pub fn initialise(mapping: &Arc<Mapping>, offset: u64, attributes: Attributes) -> Result<Self> {
        let place = Place::new(mapping, offset, NOUN)?;
        place.anew(|address| {
            // SAFETY: aligned and mapped (`Place`); that nobody uses the bytes is the caller's business, as in C.
            unsafe { mutex::init(address, attributes) }.called("pthread_mutex_init")
        })?;
        Ok(Self { place })
    }

    /// The one that lies there.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`; `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_UNSUPPORTED`.
    pub fn at(mapping: &Arc<Mapping>, offset: u64) -> Result<Self> {
        let place = Place::new(mapping, offset, NOUN)?;
        // SAFETY: aligned and mapped (`Place`).
        place.with(|address, _| unsafe { words::mutex(address) }.map(drop))?;
        Ok(Self { place })
    }

    /// `pthread_mutex_trylock(3)`.
    ///
    /// # Errors
    /// EAGAIN ENOTRECOVERABLE; `ERR_SHM_CLOSED`; `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TRUNCATED`; `ERR_SHM_HOLE`.
    pub fn try_lock(&self) -> Result<MutexOutcome> {
        self.take(None)
    }

    /// `pthread_mutex_clocklock(3)`.
    ///
    /// # Errors
    /// EDEADLK ESRCH; as [`Self::try_lock`].
    pub fn lock(&self, timeout: Duration) -> Result<MutexOutcome> {
        self.take(Some(timeout))
    }

    fn take(&self, timeout: Option<Duration>) -> Result<MutexOutcome> {
        let got = Cell::new(false);
        let answer = self.place.with(|address, holds| {
            let outcome = self.take_at(address, holds, timeout);
            if matches!(outcome, Ok(MutexOutcome::Locked | MutexOutcome::OwnerDied)) {
                holds.add(self.place.offset(), thread_id());
                got.set(true);
            }
            outcome
        });
        if answer.is_err() && got.get() {
            // It was locked on a private page: it must leave this thread's list again.
            let _ = self.place.blindly(|address, holds| self.release_at(address, holds));
        }
        answer
    }

    fn take_at(&self, address: usize, holds: &Holds, timeout: Option<Duration>) -> Result<MutexOutcome> {
        // SAFETY: aligned and mapped (`Place`).
        let state = unsafe { words::mutex(address) }?;
        if state.irrecoverable {
            return Err(Error::system("pthread_mutex_lock", Errno::ENOTRECOVERABLE));
        }
        let held_here = holds.count(self.place.offset(), thread_id()) > 0;
        let owned = state.owner == thread_id();
        if held_here && !owned && state.owner != 0 {
            return Err(not_ours());
        }
        if held_here && !state.recursive || owned && !held_here {
            let deadlock = Error::system("pthread_mutex_lock", Errno::EDEADLK);
            return match timeout {
                None => Ok(MutexOutcome::NotNow),
                Some(_) if held_here => Err(deadlock),
                Some(_) => Err(deadlock.detail(
                    "this thread holds it through another mapping, or a thread of another PID namespace with the same id does",
                )),
            };
        }
        // SAFETY: an initialised mutex as far as its words tell, mapped; it is recorded as held, and so stays mapped.
        unsafe { take_words(address, state, timeout) }
    }

    /// `pthread_mutex_unlock(3)`.
    ///
    /// # Errors
    /// EPERM (not locked by this thread through this mapping); `ERR_SHM_CLOSED`; `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TRUNCATED`; `ERR_SHM_HOLE`.
    pub fn unlock(&self) -> Result<()> {
        self.place.with(|address, holds| self.release_at(address, holds))
    }

    fn release_at(&self, address: usize, holds: &mut Holds) -> Result<()> {
        if let Err(error) = self.held(address, holds, "pthread_mutex_unlock") {
            // SAFETY: aligned and mapped (`Place`).
            if unsafe { words::mutex(address) }.is_ok_and(|state| !state.robust) {
                // C unlocked it for us, or made it anew. It is in no list, so its memory may go.
                holds.take(self.place.offset(), thread_id());
            }
            return Err(error);
        }
        // SAFETY: this thread holds it by this address: the record says so, and the owner in its words.
        match unsafe { mutex::unlock(address) } {
            // After an owner's death and without `mark_consistent`, an inner unlock answers so.
            Ok(()) | Err(Errno::ENOTRECOVERABLE) => {
                holds.take(self.place.offset(), thread_id());
                Ok(())
            }
            Err(errno) => Err(Error::system("pthread_mutex_unlock", errno)),
        }
    }

    /// `pthread_mutex_consistent(3)`.
    ///
    /// # Errors
    /// EINVAL (its owner did not die, or it is not robust) EPERM; as [`Self::unlock`].
    pub fn mark_consistent(&self) -> Result<()> {
        self.place.with(|address, holds| {
            self.held(address, holds, "pthread_mutex_consistent")?;
            // SAFETY: as in `release_at`.
            unsafe { mutex::consistent(address) }.called("pthread_mutex_consistent")
        })
    }

    /// `pthread_mutex_destroy(3)`.
    ///
    /// # Errors
    /// EBUSY (somebody holds it); `ERR_SHM_HELD`; as [`Self::try_lock`].
    pub fn destroy(&self) -> Result<()> {
        self.place.anew(|address| {
            // SAFETY: aligned and mapped (`Place`).
            let state = unsafe { words::mutex(address) }?;
            if state.locked && !state.irrecoverable {
                return Err(Error::system("pthread_mutex_destroy", Errno::EBUSY));
            }
            // SAFETY: an initialised mutex that nobody holds.
            unsafe { mutex::destroy(address) }.called("pthread_mutex_destroy")
        })
    }

    /// For a condition wait: its address, which stays mapped as long as it is held. EPERM where this thread does not hold it.
    pub(super) fn held_once(&self) -> Result<usize> {
        self.place.with(|address, holds| {
            let state = self.held(address, holds, "pthread_cond_timedwait")?;
            if state.inherits {
                return Err(Error::own(
                    "ERR_SHM_UNSUPPORTED",
                    "a condition wait with a priority-inheriting mutex is not supported: glibc ends the process when it cannot take it again",
                ));
            }
            if holds.count(self.place.offset(), thread_id()) > 1 {
                return Err(Error::system("pthread_cond_timedwait", Errno::EINVAL)
                    .detail("the mutex is locked more than once: nobody could notify"));
            }
            Ok(address)
        })
    }

    /// A condition wait did not get it back.
    pub(super) fn lost(&self) {
        let _ = self.place.blindly(|_, holds| {
            holds.take(self.place.offset(), thread_id());
            Ok(())
        });
    }

    fn held(&self, address: usize, holds: &Holds, call: &'static str) -> Result<MutexWords> {
        if holds.count(self.place.offset(), thread_id()) == 0 {
            return Err(
                Error::system(call, Errno::EPERM).detail("this thread did not lock it through this mapping")
            );
        }
        // SAFETY: aligned and mapped (`Place`).
        let state = unsafe { words::mutex(address) }?;
        if !state.locked || state.owner != 0 && state.owner != thread_id() {
            return Err(not_ours());
        }
        Ok(state)
    }
}

fn not_ours() -> Error {
    corrupt("mutex", "this thread holds it, and its words say otherwise")
}

/// Takes it by the C library; a wait for a priority-inheriting one is our own where glibc's could end the process.
///
/// # Safety
/// As [`mutex::lock`]; `state` must be what its words say.
unsafe fn take_words(address: usize, state: MutexWords, timeout: Option<Duration>) -> Result<MutexOutcome> {
    // glibc asserts that a non-robust one never has this mark; the kernel sets it where one waited for the dead owner.
    let may_try = state.robust || !state.inherits || !state.owner_died;
    let tried = if may_try {
        // SAFETY: the caller's word.
        unsafe { try_lock(address, state) }
    } else {
        Err(Errno::EBUSY)
    };
    let Some(limit) = timeout.filter(|limit| !limit.is_zero() && tried == Err(Errno::EBUSY)) else {
        return outcome(tried, "pthread_mutex_trylock");
    };
    #[cfg(target_env = "gnu")]
    if state.inherits {
        // SAFETY: the caller's word.
        return unsafe { super::glibc_inheriting::wait(address, state.robust, limit) };
    }
    // SAFETY: the caller's word.
    let waited = unsafe { mutex::lock(address, limit) };
    if waited == Err(Errno::ETIMEDOUT) && state.robust {
        // glibc leaves list_op_pending pointing here after a timeout; a try sets it right.
        // SAFETY: the caller's word.
        return outcome(unsafe { try_lock(address, state) }, "pthread_mutex_trylock");
    }
    outcome(waited, "pthread_mutex_clocklock")
}

/// # Safety
/// As [`mutex::try_lock`]; `state` must be what its words say.
unsafe fn try_lock(address: usize, state: MutexWords) -> SysResult<()> {
    // SAFETY: the caller's word.
    let answer = unsafe { mutex::try_lock(address) };
    #[cfg(target_env = "gnu")]
    if answer == Err(Errno::ENOTRECOVERABLE) && !state.inherits {
        // SAFETY: the caller's word.
        unsafe { unlock_irrecoverable(address) };
    }
    #[cfg(not(target_env = "gnu"))]
    let _ = state;
    answer
}

/// glibc's try leaves an irrecoverable mutex locked, since it compares the old value of the word with its own id, not the new one; all
/// others would wait for us.
///
/// # Safety
/// As [`mutex::try_lock`], which just answered ENOTRECOVERABLE.
#[cfg(target_env = "gnu")]
unsafe fn unlock_irrecoverable(address: usize) {
    use std::sync::atomic::Ordering;
    // SAFETY: the caller's word.
    let lock = unsafe { words::word(address, 0) };
    let value = lock.load(Ordering::Relaxed); // Relaxed: nobody else changes the owner while it is this thread.
    if value & words::OWNER == thread_id().cast_unsigned() {
        lock.store(0, Ordering::Release);
        // Needless where nobody waits.
        let _ = crate::sys::futex::wake(address, 1, false);
    }
}

fn outcome(answer: SysResult<()>, call: &'static str) -> Result<MutexOutcome> {
    match answer {
        Ok(()) => Ok(MutexOutcome::Locked),
        Err(Errno::EOWNERDEAD) => Ok(MutexOutcome::OwnerDied),
        Err(Errno::EBUSY | Errno::ETIMEDOUT) => Ok(MutexOutcome::NotNow),
        Err(errno) => Err(Error::system(call, errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::raw::{MmapArguments, mmap};
    use crate::sys::mman::flags::{MAP_ANONYMOUS, MAP_SHARED, PROT_READ, PROT_WRITE};

    const ROBUST: Attributes = Attributes { kind: Type::ErrorChecking, robust: true, inherits: false };

    fn mapping() -> Arc<Mapping> {
        let arguments = MmapArguments {
            address: 0,
            length_bytes: 4096,
            protection: PROT_READ | PROT_WRITE,
            flags: MAP_SHARED | MAP_ANONYMOUS,
            fd: -1,
            offset: 0,
        };
        mmap(&arguments).unwrap().mapping
    }

    #[test]
    fn a_thread_that_ends_with_a_mutex_leaves_it_to_the_next() {
        for inherits in [false, true] {
            let mapping = mapping();
            let mutex = PthreadMutex::initialise(&mapping, 64, Attributes { inherits, ..ROBUST }).unwrap();
            let (place, waiting) = (Arc::clone(&mapping), std::sync::Barrier::new(2));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let theirs = PthreadMutex::at(&place, 64).unwrap();
                    assert_eq!(theirs.try_lock().unwrap(), MutexOutcome::Locked);
                    waiting.wait();
                });
                waiting.wait();
            });
            assert_eq!(mutex.lock(Duration::from_secs(20)).unwrap(), MutexOutcome::OwnerDied);
            mutex.mark_consistent().unwrap();
            mutex.unlock().unwrap();
            assert_eq!(mutex.try_lock().unwrap(), MutexOutcome::Locked);
            mutex.unlock().unwrap();
        }
    }

    #[test]
    fn a_mapping_with_a_held_mutex_stays_when_it_is_released_and_dropped() {
        let mapping = mapping();
        let address = mapping.address();
        let mutex = PthreadMutex::initialise(&mapping, 0, ROBUST).unwrap();
        mutex.try_lock().unwrap();
        assert_eq!(mapping.refuse_if_held().unwrap_err().code(), "ERR_SHM_HELD");
        mapping.release();
        drop((mutex, mapping));
        // SAFETY: the place of the mutex; mapped, which is the claim.
        let state = unsafe { words::mutex(address) }.unwrap();
        assert_eq!(state.owner, thread_id());
    }
}
