//! An event: set or not.

use super::Handle;
use crate::error::Result;
use crate::managed::kind::{Kind, Shape};
use crate::managed::operation::Operation;
use crate::managed::segment::ManagedSegment;
use crate::membership::Member;
use crate::sync::event::Reset;
use std::time::Duration;

/// An event: set or not.
///
/// ```
/// # use shmem_core::managed::{ManagedOptions, ManagedSegment};
/// # use shmem_core::membership::JoinOptions;
/// # use shmem_core::memory::{CreateOptions, memfd};
/// # let segment = memfd::create("doc", &CreateOptions::new(1 << 20), 0)?;
/// # let managed = ManagedSegment::open(&segment, ManagedOptions::make())?;
/// # let member = managed.join(&JoinOptions::default())?;
/// use shmem_core::managed::handle::{Event, Reset};
/// use std::time::Duration;
///
/// let ready = Event::open(&managed, &member, "ready", Reset::Manual)?;
/// assert!(!ready.wait(Some(Duration::ZERO))?);
/// ready.set()?;
/// assert!(ready.wait(None)?);
/// # Ok::<(), shmem_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    handle: Handle<'a>,
}

impl<'a> Event<'a> {
    /// The event of that name and that way of resetting; made if there is none.
    ///
    /// # Errors
    /// Those of [`ManagedSegment::object`].
    pub fn open(managed: &'a ManagedSegment, member: &'a Member, name: &str, reset: Reset) -> Result<Self> {
        let shape = Shape::numbered(Kind::Event, u32::from(reset == Reset::Auto));
        Handle::open(managed, member, name, shape).map(|handle| Self { handle })
    }

    /// Waits until it is set, so long at most; `None` waits for ever. Answers whether it was; with automatic reset it is not set any more then.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        Ok(self.handle.wait(Operation::Event, timeout)?.is_some())
    }

    /// Sets it. Answers whether it was not set before.
    ///
    /// # Errors
    /// None for an open segment.
    pub fn set(&self) -> Result<bool> {
        self.handle.place.set_event(self.handle.table())
    }

    /// Makes it not set. Answers whether it was set.
    ///
    /// # Errors
    /// None for an open segment.
    pub fn reset(&self) -> Result<bool> {
        self.handle.place.reset_event(self.handle.table())
    }
}
