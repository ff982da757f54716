//! glibc's semaphore, on our own futex calls (nptl/sem_waitcommon.c and sem_post.c of glibc 2.21 and later, 64 bits).
//!
//! Why not `sem_wait` itself: it aborts the process when futex(2) answers anything unexpected, and a peer can make it do so, by
//! truncating the object under the semaphore, or by a scribbled third word. Here that is an error.
//!
//! ```text
//! word 0  value            0 to SEM_VALUE_MAX          ┐ one 64-bit word, changed by compare-and-swap
//! word 1  waiters          how many are in `wait`      ┘
//! word 2  128: shared between processes, 0: not
//! ```
//!
//! | step | change of the 64-bit word |
//! |---|---|
//! | try | value > 0: value − 1; else not now |
//! | wait | waiters + 1; then as often as the value is 0: sleep on word 0 while it is 0; then value − 1, waiters − 1 in one step |
//! | give up | waiters − 1 |
//! | post | value + 1; then wake one if there are waiters |
//!
//! Why no wake is lost: a waiter counts itself before it looks at the value, and a poster changes the value before it looks
//! at the waiters, in the same word. A waiter that is killed leaves a count too high, which costs a needless wake, as in glibc.

#![expect(unsafe_code, reason = "a semaphore is an address")]

use super::outcome::Outcome;
use super::outcome::Step;
use crate::error::{Errno, Error, Named, Result};
use crate::sys::{futex, posix_sem};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const ONE_WAITER: u64 = 1 << 32;
const VALUE: u64 = ONE_WAITER - 1;
const SHARED: u32 = 128;

/// A semaphore's words, borrowed.
#[derive(Clone, Copy)]
pub(super) struct Words {
    address: usize,
}

impl Words {
    /// # Safety
    /// As `PosixSemaphore::at`.
    pub(super) const unsafe fn at(address: usize) -> Self {
        Self { address }
    }

    pub(super) fn try_wait(self) -> Result<Outcome> {
        self.plausible("sem_trywait")?;
        Ok(if self.take(0) { Outcome::Acquired } else { Outcome::NotNow })
    }

    /// The sleep alone touches no byte: each step that does is run by `touch`.
    pub(super) fn wait(
        self,
        timeout: Duration,
        touch: impl Fn(Step<'_>) -> Result<Outcome>,
    ) -> Result<Outcome> {
        if touch(&|| self.enlist())? == Outcome::Acquired {
            return Ok(Outcome::Acquired);
        }
        let private = Cell::new(false);
        let deadline = Instant::now() + timeout;
        let look = || {
            private.set(self.plausible("sem_timedwait")? != SHARED);
            Ok(if self.take(ONE_WAITER) { Outcome::Acquired } else { Outcome::NotNow })
        };
        loop {
            if touch(&look)? == Outcome::Acquired {
                return Ok(Outcome::Acquired);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let outcome = match futex::wait(self.value_address(), 0, left, private.get()) {
                Ok(()) | Err(Errno::EAGAIN) => continue,
                Err(Errno::ETIMEDOUT) => Ok(Outcome::NotNow),
                Err(Errno::EINTR) => Ok(Outcome::Interrupted),
                Err(errno) => Err(Error::system("sem_timedwait", errno)),
            };
            touch(&|| {
                self.forget_waiter();
                Ok(Outcome::NotNow)
            })?;
            return outcome;
        }
    }

    /// Takes one, or counts among the waiters.
    fn enlist(self) -> Result<Outcome> {
        self.plausible("sem_timedwait")?;
        if self.take(0) {
            return Ok(Outcome::Acquired);
        }
        // SYNC: waiters before value; `post` does the reverse.
        self.state().fetch_add(ONE_WAITER, Ordering::SeqCst);
        Ok(Outcome::NotNow)
    }

    pub(super) fn post(self) -> Result<()> {
        let private = self.plausible("sem_post")? != SHARED;
        let mut state = self.state().load(Ordering::Relaxed); // Relaxed: the exchange below decides.
        loop {
            if state & VALUE >= u64::from(posix_sem::MAX_VALUE) {
                return Err(Error::system("sem_post", Errno::EOVERFLOW));
            }
            // SYNC: value before waiters; `wait` does the reverse. Also releases what the poster wrote to the taker.
            match self.state().compare_exchange_weak(state, state + 1, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        if state >= ONE_WAITER {
            futex::wake(self.value_address(), 1, private).called("sem_post")?;
        }
        Ok(())
    }

    pub(super) fn value(self) -> Result<i32> {
        self.plausible("sem_getvalue")?;
        let value = self.state().load(Ordering::Relaxed) & VALUE; // Relaxed: stale the moment it returns, whatever the order.
        Ok(i32::try_from(value).unwrap_or(i32::MAX))
    }

    /// Takes one off the waiters; none where somebody made the semaphore anew meanwhile, and with it the count.
    fn forget_waiter(self) {
        let mut state = self.state().load(Ordering::SeqCst);
        while state >= ONE_WAITER {
            match self.state().compare_exchange_weak(
                state,
                state - ONE_WAITER,
                Ordering::SeqCst,
                Ordering::SeqCst,
            ) {
                Ok(_) => return,
                Err(now) => state = now,
            }
        }
    }

    /// Takes one, and `also` off the waiters if there are any (a semaphore made anew under a waiter has none), in one step;
    /// `false` where the value is 0.
    fn take(self, also: u64) -> bool {
        let mut state = self.state().load(Ordering::SeqCst);
        while state & VALUE > 0 {
            let waiters = if state >= ONE_WAITER { also } else { 0 };
            // SYNC: acquires what the poster released.
            match self.state().compare_exchange_weak(
                state,
                state - 1 - waiters,
                Ordering::SeqCst,
                Ordering::SeqCst,
            ) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    /// The third word, if it is one that a semaphore can have.
    fn plausible(self, call: &str) -> Result<u32> {
        // SAFETY: inside the semaphore, aligned, mapped (as `at` demands); other processes access it too, so atomically.
        let word = unsafe { AtomicU32::from_ptr((self.address + 8) as *mut u32) };
        match word.load(Ordering::Relaxed) {
            word @ (0 | SHARED) => Ok(word), // Relaxed: written once, before the semaphore is used.
            other => Err(Error::own(
                "ERR_SHM_POSSIBLY_CORRUPT",
                format!(
                    "{call}: the bytes there are no semaphore of this C library (its third word is {other}, not 0 or {SHARED})"
                ),
            )),
        }
    }

    fn state(&self) -> &AtomicU64 {
        // SAFETY: inside the semaphore, aligned to 8 as its offset is checked to be, mapped (as `at` demands); atomically.
        unsafe { AtomicU64::from_ptr(self.address as *mut u64) }
    }

    /// The value is the low half, which on little-endian machines comes first.
    const fn value_address(self) -> usize {
        self.address
    }
}

const _: () =
    assert!(cfg!(target_endian = "little"), "glibc keeps the value in the other half on big-endian machines");

#[cfg(test)]
mod tests {
    use super::*;

    /// A semaphore as glibc lays it out, of this process alone.
    #[repr(C, align(8))]
    struct Memory([AtomicU64; 4]);

    impl Memory {
        fn new(value: u32) -> Self {
            let memory = Self(Default::default());
            let address = memory.0.as_ptr() as usize;
            // SAFETY: 32 bytes, aligned to 8, alive.
            unsafe { posix_sem::sem_init(address, value) }.unwrap();
            memory
        }

        fn words(&self) -> Words {
            // SAFETY: 32 bytes, aligned to 8, alive as long as the borrow.
            unsafe { Words::at(self.0.as_ptr() as usize) }
        }
    }

    #[test]
    fn libc_sees_what_we_do_and_we_what_it_does() {
        let memory = Memory::new(2);
        let address = memory.0.as_ptr() as usize;
        assert_eq!(memory.words().try_wait().unwrap(), Outcome::Acquired);
        // SAFETY: a live semaphore.
        assert_eq!(unsafe { posix_sem::sem_getvalue(address) }.unwrap(), 1);
        // SAFETY: a live semaphore.
        unsafe { posix_sem::sem_post(address) }.unwrap();
        assert_eq!(memory.words().value().unwrap(), 2);
        memory.words().post().unwrap();
        // SAFETY: a live semaphore.
        assert_eq!(unsafe { posix_sem::sem_getvalue(address) }.unwrap(), 3);
    }

    #[test]
    fn a_wait_that_gives_up_leaves_no_waiter_behind() {
        let memory = Memory::new(0);
        assert_eq!(memory.words().wait(Duration::from_millis(2), |step| step()).unwrap(), Outcome::NotNow);
        assert_eq!(memory.0[0].load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_semaphore_made_anew_under_a_waiter_neither_spins_nor_counts_below_zero() {
        let memory = Memory::new(0);
        memory.0[0].store(1, Ordering::SeqCst);
        assert!(memory.words().take(ONE_WAITER), "it waited, and its count was wiped out");
        assert_eq!(memory.0[0].load(Ordering::SeqCst), 0);
        memory.words().forget_waiter();
        assert_eq!(memory.0[0].load(Ordering::SeqCst), 0);
    }

    #[test]
    fn every_post_wakes_or_is_found() {
        let memory = Memory::new(0);
        let taken = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while taken.load(Ordering::SeqCst) < 3000 {
                        if memory.words().wait(Duration::from_millis(20), |step| step()).unwrap()
                            == Outcome::Acquired
                        {
                            taken.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                });
            }
            for _ in 0..3000 {
                memory.words().post().unwrap();
            }
        });
        assert_eq!((taken.load(Ordering::SeqCst), memory.words().value().unwrap()), (3000, 0));
    }

    #[test]
    fn scribbled_bytes_are_an_error() {
        let memory = Memory::new(1);
        memory.0[1].store(9, Ordering::SeqCst);
        assert_eq!(memory.words().post().unwrap_err().code(), "ERR_SHM_POSSIBLY_CORRUPT");
        let full = Memory::new(posix_sem::MAX_VALUE);
        assert_eq!(full.words().post().unwrap_err().errno(), Some(Errno::EOVERFLOW));
    }
}
