//! The bytes of a message in memory that others may change at any moment: copied in and out word by word, by atomic accesses.

#![expect(unsafe_code, reason = "a payload is an address")]

use crate::membership::Word;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// See the module. Copies freely; it is as long as whoever made it says, inside a mapping that it keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload {
    address: usize,
    bytes: usize,
}

impl Payload {
    /// The `bytes` bytes from `first` on.
    ///
    /// # Safety
    /// All of them must stay mapped and writable while the answer is used; `first` must be a multiple of 8.
    pub(super) const unsafe fn at(first: Word, bytes: u32) -> Self {
        Self { address: first.address(), bytes: bytes as usize }
    }

    /// Copies its first bytes to `target`, at most as many as there are. Relaxed: the caller orders them.
    pub(super) fn copy_out(self, target: &mut [u8]) {
        let length = target.len().min(self.bytes);
        let mut eights = target[..length].chunks_exact_mut(8);
        let mut offset = 0;
        for eight in &mut eights {
            eight.copy_from_slice(&self.long(offset).load(Ordering::Relaxed).to_ne_bytes()); // Relaxed: see above.
            offset += 8;
        }
        for byte in eights.into_remainder() {
            *byte = self.byte(offset).load(Ordering::Relaxed); // Relaxed: see above.
            offset += 1;
        }
    }

    /// Copies `source` to its beginning, at most as many as there is room for. Relaxed: the caller orders them.
    pub(super) fn copy_in(self, source: &[u8]) {
        let length = source.len().min(self.bytes);
        let (eights, rest) = source[..length].as_chunks::<8>();
        let mut offset = 0;
        for eight in eights {
            self.long(offset).store(u64::from_ne_bytes(*eight), Ordering::Relaxed); // Relaxed: see above.
            offset += 8;
        }
        for byte in rest {
            self.byte(offset).store(*byte, Ordering::Relaxed); // Relaxed: see above.
            offset += 1;
        }
    }

    fn long(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: `offset` is a multiple of 8 with eight bytes behind it inside `bytes`: aligned and mapped by the contract of `at`.
        unsafe { AtomicU64::from_ptr((self.address + offset) as *mut u64) }
    }

    fn byte(&self, offset: usize) -> &AtomicU8 {
        // SAFETY: `offset` is below `bytes`: mapped by the contract of `at`.
        unsafe { AtomicU8::from_ptr((self.address + offset) as *mut u8) }
    }
}
