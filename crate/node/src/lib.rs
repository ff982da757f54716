//! The Node-API binding of shmem-core: napi lives here only.
//!
//! Each function converts, calls, converts; the algorithms are in the core, the words for users in the facade.
//! [`error`] is the one place where errors change shape, [`view`] the one where memory becomes an `ArrayBuffer`.

pub mod allocator;
mod convert;
pub mod error;
pub mod fault_watch;
pub mod image;
pub mod list;
pub mod managed;
pub mod managed_object;
pub mod managed_waits;
pub mod map;
pub mod memfd_segment;
pub mod named_segment;
pub mod one_writer;
pub mod options;
mod panics;
pub mod pass_fd;
pub mod placement;
pub mod posix_semaphore;
pub mod pthread_barrier;
pub mod pthread_condition;
pub mod pthread_mutex;
pub mod pthread_rwlock;
pub mod raw_constants;
pub mod raw_posix;
pub mod raw_sysv;
pub mod ring;
pub mod ring_many;
pub mod segment;
pub mod semaphore_waits;
mod shared_view;
pub mod system;
pub mod sysv_segment;
pub mod sysv_semaphore;
mod view;
