//! A reader-writer lock whose dead block nobody.

use super::Handle;
use crate::error::Result;
use crate::managed::kind::{Kind, Shape};
use crate::managed::operation::{LockWish, Operation};
use crate::managed::segment::ManagedSegment;
use crate::membership::Member;
use crate::sync::wait::Answer;
use std::cell::Cell;
use std::time::Duration;

/// A reader-writer lock whose dead block nobody. One member reads once at a time.
///
/// ```
/// # use shmem_core::managed::{ManagedOptions, ManagedSegment};
/// # use shmem_core::membership::JoinOptions;
/// # use shmem_core::memory::{CreateOptions, memfd};
/// # let segment = memfd::create("doc", &CreateOptions::new(1 << 20), 0)?;
/// # let managed = ManagedSegment::open(&segment, ManagedOptions::make())?;
/// # let member = managed.join(&JoinOptions::default())?;
/// use shmem_core::managed::handle::RwLock;
///
/// let lock = RwLock::open(&managed, &member, "pages")?;
/// if let Some(reading) = lock.read(None)? {
///     assert!(!reading.writer_died());
/// }
/// assert!(lock.write(None)?.is_some());
/// # Ok::<(), shmem_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RwLock<'a> {
    handle: Handle<'a>,
}

/// Reading; dropped, it ends.
#[derive(Debug)]
pub struct ReadGuard<'a> {
    handle: Handle<'a>,
    writer_died: bool,
}

/// Writing; dropped, it ends.
#[derive(Debug)]
pub struct WriteGuard<'a> {
    handle: Handle<'a>,
    writer_died: bool,
    consistent: Cell<bool>,
}

const WISH: LockWish = LockWish { strict: false, blocks_owner: true };

impl<'a> RwLock<'a> {
    /// The lock of that name; made if there is none.
    ///
    /// # Errors
    /// Those of [`ManagedSegment::object`].
    pub fn open(managed: &'a ManagedSegment, member: &'a Member, name: &str) -> Result<Self> {
        Handle::open(managed, member, name, Shape::plain(Kind::RwLock)).map(|handle| Self { handle })
    }

    /// Waits until no writer is at work, so long at most; `None` waits for ever. Answers `None` when the time is over.
    ///
    /// # Errors
    /// `ERR_SHM_DEADLOCK`: this thread writes. `ERR_SHM_NOT_RECOVERABLE`; `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn read(&self, timeout: Option<Duration>) -> Result<Option<ReadGuard<'a>>> {
        let answer = self.handle.wait(Operation::Read(WISH), timeout)?;
        Ok(answer.map(|answer| ReadGuard { handle: self.handle, writer_died: answer == Answer::OwnerDied }))
    }

    /// Waits until nobody reads or writes, as [`Self::read`].
    ///
    /// # Errors
    /// As [`Self::read`]; `ERR_SHM_DEADLOCK` also where this thread reads.
    pub fn write(&self, timeout: Option<Duration>) -> Result<Option<WriteGuard<'a>>> {
        let answer = self.handle.wait(Operation::Write(WISH), timeout)?;
        Ok(answer.map(|answer| {
            let writer_died = answer == Answer::OwnerDied;
            WriteGuard { handle: self.handle, writer_died, consistent: Cell::new(!writer_died) }
        }))
    }
}

impl ReadGuard<'_> {
    /// Whether a writer died in the middle, and nobody repaired yet what it left.
    #[must_use]
    pub const fn writer_died(&self) -> bool {
        self.writer_died
    }
}

impl Drop for ReadGuard<'_> {
    fn drop(&mut self) {
        if self.handle.member.is_inherited() {
            return;
        }
        let _ = self.handle.place.read_unlock(self.handle.table(), self.handle.token());
    }
}

impl WriteGuard<'_> {
    /// Whether the writer before died in the middle.
    #[must_use]
    pub const fn writer_died(&self) -> bool {
        self.writer_died
    }

    /// Says that what the lock guards is whole again. Dropped without that after a death, the lock is not recoverable.
    pub fn mark_consistent(&self) {
        self.consistent.set(true);
    }
}

impl Drop for WriteGuard<'_> {
    fn drop(&mut self) {
        if self.handle.member.is_inherited() {
            return;
        }
        let _ = self.handle.place.unlock(self.handle.table(), self.handle.token(), self.consistent.get());
    }
}
