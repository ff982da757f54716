//! Floor 3: waits and wakes, over objects of the kernel or bytes that someone else mapped.

mod condition_words;
#[cfg(target_env = "gnu")]
mod glibc_inheriting;
#[cfg(target_env = "gnu")]
mod glibc_semaphore;
#[cfg(not(target_env = "gnu"))]
mod libc_semaphore;
mod outcome;
pub mod posix_semaphore;
pub mod pthread_barrier;
pub mod pthread_condition;
pub mod pthread_mutex;
mod pthread_place;
pub mod pthread_rwlock;
mod pthread_words;
pub mod sysv_semaphore;

pub use outcome::Outcome;
pub use posix_semaphore::{NamedSemaphore, PosixSemaphore};
pub use pthread_place::ABI;
