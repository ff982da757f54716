//! Descriptors over a Unix socket: sendmsg(2) and recvmsg(2) with SCM_RIGHTS (unix(7)).

#![expect(unsafe_code, reason = "this floor calls C")]

use super::SysResult;
use super::conv::{last, ret, ret_fd, ret_unit, retry};
use crate::error::Errno;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// Room for one control message with one descriptor, aligned as cmsg(3) asks.
#[repr(C, align(8))]
struct ControlRoom([u8; 64]);

/// A Unix stream socket that listens at `path`; a leading `@` means the abstract namespace.
///
/// # Errors
/// EACCES EADDRINUSE EINVAL ENAMETOOLONG ENOENT EROFS.
pub fn listen(path: &str) -> SysResult<OwnedFd> {
    let socket = stream(0)?;
    let (address, length) = address_of(path)?;
    // SAFETY: the address is live and `length` is its used part.
    ret_unit(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
    // SAFETY: numbers only.
    ret_unit(unsafe { libc::listen(socket.as_raw_fd(), 1) })?;
    Ok(socket)
}

/// Waits for one peer.
///
/// # Errors
/// ETIMEDOUT; those of accept(2).
pub fn accept(listener: BorrowedFd<'_>, deadline: Instant) -> SysResult<OwnedFd> {
    wait_readable(listener, deadline)?;
    retry(|| {
        // SAFETY: null address and length: the kernel writes nothing.
        ret_fd(unsafe {
            libc::accept4(
                listener.as_raw_fd(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                libc::SOCK_CLOEXEC,
            )
        })
    })
}

/// Connects to `path`, as [`listen`] names it. Never waits.
///
/// # Errors
/// EACCES EAGAIN (as many wait already as the listener lets) ECONNREFUSED ENOENT.
pub fn connect(path: &str) -> SysResult<OwnedFd> {
    let socket = stream(libc::SOCK_NONBLOCK)?;
    let (address, length) = address_of(path)?;
    // SAFETY: the address is live and `length` is its used part.
    ret_unit(unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
    Ok(socket)
}

/// Sends one byte, and `fd` with it.
///
/// # Errors
/// EBADF EPIPE ETOOMANYREFS.
#[expect(clippy::cast_possible_truncation, reason = "CMSG_LEN of one int is 20")]
pub fn send_fd(socket: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> SysResult<()> {
    let mut byte = [0_u8];
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    let mut room = ControlRoom([0; 64]);
    let mut message = message_with(&mut part, &mut room);
    // SAFETY: CMSG_SPACE computes from a number.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<i32>() as u32) } as _;
    // SAFETY: the message has control room for one header.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    if header.is_null() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: CMSG_LEN computes from a number.
    let length = unsafe { libc::CMSG_LEN(size_of::<i32>() as u32) };
    // SAFETY: `header` points into `room`, aligned, with space for header and one int.
    let header_ref = unsafe { &mut *header };
    header_ref.cmsg_level = libc::SOL_SOCKET;
    header_ref.cmsg_type = libc::SCM_RIGHTS;
    header_ref.cmsg_len = length as _;
    // SAFETY: the data follows the header inside `room`.
    let data = unsafe { libc::CMSG_DATA(header) };
    // SAFETY: room for one int there; unaligned writes are allowed.
    unsafe { data.cast::<i32>().write_unaligned(fd.as_raw_fd()) };
    let sent = retry(|| {
        // SAFETY: every pointer of the message is live for the call; MSG_NOSIGNAL: EPIPE instead of a signal.
        ret_size(unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) })
    })?;
    if sent == 1 { Ok(()) } else { Err(Errno::EPIPE) }
}

/// Receives the descriptor that [`send_fd`] sent.
///
/// # Errors
/// ETIMEDOUT; ENODATA where the peer sent none.
#[expect(clippy::cast_possible_truncation, reason = "CMSG_LEN of one int is 20")]
pub fn receive_fd(socket: BorrowedFd<'_>, deadline: Instant) -> SysResult<OwnedFd> {
    wait_readable(socket, deadline)?;
    let mut byte = [0_u8];
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    let mut room = ControlRoom([0; 64]);
    let mut message = message_with(&mut part, &mut room);
    // Room for one descriptor exactly: the kernel closes what a peer sends beyond it.
    // SAFETY: CMSG_LEN computes from a number.
    message.msg_controllen = unsafe { libc::CMSG_LEN(size_of::<i32>() as u32) } as _;
    retry(|| {
        // SAFETY: every pointer of the message is live for the call.
        ret_size(unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) })
    })?;
    // SAFETY: the kernel filled the control part and its length.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    if header.is_null() {
        return Err(Errno::ENODATA);
    }
    // SAFETY: not null, so it points to a header inside `room`.
    let header_ref = unsafe { &*header };
    if header_ref.cmsg_level != libc::SOL_SOCKET || header_ref.cmsg_type != libc::SCM_RIGHTS {
        return Err(Errno::ENODATA);
    }
    // SAFETY: the data follows the header inside `room`.
    let data = unsafe { libc::CMSG_DATA(header) };
    // SAFETY: SCM_RIGHTS carries at least one int.
    let raw = unsafe { data.cast::<i32>().read_unaligned() };
    // SAFETY: the kernel installed this descriptor for us just now.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

fn stream(extra: libc::c_int) -> SysResult<OwnedFd> {
    // SAFETY: numbers only.
    ret_fd(unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC | extra, 0) })
}

fn ret_size(value: isize) -> SysResult<usize> {
    usize::try_from(value).map_err(|_| last())
}

fn message_with(part: &mut libc::iovec, room: &mut ControlRoom) -> libc::msghdr {
    // SAFETY: all zeroes is a valid msghdr.
    let mut message = unsafe { MaybeUninit::<libc::msghdr>::zeroed().assume_init() };
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message.msg_control = room.0.as_mut_ptr().cast();
    message.msg_controllen = size_of::<ControlRoom>() as _;
    message
}

fn address_of(path: &str) -> SysResult<(libc::sockaddr_un, libc::socklen_t)> {
    // SAFETY: all zeroes is a valid sockaddr_un.
    let mut address = unsafe { MaybeUninit::<libc::sockaddr_un>::zeroed().assume_init() };
    address.sun_family = libc::AF_UNIX.try_into().map_err(|_| Errno::EINVAL)?;
    let bytes = path.as_bytes();
    // One byte stays for the NUL of a path; an abstract name needs none, and loses nothing by it.
    if bytes.is_empty() || bytes.len() >= address.sun_path.len() {
        return Err(if bytes.is_empty() { Errno::EINVAL } else { Errno::ENAMETOOLONG });
    }
    let abstract_name = bytes[0] == b'@';
    for (index, byte) in bytes.iter().enumerate() {
        let byte = if abstract_name && index == 0 { 0 } else { *byte };
        address.sun_path[index] = libc::c_char::from_ne_bytes([byte]);
    }
    let used = std::mem::offset_of!(libc::sockaddr_un, sun_path) + bytes.len() + usize::from(!abstract_name);
    Ok((address, libc::socklen_t::try_from(used).map_err(|_| Errno::ENAMETOOLONG)?))
}

fn wait_readable(fd: BorrowedFd<'_>, deadline: Instant) -> SysResult<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).min(Duration::from_secs(3600));
        let mut wanted = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let milliseconds = i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        // SAFETY: one live pollfd.
        match ret(unsafe { libc::poll(&raw mut wanted, 1, milliseconds) }) {
            Ok(0) if left.is_zero() => return Err(Errno::ETIMEDOUT),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno),
        }
    }
}
