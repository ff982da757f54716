//! What a wait came to, as a value: neither is a failure.

use crate::error::Result;

/// What a wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The semaphore was decremented.
    Acquired,
    /// Its value was 0 (`EAGAIN`), or stayed so for the time given (`ETIMEDOUT`).
    NotNow,
    /// A signal handler ran (`EINTR`); ask again.
    Interrupted,
}

/// What a try of a pthread mutex came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MutexOutcome {
    /// It is ours.
    Locked,
    /// It is ours; its last owner died holding it (`EOWNERDEAD`).
    OwnerDied,
    /// Somebody has it (`EBUSY`), or had it for the time given (`ETIMEDOUT`).
    NotNow,
}

/// A part of a wait that touches the semaphore's bytes.
pub type Step<'a> = &'a dyn Fn() -> Result<Outcome>;
