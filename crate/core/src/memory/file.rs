//! Files as memory: mapped shared (what is written reaches the file) or copy-on-write.
//!
//! A new file is made without a name, sized, mapped, then published; see [`super::posix`], which does the same on /dev/shm.

use super::backing::{Origin, SIGN, open_flags};
use super::huge;
use super::object::{Object, exact_mode, map_object};
use super::options::{CreateOptions, MapOptions, OpenMode, ROUNDS_MAX};
use super::reserve::{self, Reservation};
use super::segment::Segment;
use crate::error::{Errno, Error, Named, Result, Subject};
use crate::sys::file::{self, flags};
use std::os::fd::{AsFd, OwnedFd};

/// Makes a file, or with [`OpenMode::OpenOrCreate`] takes an existing one that is at least as large.
///
/// # Errors
/// EACCES EEXIST EINVAL EISDIR ENOENT (the folder) ENOSPC ENOTDIR EROFS; `ERR_SHM_NO_MEMORY`; those of [`open`].
pub fn create(path: &str, options: &CreateOptions, mode: OpenMode) -> Result<Segment> {
    if mode == OpenMode::Create {
        // A large reservation is not worth beginning when the name is taken; the link at its end decides for good.
        if file::stat_path(path).is_ok() {
            return Err(called_on("open", Errno::EEXIST, path));
        }
        return make(path, options);
    }
    let mut attempts = 0;
    loop {
        match open_at_least(path, &options.map, options.size_bytes) {
            Err(error) if error.errno() == Some(Errno::ENOENT) => {}
            other => return other,
        }
        attempts += 1;
        match make(path, options) {
            // Somebody was faster: open theirs. A name that stays taken and leads nowhere is a dangling link.
            Err(error) if error.errno() == Some(Errno::EEXIST) && attempts < ROUNDS_MAX => {}
            other => return other,
        }
    }
}

/// Opens an existing file.
///
/// # Errors
/// EACCES EINVAL EISDIR ENOENT ENOTDIR ETXTBSY; `ERR_SHM_EMPTY`; `ERR_OUT_OF_RANGE`.
pub fn open(path: &str, options: &MapOptions) -> Result<Segment> {
    open_at_least(path, options, 0)
}

/// Removes the name (`unlink(2)`); mappings live on.
///
/// # Errors
/// EACCES EBUSY EISDIR ENOENT ENOTDIR EPERM EROFS.
pub fn remove(path: &str) -> Result<()> {
    file::unlink(path).map_err(|errno| called_on("unlink", errno, path))
}

/// A symbolic link is followed for files, never on /dev/shm, where others may plant one.
fn follow(path: &str, options: &MapOptions, errno: Errno) -> crate::sys::SysResult<OwnedFd> {
    if errno == Errno::ELOOP && !path.starts_with(crate::sys::shm::DIRECTORY) {
        file::open(path, open_flags(options.access), 0)
    } else {
        Err(errno)
    }
}

/// Opens once more where what was opened lost its name meanwhile.
fn open_at_least(path: &str, options: &MapOptions, at_least_bytes: u64) -> Result<Segment> {
    for _ in 1..ROUNDS_MAX {
        match open_once(path, options, at_least_bytes) {
            Err(error) if error.errno() == Some(Errno::ENOENT) && file::stat_path(path).is_ok() => {}
            other => return other,
        }
    }
    open_once(path, options, at_least_bytes)
}

fn open_once(path: &str, options: &MapOptions, at_least_bytes: u64) -> Result<Segment> {
    let fd = file::open(path, open_flags(options.access) | flags::O_NOFOLLOW, 0)
        .or_else(|errno| follow(path, options, errno))
        .map_err(|errno| called_on("open", errno, path))?;
    let huge_page_bytes = huge::page_size_of_object(fd.as_fd()).called("fstatfs")?;
    let object = Object {
        fd,
        origin: Origin::Path(path.to_owned()),
        created: false,
        reservation: Reservation::None,
        huge_page_bytes,
        at_least_bytes,
    };
    map_object(object, options).map_err(|error| on_path(error, path))
}

fn make(path: &str, options: &CreateOptions) -> Result<Segment> {
    let (fd, temporary) = nameless(path, options.mode)?;
    let made = finish(fd, path, temporary.as_deref(), options);
    if let Some(temporary) = temporary {
        // Published or failed: its working name goes.
        let _ = file::unlink(&temporary);
    }
    made.map_err(|error| on_path(error, path))
}

fn finish(fd: OwnedFd, path: &str, temporary: Option<&str>, options: &CreateOptions) -> Result<Segment> {
    exact_mode(&fd, options.mode)?;
    let huge_page_bytes = huge::page_size_of_object(fd.as_fd()).called("fstatfs")?;
    let reservation = match huge_page_bytes {
        None => reserve::size_object(fd.as_fd(), options.size_bytes, options.reserve.unwrap_or(true))?,
        Some(page) => reserve::size_huge_object(fd.as_fd(), options.size_bytes, page)?,
    };
    // The descriptor is needed once more after mapping, to publish.
    let kept = MapOptions { keep_fd: true, ..options.map };
    let object = Object {
        fd,
        origin: Origin::Path(path.to_owned()),
        created: true,
        reservation,
        huge_page_bytes,
        at_least_bytes: 0,
    };
    if path.starts_with(crate::sys::shm::DIRECTORY) {
        // Kernels before 6.6 have no attributes on /dev/shm, and a mode without writing forbids them: then nobody can tell whose it is.
        let _ = file::set_attribute(object.fd.as_fd(), SIGN);
    }
    let mut segment = map_object(object, &kept)?;
    segment.with_fd(options.map.access, |fd| {
        match temporary {
            Some(temporary) => file::link(temporary, path),
            None => file::publish(fd, path),
        }
        .called("linkat")
    })?;
    if !options.map.keep_fd {
        segment.drop_fd();
    }
    Ok(segment)
}

/// A file without a name in the folder of `path`; where the file system has none, one with a working name, which is answered.
fn nameless(path: &str, mode: u32) -> Result<(OwnedFd, Option<String>)> {
    let folder = match path.rfind('/') {
        Some(0) => "/",
        Some(end) => &path[..end],
        None => ".",
    };
    match file::open(folder, flags::O_TMPFILE | flags::O_RDWR, mode) {
        Ok(fd) => return Ok((fd, None)),
        // EISDIR: a kernel or file system that reads O_TMPFILE as opening the folder for writing.
        Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL) => {}
        Err(errno) => return Err(called_on("open", errno, path)),
    }
    let mut attempt = 0_u32;
    loop {
        let working = format!("{path}.{}.{attempt}.new", std::process::id());
        match file::open(&working, flags::O_CREAT | flags::O_EXCL | flags::O_RDWR | flags::O_NOFOLLOW, mode) {
            Ok(fd) => return Ok((fd, Some(working))),
            Err(Errno::EEXIST) if attempt < 1000 => attempt += 1,
            Err(errno) => return Err(called_on("open", errno, path)),
        }
    }
}

fn called_on(syscall: &'static str, errno: Errno, path: &str) -> Error {
    on_path(Error::system(syscall, errno), path)
}

fn on_path(error: Error, path: &str) -> Error {
    error.on(Subject::Path(path.to_owned()))
}
