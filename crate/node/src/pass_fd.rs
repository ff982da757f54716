//! Descriptors over a Unix socket.

use crate::error::OrThrow;
use napi::Result;
use napi::bindgen_prelude::Env;
use napi_derive::napi;
use shmem_core::error::{Errno, Error, Named, Subject};
use shmem_core::sys::{file, socket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// A listening socket that waits for one descriptor; its file is removed with it.
#[napi]
#[derive(Debug)]
pub struct NativeFdReceiver {
    listener: Option<std::os::fd::OwnedFd>,
    path: String,
}

#[napi]
impl NativeFdReceiver {
    /// Closes the socket and removes its file; idempotent.
    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        if self.listener.take().is_some() && !self.path.starts_with('@') {
            let _ = file::unlink(&self.path);
        }
    }
}

impl Drop for NativeFdReceiver {
    fn drop(&mut self) {
        self.close();
    }
}

/// Listens at `path`; a leading `@` means the abstract namespace.
#[napi(catch_unwind)]
pub fn listen_for_fd(env: Env, path: String) -> Result<NativeFdReceiver> {
    let listener = socket::listen(&path)
        .called("bind")
        .map_err(|error| error.on(Subject::Path(path.clone())))
        .or_throw(&env)?;
    Ok(NativeFdReceiver { listener: Some(listener), path })
}

/// Waits up to `slice_ms` for a descriptor; absent when none came.
#[napi(catch_unwind)]
pub fn receive_fd(env: Env, receiver: &NativeFdReceiver, slice_ms: u32) -> Result<Option<i32>> {
    let deadline = Instant::now() + Duration::from_millis(slice_ms.into());
    let Some(listener) = &receiver.listener else { return Ok(None) };
    let received = socket::accept(listener.as_fd(), deadline)
        // Who connected sends at once; a peer that does not is given up after a second.
        .and_then(|peer| {
            socket::receive_fd(peer.as_fd(), Instant::now() + Duration::from_secs(1)).map_err(no_message)
        });
    match received {
        Ok(fd) => Ok(Some(file::into_raw(fd))),
        Err(Errno::ETIMEDOUT) => Ok(None),
        Err(errno) => Err(errno)
            .called("recvmsg")
            .map_err(|error| error.on(Subject::Path(receiver.path.clone())))
            .or_throw(&env),
    }
}

fn no_message(errno: Errno) -> Errno {
    if errno == Errno::ETIMEDOUT { Errno::ENODATA } else { errno }
}

/// Sends a descriptor to whoever listens at `path`.
#[napi(catch_unwind)]
pub fn send_fd(env: Env, path: String, fd: i32) -> Result<()> {
    let sent: std::result::Result<(), Error> = socket::connect(&path)
        .called("connect")
        .and_then(|peer| file::with_borrowed(fd, |fd| socket::send_fd(peer.as_fd(), fd)).called("sendmsg"));
    sent.map_err(|error| error.on(Subject::Path(path))).or_throw(&env)
}

/// `close(2)`.
#[napi(catch_unwind)]
pub fn close_fd(env: Env, fd: i32) -> Result<()> {
    file::close(fd).called("close").or_throw(&env)
}
