//! Floor 3: waits and wakes, over objects of the kernel or bytes that someone else mapped.

pub mod posix_semaphore;
pub mod sysv_semaphore;

pub use posix_semaphore::{NamedSemaphore, PosixSemaphore};
