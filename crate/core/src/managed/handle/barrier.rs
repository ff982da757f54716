//! A barrier that notices a dead party.

use super::Handle;
use crate::error::Result;
use crate::managed::kind::{Kind, Shape};
use crate::managed::operation::Operation;
use crate::managed::segment::ManagedSegment;
use crate::membership::Member;
use crate::sync::barrier::ArriveWish;
use crate::sync::wait::Answer;
use std::time::Duration;

/// A barrier that notices a dead party.
///
/// ```
/// # use shmem_core::managed::{ManagedOptions, ManagedSegment};
/// # use shmem_core::membership::JoinOptions;
/// # use shmem_core::memory::{CreateOptions, memfd};
/// # let segment = memfd::create("doc", &CreateOptions::new(1 << 20), 0)?;
/// # let managed = ManagedSegment::open(&segment, ManagedOptions::make())?;
/// # let member = managed.join(&JoinOptions::default())?;
/// use shmem_core::managed::handle::{Barrier, Passed};
///
/// let alone = Barrier::open(&managed, &member, "round", 1)?;
/// assert_eq!(alone.wait(None)?, Some(Passed::Together));
/// # Ok::<(), shmem_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Barrier<'a> {
    handle: Handle<'a>,
}

/// How a wait at a barrier ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// All parties arrived.
    Together,
    /// A party died, and its seat is free.
    PartyDied,
}

impl<'a> Barrier<'a> {
    /// The barrier of that name for that many parties; made if there is none.
    ///
    /// # Errors
    /// Those of [`ManagedSegment::object`].
    pub fn open(managed: &'a ManagedSegment, member: &'a Member, name: &str, parties: u32) -> Result<Self> {
        let shape = Shape::numbered(Kind::Barrier, parties);
        Handle::open(managed, member, name, shape).map(|handle| Self { handle })
    }

    /// Arrives, and waits for the others, so long at most. Answers `None` when the time is over; then the arrival is taken back.
    ///
    /// # Errors
    /// `ERR_SHM_BARRIER_FULL`: others have all seats.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<Option<Passed>> {
        let answer = self.handle.wait(Operation::Arrive(ArriveWish::default()), timeout)?;
        Ok(answer.map(|answer| match answer {
            Answer::PartyDied => Passed::PartyDied,
            _ => Passed::Together,
        }))
    }

    /// Gives this member's seat to another.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_OWNER`: it has none.
    pub fn leave(&self) -> Result<()> {
        self.handle.place.leave_barrier(self.handle.table(), self.handle.token())
    }
}
