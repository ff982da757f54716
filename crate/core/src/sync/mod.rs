//! Floor 3: waits and wakes, over objects of the kernel or bytes that someone else mapped.

#[cfg(target_env = "gnu")]
mod glibc_semaphore;
pub mod helper_threads;
#[cfg(not(target_env = "gnu"))]
mod libc_semaphore;
mod outcome;
pub mod pending_waits;
pub mod posix_semaphore;
pub mod sysv_semaphore;

pub use outcome::Outcome;
pub use posix_semaphore::{NamedSemaphore, PosixSemaphore};
