//! Mappings: mmap(2), mprotect(2), madvise(2), msync(2), mlock(2), mincore(2), mremap(2).
//!
//! These change the address space under everybody's feet. Only `memory` calls them, and only on ranges it owns.

#![expect(unsafe_code, reason = "this floor calls C")]

use super::SysResult;
use super::conv::{last, ret_long, ret_unit};
use std::os::fd::{AsRawFd, BorrowedFd};

/// `linux/mman.h`, Linux 6.1; absent from the libc crate.
pub const MADV_COLLAPSE: i32 = 25;

/// Flag of [`mlock2`]; unsigned in the libc crate, an int in the call.
pub const MLOCK_ONFAULT: i32 = libc::MLOCK_ONFAULT.cast_signed();

/// Words of mmap(2) and its family, for the floors above.
pub mod flags {
    pub use libc::{
        MADV_COLD, MADV_DODUMP, MADV_DONTDUMP, MADV_DONTFORK, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
        MADV_WIPEONFORK, MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_GROWSDOWN, MAP_HUGE_MASK,
        MAP_HUGE_SHIFT, MAP_HUGETLB, MAP_NORESERVE, MAP_PRIVATE, MAP_SHARED, MS_ASYNC, MS_SYNC, PROT_EXEC,
        PROT_NONE, PROT_READ, PROT_WRITE,
    };
}

/// `mmap(2)`. Answers the address.
///
/// # Safety
/// With `MAP_FIXED`, every page of the target range must belong to the caller, with no Rust object in it.
///
/// # Errors
/// EACCES EAGAIN EBADF EEXIST EINVAL ENFILE ENODEV ENOMEM EOPNOTSUPP EOVERFLOW EPERM ETXTBSY.
pub unsafe fn mmap(
    address: usize,
    length_bytes: usize,
    protection: i32,
    flags: i32,
    fd: Option<BorrowedFd<'_>>,
    offset: i64,
) -> SysResult<usize> {
    let fd = fd.map_or(-1, |fd| fd.as_raw_fd());
    // SAFETY: without MAP_FIXED the kernel touches no existing mapping; with it the caller answers for the range.
    let mapped =
        unsafe { libc::mmap(address as *mut libc::c_void, length_bytes, protection, flags, fd, offset) };
    if mapped == libc::MAP_FAILED { Err(last()) } else { Ok(mapped as usize) }
}

/// `munmap(2)`.
///
/// # Safety
/// Every page of the range must belong to the caller, and nobody may use it again.
///
/// # Errors
/// EINVAL ENOMEM.
pub unsafe fn munmap(address: usize, length_bytes: usize) -> SysResult<()> {
    // SAFETY: the caller answers for the range.
    ret_unit(unsafe { libc::munmap(address as *mut libc::c_void, length_bytes) })
}

/// `mprotect(2)`.
///
/// # Safety
/// Every page of the range must belong to the caller, with no Rust object in it.
///
/// # Errors
/// EACCES EINVAL ENOMEM.
pub unsafe fn mprotect(address: usize, length_bytes: usize, protection: i32) -> SysResult<()> {
    // SAFETY: the caller answers for the range.
    ret_unit(unsafe { libc::mprotect(address as *mut libc::c_void, length_bytes, protection) })
}

/// `madvise(2)`.
///
/// # Safety
/// Every page of the range must belong to the caller, with no Rust object in it: some advice discards contents.
///
/// # Errors
/// EACCES EAGAIN EBADF EFAULT EHWPOISON EINVAL EIO ENOMEM EPERM.
pub unsafe fn madvise(address: usize, length_bytes: usize, advice: i32) -> SysResult<()> {
    // SAFETY: the caller answers for the range.
    ret_unit(unsafe { libc::madvise(address as *mut libc::c_void, length_bytes, advice) })
}

/// `msync(2)`.
///
/// # Errors
/// EBUSY EINVAL ENOMEM.
pub fn msync(address: usize, length_bytes: usize, flags: i32) -> SysResult<()> {
    // SAFETY: msync writes pages back and changes none; an unmapped range is ENOMEM.
    ret_unit(unsafe { libc::msync(address as *mut libc::c_void, length_bytes, flags) })
}

/// `mlock2(2)`, Linux 4.4; `flags` is 0 or `MLOCK_ONFAULT`.
///
/// # Errors
/// EAGAIN EINVAL ENOMEM EPERM.
pub fn mlock2(address: usize, length_bytes: usize, flags: i32) -> SysResult<()> {
    // SAFETY: locking changes no contents; an unmapped range is ENOMEM. The raw call, since musl's wrapper is younger.
    ret_long(unsafe { libc::syscall(libc::SYS_mlock2, address, length_bytes, flags) }).map(drop)
}

/// `munlock(2)`.
///
/// # Errors
/// EINVAL ENOMEM.
pub fn munlock(address: usize, length_bytes: usize) -> SysResult<()> {
    // SAFETY: unlocking changes no contents; an unmapped range is ENOMEM.
    ret_unit(unsafe { libc::munlock(address as *const libc::c_void, length_bytes) })
}

/// `mincore(2)`: one byte a base page, bit 0 set where it is resident.
///
/// # Errors
/// EAGAIN EINVAL ENOMEM; `residency` shorter than the pages is EINVAL of ours.
pub fn mincore(address: usize, length_bytes: usize, residency: &mut [u8]) -> SysResult<()> {
    if residency.len() < length_bytes.div_ceil(super::machine::page_size_bytes()) {
        return Err(crate::error::Errno::EINVAL);
    }
    // SAFETY: the kernel writes one byte a page, and `residency` has that many (checked above).
    ret_unit(unsafe { libc::mincore(address as *mut libc::c_void, length_bytes, residency.as_mut_ptr()) })
}

/// A second mapping of the same shared pages, by `mremap(2)` with an old size of 0. Works for shared mappings
/// only, System V attachments included, and needs no descriptor.
///
/// # Errors
/// EAGAIN EFAULT EINVAL (not shared) ENOMEM.
pub fn map_again(address: usize, length_bytes: usize) -> SysResult<usize> {
    // SAFETY: an old size of 0 leaves the old mapping as it is; the new place is the kernel's choice.
    let mapped = unsafe { libc::mremap(address as *mut libc::c_void, 0, length_bytes, libc::MREMAP_MAYMOVE) };
    if mapped == libc::MAP_FAILED { Err(last()) } else { Ok(mapped as usize) }
}
