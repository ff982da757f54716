//! POSIX shared memory names: shm_open(3), shm_unlink(3).

use super::SysResult;
use super::conv::from_nix;
use std::os::fd::OwnedFd;

/// Where shm_open(3) of glibc and musl keeps its objects.
pub const DIRECTORY: &str = "/dev/shm";

/// `shm_open(3)`. The umask applies to `mode`.
///
/// # Errors
/// EACCES EEXIST EINVAL EMFILE ENAMETOOLONG ENFILE ENOENT.
pub fn shm_open(name: &str, flags: i32, mode: u32) -> SysResult<OwnedFd> {
    let flags = nix::fcntl::OFlag::from_bits_retain(flags);
    let mode = nix::sys::stat::Mode::from_bits_truncate(mode);
    nix::sys::mman::shm_open(name, flags, mode).map_err(from_nix)
}

/// `shm_unlink(3)`.
///
/// # Errors
/// EACCES EINVAL ENAMETOOLONG ENOENT.
pub fn shm_unlink(name: &str) -> SysResult<()> {
    nix::sys::mman::shm_unlink(name).map_err(from_nix)
}
