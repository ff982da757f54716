//! pthread barriers of the C library of this process, at an offset of a mapping (pthread_barrier_wait(3)).
//!
//! On glibc the wait is our own, on its layout (nptl/pthread_barrier_wait.c of 2.25 and later): `pthread_barrier_wait` has no timeout, so that
//! nothing could end a thread in it, and it divides by a count of 0. Who has arrived cannot go back; but it can wait in slices.
//!
//! ```text
//! 0 in             how many arrived since the last reset; ours is our position, from 1
//! 4 current_round  the last position whose round is complete: who waits sleeps here until it is not before theirs
//! 8 count          how many make a round
//! 12 shared        128
//! 16 out           how many left; the last one before an overflow sets all three to 0
//! ```

#![expect(unsafe_code, reason = "a barrier is an address")]

use super::pthread_place::{Noun, Place};
use crate::error::{Errno, Error, Named, Result};
use crate::memory::Mapping;
use crate::sys::pthread::barrier;
use std::sync::Arc;
use std::time::Duration;

pub use crate::sys::pthread::barrier::{ALIGN_BYTES, MAX_COUNT, SIZE_BYTES};

const NOUN: Noun = Noun { name: "a barrier", size_bytes: SIZE_BYTES, align_bytes: ALIGN_BYTES };

/// What a wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarrierOutcome {
    /// The round is complete.
    Released,
    /// The round is complete, and one thread of it gets this (`PTHREAD_BARRIER_SERIAL_THREAD`).
    Serial,
    /// Others are missing: wait on with the same [`Arrival`].
    NotYet,
}

/// One arrival at a barrier, over all slices of its wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Our position; 0 before we have one.
    position: u32,
}

/// See the module.
#[derive(Debug)]
pub struct PthreadBarrier {
    place: Place,
}

impl PthreadBarrier {
    /// Makes one for `count` threads. Nobody may be using the bytes.
    ///
    /// # Errors
    /// EINVAL (count 0, or too large) ENOMEM; `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`; `ERR_SHM_HELD`.
    pub fn initialise(mapping: &Arc<Mapping>, offset: u64, count: u32) -> Result<Self> {
        let place = Place::new(mapping, offset, NOUN)?;
        // SAFETY: aligned and mapped (`Place`); that nobody uses the bytes is the caller's business, as in C.
        place.anew(|address| unsafe { barrier::init(address, count) }.called("pthread_barrier_init"))?;
        Ok(Self { place })
    }

    /// The one that lies there.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`; `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn at(mapping: &Arc<Mapping>, offset: u64) -> Result<Self> {
        let place = Place::new(mapping, offset, NOUN)?;
        // SAFETY: aligned and mapped (`Place`).
        place.with(|address, _| unsafe { words::count(address) }.map(drop))?;
        Ok(Self { place })
    }

    /// Arrives, unless `arrival` says that it did, and waits for the round to be complete: for `timeout` at most with glibc, as long as it
    /// takes elsewhere.
    ///
    /// # Errors
    /// EFAULT (truncated); `ERR_SHM_CLOSED`; `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TRUNCATED`; `ERR_SHM_HOLE`.
    pub fn wait(&self, arrival: &mut Arrival, timeout: Duration) -> Result<BarrierOutcome> {
        // SAFETY: aligned and mapped (`Place`).
        self.place.with(|address, _| unsafe { words::wait(address, arrival, timeout) })
    }

    /// Makes the bytes no barrier any more. `pthread_barrier_destroy(3)` would wait for ever for one who died inside: EBUSY then.
    ///
    /// # Errors
    /// EBUSY (somebody waits, or died waiting); as [`Self::wait`].
    pub fn destroy(&self) -> Result<()> {
        self.place.anew(|address| {
            // SAFETY: aligned and mapped (`Place`).
            if unsafe { words::is_used(address) }? {
                return Err(Error::system("pthread_barrier_destroy", Errno::EBUSY));
            }
            // SAFETY: as above; nobody uses them, and a count of 0 is no barrier.
            unsafe { std::ptr::write_bytes(address as *mut u8, 0, SIZE_BYTES) };
            Ok(())
        })
    }
}

#[cfg(target_env = "gnu")]
mod words {
    use super::{Arrival, BarrierOutcome};
    use crate::error::{Errno, Error, Result};
    use crate::sync::pthread_place::corrupt;
    use crate::sync::pthread_words::word;
    use crate::sys::futex;
    use std::sync::atomic::Ordering;
    use std::time::{Duration, Instant};

    const ROUND_AT: usize = 4;
    const COUNT_AT: usize = 8;
    const SHARED_AT: usize = 12;
    const OUT_AT: usize = 16;
    const SHARED: u32 = 128;
    /// Positions end here, at the end of a round.
    const THRESHOLD: u32 = u32::MAX / 2;

    /// The count, if it is one that a barrier can have.
    ///
    /// # Safety
    /// A `pthread_barrier_t` must have room at `address`, mapped and writable. So for all here.
    pub(super) unsafe fn count(address: usize) -> Result<u32> {
        // SAFETY: the caller's word: both are inside of it.
        let count = unsafe { word(address, COUNT_AT) }.load(Ordering::Relaxed); // Relaxed: written once, at its making.
        // SAFETY: as above.
        let shared = unsafe { word(address, SHARED_AT) }.load(Ordering::Relaxed); // Relaxed: as above.
        if count == 0 || count > THRESHOLD || shared != SHARED {
            return Err(corrupt("barrier", &format!("count {count}, shared {shared}")));
        }
        Ok(count)
    }

    /// # Safety
    /// As [`count`].
    pub(super) unsafe fn is_used(address: usize) -> Result<bool> {
        // SAFETY: the caller's word.
        unsafe { count(address) }?;
        // SAFETY: the caller's word.
        let arrived = unsafe { word(address, 0) }.load(Ordering::SeqCst);
        // SAFETY: the caller's word.
        Ok(arrived != unsafe { word(address, OUT_AT) }.load(Ordering::SeqCst))
    }

    /// # Safety
    /// As [`count`].
    pub(super) unsafe fn wait(
        address: usize,
        arrival: &mut Arrival,
        timeout: Duration,
    ) -> Result<BarrierOutcome> {
        // SAFETY: the caller's word.
        let count = unsafe { count(address) }?;
        let last = THRESHOLD - THRESHOLD % count;
        let deadline = Instant::now() + timeout;
        // SAFETY: the caller's word.
        let arrived = unsafe { word(address, 0) };
        while arrival.position == 0 {
            // SYNC: releases what we did before to who completes the round; acquires, if that is us, what they did.
            let position = arrived.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
            if position <= last {
                arrival.position = position.max(1);
                break;
            }
            // Before an overflow the last one to leave sets everything to 0. Until then nobody has a position.
            loop {
                let now = arrived.load(Ordering::Relaxed); // Relaxed: arriving again synchronises.
                if now <= last {
                    break;
                }
                if !sleep(address, now, deadline)? {
                    return Ok(BarrierOutcome::NotYet);
                }
            }
        }
        // SAFETY: the caller's word.
        if unsafe { is_complete(address, arrival.position, count, deadline) }? {
            // SAFETY: the caller's word.
            unsafe { leave(address, last) }?;
            let serial = arrival.position.is_multiple_of(count);
            Ok(if serial { BarrierOutcome::Serial } else { BarrierOutcome::Released })
        } else {
            Ok(BarrierOutcome::NotYet)
        }
    }

    /// Completes the round of `position` if it is the last of it, else waits for that.
    ///
    /// # Safety
    /// As [`count`].
    unsafe fn is_complete(address: usize, position: u32, count: u32, deadline: Instant) -> Result<bool> {
        // SAFETY: the caller's word.
        let round = unsafe { word(address, ROUND_AT) };
        let mut current = round.load(Ordering::Acquire);
        while u64::from(current) + u64::from(count) <= u64::from(position) {
            let complete = position - position % count;
            // SYNC: releases what all of the round did before to those who wait for it below.
            match round.compare_exchange_weak(current, complete, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    current = complete;
                    wake(address + ROUND_AT)?;
                }
                Err(now) => current = now,
            }
        }
        while position > current {
            if !sleep(address + ROUND_AT, current, deadline)? {
                return Ok(false);
            }
            current = round.load(Ordering::Acquire);
        }
        Ok(true)
    }

    /// # Safety
    /// As [`count`].
    unsafe fn leave(address: usize, last: u32) -> Result<()> {
        // SAFETY: the caller's word.
        let left = unsafe { word(address, OUT_AT) };
        if left.fetch_add(1, Ordering::AcqRel).wrapping_add(1) == last {
            // SAFETY: the caller's word.
            unsafe { word(address, ROUND_AT) }.store(0, Ordering::Relaxed); // Relaxed: `in` releases it.
            left.store(0, Ordering::Relaxed); // Relaxed: as above.
            // SAFETY: the caller's word.
            unsafe { word(address, 0) }.store(0, Ordering::Release);
            wake(address)?;
        }
        Ok(())
    }

    /// Sleeps while the word is `expected`; `false` once the time is over.
    fn sleep(address: usize, expected: u32, deadline: Instant) -> Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        match futex::wait(address, expected, left, false) {
            Ok(()) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(true),
            Err(Errno::ETIMEDOUT) => Ok(false),
            Err(errno) => Err(Error::system("pthread_barrier_wait", errno)),
        }
    }

    fn wake(address: usize) -> Result<()> {
        match futex::wake(address, i32::MAX, false) {
            Ok(_) => Ok(()),
            Err(errno) => Err(Error::system("pthread_barrier_wait", errno)),
        }
    }
}

#[cfg(not(target_env = "gnu"))]
mod words {
    use super::{Arrival, BarrierOutcome};
    use crate::error::{Named, Result};
    use crate::sys::pthread::barrier;
    use std::time::Duration;

    /// musl's barrier has no word that tells it from others.
    ///
    /// # Safety
    /// A `pthread_barrier_t` must have room at `address`, mapped and writable. So for all here.
    pub(super) unsafe fn count(_address: usize) -> Result<u32> {
        Ok(0)
    }

    /// # Safety
    /// As [`count`].
    pub(super) unsafe fn is_used(_address: usize) -> Result<bool> {
        Ok(false)
    }

    /// # Safety
    /// As [`count`].
    pub(super) unsafe fn wait(
        address: usize,
        _arrival: &mut Arrival,
        _timeout: Duration,
    ) -> Result<BarrierOutcome> {
        // SAFETY: the caller's word.
        let serial = unsafe { barrier::wait(address) }.called("pthread_barrier_wait")?;
        Ok(if serial { BarrierOutcome::Serial } else { BarrierOutcome::Released })
    }
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;
    use crate::memory::raw::{MmapArguments, mmap};
    use crate::sys::mman::flags::{MAP_ANONYMOUS, MAP_SHARED, PROT_READ, PROT_WRITE};

    #[test]
    fn a_barrier_waits_in_slices_and_has_one_serial_thread() {
        let arguments = MmapArguments {
            address: 0,
            length_bytes: 4096,
            protection: PROT_READ | PROT_WRITE,
            flags: MAP_SHARED | MAP_ANONYMOUS,
            fd: -1,
            offset: 0,
        };
        let mapping = mmap(&arguments).unwrap().mapping;
        let barrier = PthreadBarrier::initialise(&mapping, 0, 2).unwrap();
        let (mut first, mut second) = (Arrival::default(), Arrival::default());
        let slice = Duration::from_millis(1);
        assert_eq!(barrier.wait(&mut first, slice).unwrap(), BarrierOutcome::NotYet);
        assert_eq!(barrier.destroy().unwrap_err().errno(), Some(Errno::EBUSY));
        assert_eq!(barrier.wait(&mut first, slice).unwrap(), BarrierOutcome::NotYet);
        assert_eq!(barrier.wait(&mut second, slice).unwrap(), BarrierOutcome::Serial);
        assert_eq!(barrier.wait(&mut first, slice).unwrap(), BarrierOutcome::Released);
        barrier.destroy().unwrap();
    }
}
