//! The heap's words, and the chain of blocks: what is true. Each change of the chain is one store of one header word.

#![expect(unsafe_code, reason = "the heap's words are addresses")]

use super::Heap;
use super::layout::{BLOCK_BYTES_MIN, Block, LINKS, NEXT_FREE, ROOT_BYTES, State, UNIT_BYTES};
use crate::error::{Error, Result};
use std::sync::atomic::{AtomicU64, Ordering};

const TOKEN: u64 = u32::MAX as u64;

impl Heap {
    /// A word of the heap. Every access of its memory passes here, and nowhere else is it bounded.
    fn word(&self, at: u64) -> Result<&AtomicU64> {
        #[cfg(test)]
        super::tests::count_access();
        let within = |from: u64, end: u64| at >= from && at < end && end - at >= 8;
        let ours = within(self.start, self.end) || within(self.root, self.root + ROOT_BYTES);
        match usize::try_from(at).ok().and_then(|at| self.base.checked_add(at)) {
            Some(address) if ours && address.is_multiple_of(8) => {
                // SAFETY: inside the area or the root, which are mapped (`Heap::at` demands it); aligned; others access it too, so atomically.
                Ok(unsafe { AtomicU64::from_ptr(address as *mut u64) })
            }
            _ => Err(corrupt(at, "a link leads there, outside the heap")),
        }
    }

    pub(super) fn load(&self, at: u64) -> Result<u64> {
        Ok(self.word(at)?.load(Ordering::Relaxed)) // Relaxed: the heap's lock orders us after its last owner.
    }

    pub(super) fn store(&self, at: u64, value: u64) -> Result<()> {
        let word = self.word(at)?;
        #[cfg(test)]
        super::tests::before_store()?;
        // SYNC: a kill leaves a prefix of our stores in program order, for none may move up past another; `recover` stands on it.
        word.store(value, Ordering::Release);
        Ok(())
    }

    /// The block at this offset, or `None` if there is none.
    pub(super) fn probe(&self, offset: u64) -> Result<Option<Block>> {
        let inside = offset >= self.start && offset < self.end && self.end - offset >= BLOCK_BYTES_MIN;
        if !inside || !offset.is_multiple_of(UNIT_BYTES) {
            return Ok(None);
        }
        let block = Block::decode(offset, self.load(offset)?);
        Ok(block.filter(|block| block.bytes <= self.end - offset))
    }

    /// The block at this offset, where one must be.
    pub(super) fn block(&self, offset: u64) -> Result<Block> {
        self.probe(offset)?.ok_or_else(|| corrupt(offset, "no block's header"))
    }

    /// The neighbour behind, or `None` for the last.
    pub(super) fn after(&self, block: Block) -> Result<Option<Block>> {
        if block.end() == self.end {
            return Ok(None);
        }
        let after = self.block(block.end())?;
        if self.bytes_before(after)? != block.bytes {
            return Err(corrupt(after.offset, "the block disagrees with the one before it"));
        }
        Ok(Some(after))
    }

    /// The neighbour in front, or `None` for the first.
    pub(super) fn before(&self, block: Block) -> Result<Option<Block>> {
        let bytes = self.bytes_before(block)?;
        if bytes == 0 && block.offset == self.start {
            return Ok(None);
        }
        let before = match block.offset.checked_sub(bytes) {
            Some(offset) => self.probe(offset)?,
            None => None,
        };
        before
            .filter(|before| before.bytes == bytes)
            .map(Some)
            .ok_or_else(|| corrupt(block.offset, "the block disagrees with the one before it"))
    }

    /// Visits every block, in order. Ends, for every block takes some of the area.
    pub(super) fn walk(&self, mut visit: impl FnMut(Block) -> Result<()>) -> Result<()> {
        let mut offset = self.start;
        while offset < self.end {
            let block = self.block(offset)?;
            offset = block.end();
            visit(block)?;
        }
        Ok(())
    }

    /// Changes what a block is, in one store.
    pub(super) fn set_state(&self, block: Block, state: State) -> Result<Block> {
        let block = Block { state, ..block };
        self.store(block.offset, block.encode())?;
        Ok(block)
    }

    /// Parts a free block in two. The second's header is written while it is payload still; one store then shrinks the first.
    pub(super) fn split(&self, block: Block, first_bytes: u64) -> Result<(Block, Block)> {
        let first = Block { bytes: first_bytes, ..block };
        let second = Block { offset: first.end(), bytes: block.bytes - first_bytes, ..block };
        self.store(second.offset + LINKS, links(first_bytes, 0))?;
        self.store(second.offset, second.encode())?;
        self.store(first.offset, first.encode())?;
        self.tell_after(second)?;
        Ok((first, second))
    }

    /// Makes two free neighbours one, by one store that grows the first; then nothing in its payload reads as a block.
    pub(super) fn merge(&self, first: Block, second: Block) -> Result<Block> {
        let merged = Block { bytes: first.bytes + second.bytes, ..first };
        self.store(merged.offset, merged.encode())?;
        self.store(second.offset, 0)?;
        self.tell_after(merged)?;
        Ok(merged)
    }

    /// Tells the neighbour behind how large this block is. Stale after a kill, until `recover` walked by.
    fn tell_after(&self, block: Block) -> Result<()> {
        if block.end() == self.end { Ok(()) } else { self.set_bytes_before(block.end(), block.bytes) }
    }

    fn bytes_before(&self, block: Block) -> Result<u64> {
        Ok((self.load(block.offset + LINKS)? >> 32) * UNIT_BYTES)
    }

    pub(super) fn set_bytes_before(&self, offset: u64, bytes: u64) -> Result<()> {
        let old = self.load(offset + LINKS)?;
        let new = links(bytes, old & TOKEN);
        if new == old { Ok(()) } else { self.store(offset + LINKS, new) }
    }

    /// Who took an uncommitted block.
    pub(super) fn token(&self, block: Block) -> Result<u32> {
        Ok(u32::try_from(self.load(block.offset + LINKS)? & TOKEN).unwrap_or(0))
    }

    pub(super) fn set_token(&self, block: Block, token: u32) -> Result<()> {
        let before = self.load(block.offset + LINKS)? & !TOKEN;
        self.store(block.offset + LINKS, before | u64::from(token))
    }
}

const _: () = assert!(NEXT_FREE >= LINKS + 8);

const fn links(bytes_before: u64, token: u64) -> u64 {
    ((bytes_before / UNIT_BYTES) << 32) | token
}

/// Something wrote where it should not have.
#[cold]
pub(super) fn corrupt(at: u64, what: &str) -> Error {
    Error::own("ERR_SHM_POSSIBLY_CORRUPT", format!("the heap is damaged at offset {at}: {what}"))
}
