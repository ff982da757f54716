//! A semaphore whose permits come back when their holder dies.

use super::Handle;
use crate::error::Result;
use crate::managed::kind::{Kind, Shape};
use crate::managed::operation::Operation;
use crate::managed::segment::ManagedSegment;
use crate::membership::Member;
use std::time::Duration;

/// A semaphore whose permits come back when their holder dies.
///
/// ```
/// # use shmem_core::managed::{ManagedOptions, ManagedSegment};
/// # use shmem_core::membership::JoinOptions;
/// # use shmem_core::memory::{CreateOptions, memfd};
/// # let segment = memfd::create("doc", &CreateOptions::new(1 << 20), 0)?;
/// # let managed = ManagedSegment::open(&segment, ManagedOptions::make())?;
/// # let member = managed.join(&JoinOptions::default())?;
/// use shmem_core::managed::handle::Semaphore;
///
/// let tickets = Semaphore::open(&managed, &member, "tickets", 3)?;
/// let permit = tickets.acquire(None)?;
/// assert_eq!(tickets.available()?, 2);
/// drop(permit);
/// assert_eq!(tickets.available()?, 3);
/// # Ok::<(), shmem_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Semaphore<'a> {
    handle: Handle<'a>,
}

/// A permit; dropped, it is given back.
#[derive(Debug)]
pub struct Permit<'a> {
    handle: Handle<'a>,
}

impl<'a> Semaphore<'a> {
    /// The semaphore of that name and that many permits; made if there is none.
    ///
    /// # Errors
    /// Those of [`ManagedSegment::object`].
    pub fn open(managed: &'a ManagedSegment, member: &'a Member, name: &str, permits: u32) -> Result<Self> {
        let shape = Shape::numbered(Kind::Semaphore, permits);
        Handle::open(managed, member, name, shape).map(|handle| Self { handle })
    }

    /// Waits for a permit, so long at most; `None` waits for ever. Answers `None` when the time is over; a time of zero tries.
    ///
    /// # Errors
    /// `ERR_SHM_DEADLOCK`: this thread holds all of them, and would wait for itself. EFAULT: the segment was truncated.
    pub fn acquire(&self, timeout: Option<Duration>) -> Result<Option<Permit<'a>>> {
        let blocks_owner = timeout != Some(Duration::ZERO);
        let answer = self.handle.wait(Operation::Acquire { blocks_owner }, timeout)?;
        Ok(answer.map(|_| Permit { handle: self.handle }))
    }

    /// Permits that can be had; stale the moment it returns.
    ///
    /// # Errors
    /// None for an open segment.
    pub fn available(&self) -> Result<u32> {
        self.handle.place.available(self.handle.table())
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.handle.member.is_inherited() {
            return;
        }
        let _ = self.handle.place.release(self.handle.table(), self.handle.token());
    }
}
