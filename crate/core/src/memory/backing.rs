//! The object behind a mapping: what it is, how it is found again, how it shows that it is used.

use super::options::Access;
use crate::sys::file;
use std::os::fd::OwnedFd;

/// What a mapping is a mapping of.
#[derive(Debug)]
pub enum Backing {
    /// A System V segment.
    Sysv {
        /// Its identifier.
        id: i32,
    },
    /// A POSIX object, memfd or file.
    Object {
        /// Kept open on request, always for a memfd.
        fd: Option<OwnedFd>,
        /// How to find it again.
        origin: Origin,
        /// With `inode`, its identity.
        device: u64,
        /// See `device`.
        inode: u64,
        /// Whether the sign of life could be taken.
        liveness: bool,
    },
    /// Nothing that outlives the mapping, or nothing we know of: the raw mmap(2).
    None,
}

/// The byte whose open-file-description lock says that somebody uses the object. Far beyond any content; the kernel
/// drops the lock when the last descriptor and mapping of the description are gone, however their process died.
pub const LIVENESS_BYTE: i64 = 1 << 42;

/// The extended attribute that says of a POSIX object that this library made it, also when all its users are dead.
pub const SIGN: &std::ffi::CStr = c"user.shmem";

/// How an object can be found again after its descriptor was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// By this path.
    Path(String),
    /// Not at all.
    Anonymous,
}

/// The flags that open an existing object for `access`. Never blocking: a FIFO of that name must not hang us.
pub(super) fn open_flags(access: Access) -> i32 {
    let how = if access == Access::Write { file::flags::O_RDWR } else { file::flags::O_RDONLY };
    how | file::flags::O_CLOEXEC | file::flags::O_NONBLOCK
}
