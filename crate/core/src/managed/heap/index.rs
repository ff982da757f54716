//! The free lists, one a size class: an index of the chain, for speed only. They live in the free payloads, doubly linked, the
//! latest in front. A link is believed only if the block at its other end is free, of that class, and links back.

use super::Heap;
use super::chain::corrupt;
use super::layout::{BLOCK_BYTES_MIN, Block, CLASS_COUNT, HEADS, NEXT_FREE, PREVIOUS_FREE, class_of};
use crate::error::Result;

/// How many blocks of a class are tried before larger classes are: the first there fits, unless it is to be aligned.
const PROBES_MAX: usize = 16;

impl Heap {
    /// A free block for `need` bytes with an aligned payload, and the bytes to split off in front of it: of its own class among the
    /// first few, else of the next classes, else (where alignment or a long list hid one) any.
    pub(super) fn find(&self, need: u64, align: u64) -> Result<Option<(Block, u64)>> {
        for probes in [PROBES_MAX, usize::MAX] {
            for class in class_of(need)..CLASS_COUNT {
                for block in self.members(class)?.take(probes) {
                    let block = block?;
                    if let Some(lead) = block.lead(need, align) {
                        return Ok(Some((block, lead)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Bytes of the largest free block, 0 if there is none.
    pub(super) fn largest_bytes(&self) -> Result<u64> {
        for class in (0..CLASS_COUNT).rev() {
            let largest = self.members(class)?.try_fold(0, |largest, block| Ok(block?.bytes.max(largest)))?;
            if largest > 0 {
                return Ok(largest);
            }
        }
        Ok(0)
    }

    /// Adds a free block in front of its list.
    pub(super) fn link(&self, block: Block) -> Result<()> {
        let head = head_of(self.root, class_of(block.bytes));
        let next = self.load(head)?;
        if next != 0 {
            self.member(next, class_of(block.bytes), 0)?;
        }
        self.store(block.offset + NEXT_FREE, next)?;
        self.store(block.offset + PREVIOUS_FREE, 0)?;
        if next != 0 {
            self.store(next + PREVIOUS_FREE, block.offset)?;
        }
        self.store(head, block.offset)
    }

    /// Takes a free block out of its list. Checks both neighbours before it changes either.
    pub(super) fn unlink(&self, block: Block) -> Result<()> {
        let class = class_of(block.bytes);
        let next = self.load(block.offset + NEXT_FREE)?;
        let previous = self.load(block.offset + PREVIOUS_FREE)?;
        if next != 0 {
            self.member(next, class, block.offset)?;
        }
        let link = if previous == 0 {
            head_of(self.root, class)
        } else {
            self.free_block(previous, class)?.offset + NEXT_FREE
        };
        if self.load(link)? != block.offset {
            return Err(corrupt(block.offset, "a free block is not in its list"));
        }
        self.store(link, next)?;
        if next == 0 { Ok(()) } else { self.store(next + PREVIOUS_FREE, previous) }
    }

    /// Forgets all lists.
    pub(super) fn clear_lists(&self) -> Result<()> {
        (0..CLASS_COUNT).try_for_each(|class| self.store(head_of(self.root, class), 0))
    }

    /// The blocks of a class, from the first; ends at the first damage, with the error.
    pub(super) fn members(&self, class: usize) -> Result<Members<'_>> {
        let next = self.load(head_of(self.root, class))?;
        let left = (self.end - self.start) / BLOCK_BYTES_MIN;
        Ok(Members { heap: self, class, next, previous: 0, left })
    }

    /// The block that a link of this list leads to.
    fn member(&self, offset: u64, class: usize, previous: u64) -> Result<Block> {
        let block = self.free_block(offset, class)?;
        if self.load(offset + PREVIOUS_FREE)? != previous {
            return Err(corrupt(offset, "a free block does not link back"));
        }
        Ok(block)
    }

    fn free_block(&self, offset: u64, class: usize) -> Result<Block> {
        self.probe(offset)?
            .filter(|block| block.is_free() && class_of(block.bytes) == class)
            .ok_or_else(|| corrupt(offset, "a list of free blocks leads there"))
    }
}

/// A walk along one list.
pub(super) struct Members<'heap> {
    heap: &'heap Heap,
    class: usize,
    next: u64,
    previous: u64,
    /// No list has more blocks than fit into the area: a ring of links ends here, if links that change did not show it before.
    left: u64,
}

impl Members<'_> {
    fn step(&mut self) -> Result<Block> {
        let block = self.heap.member(self.next, self.class, self.previous)?;
        self.left = self.left.checked_sub(1).ok_or_else(|| corrupt(block.offset, "an endless list"))?;
        self.previous = block.offset;
        self.next = self.heap.load(block.offset + NEXT_FREE)?;
        Ok(block)
    }
}

impl Iterator for Members<'_> {
    type Item = Result<Block>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == 0 {
            return None;
        }
        let step = self.step();
        if step.is_err() {
            self.next = 0;
        }
        Some(step)
    }
}

const fn head_of(root: u64, class: usize) -> u64 {
    root + HEADS + class as u64 * 8
}
