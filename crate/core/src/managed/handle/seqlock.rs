//! A record that is read without a lock, and never torn.

use super::Handle;
use crate::error::Result;
use crate::managed::kind::{Kind, Shape};
use crate::managed::operation::{LockWish, Operation};
use crate::managed::segment::ManagedSegment;
use crate::membership::Member;
use crate::sync::seqlock;

/// See the module.
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
