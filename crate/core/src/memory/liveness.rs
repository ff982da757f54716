//! The sign of life: who maps an object holds a shared lock on one byte of it, and who removes what nobody uses takes that byte
//! alone first. So of an opener and a cleaner one waits for the other, and an opener that waited looks whether its object still has
//! its name.

use super::backing::LIVENESS_BYTE;
use crate::error::{Errno, Error, Named, Result};
use crate::sys::SysResult;
use crate::sys::file::{self, Stat};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// A cleaner reads /proc once, which takes milliseconds; one that is stopped meanwhile is told after this time.
const PATIENCE: Duration = Duration::from_secs(10);
const NAP: Duration = Duration::from_millis(1);

/// How an opener came by its sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Nobody stood in the way.
    AtOnce,
    /// A cleaner had the byte: the object may have lost its name.
    AfterCleaner,
    /// The file system has no such locks, or other software locks the whole file: orphans cannot be told.
    None,
}

/// Takes the sign of life, and waits for a cleaner that has the byte alone.
///
/// # Errors
/// EAGAIN: somebody has held it alone for ten seconds.
pub(super) fn take(fd: BorrowedFd<'_>) -> Result<Sign> {
    match file::lock_byte_shared(fd, LIVENESS_BYTE) {
        Ok(()) => Ok(Sign::AtOnce),
        Err(Errno::EAGAIN) => take_after_cleaner(fd),
        Err(_) => Ok(Sign::None),
    }
}

#[cold]
fn take_after_cleaner(fd: BorrowedFd<'_>) -> Result<Sign> {
    let deadline = Instant::now() + PATIENCE;
    // A lock of more than this byte is no cleaner's, and may never end.
    while file::is_byte_locked_alone(fd, LIVENESS_BYTE).called("fcntl")? {
        if Instant::now() >= deadline {
            return Err(Error::system("fcntl", Errno::EAGAIN).detail(
                "somebody has held its sign of life alone for ten seconds, as one does who removes it",
            ));
        }
        std::thread::sleep(NAP);
        match file::lock_byte_shared(fd, LIVENESS_BYTE) {
            Err(Errno::EAGAIN) => {}
            taken => return Ok(if taken.is_ok() { Sign::AfterCleaner } else { Sign::None }),
        }
    }
    // Let go between two looks.
    Ok(if file::lock_byte_shared(fd, LIVENESS_BYTE).is_ok() { Sign::AfterCleaner } else { Sign::None })
}

/// Whether the object whose `stat` an opener took has lost its name since. A cleaner that lets go has removed it or left it; a count of
/// names alone would say too much, since a path like /proc/self/fd/3 leads to objects without one.
pub(super) fn lost_its_name(sign: Sign, now: &Stat, path: &str) -> bool {
    if now.links > 0 && sign != Sign::AfterCleaner {
        return false;
    }
    match file::stat_path(path) {
        Ok(found) => (found.device, found.inode) != (now.device, now.inode),
        Err(errno) => errno == Errno::ENOENT,
    }
}

/// Takes the sign of life alone, at once or not at all: for who wants to remove the object. While the descriptor is open no opener of
/// this library gets the object.
///
/// # Errors
/// EBADF (not open for writing) EINVAL ENOLCK.
pub fn take_alone(fd: BorrowedFd<'_>) -> SysResult<bool> {
    match file::lock_byte(fd, LIVENESS_BYTE) {
        Ok(()) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno),
    }
}
