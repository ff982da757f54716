//! POSIX shared memory objects (shm_overview(7)): a name under /dev/shm, published only when it is whole.
//!
//! The object is made without a name (`O_TMPFILE`), sized, reserved, mapped, and then linked to its name. So nobody ever
//! opens a half-made object of 0 bytes, a full /dev/shm leaves nothing behind, and of two creators one gets `EEXIST`.

use super::file;
use super::options::{CreateOptions, MapOptions, OpenMode};
use super::segment::Segment;
use crate::error::{Errno, Error, Result, Subject};
use crate::sys::shm;

/// Makes an object, or with [`OpenMode::OpenOrCreate`] takes an existing one that is at least as large.
///
/// # Errors
/// EACCES EEXIST EINVAL ENOSPC EMFILE; `ERR_SHM_NO_MEMORY`; those of [`open`].
pub fn create(name: &str, options: &CreateOptions, mode: OpenMode) -> Result<Segment> {
    let path = path_of(name)?;
    file::create(&path, options, mode).map_err(|error| in_posix_words(error, name))
}

/// Opens an existing object.
///
/// # Errors
/// EACCES EINVAL ENOENT; `ERR_SHM_EMPTY`; `ERR_OUT_OF_RANGE`.
pub fn open(name: &str, options: &MapOptions) -> Result<Segment> {
    let path = path_of(name)?;
    file::open(&path, options).map_err(|error| in_posix_words(error, name))
}

/// `shm_unlink(3)`.
///
/// # Errors
/// EACCES EINVAL ENOENT.
pub fn remove(name: &str) -> Result<()> {
    path_of(name)?;
    shm::shm_unlink(name)
        .map_err(|errno| Error::system("shm_unlink", errno).on(Subject::Name(name.to_owned())))
}

/// The path of a portable name: a slash, then 1 to 254 characters without a slash.
///
/// # Errors
/// EINVAL, as glibc answers for any other.
pub fn path_of(name: &str) -> Result<String> {
    let rest = name.strip_prefix('/').unwrap_or("");
    if rest.is_empty() || rest == "." || rest == ".." || rest.len() > 254 || rest.contains(['/', '\0']) {
        return Err(Error::system("shm_open", Errno::EINVAL).on(Subject::Name(name.to_owned())));
    }
    Ok(format!("{}/{rest}", shm::DIRECTORY))
}

fn in_posix_words(mut error: Error, name: &str) -> Error {
    if let crate::error::Cause::System { syscall, .. } = &mut error.cause
        && matches!(*syscall, "open" | "linkat")
    {
        *syscall = "shm_open";
    }
    error.on(Subject::Name(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_portable_or_refused() {
        assert_eq!(path_of("/frames").unwrap(), "/dev/shm/frames");
        for bad in ["", "/", "frames", "/a/b", "/.", "/..", "/a\0b"] {
            assert_eq!(path_of(bad).unwrap_err().errno(), Some(Errno::EINVAL), "{bad:?}");
        }
        assert!(path_of(&format!("/{}", "x".repeat(254))).is_ok());
        assert!(path_of(&format!("/{}", "x".repeat(255))).is_err());
    }
}
