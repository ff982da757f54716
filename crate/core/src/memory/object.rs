//! What POSIX objects, memfds and files have in common: a descriptor that is sized, checked, mapped, and kept alive by a lock.

use super::backing::{Backing, Origin, open_flags};
use super::liveness::{self, Sign};
use super::mapping::{MapRequest, Mapping, Place};
use super::options::{Access, MapOptions};
use super::reserve::Reservation;
use super::segment::Segment;
use crate::error::{Errno, Error, Named, Result};
use crate::sys::file::{self, Stat};
use crate::sys::{machine, mman};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// What [`map_object`] maps.
pub(super) struct Object {
    pub(super) fd: OwnedFd,
    pub(super) origin: Origin,
    pub(super) created: bool,
    pub(super) reservation: Reservation,
    /// Bytes of a huge page for a memfd on huge pages.
    pub(super) huge_page_bytes: Option<usize>,
    /// An existing object smaller than this is `EINVAL`.
    pub(super) at_least_bytes: u64,
}

/// Maps an opened object, whatever its origin.
///
/// # Errors
/// EACCES EAGAIN EINVAL (not a regular file) ENODEV ENOENT (removed meanwhile) ENOMEM EPERM; `ERR_SHM_EMPTY`; `ERR_OUT_OF_RANGE`; `ERR_SHM_TRUNCATED`;
/// `ERR_SHM_FOREIGN_OWNER`.
pub(super) fn map_object(object: Object, options: &MapOptions) -> Result<Segment> {
    let stat = file::stat(object.fd.as_fd()).called("fstat")?;
    if !object.created {
        options.refuse_foreign(stat.uid)?;
    }
    let size_bytes = checked_size(&stat, options, object.at_least_bytes)?;
    let page_size_bytes = object.huge_page_bytes.unwrap_or_else(machine::page_size_bytes);
    let sharing = if options.access == Access::CopyOnWrite {
        mman::flags::MAP_PRIVATE
    } else {
        mman::flags::MAP_SHARED
    };
    let unreserved = if object.reservation == Reservation::None && object.created {
        mman::flags::MAP_NORESERVE
    } else {
        0
    };
    let read_only = if options.access == Access::Read { reopen_for_reading(&object.fd)? } else { None };
    let mapped_fd = read_only.as_ref().unwrap_or(&object.fd).as_fd();
    let sign = liveness::take(mapped_fd)?;
    let mapping = Mapping::map(&MapRequest {
        place: Place::Anywhere,
        size_bytes,
        page_size_bytes,
        protection: options.access.protection(),
        flags: sharing | unreserved,
        fd: Some(mapped_fd),
        offset: options.offset,
        guard: options.guard,
    })?;
    if !object.created {
        refuse_changed(&object, sign, options.offset.saturating_add(size_bytes))?;
    }
    Ok(Segment {
        mapping,
        access: options.access,
        offset: options.offset,
        length_bytes: options.length_bytes,
        created: object.created,
        reservation: object.reservation,
        guard: options.guard,
        backing: Backing::Object {
            fd: options.keep_fd.then_some(object.fd),
            origin: object.origin,
            device: stat.device,
            inode: stat.inode,
            liveness: sign != Sign::None,
        },
    })
}

/// A shared mapping of a writable description counts as a writer, even when it is only for reading, and forbids the seal
/// against writing; so a mapping for reading goes through a description of its own, where there is a writable one.
fn reopen_for_reading(fd: &OwnedFd) -> Result<Option<OwnedFd>> {
    if !file::is_writable(fd.as_fd()).called("fcntl")? {
        return Ok(None);
    }
    match file::open(&format!("/proc/self/fd/{}", fd.as_raw_fd()), open_flags(Access::Read), 0) {
        Ok(read_only) => Ok(Some(read_only)),
        // No /proc, or a mode that forbids reading anew: mapped as it is.
        Err(_) => Ok(None),
    }
}

/// Somebody may have shrunk the object between the look and the mapping: a view never ends beyond the object. Or removed it as an
/// orphan, before the sign of life stood: then whoever opens it next would get another. One that was just made has no name yet.
fn refuse_changed(object: &Object, sign: Sign, end: u64) -> Result<()> {
    let now = file::stat(object.fd.as_fd()).called("fstat")?;
    if let Origin::Path(path) = &object.origin
        && liveness::lost_its_name(sign, &now, path)
    {
        return Err(Error::system("open", Errno::ENOENT).detail("it was removed while it was opened"));
    }
    if now.size_bytes >= end {
        return Ok(());
    }
    let now = now.size_bytes;
    Err(Error::own("ERR_SHM_TRUNCATED", format!("the object shrank to {now} bytes while it was opened")))
}

fn checked_size(stat: &Stat, options: &MapOptions, at_least_bytes: u64) -> Result<u64> {
    if !stat.is_regular() {
        return Err(Error::system("mmap", Errno::EINVAL).detail("it is not a regular file"));
    }
    if stat.size_bytes == 0 {
        return Err(Error::own("ERR_SHM_EMPTY", "the object has 0 bytes: nothing can be mapped"));
    }
    if stat.size_bytes < at_least_bytes {
        return Err(Error::system("open", Errno::EINVAL).detail(format!(
            "it exists with {} bytes, fewer than the {at_least_bytes} asked for",
            stat.size_bytes
        )));
    }
    let left = stat.size_bytes.saturating_sub(options.offset);
    let length = options.length_bytes.unwrap_or(left);
    if length == 0 || length > left {
        return Err(Error::own(
            "ERR_OUT_OF_RANGE",
            format!(
                "{length} bytes at offset {} are not inside the {} bytes of the object",
                options.offset, stat.size_bytes
            ),
        ));
    }
    Ok(length)
}

/// Makes the mode exact, whatever the umask took away.
pub(super) fn exact_mode(fd: &OwnedFd, mode: u32) -> Result<()> {
    let stat = file::stat(fd.as_fd()).called("fstat")?;
    if stat.permissions() == mode { Ok(()) } else { file::fchmod(fd.as_fd(), mode).called("fchmod") }
}
