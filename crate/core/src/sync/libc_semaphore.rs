//! A semaphore by the C library's own functions, for libraries whose layout we do not know from the inside (musl).

#![expect(unsafe_code, reason = "a semaphore is an address")]

use super::outcome::Outcome;
use super::outcome::Step;
use crate::error::{Errno, Error, Named, Result};
use crate::sys::posix_sem;
use std::time::Duration;

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
        // SAFETY: mapped, as `at` demands.
        outcome(unsafe { posix_sem::sem_trywait(self.address) }, "sem_trywait")
    }

    /// One step: libc's wait cannot be told from its touches.
    pub(super) fn wait(
        self,
        timeout: Duration,
        touch: impl Fn(Step<'_>) -> Result<Outcome>,
    ) -> Result<Outcome> {
        touch(&|| {
            // SAFETY: mapped, as `at` demands.
            outcome(unsafe { posix_sem::sem_timedwait(self.address, timeout) }, "sem_timedwait")
        })
    }

    pub(super) fn post(self) -> Result<()> {
        // SAFETY: mapped, as `at` demands.
        unsafe { posix_sem::sem_post(self.address) }.called("sem_post")
    }

    pub(super) fn value(self) -> Result<i32> {
        // SAFETY: mapped, as `at` demands.
        unsafe { posix_sem::sem_getvalue(self.address) }.called("sem_getvalue")
    }
}

fn outcome(answer: crate::sys::SysResult<()>, syscall: &'static str) -> Result<Outcome> {
    match answer {
        Ok(()) => Ok(Outcome::Acquired),
        Err(Errno::EAGAIN | Errno::ETIMEDOUT) => Ok(Outcome::NotNow),
        Err(Errno::EINTR) => Ok(Outcome::Interrupted),
        Err(errno) => Err(Error::system(syscall, errno)),
    }
}
