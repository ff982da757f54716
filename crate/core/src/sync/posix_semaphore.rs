//! POSIX semaphores (sem_overview(7)): named ones, and unnamed ones at an address of shared memory.
//!
//! Making, opening and naming are libc's; waiting and posting are our own on glibc's layout (`glibc_semaphore`), and
//! libc's on musl, which does not abort on an unexpected answer of futex(2).

#![expect(unsafe_code, reason = "semaphores are addresses")]

use super::outcome::Outcome;
pub use super::outcome::Step;
use crate::error::{Errno, Error, Named, Result, Subject};
use crate::memory::ROUNDS_MAX;
use crate::memory::guard::WatchedRange;
use crate::sys::{file, posix_sem};
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

#[cfg(target_env = "gnu")]
use super::glibc_semaphore::Words;
#[cfg(not(target_env = "gnu"))]
use super::libc_semaphore::Words;

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

    /// `sem_init(3)`, shared between processes.
    ///
    /// # Errors
    /// EINVAL (over SEM_VALUE_MAX).
    pub fn initialise(self, value: u32) -> Result<()> {
        // SAFETY: aligned, mapped and writable, as `at` demands.
        unsafe { posix_sem::sem_init(self.address, value) }.called("sem_init")
    }

    /// As `sem_trywait(3)`.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn try_wait(self) -> Result<Outcome> {
        self.words().try_wait()
    }

    /// As `sem_timedwait(3)`.
    ///
    /// # Errors
    /// EFAULT (the object was truncated) `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn wait(self, timeout: Duration) -> Result<Outcome> {
        self.wait_by(timeout, |step| step())
    }

    /// As [`Self::wait`], for a caller who looks at faults around each touch of the bytes: `touch` runs each step. The sleep in
    /// between touches nothing (glibc), so what other threads do meanwhile is not this wait's.
    ///
    /// # Errors
    /// As [`Self::wait`]; what `touch` answers.
    pub fn wait_by(self, timeout: Duration, touch: impl Fn(Step<'_>) -> Result<Outcome>) -> Result<Outcome> {
        self.words().wait(timeout, touch)
    }

    /// As `sem_post(3)`.
    ///
    /// # Errors
    /// EOVERFLOW `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn post(self) -> Result<()> {
        self.words().post()
    }

    /// As `sem_getvalue(3)`; may be stale the moment it returns.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn value(self) -> Result<i32> {
        self.words().value()
    }

    fn words(self) -> Words {
        // SAFETY: what `at` demands is what `Words::at` demands.
        unsafe { Words::at(self.address) }
    }
}

/// A named semaphore, closed on drop; the name lives on until it is unlinked.
#[derive(Debug)]
pub struct NamedSemaphore {
    address: usize,
    /// libc maps the file itself, and somebody may truncate that too. Gone before the mapping is.
    range: Option<Arc<WatchedRange>>,
}

impl NamedSemaphore {
    /// Makes one; `EEXIST` where the name is taken. The mode is exact: the umask does not apply.
    ///
    /// # Errors
    /// EACCES EEXIST EINVAL EMFILE ENFILE ENOMEM.
    pub fn create(name: &str, value: u32, mode: u32) -> Result<Self> {
        let made = Self::call_open(name, file::flags::O_CREAT | file::flags::O_EXCL, mode, value)?;
        // sem_open(3) takes no descriptor, so the mode is set on the file in which libc keeps the semaphore.
        if let Ok(fd) = file::open(&posix_sem::path(name), file::flags::O_RDONLY | file::flags::O_NOFOLLOW, 0)
        {
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
        let mut attempts = 0;
        loop {
            match Self::open(name) {
                Err(error) if error.errno() == Some(Errno::ENOENT) => {}
                other => return other.map(|semaphore| (semaphore, false)),
            }
            attempts += 1;
            match Self::create(name, value, mode) {
                // Somebody was faster: open theirs. A name that stays taken and leads nowhere is a dangling link.
                Err(error) if error.errno() == Some(Errno::EEXIST) && attempts < ROUNDS_MAX => {}
                other => return other.map(|semaphore| (semaphore, true)),
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
            .and_then(|address| {
                // SAFETY: the page libc mapped for this semaphore, which lives until `sem_close` in our drop.
                match unsafe { watched(address) } {
                    Ok(range) => Ok(Self { address, range: Some(range) }),
                    Err(error) => {
                        drop(Self { address, range: None });
                        Err(error)
                    }
                }
            })
            .map_err(|error| error.on(Subject::Name(name.to_owned())))
    }

    /// Uses the semaphore.
    ///
    /// # Errors
    /// What `act` answers; `ERR_SHM_TRUNCATED` once somebody truncated the semaphore's file.
    pub fn with<T>(&self, act: impl FnOnce(PosixSemaphore) -> Result<T>) -> Result<T> {
        // SAFETY: libc keeps its mapping until `sem_close`, which only our drop calls.
        let answer = act(unsafe { PosixSemaphore::at(self.address) });
        if self.range.as_ref().is_some_and(|range| range.is_damaged()) {
            return Err(Error::own("ERR_SHM_TRUNCATED", "somebody truncated the semaphore's file"));
        }
        answer
    }
}

/// The range of the page at `address`, one for all who opened the same name: libc gives them one page, and when it is exchanged
/// each of them must learn of it.
///
/// # Safety
/// As `WatchedRange::new`.
unsafe fn watched(address: usize) -> Result<Arc<WatchedRange>> {
    static WATCHED: Mutex<BTreeMap<usize, Weak<WatchedRange>>> = Mutex::new(BTreeMap::new());
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(range) = watched.get(&address).and_then(Weak::upgrade) {
        return Ok(range);
    }
    watched.retain(|_, range| range.strong_count() > 0);
    // SAFETY: the caller's word.
    let range = Arc::new(unsafe { WatchedRange::new(address, posix_sem::SIZE_BYTES) }?);
    watched.insert(address, Arc::downgrade(&range));
    Ok(range)
}

impl Drop for NamedSemaphore {
    fn drop(&mut self) {
        self.range = None;
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
