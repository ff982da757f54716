//! A 32-bit word of memory that others write: reached by atomic operations only, never behind a reference of ours.

#![expect(unsafe_code, reason = "a word is an address")]

use crate::sys::futex;
use std::sync::atomic::{AtomicU32, Ordering, compiler_fence};

/// A 32-bit word of memory that others write: reached by atomic operations only. Copies freely; whoever makes one answers for the mapping under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    address: usize,
}

impl Word {
    /// The word at `address`.
    ///
    /// # Safety
    /// `address` must be a multiple of 4, and the word must stay mapped and writable while the answer is used. It may be truncated
    /// away where the fault guard watches the mapping.
    #[doc(hidden)]
    #[must_use]
    pub const unsafe fn at(address: usize) -> Self {
        Self { address }
    }

    /// The word `bytes` further on, a multiple of 4. Whoever made this one answered for that one's mapping too.
    #[must_use]
    #[inline]
    pub(crate) const fn forward(self, bytes: usize) -> Self {
        Self { address: self.address + bytes }
    }

    /// The next word.
    #[must_use]
    #[inline]
    pub(crate) const fn next(self) -> Self {
        self.forward(4)
    }

    /// The word before.
    #[must_use]
    pub(crate) const fn before(self) -> Self {
        Self { address: self.address - 4 }
    }

    /// Where it is, for the kernel.
    #[doc(hidden)]
    #[must_use]
    pub const fn address(self) -> usize {
        self.address
    }

    /// The value; stale the moment it returns.
    #[must_use]
    #[inline]
    pub fn load(self) -> u32 {
        self.atomic().load(Ordering::SeqCst)
    }

    /// Writes the value.
    #[inline]
    pub fn store(self, value: u32) {
        self.atomic().store(value, Ordering::SeqCst);
    }

    /// Writes the value, in the program's order, and does not wait until others see it: see [`super::Platform::store_in_order`].
    #[inline]
    pub fn store_in_order(self, value: u32) {
        self.atomic().store(value, Ordering::Release);
        // What the program reads next shall not be read before, where it can be killed in between.
        compiler_fence(Ordering::SeqCst);
    }

    /// Changes `from` to `to`.
    ///
    /// # Errors
    /// The value that stood there instead.
    #[inline]
    pub fn compare_exchange(self, from: u32, to: u32) -> Result<(), u32> {
        self.atomic().compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).map(drop)
    }

    /// Writes a value and answers the one before.
    #[must_use]
    #[inline]
    pub fn swap(self, value: u32) -> u32 {
        self.atomic().swap(value, Ordering::SeqCst)
    }

    /// Sets bits; answers the value before.
    #[inline]
    pub fn set_bits(self, bits: u32) -> u32 {
        self.atomic().fetch_or(bits, Ordering::SeqCst)
    }

    /// Adds, wrapping; answers the value before.
    #[inline]
    pub fn fetch_add(self, count: u32) -> u32 {
        self.atomic().fetch_add(count, Ordering::SeqCst)
    }

    /// Wakes up to `count` sleepers; answers how many. A word that was truncated away has none.
    pub fn wake(self, count: u32) -> u32 {
        futex::wake(self.address, i32::try_from(count).unwrap_or(i32::MAX), false).unwrap_or(0)
    }

    #[inline]
    fn atomic(&self) -> &AtomicU32 {
        // SAFETY: aligned and mapped, by the contract of `at`; other processes change it too, so it is atomic everywhere.
        unsafe { AtomicU32::from_ptr(self.address as *mut u32) }
    }
}
