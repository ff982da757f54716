//! Copies between a slot and memory of ours.

#![expect(unsafe_code, reason = "slots are addresses")]

use super::ends::Slot;

impl Slot {
    /// Copies as much of `source` as there is room for to the slot's beginning.
    pub fn write(&self, source: &[u8]) {
        let bytes = source.len().min(self.bytes);
        // SAFETY: the slot lies inside the segment's mapping, which the end that made it borrows, and has at least so many bytes; no reference to it
        // is made, and `source` is not of this memory (a mapping of ours is never a Rust slice).
        unsafe { std::ptr::copy(source.as_ptr(), self.address as *mut u8, bytes) };
    }

    /// Copies the slot's bytes to the beginning of `target`, as many as there is room for. Where a peer breaks the protocol and writes meanwhile, the copy is a
    /// mixture.
    pub fn read(&self, target: &mut [u8]) {
        let bytes = target.len().min(self.bytes);
        // SAFETY: as in `write`, the other way round.
        unsafe { std::ptr::copy(self.address as *const u8, target.as_mut_ptr(), bytes) };
    }
}
