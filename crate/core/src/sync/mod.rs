//! Floor 3: waits and wakes, over objects of the kernel or bytes that someone else mapped.
//!
//! - Objects of the kernel and of libc: [`posix_semaphore`], [`sysv_semaphore`].
//! - Our own, that survive the death of whoever uses them: [`mutex`] and what stands beside it.
//! - [`wait`] is how they all wait.

pub mod barrier;
pub mod condition;
mod condition_words;
pub mod event;
mod fallback;
pub(crate) mod gate;
#[cfg(target_env = "gnu")]
mod glibc_inheriting;
#[cfg(target_env = "gnu")]
mod glibc_semaphore;
mod helper_threads;
#[cfg(not(target_env = "gnu"))]
mod libc_semaphore;
pub mod member_watch;
pub mod mutex;
mod outcome;
pub mod pending_waits;
pub mod permits;
pub mod posix_semaphore;
pub mod pthread_barrier;
pub mod pthread_condition;
pub mod pthread_mutex;
mod pthread_place;
pub mod pthread_rwlock;
mod pthread_words;
pub mod rwlock;
pub(crate) mod seqlock;
pub mod sysv_semaphore;
pub mod wait;
pub mod waiter;
pub mod word;

pub use outcome::Outcome;
pub use posix_semaphore::{NamedSemaphore, PosixSemaphore};
pub use pthread_place::ABI;
