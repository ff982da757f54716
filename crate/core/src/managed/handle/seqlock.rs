//! A record that is read without a lock, and never torn.

use super::Handle;
use crate::error::Result;
use crate::managed::kind::{Kind, Shape};
use crate::managed::operation::{LockWish, Operation};
use crate::managed::segment::ManagedSegment;
use crate::membership::Member;
use crate::sync::seqlock;

/// A record that is read without a lock, and never torn.
///
/// ```
/// # use shmem_core::managed::{ManagedOptions, ManagedSegment};
/// # use shmem_core::membership::JoinOptions;
/// # use shmem_core::memory::{CreateOptions, memfd};
/// # let segment = memfd::create("doc", &CreateOptions::new(1 << 20), 0)?;
/// # let managed = ManagedSegment::open(&segment, ManagedOptions::make())?;
/// # let member = managed.join(&JoinOptions::default())?;
/// use shmem_core::managed::handle::SeqLock;
///
/// let pose = SeqLock::open(&managed, &member, "pose", 8)?;
/// pose.write(&1.5f64.to_le_bytes())?;
/// let mut copy = [0; 8];
/// pose.read(&mut copy)?;
/// assert_eq!(f64::from_le_bytes(copy), 1.5);
/// # Ok::<(), shmem_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SeqLock<'a> {
    handle: Handle<'a>,
    record: seqlock::SeqLock,
}

impl<'a> SeqLock<'a> {
    /// The record of that name and size; made of zeroes if there is none.
    ///
    /// # Errors
    /// Those of [`ManagedSegment::object`].
    pub fn open(managed: &'a ManagedSegment, member: &'a Member, name: &str, bytes: u32) -> Result<Self> {
        let shape = Shape::numbered(Kind::SeqLock, bytes);
        let handle = Handle::open(managed, member, name, shape)?;
        let record = handle.place.record()?;
        Ok(Self { handle, record })
    }

    /// Copies the record out, as one writer left it. Answers its version.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE` (another size) `ERR_SHM_BUSY`.
    pub fn read(&self, target: &mut [u8]) -> Result<u32> {
        self.record.read(target)
    }

    /// Writes the record; waits for other writers. A writer that dies in the middle leaves it as it was.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: another size.
    pub fn write(&self, source: &[u8]) -> Result<()> {
        self.handle.wait(Operation::Lock(LockWish { strict: false, blocks_owner: true }), None)?;
        let written = self.record.write(source);
        self.handle.place.unlock(self.handle.table(), self.handle.token(), true)?;
        written
    }
}
