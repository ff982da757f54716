//! A condition variable, for what a mutex guards.

use super::{Handle, MutexGuard};
use crate::error::Result;
use crate::managed::handle::Mutex;
use crate::managed::kind::{Kind, Shape};
use crate::managed::operation::Operation;
use crate::managed::segment::ManagedSegment;
use crate::membership::Member;
use std::time::Duration;

/// A condition variable, for what a mutex guards.
///
/// ```
/// # use shmem_core::managed::{ManagedOptions, ManagedSegment};
/// # use shmem_core::membership::JoinOptions;
/// # use shmem_core::memory::{CreateOptions, memfd};
/// # let segment = memfd::create("doc", &CreateOptions::new(1 << 20), 0)?;
/// # let managed = ManagedSegment::open(&segment, ManagedOptions::make())?;
/// # let member = managed.join(&JoinOptions::default())?;
/// use shmem_core::managed::handle::{Condition, Mutex};
/// use std::time::Duration;
///
/// let mutex = Mutex::open(&managed, &member, "queue")?;
/// let filled = Condition::open(&managed, &member, "filled")?;
/// let held = mutex.lock(None)?.expect("a wait without a limit of time");
/// let (held, notified) = filled.wait(&mutex, held, Some(Duration::from_millis(1)))?;
/// assert!(!notified);
/// drop(held);
/// # Ok::<(), shmem_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Condition<'a> {
    handle: Handle<'a>,
}

impl<'a> Condition<'a> {
    /// The condition of that name; made if there is none.
    ///
    /// # Errors
    /// Those of [`ManagedSegment::object`].
    pub fn open(managed: &'a ManagedSegment, member: &'a Member, name: &str) -> Result<Self> {
        Handle::open(managed, member, name, Shape::plain(Kind::Condition)).map(|handle| Self { handle })
    }

    /// Gives the mutex back, waits to be notified, so long at most, and takes the mutex again. Answers the mutex, and whether it was notified; that may
    /// happen for no reason: look in a loop.
    ///
    /// # Errors
    /// Those of [`Mutex::lock`]; then the mutex is not held.
    pub fn wait(
        &self,
        mutex: &Mutex<'a>,
        held: MutexGuard<'a>,
        timeout: Option<Duration>,
    ) -> Result<(MutexGuard<'a>, bool)> {
        let from = self.handle.place.begin_notified(self.handle.table())?;
        drop(held);
        let notified = self.handle.wait(Operation::Notified(from), timeout)?.is_some();
        loop {
            if let Some(held) = mutex.lock(None)? {
                return Ok((held, notified));
            }
        }
    }

    /// Wakes one who waits.
    ///
    /// # Errors
    /// None for an open segment.
    pub fn notify_one(&self) -> Result<()> {
        self.handle.place.notify(self.handle.table(), 1)
    }

    /// Wakes all who wait.
    ///
    /// # Errors
    /// None for an open segment.
    pub fn notify_all(&self) -> Result<()> {
        self.handle.place.notify(self.handle.table(), u32::MAX)
    }
}
