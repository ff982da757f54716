//! The allocator of a managed segment: gives out bytes by offset, to several processes, each of which may be killed inside.
//!
//! # Method
//!
//! Boundary tags (Knuth, The Art of Computer Programming, volume 1, section 2.5): each block knows the size of the one before it, so
//! a freed block merges with both free neighbours at once, in constant time. Lazy merging by a sweep would do as well for space, but
//! makes the one allocation that sweeps slow while all others wait for the lock. Blocks to take are found by segregated fit
//! (Wilson, Johnstone, Neely and Boles, "Dynamic Storage Allocation: A Survey and Critical Review", 1995): a list of free blocks
//! for each power of two. That is a good fit without a tree, whose many links would be many more to mistrust.
//! The same calls in the same order give the same offsets.
//!
//! # A kill anywhere
//!
//! All calls but [`Heap::at`] are made under one robust lock that the caller holds; without it the heap may be damaged, which later
//! calls report, but no memory outside it is touched. The chain of blocks is the truth, and each of its changes is one 64-bit store
//! that leads from one consistent chain to the next. The lists and the size of the block before are an index:
//! [`Heap::recover`], called by the owner after one that died, builds it anew by one walk.
//!
//! A block is *uncommitted*, under its taker's token, from [`Heap::allocate`] to [`Heap::commit`]; `recover` frees those of dead tokens.
//! Whoever names blocks in a directory loses none, and frees none that is named, in this order:
//!
//! - making: `allocate`, initialise, publish the entry, `commit`;
//! - removing: `retract`, take the entry back, `free`;
//! - after a death: `commit` each block that a published entry names, then `recover`. `commit` needs no index.
//!
//! Who gives blocks to users has no names, and so `lend`s instead: see `lending`.
//!
//! A kill outside these calls, between `allocate` and `commit`, leaves that block taken until the next `recover`, which may be called
//! at any time under the lock. A *committed* block of a dead member is nobody's to free here: only the caller knows who else uses it.
//!
//! # Hostile memory
//!
//! Every number read is bounded before its use; every loop ends after at most as many steps as blocks fit. A call that meets
//! nonsense fails with `ERR_SHM_POSSIBLY_CORRUPT`. It may leave free blocks out of the lists; `recover` puts them back if the chain
//! itself is whole. A header that is forged with its check is believed, within the heap.

#![expect(unsafe_code, reason = "the heap is at an address")]

mod chain;
mod index;
mod layout;
mod lending;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::fail_point;
use layout::{BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, Block, RECLAIMED, State, block_bytes};

pub use layout::{HEADER_BYTES, ROOT_BYTES, UNIT_BYTES};
pub use lending::Lent;

/// The largest alignment that can be asked for: a page.
pub const ALIGN_MAX: u64 = 4096;

/// A heap in memory that is mapped here; see the module. Copies are the same heap.
#[derive(Clone, Copy, Debug)]
pub struct Heap {
    base: usize,
    start: u64,
    end: u64,
    root: u64,
}

/// What [`Heap::statistics`] counted; true while the lock is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Payload bytes of taken blocks, as rounded up.
    pub used_bytes: u64,
    /// Payload bytes of free blocks. With `used_bytes` and [`HEADER_BYTES`] for each block, the whole area.
    pub free_bytes: u64,
    /// Taken blocks, uncommitted ones included.
    pub used_blocks: u64,
    /// Free blocks.
    pub free_blocks: u64,
    /// Taken blocks that nobody committed yet.
    pub uncommitted_blocks: u64,
    /// Taken blocks that [`Heap::lend`] gave to users.
    pub lent_blocks: u64,
    /// Their payload bytes.
    pub lent_bytes: u64,
    /// Payload bytes of the largest free block: the most that one [`Heap::allocate`] can get.
    pub largest_free_bytes: u64,
    /// Blocks that [`Heap::recover`] took back from dead members since the heap was formatted.
    pub reclaimed_blocks: u64,
}

/// What one [`Heap::recover`] took back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// Uncommitted blocks of dead members.
    pub blocks: u64,
    /// Their payload bytes.
    pub bytes: u64,
}

impl Heap {
    /// The heap whose area is the bytes from `start` to `end`, and whose root is the [`ROOT_BYTES`] at `root`, all offsets from `base`.
    /// Reads nothing.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: `base` is no multiple of [`ALIGN_MAX`], `start` or `end` none of [`UNIT_BYTES`], `root` none of 8; `start` is 0;
    /// the area has no room for a block; root and area overlap, or do not fit into the address space.
    ///
    /// # Safety
    /// Area and root stay mapped, to read and write, as long as the heap or a copy of it is used.
    pub unsafe fn at(base: usize, start: u64, end: u64, root: u64) -> Result<Self> {
        let addressable = |end: u64| usize::try_from(end).is_ok_and(|end| base.checked_add(end).is_some());
        let root_end = root.checked_add(ROOT_BYTES).filter(|end| addressable(*end));
        let aligned = (base as u64).is_multiple_of(ALIGN_MAX)
            && start.is_multiple_of(UNIT_BYTES)
            && end.is_multiple_of(UNIT_BYTES)
            && root.is_multiple_of(8);
        let roomy = start > 0 && end.checked_sub(start).is_some_and(|bytes| bytes >= BLOCK_BYTES_MIN);
        let apart = root_end.is_some_and(|root_end| root_end <= start || root >= end);
        if aligned && roomy && apart && addressable(end) {
            return Ok(Self { base, start, end, root });
        }
        Err(Error::own(
            "ERR_OUT_OF_RANGE",
            format!("no heap can be from offset {start} to {end} with its root at {root}"),
        ))
    }

    /// Makes the whole area free, whatever is there. To be repeated from the start if it is interrupted.
    ///
    /// # Errors
    /// None but of memory that changes meanwhile: `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn format(&self) -> Result<()> {
        let mut offset = self.start;
        while offset < self.end {
            let left = self.end - offset;
            // What is left over is never less than a block.
            let bytes =
                if left <= BLOCK_BYTES_MAX { left } else { BLOCK_BYTES_MAX.min(left - BLOCK_BYTES_MIN) };
            self.set_state(Block { offset, bytes, state: State::Free }, State::Free)?;
            offset += bytes;
        }
        self.store(self.root + RECLAIMED, 0)?;
        self.rebuild(|_| true).map(drop)
    }

    /// Takes a block for `bytes` bytes (at least 16 are given) whose offset is a multiple of `align`, a power of two up to [`ALIGN_MAX`]
    /// (at least 16 is given); answers the offset of its payload, which holds whatever was there. It is uncommitted, under `token`.
    ///
    /// # Errors
    /// `ERR_SHM_NO_SPACE`, with the largest that is free; `ERR_OUT_OF_RANGE` for the alignment; `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn allocate(&self, bytes: u64, align: u64, token: u32) -> Result<u64> {
        if !align.is_power_of_two() || align > ALIGN_MAX {
            let message =
                format!("the alignment must be a power of two from 1 to {ALIGN_MAX}. Received {align}");
            return Err(Error::own("ERR_OUT_OF_RANGE", message));
        }
        let align = align.max(UNIT_BYTES);
        let found = match block_bytes(bytes) {
            Some(need) => self.find(need, align)?.map(|(block, lead)| (block, lead, need)),
            None => None,
        };
        let Some((mut block, lead, need)) = found else { return Err(self.no_space(bytes, align)?) };
        self.unlink(block)?;
        if lead > 0 {
            let (front, rest) = self.split(block, lead)?;
            self.link(front)?;
            block = rest;
        }
        if block.bytes - need >= BLOCK_BYTES_MIN {
            let (front, rest) = self.split(block, need)?;
            self.link(rest)?;
            block = front;
        }
        fail_point::reach("heap.parted");
        self.set_token(block, token)?;
        self.set_state(block, State::Uncommitted)?;
        Ok(block.offset + HEADER_BYTES)
    }

    /// Keeps a block for good, whoever dies, until it is freed. Does nothing to a block that is committed already.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_ALLOCATED`: no taken block has its payload at this offset.
    pub fn commit(&self, offset: u64) -> Result<()> {
        self.set_state(self.taken(offset)?, State::Committed).map(drop)
    }

    /// Undoes [`commit`](Self::commit): the block is freed by `recover` if the member of this token dies before it commits or frees it.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_ALLOCATED`, as for `commit`.
    pub fn retract(&self, offset: u64, token: u32) -> Result<()> {
        let block = self.taken(offset)?;
        self.set_token(block, token)?;
        self.set_state(block, State::Uncommitted).map(drop)
    }

    /// Gives a block back, committed or not, and merges it with its free neighbours.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_ALLOCATED`: it is free already, or no block's payload begins at this offset; `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn free(&self, offset: u64) -> Result<()> {
        let block = self.taken(offset)?;
        let before = self.before(block)?;
        let after = self.after(block)?;
        let mut freed = Block { state: State::Free, ..block };
        let after = after.filter(|after| freed.merges_with(*after));
        freed.bytes += after.map_or(0, |after| after.bytes);
        let before = before.filter(|before| before.merges_with(freed));
        for neighbour in [after, before].into_iter().flatten() {
            self.unlink(neighbour)?;
        }
        // First free, then merged: what is left of a header inside a larger block never reads as taken.
        let mut block = self.set_state(block, State::Free)?;
        fail_point::reach("heap.freed");
        if let Some(after) = after {
            block = self.merge(block, after)?;
        }
        if let Some(before) = before {
            block = self.merge(before, block)?;
        }
        fail_point::reach("heap.merged");
        self.link(block)
    }

    /// Bytes that the block's user may use: what was asked for, rounded up.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_ALLOCATED`: no taken block has its payload at this offset.
    pub fn usable_bytes(&self, offset: u64) -> Result<u64> {
        Ok(self.taken(offset)?.payload_bytes())
    }

    /// Repairs what a member left that was killed in any call, this one included: frees the uncommitted blocks of tokens that are not
    /// alive, merges free neighbours, builds lists and sizes anew. Visits each block twice, and changes nothing if one is damaged.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`: the chain of blocks is broken; what lies behind the offset named is out of reach.
    pub fn recover(&self, is_alive: impl Fn(u32) -> bool) -> Result<Reclaimed> {
        self.walk(|_| Ok(()))?;
        let reclaimed = self.rebuild(is_alive)?;
        if reclaimed.blocks > 0 {
            let so_far = self.load(self.root + RECLAIMED)?;
            self.store(self.root + RECLAIMED, so_far.saturating_add(reclaimed.blocks))?;
        }
        Ok(reclaimed)
    }

    /// Counts by a walk over all blocks.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn statistics(&self) -> Result<Statistics> {
        let mut counted =
            Statistics { reclaimed_blocks: self.load(self.root + RECLAIMED)?, ..Statistics::default() };
        self.walk(|block| {
            if block.is_free() {
                let bytes = block.payload_bytes();
                counted.free_blocks += 1;
                counted.free_bytes += bytes;
                counted.largest_free_bytes = counted.largest_free_bytes.max(bytes);
            } else {
                counted.count_taken(block);
            }
            Ok(())
        })?;
        Ok(counted)
    }

    /// One walk that makes the index true, and the chain as `free` would have left it.
    fn rebuild(&self, is_alive: impl Fn(u32) -> bool) -> Result<Reclaimed> {
        let mut reclaimed = Reclaimed::default();
        let mut previous: Option<Block> = None;
        self.clear_lists()?;
        self.walk(|mut block| {
            if block.state == State::Uncommitted && !is_alive(self.token(block)?) {
                reclaimed.blocks += 1;
                reclaimed.bytes += block.payload_bytes();
                block = self.set_state(block, State::Free)?;
            }
            previous = Some(match previous {
                Some(before) if before.merges_with(block) => self.merge(before, block)?,
                before => {
                    // Larger it does not become.
                    before.filter(|before| before.is_free()).map_or(Ok(()), |before| self.link(before))?;
                    self.set_bytes_before(block.offset, before.map_or(0, |before| before.bytes))?;
                    block
                }
            });
            Ok(())
        })?;
        previous.filter(|last| last.is_free()).map_or(Ok(()), |last| self.link(last))?;
        Ok(reclaimed)
    }

    /// The taken block whose payload is at this offset.
    fn taken(&self, offset: u64) -> Result<Block> {
        let block = match offset.checked_sub(HEADER_BYTES) {
            Some(offset) => self.probe(offset)?,
            None => None,
        };
        block.filter(|block| !block.is_free()).ok_or_else(|| {
            let message =
                format!("nothing is allocated at offset {offset}: freed already, or never, or overwritten");
            Error::own("ERR_SHM_NOT_ALLOCATED", message)
        })
    }

    #[cold]
    fn no_space(&self, bytes: u64, align: u64) -> Result<Error> {
        let largest = self.largest_bytes()?.saturating_sub(HEADER_BYTES);
        let message =
            format!("no room for {bytes} bytes aligned to {align}: the largest free block has {largest}");
        Ok(Error::own("ERR_SHM_NO_SPACE", message))
    }
}
