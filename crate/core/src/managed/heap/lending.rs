//! Blocks of users beside those of named objects: what [`Heap::lend`] gives out, only [`Heap::take_back`] frees.
//!
//! A member that is killed before it lent what it allocated leaves the block uncommitted under its token, where `recover` finds it.

use super::layout::{Block, HEADER_BYTES, State};
use super::{Heap, Statistics};
use crate::error::{Error, Result};

/// A block that was lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lent {
    /// Of its payload.
    pub offset: u64,
    /// Bytes that its user has: what was asked for, rounded up.
    pub bytes: u64,
}

impl Heap {
    /// Makes the block that this member just allocated its user's, whoever dies, until [`Self::take_back`]. The one call that needs no
    /// lock: of a taken block nobody else changes the header word, as long as its token lives.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_ALLOCATED`: this member has no uncommitted block there.
    pub fn lend(&self, offset: u64, token: u32) -> Result<()> {
        let block = self.taken(offset)?;
        if block.state != State::Uncommitted || self.token(block)? != token {
            return Err(refused(block));
        }
        self.set_state(block, State::Lent).map(drop)
    }

    /// Frees a lent block.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_ALLOCATED`: no lent block has its payload at this offset; `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn take_back(&self, offset: u64) -> Result<()> {
        self.lent(offset)?;
        self.free(offset)
    }

    /// Bytes that the user of a lent block has.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_ALLOCATED`: no lent block has its payload at this offset.
    pub fn lent_bytes(&self, offset: u64) -> Result<u64> {
        Ok(self.lent(offset)?.payload_bytes())
    }

    /// Every lent block, in the order of their offsets.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn lent_blocks(&self) -> Result<Vec<Lent>> {
        let mut blocks = Vec::new();
        self.walk(|block| {
            if block.state == State::Lent {
                blocks.push(Lent { offset: block.offset + HEADER_BYTES, bytes: block.payload_bytes() });
            }
            Ok(())
        })?;
        Ok(blocks)
    }

    fn lent(&self, offset: u64) -> Result<Block> {
        let block = self.taken(offset)?;
        if block.state == State::Lent { Ok(block) } else { Err(refused(block)) }
    }
}

impl Statistics {
    /// Counts a taken block.
    pub(super) fn count_taken(&mut self, block: Block) {
        let bytes = block.payload_bytes();
        self.used_blocks += 1;
        self.used_bytes += bytes;
        self.uncommitted_blocks += u64::from(block.state == State::Uncommitted);
        if block.state == State::Lent {
            self.lent_blocks += 1;
            self.lent_bytes += bytes;
        }
    }
}

#[cold]
fn refused(block: Block) -> Error {
    let offset = block.offset + HEADER_BYTES;
    let whose = match block.state {
        State::Committed => "is a named object's, which the directory lists",
        State::Lent => "was given out already",
        _ => "is not given out yet",
    };
    Error::own("ERR_SHM_NOT_ALLOCATED", format!("the block at offset {offset} {whose}"))
}
