//! What a wait came to, as a value: neither is a failure.

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
