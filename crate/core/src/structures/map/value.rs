//! Where a value's bytes come from: as words of four, little end first, filled up with zeroes.

#![expect(unsafe_code, reason = "JavaScript's bytes are an address")]

/// Where a value's bytes come from: as words of four, little end first, filled up with zeroes.
pub trait Source {
    /// How many bytes.
    fn length(&self) -> u32;
    /// The word of that index.
    fn word(&self, index: usize) -> u32;
}

impl Source for [u8] {
    /// Longer ones are refused before: no map has room for them.
    fn length(&self) -> u32 {
        u32::try_from(self.len()).unwrap_or(u32::MAX)
    }

    fn word(&self, index: usize) -> u32 {
        let from = (4 * index).min(self.len());
        let four = &self[from..(from + 4).min(self.len())];
        let mut filled = [0; 4];
        filled[..four.len()].copy_from_slice(four);
        u32::from_le_bytes(filled)
    }
}

/// Bytes that others may change while they are read: a value may itself lie in shared memory.
#[derive(Clone, Copy, Debug)]
pub struct RawBytes {
    first: *const u8,
    length: u32,
}

impl RawBytes {
    /// So many bytes from there on.
    ///
    /// # Safety
    /// They must stay readable while the answer is used.
    #[must_use]
    pub const unsafe fn at(first: *const u8, length: u32) -> Self {
        Self { first, length }
    }
}

impl Source for RawBytes {
    fn length(&self) -> u32 {
        self.length
    }

    fn word(&self, index: usize) -> u32 {
        let from = 4 * index;
        let left = (self.length as usize).saturating_sub(from);
        if left >= 4 {
            let place = self.first.wrapping_add(from).cast::<u32>();
            // SAFETY: four bytes are left, readable by the contract of `at`; nothing is assumed of their alignment or of who writes them.
            return u32::from_le(unsafe { place.read_unaligned() });
        }
        let byte = |at: usize| {
            let place = self.first.wrapping_add(from + at);
            // SAFETY: inside the bytes, readable by the contract of `at`.
            u32::from(unsafe { place.read_volatile() }) << (8 * at)
        };
        (0..left).map(byte).sum()
    }
}
