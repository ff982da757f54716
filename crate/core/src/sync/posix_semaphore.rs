//! POSIX semaphores (sem_overview(7)): named ones, and unnamed ones at an address of shared memory.

#![expect(unsafe_code, reason = "semaphores are addresses")]

use crate::error::{Errno, Error, Named, Result, Subject};
use crate::sys::{file, posix_sem, shm};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What a wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The semaphore was decremented.
    Acquired,
    /// Its value was 0 (`EAGAIN`), or stayed so for the time given (`ETIMEDOUT`).
    NotNow,
    /// A signal handler ran (`EINTR`); ask again.
    Interrupted,
}

/// A semaphore at an address, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct PosixSemaphore {
    address: usize,
}

impl PosixSemaphore {
    /// The semaphore at `address`.
    ///
    /// # Safety
    /// `address` must be aligned to [`posix_sem::ALIGN_BYTES`], and [`posix_sem::SIZE_BYTES`] there must stay mapped and
    /// writable while the answer is used.
    #[must_use]
    pub const unsafe fn at(address: usize) -> Self {
        Self { address }
    }

    /// Refuses bytes that are no semaphore, as far as a look can tell: glibc and musl keep 0 or 128 (shared or not) in the third
    /// word, and glibc hands that word to futex(2) and aborts the process when the kernel refuses it. A peer that scribbles between
    /// this look and libc's own can still cause that: semaphores trust their bytes, as pthread objects do.
    fn plausible(self) -> Result<Self> {
        let word = (self.address + 8) as *mut u32;
        // SAFETY: inside the semaphore, aligned, mapped (as `at` demands); other processes access it too, so atomically.
        let word = unsafe { AtomicU32::from_ptr(word) };
        match word.load(Ordering::Relaxed) {
            0 | 128 => Ok(self), // Relaxed: a plausibility check, no order hangs on it.
            other => Err(Error::own(
                "ERR_SHM_POSSIBLY_CORRUPT",
                format!(
                    "the bytes there are no semaphore of this C library: its third word is {other}, not 0 or 128"
                ),
            )),
        }
    }

    /// `sem_init(3)`, shared between processes.
    ///
    /// # Errors
    /// EINVAL (over SEM_VALUE_MAX).
    pub fn initialise(self, value: u32) -> Result<()> {
        // SAFETY: aligned, mapped and writable, as `at` demands.
        unsafe { posix_sem::sem_init(self.address, value) }.called("sem_init")
    }

    /// `sem_trywait(3)`.
    ///
    /// # Errors
    /// EINVAL; `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn try_wait(self) -> Result<Outcome> {
        self.plausible()?;
        // SAFETY: mapped, as `at` demands.
        outcome(unsafe { posix_sem::sem_trywait(self.address) }, "sem_trywait")
    }

    /// `sem_timedwait(3)`.
    ///
    /// # Errors
    /// EINVAL; `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn wait(self, timeout: Duration) -> Result<Outcome> {
        self.plausible()?;
        // SAFETY: mapped, as `at` demands.
        outcome(unsafe { posix_sem::sem_timedwait(self.address, timeout) }, "sem_timedwait")
    }

    /// `sem_post(3)`.
    ///
    /// # Errors
    /// EINVAL EOVERFLOW; `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn post(self) -> Result<()> {
        self.plausible()?;
        // SAFETY: mapped, as `at` demands.
        unsafe { posix_sem::sem_post(self.address) }.called("sem_post")
    }

    /// `sem_getvalue(3)`; may be stale the moment it returns.
    ///
    /// # Errors
    /// EINVAL; `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn value(self) -> Result<i32> {
        self.plausible()?;
        // SAFETY: mapped, as `at` demands.
        unsafe { posix_sem::sem_getvalue(self.address) }.called("sem_getvalue")
    }
}

fn outcome(answer: crate::sys::SysResult<()>, syscall: &'static str) -> Result<Outcome> {
    match answer {
        Ok(()) => Ok(Outcome::Acquired),
        Err(Errno::EAGAIN | Errno::ETIMEDOUT) => Ok(Outcome::NotNow),
        Err(Errno::EINTR) => Ok(Outcome::Interrupted),
        Err(errno) => Err(Error::system(syscall, errno)),
    }
}

/// A named semaphore, closed on drop; the name lives on until it is unlinked.
#[derive(Debug)]
pub struct NamedSemaphore {
    address: usize,
}

impl NamedSemaphore {
    /// Makes one; `EEXIST` where the name is taken. The mode is exact: the umask does not apply.
    ///
    /// # Errors
    /// EACCES EEXIST EINVAL EMFILE ENFILE ENOMEM.
    pub fn create(name: &str, value: u32, mode: u32) -> Result<Self> {
        let made = Self::call_open(name, file::flags::O_CREAT | file::flags::O_EXCL, mode, value)?;
        // sem_open(3) takes no descriptor, so the mode is set on the file that both glibc and musl keep the semaphore in.
        let path = format!("{}/sem.{}", shm::DIRECTORY, name.trim_start_matches('/'));
        if let Ok(fd) = file::open(&path, file::flags::O_RDONLY | file::flags::O_NOFOLLOW, 0) {
            let _ = file::fchmod(fd.as_fd(), mode);
        }
        Ok(made)
    }

    /// Opens an existing one.
    ///
    /// # Errors
    /// EACCES EINVAL ENOENT.
    pub fn open(name: &str) -> Result<Self> {
        Self::call_open(name, 0, 0, 0)
    }

    /// Opens one or makes it. Answers whether it was made.
    ///
    /// # Errors
    /// Those of [`Self::create`] and [`Self::open`].
    pub fn open_or_create(name: &str, value: u32, mode: u32) -> Result<(Self, bool)> {
        loop {
            match Self::create(name, value, mode) {
                Err(error) if error.errno() == Some(Errno::EEXIST) => {}
                other => return other.map(|semaphore| (semaphore, true)),
            }
            match Self::open(name) {
                // Removed between the two calls: make it.
                Err(error) if error.errno() == Some(Errno::ENOENT) => {}
                other => return other.map(|semaphore| (semaphore, false)),
            }
        }
    }

    /// `sem_open(3)` itself, umask and all.
    ///
    /// # Errors
    /// Those of sem_open(3).
    pub fn call_open(name: &str, flags: i32, mode: u32, value: u32) -> Result<Self> {
        posix_sem::sem_open(name, flags, mode, value)
            .called("sem_open")
            .map(|address| Self { address })
            .map_err(|error| error.on(Subject::Name(name.to_owned())))
    }

    /// The semaphore itself.
    #[must_use]
    pub fn borrow(&self) -> PosixSemaphore {
        // SAFETY: libc keeps its mapping until `sem_close`, which only our drop calls.
        unsafe { PosixSemaphore::at(self.address) }
    }
}

impl Drop for NamedSemaphore {
    fn drop(&mut self) {
        // SAFETY: the address came from sem_open, and is closed once.
        let _ = unsafe { posix_sem::sem_close(self.address) };
    }
}

/// `sem_unlink(3)`.
///
/// # Errors
/// EACCES EINVAL ENOENT.
pub fn unlink(name: &str) -> Result<()> {
    posix_sem::sem_unlink(name).called("sem_unlink").map_err(|error| error.on(Subject::Name(name.to_owned())))
}
