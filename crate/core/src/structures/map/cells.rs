//! Words of a map's memory, by their index: the real ones, or a model's. Every access is atomic, since other processes are at work there too.

#![expect(unsafe_code, reason = "words are addresses")]

use std::sync::atomic::{AtomicU32, Ordering, fence};

/// See the module. Orders are named for what they do in the protocol of readers and writers (see [`super`]).
pub trait Cells {
    /// Reads; in order with nothing but what [`Cells::follow`] and [`Cells::settle`] say.
    fn load(&self, word: usize) -> u32;
    /// Writes; likewise.
    fn store(&self, word: usize, value: u32);
    /// Reads, before whatever is read after it.
    fn follow(&self, word: usize) -> u32;
    /// Writes, after whatever was written before it.
    fn publish(&self, word: usize, value: u32);
    /// Counts up: after whatever was written before it, and before whatever is written after it.
    fn count_between(&self, word: usize);
    /// What was read before is read before what is read after.
    fn settle(&self);
}

/// Words of a mapping.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    address: usize,
    words: usize,
}

impl Region {
    /// So many words from there on.
    ///
    /// # Safety
    /// `address` must be a multiple of 4, and the words must stay mapped and writable while the answer is used. They may be truncated away where
    /// the fault guard watches the mapping.
    #[must_use]
    pub const unsafe fn at(address: usize, words: usize) -> Self {
        Self { address, words }
    }

    fn atomic(&self, word: usize) -> &AtomicU32 {
        // Indexes come from a checked geometry: this is the second lock on that door.
        assert!(word < self.words, "word {word} of {}", self.words);
        // SAFETY: inside the words, aligned and mapped, by the contract of `at`; other processes change them too, so it is atomic everywhere.
        unsafe { AtomicU32::from_ptr((self.address + 4 * word) as *mut u32) }
    }
}

impl Cells for Region {
    fn load(&self, word: usize) -> u32 {
        self.atomic(word).load(Ordering::Relaxed) // Relaxed: see the trait.
    }

    fn store(&self, word: usize, value: u32) {
        self.atomic(word).store(value, Ordering::Relaxed); // Relaxed: see the trait.
    }

    fn follow(&self, word: usize) -> u32 {
        // SYNC: acquires what `publish` and `count_between` released.
        self.atomic(word).load(Ordering::Acquire)
    }

    fn publish(&self, word: usize, value: u32) {
        // SYNC: releases an entry to `follow`.
        self.atomic(word).store(value, Ordering::Release);
    }

    fn count_between(&self, word: usize) {
        // Relaxed: only the lock's holder writes it.
        let next = self.atomic(word).load(Ordering::Relaxed).wrapping_add(1);
        // SYNC: who follows the new count follows the links that were changed before it, too.
        self.atomic(word).store(next, Ordering::Release);
        // SYNC: who reads one of the words that are written after this sees the new count after its `settle`.
        fence(Ordering::Release);
    }

    fn settle(&self) {
        // SYNC: see `count_between`.
        fence(Ordering::Acquire);
    }
}
