//! Anonymous files: memfd_create(2), seals of fcntl(2), pidfd_getfd(2).

#![expect(unsafe_code, reason = "this floor calls C")]

use super::SysResult;
use super::conv::{c_string, ret, ret_fd, ret_long, ret_unit};
use crate::error::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Flags of memfd_create(2) and the seals, for the floors above.
pub mod flags {
    pub use libc::{
        F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE, MFD_ALLOW_SEALING,
        MFD_CLOEXEC, MFD_HUGE_1GB, MFD_HUGE_2MB, MFD_HUGETLB,
    };
    /// Where the log2 of the huge page size stands (linux/memfd.h).
    pub const MFD_HUGE_SHIFT: u32 = 26;
}

/// `memfd_create(2)`, Linux 3.17; huge pages 4.14.
///
/// # Errors
/// EINVAL (name over 249 bytes, unknown flag) EMFILE ENFILE ENOMEM EPERM.
pub fn memfd_create(name: &str, flags: u32) -> SysResult<OwnedFd> {
    let name = c_string(name)?;
    // By its number: glibc has the function since 2.27 only, and our images load on older ones.
    // SAFETY: `name` is a NUL-terminated string that outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_memfd_create, name.as_ptr(), flags) };
    ret_fd(i32::try_from(fd).unwrap_or(-1))
}

/// `fcntl(2)` with `F_ADD_SEALS`.
///
/// # Errors
/// EBUSY (writable mappings exist) EINVAL (no sealing) EPERM (sealed against seals).
pub fn add_seals(fd: BorrowedFd<'_>, seals: i32) -> SysResult<()> {
    // SAFETY: numbers only; the descriptor is borrowed, so it is open.
    ret_unit(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) })
}

/// `fcntl(2)` with `F_GET_SEALS`.
///
/// # Errors
/// EINVAL where the file knows no seals.
pub fn seals(fd: BorrowedFd<'_>) -> SysResult<i32> {
    // SAFETY: numbers only; the descriptor is borrowed, so it is open.
    ret(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) })
}

/// `pidfd_getfd(2)`, Linux 5.6: a copy of descriptor `fd` of process `pid`.
///
/// # Errors
/// EBADF (no such descriptor there) EPERM (ptrace access mode `PTRACE_MODE_ATTACH_REALCREDS`) ESRCH.
pub fn fd_of_process(pid: i32, fd: i32) -> SysResult<OwnedFd> {
    // SAFETY: numbers only.
    let handle = ret_long(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    let handle = i32::try_from(handle).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel just returned this descriptor as new.
    let handle = unsafe { OwnedFd::from_raw_fd(handle) };
    // SAFETY: numbers only; `handle` is open for the call.
    let copied = ret_long(unsafe { libc::syscall(libc::SYS_pidfd_getfd, handle.as_raw_fd(), fd, 0) })?;
    ret_fd(i32::try_from(copied).map_err(|_| Errno::EBADF)?)
}
