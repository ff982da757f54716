//! A mutex that comes free when its owner dies.

use super::Handle;
use crate::error::Result;
use crate::managed::kind::{Kind, Shape};
use crate::managed::operation::{LockWish, Operation};
use crate::managed::segment::ManagedSegment;
use crate::membership::Member;
use crate::sync::wait::Answer;
use std::cell::Cell;
use std::time::Duration;

/// A mutex that comes free when its owner dies. Not recursive.
///
/// ```
/// # use shmem_core::managed::{ManagedOptions, ManagedSegment};
/// # use shmem_core::membership::JoinOptions;
/// # use shmem_core::memory::{CreateOptions, memfd};
/// # let segment = memfd::create("doc", &CreateOptions::new(1 << 20), 0)?;
/// # let managed = ManagedSegment::open(&segment, ManagedOptions::make())?;
/// # let member = managed.join(&JoinOptions::default())?;
/// use shmem_core::managed::handle::Mutex;
/// use std::time::Duration;
///
/// let mutex = Mutex::open(&managed, &member, "book")?;
/// if let Some(held) = mutex.lock(Some(Duration::from_secs(1)))? {
///     if held.owner_died() {
///         // Repair what the mutex guards, then:
///         held.mark_consistent();
///     }
/// } // Given back here.
/// assert_eq!(mutex.lock(None)?.map(|held| held.owner_died()), Some(false));
/// # Ok::<(), shmem_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Mutex<'a> {
    handle: Handle<'a>,
}

/// The lock in hand; dropped, it is given back.
#[derive(Debug)]
pub struct MutexGuard<'a> {
    handle: Handle<'a>,
    owner_died: bool,
    consistent: Cell<bool>,
}

impl<'a> Mutex<'a> {
    /// The mutex of that name; made if there is none.
    ///
    /// # Errors
    /// Those of [`ManagedSegment::object`].
    pub fn open(managed: &'a ManagedSegment, member: &'a Member, name: &str) -> Result<Self> {
        Handle::open(managed, member, name, Shape::plain(Kind::Mutex)).map(|handle| Self { handle })
    }

    /// Waits for the lock, so long at most; `None` waits for ever. Answers `None` when the time is over; a time of zero tries.
    ///
    /// # Errors
    /// `ERR_SHM_DEADLOCK`: this thread holds it. `ERR_SHM_NOT_RECOVERABLE`; `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn lock(&self, timeout: Option<Duration>) -> Result<Option<MutexGuard<'a>>> {
        self.lock_as(timeout, false)
    }

    /// As [`Self::lock`]; where the owner died, waits until its whole process has left the kernel too.
    ///
    /// # Errors
    /// As [`Self::lock`].
    pub fn lock_strictly(&self, timeout: Option<Duration>) -> Result<Option<MutexGuard<'a>>> {
        self.lock_as(timeout, true)
    }

    /// Makes a lock that is not recoverable free again. Answers whether it was one.
    ///
    /// # Errors
    /// None for an open segment.
    pub fn reset(&self) -> Result<bool> {
        self.handle.place.reset_lock(self.handle.table())
    }

    fn lock_as(&self, timeout: Option<Duration>, strict: bool) -> Result<Option<MutexGuard<'a>>> {
        let wish = LockWish { strict, blocks_owner: true };
        let answer = self.handle.wait(Operation::Lock(wish), timeout)?;
        Ok(answer.map(|answer| {
            let owner_died = answer == Answer::OwnerDied;
            MutexGuard { handle: self.handle, owner_died, consistent: Cell::new(!owner_died) }
        }))
    }
}

impl MutexGuard<'_> {
    /// Whether the owner before died with the lock: what it guards may be half-changed.
    #[must_use]
    pub const fn owner_died(&self) -> bool {
        self.owner_died
    }

    /// Says that what the lock guards is whole again. Dropped without that after a death, the lock is not recoverable.
    pub fn mark_consistent(&self) {
        self.consistent.set(true);
    }
}

impl Drop for MutexGuard<'_> {
    fn drop(&mut self) {
        if self.handle.member.is_inherited() {
            return;
        }
        let _ = self.handle.place.unlock(self.handle.table(), self.handle.token(), self.consistent.get());
    }
}
