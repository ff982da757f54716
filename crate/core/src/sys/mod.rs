//! Floor 0: the only place that calls C.
//!
//! One file a subject of the manual. A function here does what one call does, retries `EINTR` where the manual
//! allows it, and returns the errno as it came; meaning is given on the floors above.

pub(crate) mod checked_copy;
pub mod constants;
mod conv;
pub mod file;
pub mod futex;
mod ipc;
pub mod machine;
pub mod memfd;
pub mod mman;
pub mod numa;
pub mod posix_sem;
pub mod probe;
pub mod process;
pub(crate) mod pthread;
pub(crate) mod robust_list;
pub mod shm;
pub(crate) mod signal;
pub mod socket;
pub mod sysv_sem;
pub mod sysv_shm;

/// The result of one system call.
pub type SysResult<T> = std::result::Result<T, crate::error::Errno>;
