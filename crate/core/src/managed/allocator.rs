//! The heap as users have it: blocks without a name, found by their offsets, given out and taken back by any member.
//!
//! Each call holds the directory's mutex; whoever gets it from a dead owner mends the heap before anything else. What a member leaves that
//! is killed inside a call:
//!
//! | killed | the block is |
//! |---|---|
//! | in [`Allocator::allocate`], before its last store | free, or in flight under the dead token until [`Allocator::repair`] or the next mend |
//! | in `allocate`, behind it | its user's, who never learnt of it: see [`Allocator::blocks`] |
//! | in [`Allocator::free`] | its user's still, or free |

use super::heap::{Lent, Reclaimed, Statistics};
use super::segment::ManagedSegment;
use crate::error::Result;
use crate::fail_point;
use crate::membership::Member;

/// The heap of a managed segment. Copies are the same allocator; it stays on its member's thread.
///
/// ```
/// # use shmem_core::managed::{ManagedOptions, ManagedSegment};
/// # use shmem_core::membership::JoinOptions;
/// # use shmem_core::memory::{CreateOptions, memfd};
/// # let segment = memfd::create("doc", &CreateOptions::new(1 << 20), 0)?;
/// # let managed = ManagedSegment::open(&segment, ManagedOptions::make())?;
/// # let member = managed.join(&JoinOptions::default())?;
/// use shmem_core::managed::Allocator;
///
/// let allocator = Allocator::of(&managed, &member);
/// let offset = allocator.allocate(1000, 64)?;
/// segment.write(offset, b"reached by its offset, in every process")?;
/// allocator.free(offset)?;
/// # Ok::<(), shmem_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Allocator<'a> {
    managed: &'a ManagedSegment,
    member: &'a Member,
}

impl<'a> Allocator<'a> {
    /// The allocator of a segment, for one of its members.
    #[must_use]
    pub const fn of(managed: &'a ManagedSegment, member: &'a Member) -> Self {
        Self { managed, member }
    }

    /// Takes a block of at least `bytes` bytes at a multiple of `align`, a power of two up to [`super::heap::ALIGN_MAX`]; 16 at least.
    /// Answers the offset of its first byte in the segment; the bytes are whatever was there. It is the caller's until somebody frees it.
    ///
    /// # Errors
    /// `ERR_SHM_NO_SPACE`; `ERR_OUT_OF_RANGE` for the alignment; `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TIMED_OUT`.
    pub fn allocate(&self, bytes: u64, align: u64) -> Result<u64> {
        let token = self.member.token().word();
        let offset = self.managed.with_directory_lock(self.member, |heap| {
            let offset = heap.allocate(bytes, align, token)?;
            fail_point::reach("allocate.taken");
            Ok(offset)
        })?;
        fail_point::reach("allocate.unlocked");
        // Last of all, so that what a kill leaves in here is found by its token.
        self.managed.heap()?.lend(offset, token)?;
        fail_point::reach("allocate.lent");
        Ok(offset)
    }

    /// Gives a block back, whoever allocated it.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_ALLOCATED`: no block that [`Self::allocate`] gave out begins there; `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TIMED_OUT`.
    pub fn free(&self, offset: u64) -> Result<()> {
        self.managed.with_directory_lock(self.member, |heap| heap.take_back(offset))?;
        fail_point::reach("free.freed");
        Ok(())
    }

    /// Frees what members that are dead left in flight, and builds the heap's index anew. Visits every block twice.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TIMED_OUT`.
    pub fn repair(&self) -> Result<Reclaimed> {
        let table = self.member.table();
        table.recheck_all();
        self.managed.with_mended_directory(self.member, |heap, already| {
            let mended = self.managed.mend(heap, table)?;
            Ok(Reclaimed { blocks: mended.blocks + already.blocks, bytes: mended.bytes + already.bytes })
        })
    }

    /// Counts by a walk over all blocks.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TIMED_OUT`.
    pub fn statistics(&self) -> Result<Statistics> {
        self.managed.with_directory_lock(self.member, |heap| heap.statistics())
    }

    /// Every block that was allocated and not freed, by offset: for who knows which are in use, and frees the others.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TIMED_OUT`.
    pub fn blocks(&self) -> Result<Vec<Lent>> {
        self.managed.with_directory_lock(self.member, |heap| heap.lent_blocks())
    }

    /// Bytes that the block has: what was asked for, rounded up. Looks without the lock, for a block in use changes its size never.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_ALLOCATED`.
    pub fn usable_bytes(&self, offset: u64) -> Result<u64> {
        self.managed.heap()?.lent_bytes(offset)
    }
}
