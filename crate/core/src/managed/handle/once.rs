//! Something that is done once, by whichever member comes first and lives to finish it.

use super::Handle;
use crate::error::Result;
use crate::managed::kind::{Kind, Shape};
use crate::managed::layout;
use crate::managed::operation::{LockWish, Operation};
use crate::managed::segment::ManagedSegment;
use crate::membership::Member;

/// Something that is done once, by whichever member comes first and lives to finish it.
///
/// ```
/// # use shmem_core::managed::{ManagedOptions, ManagedSegment};
/// # use shmem_core::membership::JoinOptions;
/// # use shmem_core::memory::{CreateOptions, memfd};
/// # let segment = memfd::create("doc", &CreateOptions::new(1 << 20), 0)?;
/// # let managed = ManagedSegment::open(&segment, ManagedOptions::make())?;
/// # let member = managed.join(&JoinOptions::default())?;
/// use shmem_core::managed::handle::Once;
///
/// let once = Once::open(&managed, &member, "set-up")?;
/// assert!(once.run(|| Ok(()))?, "done here");
/// assert!(!once.run(|| Ok(()))?, "done already");
/// # Ok::<(), shmem_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Once<'a> {
    handle: Handle<'a>,
}

const DONE: u32 = 1;

impl<'a> Once<'a> {
    /// The once of that name; made if there is none.
    ///
    /// # Errors
    /// Those of [`ManagedSegment::object`].
    pub fn open(managed: &'a ManagedSegment, member: &'a Member, name: &str) -> Result<Self> {
        Handle::open(managed, member, name, Shape::plain(Kind::Once)).map(|handle| Self { handle })
    }

    /// Whether it is done.
    ///
    /// # Errors
    /// None for an open segment.
    pub fn is_done(&self) -> Result<bool> {
        // SYNC: acquires what the runner wrote before it said so.
        Ok(self.handle.place.word(layout::DONE)?.load() == DONE)
    }

    /// Does it, unless it is done; waits while another does it. Answers whether it was done here. Where the other one dies or fails, it is
    /// done again.
    ///
    /// # Errors
    /// Those of `act`, after which it is not done; `ERR_SHM_DEADLOCK` inside `act`.
    pub fn run(&self, act: impl FnOnce() -> Result<()>) -> Result<bool> {
        if self.is_done()? {
            return Ok(false);
        }
        self.handle.wait(Operation::Lock(LockWish { strict: false, blocks_owner: true }), None)?;
        let ran = if self.is_done()? { Ok(false) } else { act().map(|()| true) };
        if matches!(ran, Ok(true)) {
            self.handle.place.word(layout::DONE)?.store(DONE);
        }
        self.handle.place.unlock(self.handle.table(), self.handle.token(), true)?;
        ran
    }
}
