//! Copies by the kernel, so that a bad address is an errno and not a fault: process_vm_readv(2) on ourselves, or, where a
//! container's profile or the kernel refuses that, through a pipe(7).
//!
//! Async-signal-safe: no allocation, no lock, system calls only.

#![expect(unsafe_code, reason = "this floor calls C")]

use super::SysResult;
use super::conv::{last, ret_fd, ret_unit};
use crate::error::Errno;
use std::os::fd::{AsRawFd, OwnedFd};

/// As many bytes as every pipe takes at once.
const PIPE_BYTES: usize = libc::PIPE_BUF;

/// Copies `length_bytes` from `source` to `target`; answers how many it could.
///
/// # Safety
/// What lies at `target` must be memory the caller may overwrite, with no Rust object in it; where nothing lies there, or nothing
/// writable, the kernel answers EFAULT.
///
/// # Errors
/// EFAULT (unreadable source, unwritable target); EMFILE ENFILE where process_vm_readv(2) is refused, and there is no descriptor
/// for a pipe.
pub(crate) unsafe fn copy_checked(source: usize, target: usize, length_bytes: usize) -> SysResult<usize> {
    // SAFETY: as the caller says.
    match unsafe { copy_at_once(source, target, length_bytes) } {
        Err(Errno::EPERM | Errno::EACCES | Errno::ENOSYS) => {
            // SAFETY: as the caller says.
            unsafe { copy_through_pipe(source, target, length_bytes) }
        }
        other => other,
    }
}

unsafe fn copy_at_once(source: usize, target: usize, length_bytes: usize) -> SysResult<usize> {
    let local = libc::iovec { iov_base: target as *mut libc::c_void, iov_len: length_bytes };
    let remote = libc::iovec { iov_base: source as *mut libc::c_void, iov_len: length_bytes };
    // SAFETY: getpid has no preconditions.
    let own_pid = unsafe { libc::getpid() };
    // SAFETY: both vectors are live for the call, `target` is writable (the caller's word), and the kernel checks `source`.
    counted(unsafe { libc::process_vm_readv(own_pid, &raw const local, 1, &raw const remote, 1, 0) })
}

unsafe fn copy_through_pipe(source: usize, target: usize, length_bytes: usize) -> SysResult<usize> {
    let (reader, writer) = pipe()?;
    let mut done = 0;
    while done < length_bytes {
        let bytes = PIPE_BYTES.min(length_bytes - done);
        let from = (source + done) as *const libc::c_void;
        // SAFETY: the kernel checks `from`, and an unreadable byte is EFAULT.
        let written = counted(unsafe { libc::write(writer.as_raw_fd(), from, bytes) })?;
        let into = (target + done) as *mut libc::c_void;
        // SAFETY: as many bytes as were asked to be written to `target`, which may be (the caller's word); the kernel checks `into`.
        let read = counted(unsafe { libc::read(reader.as_raw_fd(), into, written) })?;
        done += read;
        if read < bytes {
            break;
        }
    }
    Ok(done)
}

/// `pipe2(2)` whose ends never wait.
fn pipe() -> SysResult<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: the kernel writes two ints, and `ends` has room for them.
    ret_unit(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) })?;
    Ok((ret_fd(ends[0])?, ret_fd(ends[1])?))
}

fn counted(bytes: libc::ssize_t) -> SysResult<usize> {
    usize::try_from(bytes).map_err(|_| last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_through_a_pipe_is_whole_and_a_bad_address_is_an_errno() {
        let source: Vec<u8> = (0..10_000_u32).map(|index| index.to_le_bytes()[0]).collect();
        let mut target = vec![0_u8; source.len()];
        // SAFETY: `target` has as many bytes, and they are plain ones.
        let copied =
            unsafe { copy_through_pipe(source.as_ptr() as usize, target.as_mut_ptr() as usize, 10_000) };
        assert_eq!(copied, Ok(10_000));
        assert_eq!(source, target);
        // SAFETY: no page lies at either bad address: the kernel answers.
        let unreadable = unsafe { copy_through_pipe(4096, target.as_mut_ptr() as usize, 8) };
        assert_eq!(unreadable, Err(Errno::EFAULT));
        // SAFETY: as above.
        let unwritable = unsafe { copy_through_pipe(source.as_ptr() as usize, 4096, 8) };
        assert_eq!(unwritable, Err(Errno::EFAULT));
    }
}
