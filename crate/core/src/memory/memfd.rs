//! Anonymous segments with seals (memfd_create(2)): no name anywhere, gone with the last user.

use super::backing::{Origin, open_flags};
use super::huge;
use super::object::{Object, exact_mode, map_object};
use super::options::{CreateOptions, MapOptions};
use super::reserve::{self, Reservation};
use super::segment::Segment;
use crate::error::{Error, Named, Result, Subject};
use crate::sys::file;
use crate::sys::memfd::{self, flags};
use std::os::fd::{AsFd, OwnedFd};

/// Makes one. `label` is what `/proc/<pid>/fd` shows, and need not be unique. `seals` are set after mapping.
///
/// # Errors
/// EBUSY (sealed against writing while mapped for it) EINVAL EMFILE ENFILE ENOMEM EPERM; `ERR_SHM_NO_MEMORY`.
pub fn create(label: &str, options: &CreateOptions, seals: i32) -> Result<Segment> {
    options
        .huge
        .attempt(|huge_page_bytes| make(label, options, huge_page_bytes, seals))
        .map_err(|error| error.on(Subject::Name(label.to_owned())))
}

/// Maps an object by a descriptor of this process, which is duplicated: the caller's stays the caller's.
///
/// # Errors
/// EBADF; those of opening an object.
pub fn from_fd(fd: i32, options: &MapOptions) -> Result<Segment> {
    map_received(file::duplicate(fd).called("fcntl")?, options)
}

/// Maps an object by a descriptor of another process: through `/proc/<pid>/fd`, which needs permission to read that
/// process's state, or by `pidfd_getfd(2)`.
///
/// # Errors
/// EACCES ENOENT EPERM ESRCH EBADF.
pub fn from_process(pid: i32, fd: i32, options: &MapOptions) -> Result<Segment> {
    let path = format!("/proc/{pid}/fd/{fd}");
    let opened = match file::open(&path, open_flags(options.access), 0) {
        Ok(opened) => opened,
        Err(first) => {
            memfd::fd_of_process(pid, fd).map_err(|_| Error::system("open", first).on(Subject::Path(path)))?
        }
    };
    map_received(opened, options)
}

fn map_received(fd: OwnedFd, options: &MapOptions) -> Result<Segment> {
    let huge_page_bytes = huge::page_size_of_object(fd.as_fd()).called("fstatfs")?;
    let object = Object {
        fd,
        origin: Origin::Anonymous,
        created: false,
        reservation: Reservation::None,
        huge_page_bytes,
        at_least_bytes: 0,
    };
    map_object(object, &MapOptions { keep_fd: true, ..*options })
}

fn make(label: &str, options: &CreateOptions, huge_page_bytes: Option<usize>, seals: i32) -> Result<Segment> {
    let huge_flags = huge_page_bytes
        .map_or(0, |bytes| flags::MFD_HUGETLB | bytes.trailing_zeros() << flags::MFD_HUGE_SHIFT);
    let fd = memfd::memfd_create(label, flags::MFD_CLOEXEC | flags::MFD_ALLOW_SEALING | huge_flags)
        .called("memfd_create")?;
    exact_mode(&fd, options.mode)?;
    let reservation = match huge_page_bytes {
        None => reserve::size_object(fd.as_fd(), options.size_bytes, options.reserve.unwrap_or(true))?,
        Some(page) => reserve::size_huge_object(fd.as_fd(), options.size_bytes, page)?,
    };
    let object = Object {
        fd,
        origin: Origin::Anonymous,
        created: true,
        reservation,
        huge_page_bytes,
        at_least_bytes: 0,
    };
    let segment = map_object(object, &MapOptions { keep_fd: true, ..options.map })?;
    if seals != 0 {
        segment.with_fd(options.map.access, |fd| memfd::add_seals(fd, seals).called("fcntl"))?;
    }
    Ok(segment)
}
