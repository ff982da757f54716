//! Raw returns become results here, and nowhere else.

use crate::error::Errno;
use std::ffi::CString;
use std::os::fd::{FromRawFd, OwnedFd};

use super::SysResult;

/// The calling thread's errno.
pub(super) fn last() -> Errno {
    Errno::from_raw(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// `-1` means errno; anything else is the answer.
pub(super) fn ret(value: libc::c_int) -> SysResult<libc::c_int> {
    if value == -1 { Err(last()) } else { Ok(value) }
}

/// As [`ret`], for calls without an answer.
pub(super) fn ret_unit(value: libc::c_int) -> SysResult<()> {
    ret(value).map(drop)
}

/// As [`ret`], for `syscall(2)`.
pub(super) fn ret_long(value: libc::c_long) -> SysResult<libc::c_long> {
    if value == -1 { Err(last()) } else { Ok(value) }
}

/// A new descriptor becomes owned.
#[expect(unsafe_code, reason = "ownership of a fresh descriptor begins here")]
pub(super) fn ret_fd(value: libc::c_int) -> SysResult<OwnedFd> {
    let raw = ret(value)?;
    // SAFETY: the kernel just returned `raw` as a new descriptor, so it is open and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Converts what nix reports.
pub(super) fn from_nix(errno: nix::errno::Errno) -> Errno {
    Errno::from_raw(errno as i32)
}

/// A C string; an inner NUL is `EINVAL`, as the kernel could never see the rest.
pub(super) fn c_string(text: &str) -> SysResult<CString> {
    CString::new(text).map_err(|_| Errno::EINVAL)
}

/// Repeats a call while a signal interrupts it.
pub(super) fn retry<T>(mut call: impl FnMut() -> SysResult<T>) -> SysResult<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_errno_numbers_are_those_of_this_machine() {
        assert_eq!(Errno::EOWNERDEAD.raw(), libc::EOWNERDEAD);
        assert_eq!(Errno::EIDRM.raw(), libc::EIDRM);
        assert_eq!(Errno::EOPNOTSUPP.raw(), libc::EOPNOTSUPP);
        assert_eq!(Errno::ENOSPC.raw(), libc::ENOSPC);
        assert_eq!(Errno::EDQUOT.raw(), libc::EDQUOT);
        assert_eq!(Errno::ETIMEDOUT.raw(), libc::ETIMEDOUT);
    }

    #[test]
    fn an_inner_nul_is_refused() {
        assert_eq!(c_string("a\0b"), Err(Errno::EINVAL));
    }
}
