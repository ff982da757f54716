//! A record that is read without a lock, never torn, and whole even when its writer is killed in the middle.
//!
//! A sequence latch (`seqcount_latch_t` of the Linux kernel; Mathieu Desnoyers and Peter Zijlstra): two copies, of which the version's lowest
//! bit names the valid one. A writer fills the other, then counts the version up. A reader that finds the version unchanged after its copy saw no
//! writer in the half it read. Writers keep each other out by a [`super::mutex`]; the death of one leaves the record as it was.

#![expect(unsafe_code, reason = "the record is an address")]

use crate::error::{Error, Result};
use crate::membership::Word;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering, fence};

/// The record's words, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct SeqLock {
    version: Word,
    copies: usize,
    bytes: usize,
}

impl SeqLock {
    /// The record with its version there, and its two copies from `copies` on, each rounded up to 64 bytes.
    ///
    /// # Safety
    /// `copies` must be a multiple of 4, and both copies must stay mapped and writable while the answer is used.
    #[must_use]
    pub const unsafe fn at(version: Word, copies: usize, bytes: usize) -> Self {
        Self { version, copies, bytes }
    }

    /// Bytes of the record.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Copies the record out, as one writer left it. Repeats while writers overtake it, and gives up after a million times.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE` (another size) `ERR_SHM_BUSY`.
    pub fn read(&self, target: &mut [u8]) -> Result<u32> {
        self.check(target.len())?;
        for _ in 0..1_000_000 {
            // SYNC: acquires what `write` released with the version.
            let version = self.version.load();
            self.copy_out(version & 1, target);
            // SYNC: the bytes are read before the version is looked at again.
            fence(Ordering::Acquire);
            if self.version.load() == version {
                return Ok(version);
            }
        }
        Err(Error::own("ERR_SHM_BUSY", "writers overtook the read a million times"))
    }

    /// Writes the record; the caller holds the writers' mutex.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: another size.
    pub fn write(&self, source: &[u8]) -> Result<()> {
        self.check(source.len())?;
        let next = self.version.load().wrapping_add(1);
        // SYNC: who reads one of these bytes sees the version before them, and knows that its half is written again (smp_wmb in Linux).
        fence(Ordering::Release);
        for (index, byte) in source.iter().enumerate() {
            self.byte(next & 1, index).store(*byte, Ordering::Relaxed); // Relaxed: the version publishes them.
        }
        // SYNC: releases the copy to readers.
        self.version.store(next);
        Ok(())
    }

    fn check(&self, length: usize) -> Result<()> {
        if length == self.bytes {
            return Ok(());
        }
        Err(Error::own("ERR_OUT_OF_RANGE", format!("the record has {} bytes, not {length}", self.bytes)))
    }

    fn copy_out(&self, half: u32, target: &mut [u8]) {
        let mut fours = target.chunks_exact_mut(4);
        let mut offset = 0;
        for four in &mut fours {
            // SAFETY: inside the copy, a multiple of 4, mapped by the contract of `at`.
            let word = unsafe { AtomicU32::from_ptr((self.half(half) + offset) as *mut u32) };
            four.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes()); // Relaxed: see `read`.
            offset += 4;
        }
        for byte in fours.into_remainder() {
            *byte = self.byte(half, offset).load(Ordering::Relaxed); // Relaxed: see `read`.
            offset += 1;
        }
    }

    fn byte(&self, half: u32, index: usize) -> &AtomicU8 {
        // SAFETY: `index` is below `bytes`: inside the copy, mapped by the contract of `at`.
        unsafe { AtomicU8::from_ptr((self.half(half) + index) as *mut u8) }
    }

    const fn half(&self, half: u32) -> usize {
        self.copies + if half == 0 { 0 } else { self.bytes.next_multiple_of(64) }
    }
}
