//! Files and descriptors: open(2), linkat(2), fstat(2), fallocate(2), ftruncate(2), OFD locks of fcntl(2).

#![expect(unsafe_code, reason = "this floor calls C")]

use super::SysResult;
use super::conv::{c_string, from_nix, ret, ret_fd, ret_unit, retry};
use crate::error::Errno;
use nix::fcntl::{FallocateFlags, OFlag};
use nix::sys::stat::Mode;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};

/// The flag words of open(2), for the floors above.
pub mod flags {
    pub use libc::{
        O_CLOEXEC, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_TMPFILE, O_TRUNC,
    };
}

/// `struct stat`, as far as memory cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are stat(2)'s own")]
pub struct Stat {
    pub device: u64,
    pub inode: u64,
    pub size_bytes: u64,
    /// Type and permission bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub links: u64,
    pub allocated_bytes: u64,
    pub block_size_bytes: u64,
}

impl Stat {
    /// Whether it is a regular file (POSIX objects and memfds are).
    #[must_use]
    pub const fn is_regular(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFREG
    }

    /// Permission bits alone.
    #[must_use]
    pub const fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }
}

/// The file systems we treat apart (`statfs(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// Memory: /dev/shm, memfd.
    Tmpfs,
    /// A pool of huge pages.
    Hugetlbfs,
    /// Of another machine, or served by a process: what one kernel knows of it, others do not.
    Remote,
    /// Any other.
    Other,
}

/// `open(2)`. `O_CLOEXEC` is always added; the umask applies to `mode`.
///
/// # Errors
/// EACCES EEXIST EINVAL EISDIR ELOOP EMFILE ENAMETOOLONG ENFILE ENOENT ENOSPC ENOTDIR EOPNOTSUPP EROFS ETXTBSY.
pub fn open(path: &str, flags: i32, mode: u32) -> SysResult<OwnedFd> {
    let flags = OFlag::from_bits_retain(flags) | OFlag::O_CLOEXEC;
    retry(|| nix::fcntl::open(path, flags, Mode::from_bits_truncate(mode)).map_err(from_nix))
}

/// Gives a file opened with `O_TMPFILE` its name, by `linkat(2)` through `/proc/self/fd`.
///
/// # Errors
/// EACCES EDQUOT EEXIST ENOENT (no /proc) ENOSPC EPERM EROFS.
pub fn publish(fd: BorrowedFd<'_>, path: &str) -> SysResult<()> {
    let source = c_string(&format!("/proc/self/fd/{}", fd.as_raw_fd()))?;
    let target = c_string(path)?;
    // SAFETY: both are NUL-terminated strings that outlive the call.
    ret_unit(unsafe {
        libc::linkat(
            libc::AT_FDCWD,
            source.as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            libc::AT_SYMLINK_FOLLOW,
        )
    })
}

/// `link(2)`: a second name.
///
/// # Errors
/// As [`publish`].
pub fn link(from: &str, to: &str) -> SysResult<()> {
    let (from, to) = (c_string(from)?, c_string(to)?);
    // SAFETY: both are NUL-terminated strings that outlive the call.
    ret_unit(unsafe { libc::link(from.as_ptr(), to.as_ptr()) })
}

/// `unlink(2)`.
///
/// # Errors
/// EACCES EBUSY EISDIR ENOENT ENOTDIR EPERM EROFS.
pub fn unlink(path: &str) -> SysResult<()> {
    nix::unistd::unlink(path).map_err(from_nix)
}

/// `fstat(2)`.
///
/// # Errors
/// EBADF EOVERFLOW.
pub fn stat(fd: BorrowedFd<'_>) -> SysResult<Stat> {
    nix::sys::stat::fstat(fd).map(|raw| from_raw_stat(&raw)).map_err(from_nix)
}

/// `stat(2)` by path.
///
/// # Errors
/// EACCES ELOOP ENOENT ENOTDIR.
pub fn stat_path(path: &str) -> SysResult<Stat> {
    nix::sys::stat::stat(path).map(|raw| from_raw_stat(&raw)).map_err(from_nix)
}

#[expect(clippy::useless_conversion, reason = "nlink_t and blksize_t differ between targets")]
fn from_raw_stat(raw: &nix::sys::stat::FileStat) -> Stat {
    Stat {
        device: raw.st_dev,
        inode: raw.st_ino,
        size_bytes: u64::try_from(raw.st_size).unwrap_or(0),
        mode: raw.st_mode,
        uid: raw.st_uid,
        gid: raw.st_gid,
        links: u64::from(raw.st_nlink),
        allocated_bytes: u64::try_from(raw.st_blocks).unwrap_or(0).saturating_mul(512),
        block_size_bytes: u64::try_from(raw.st_blksize).unwrap_or(0),
    }
}

/// `fstatfs(2)`: which kind of file system.
///
/// # Errors
/// EBADF EIO ENOSYS.
#[expect(clippy::cast_sign_loss, reason = "magic numbers are bit patterns")]
pub fn file_system(fd: BorrowedFd<'_>) -> SysResult<FileSystem> {
    Ok(match statfs(fd)?.f_type as u64 {
        0x0102_1994 => FileSystem::Tmpfs,
        0x9584_58f6 => FileSystem::Hugetlbfs,
        // NFS, CIFS, SMB2, 9P, Ceph, AFS, Coda, FUSE (statfs(2)).
        0x6969 | 0xff53_4d42 | 0xfe53_4d42 | 0x0102_1997 | 0x00c3_6400 | 0x5346_414f | 0x7375_7245
        | 0x6573_5546 => FileSystem::Remote,
        _ => FileSystem::Other,
    })
}

/// Blocks that are free on the file system, for everybody; the most there can be where it counts none.
///
/// # Errors
/// EBADF EIO ENOSYS.
pub fn free_blocks(fd: BorrowedFd<'_>) -> SysResult<u64> {
    let raw = statfs(fd)?;
    // A file system without a limit (the one behind memfds) counts no blocks at all.
    Ok(if raw.f_blocks == 0 { u64::MAX } else { raw.f_bavail })
}

fn statfs(fd: BorrowedFd<'_>) -> SysResult<libc::statfs> {
    let mut raw = std::mem::MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: fstatfs writes one statfs, and `raw` has room for it.
    ret_unit(unsafe { libc::fstatfs(fd.as_raw_fd(), raw.as_mut_ptr()) })?;
    // SAFETY: zeroed above and written by the call; every bit pattern is valid.
    Ok(unsafe { raw.assume_init() })
}

/// Whether the descriptor was opened for writing (`F_GETFL`).
///
/// # Errors
/// EBADF.
pub fn is_writable(fd: BorrowedFd<'_>) -> SysResult<bool> {
    // SAFETY: numbers only; the descriptor is borrowed, so it is open.
    let status = ret(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    Ok(status & libc::O_ACCMODE != libc::O_RDONLY)
}

/// `fchmod(2)`.
///
/// # Errors
/// EBADF EPERM EROFS.
pub fn fchmod(fd: BorrowedFd<'_>, mode: u32) -> SysResult<()> {
    nix::sys::stat::fchmod(fd, Mode::from_bits_truncate(mode)).map_err(from_nix)
}

/// `fchown(2)`; `None` leaves an id as it is.
///
/// # Errors
/// EBADF EPERM EROFS.
pub fn fchown(fd: BorrowedFd<'_>, uid: Option<u32>, gid: Option<u32>) -> SysResult<()> {
    nix::unistd::fchown(fd, uid.map(nix::unistd::Uid::from_raw), gid.map(nix::unistd::Gid::from_raw))
        .map_err(from_nix)
}

/// `ftruncate(2)`.
///
/// # Errors
/// EBADF EFBIG EINVAL EPERM (sealed).
pub fn ftruncate(fd: BorrowedFd<'_>, size_bytes: u64) -> SysResult<()> {
    let size = i64::try_from(size_bytes).map_err(|_| Errno::EFBIG)?;
    retry(|| nix::unistd::ftruncate(fd, size).map_err(from_nix))
}

/// `fallocate(2)` itself: reserves the bytes and grows the file to them. Never glibc's emulation, which
/// would write a byte a block.
///
/// # Errors
/// EBADF EFBIG EINVAL ENODEV ENOSPC EOPNOTSUPP EPERM.
pub fn fallocate(fd: BorrowedFd<'_>, offset: u64, length_bytes: u64) -> SysResult<()> {
    let offset = i64::try_from(offset).map_err(|_| Errno::EFBIG)?;
    let length = i64::try_from(length_bytes).map_err(|_| Errno::EFBIG)?;
    retry(|| nix::fcntl::fallocate(fd, FallocateFlags::empty(), offset, length).map_err(from_nix))
}

/// A copy of the descriptor, closed on exec (`F_DUPFD_CLOEXEC`). It shares the open file description.
///
/// # Errors
/// EBADF EMFILE.
pub fn duplicate(fd: i32) -> SysResult<OwnedFd> {
    if fd < 0 {
        return Err(Errno::EBADF);
    }
    // SAFETY: numbers only; the kernel answers EBADF for a descriptor that is not open.
    ret_fd(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) })
}

/// Gives a descriptor away as a number; whoever gets it closes it.
#[must_use]
pub fn into_raw(fd: OwnedFd) -> i32 {
    fd.into_raw_fd()
}

/// Closes a descriptor that came in as a number (`close(2)`).
///
/// # Errors
/// EBADF.
pub fn close(fd: i32) -> SysResult<()> {
    // SAFETY: numbers only; EBADF where it is not open. Whether it is the caller's to close is the caller's word,
    // as it is with `fs.closeSync`.
    ret_unit(unsafe { libc::close(fd) })
}

/// Runs `act` on a descriptor that came in as a number.
///
/// # Errors
/// EBADF where it is not open.
pub fn with_borrowed<T>(fd: i32, act: impl FnOnce(BorrowedFd<'_>) -> SysResult<T>) -> SysResult<T> {
    if fd < 0 {
        return Err(Errno::EBADF);
    }
    // SAFETY: the descriptor is used only for the call; were it closed meanwhile, the kernel answers EBADF, and
    // no memory safety hangs on it.
    act(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// Takes a shared open-file-description lock on one byte: a sign of life that the kernel drops when the last
/// descriptor and mapping of this description are gone (fcntl(2), Linux 3.15).
///
/// # Errors
/// EAGAIN (an exclusive lock is there) EBADF (not open for reading) EINVAL ENOLCK.
pub fn lock_byte_shared(fd: BorrowedFd<'_>, byte: i64) -> SysResult<()> {
    set_byte_lock(fd, libc::F_OFD_SETLK, libc::F_RDLCK, byte)
}

/// Takes an exclusive open-file-description lock on one byte, at once or not at all. As [`lock_byte_shared`], the kernel drops it
/// with the last descriptor and mapping of the description.
///
/// # Errors
/// EAGAIN (somebody else has it) EBADF (not open for writing) EINVAL ENOLCK.
pub fn lock_byte(fd: BorrowedFd<'_>, byte: i64) -> SysResult<()> {
    set_byte_lock(fd, libc::F_OFD_SETLK, libc::F_WRLCK, byte)
}

/// Gives a byte's lock back.
///
/// # Errors
/// EBADF EINVAL.
pub fn unlock_byte(fd: BorrowedFd<'_>, byte: i64) -> SysResult<()> {
    set_byte_lock(fd, libc::F_OFD_SETLK, libc::F_UNLCK, byte)
}

fn set_byte_lock(fd: BorrowedFd<'_>, command: i32, kind: i32, byte: i64) -> SysResult<()> {
    let mut request = byte_lock(kind, byte);
    // SAFETY: the request is a live flock; l_pid is 0 as OFD commands demand.
    ret_unit(unsafe { libc::fcntl(fd.as_raw_fd(), command, &raw mut request) })
}

/// Whether another open file description holds a lock on that byte (`F_OFD_GETLK`).
///
/// # Errors
/// EBADF EINVAL.
pub fn is_byte_locked(fd: BorrowedFd<'_>, byte: i64) -> SysResult<bool> {
    let mut request = byte_lock(libc::F_WRLCK, byte);
    // SAFETY: the request is a live flock; l_pid is 0 as OFD commands demand.
    ret_unit(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_GETLK, &raw mut request) })?;
    Ok(i32::from(request.l_type) != libc::F_UNLCK)
}

/// Whether another open file description holds that byte exclusively, and nothing but that byte (`F_OFD_GETLK`).
///
/// # Errors
/// EBADF EINVAL.
pub fn is_byte_locked_alone(fd: BorrowedFd<'_>, byte: i64) -> SysResult<bool> {
    let mut request = byte_lock(libc::F_RDLCK, byte);
    // SAFETY: the request is a live flock; l_pid is 0 as OFD commands demand.
    ret_unit(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_GETLK, &raw mut request) })?;
    Ok(i32::from(request.l_type) == libc::F_WRLCK && request.l_start == byte && request.l_len == 1)
}

/// Takes the whole file for itself, at once or not at all (`flock(2)`); given back with the descriptor. Any description will do, also
/// one for reading.
///
/// # Errors
/// EAGAIN (somebody else has it) EBADF ENOLCK.
pub fn lock_whole(fd: BorrowedFd<'_>) -> SysResult<()> {
    // SAFETY: numbers only; the descriptor is borrowed, so it is open.
    retry(|| ret_unit(unsafe { libc::flock(fd.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }))
}

/// Sets an extended attribute to an empty value (`fsetxattr(2)`).
///
/// # Errors
/// EACCES ENOSPC EOPNOTSUPP (tmpfs before Linux 6.6) EPERM.
pub fn set_attribute(fd: BorrowedFd<'_>, name: &CStr) -> SysResult<()> {
    // SAFETY: the name is NUL-terminated and outlives the call; an empty value is never read.
    ret_unit(unsafe { libc::fsetxattr(fd.as_raw_fd(), name.as_ptr(), std::ptr::null(), 0, 0) })
}

/// Whether a path's file has an extended attribute (`lgetxattr(2)`); false where one may not look.
#[must_use]
pub fn has_attribute(path: &str, name: &CStr) -> bool {
    let Ok(path) = c_string(path) else { return false };
    // SAFETY: both are NUL-terminated strings that outlive the call; a size of 0 asks for the length only.
    unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), std::ptr::null_mut(), 0) >= 0 }
}

#[expect(clippy::cast_possible_truncation, reason = "lock types and SEEK_SET fit a short by definition")]
fn byte_lock(kind: i32, byte: i64) -> libc::flock {
    libc::flock { l_type: kind as i16, l_whence: libc::SEEK_SET as i16, l_start: byte, l_len: 1, l_pid: 0 }
}
