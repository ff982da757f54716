//! How the bytes of a Latest lie: readers + 2 buffers, and a cell a reader that names the one it reads.
//!
//! ```text
//! 0 gate · 4 writer · 8 ended   64 newest · 68 used   128 + 128 × reader  cell: 0 value · 4 owner · 8 received · 12 missed
//! behind the cells, (readers + 2) × stride   buffer: 0 version, 64 bits · 8 length · 16 payload
//! ```

use super::super::layout::PARTS;
use super::NUMBERS;
use crate::error::{Error, Result};

/// The value that readers shall take: see `structures::latest`.
pub const NEWEST: u64 = 64;
/// Of how many cells, from the first on, one was ever a reader's.
pub const USED: u64 = 68;
/// From one reader's cell to the next.
pub const CELL_STRIDE: u64 = 128;
/// In a cell: the buffer that its reader reads.
pub const CELL_VALUE: u64 = 0;
/// In a cell: the reader's token.
pub const CELL_OWNER: u64 = 4;
/// In a cell: values that its readers got.
pub const CELL_RECEIVED: u64 = 8;
/// In a cell: values that were overtaken between two that its readers got.
pub const CELL_MISSED: u64 = 12;
/// In a buffer: how many values were published before this one, and one.
pub const BUFFER_VERSION: u64 = 0;
/// In a buffer: bytes of the value.
pub const BUFFER_LENGTH: u64 = 8;
/// In a buffer: where the value begins.
pub const BUFFER_PAYLOAD: u64 = 16;
/// Buffers begin at multiples of this.
pub const BUFFER_ALIGN: u64 = 64;
/// As many readers as a Latest can have: a buffer's number has 10 bits.
pub const READERS_MAX: u32 = 1000;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// The longest value.
    pub bytes: u32,
    /// Readers at once.
    pub readers: u32,
}

impl Geometry {
    /// From the numbers of a shape: bytes, readers.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn of(numbers: [u32; NUMBERS]) -> Result<Self> {
        let [bytes, readers, more @ ..] = numbers;
        if bytes == 0 || !(1..=READERS_MAX).contains(&readers) || more != [0; 2] {
            return Err(Error::own(
                "ERR_OUT_OF_RANGE",
                format!("a latest has at least 1 byte and 1 to {READERS_MAX} readers, not {numbers:?}"),
            ));
        }
        Ok(Self { bytes, readers })
    }

    /// One for each reader, the newest, and one to write to.
    #[must_use]
    pub const fn buffers(&self) -> u32 {
        self.readers + 2
    }

    /// First byte of a reader's cell.
    #[must_use]
    pub const fn cell(&self, index: u32) -> u64 {
        PARTS + CELL_STRIDE * index as u64
    }

    /// First byte of a buffer.
    #[must_use]
    pub const fn buffer(&self, index: u32) -> u64 {
        self.cell(self.readers) + self.buffer_stride() * index as u64
    }

    /// From one buffer to the next.
    #[must_use]
    pub const fn buffer_stride(&self) -> u64 {
        (BUFFER_PAYLOAD + self.bytes as u64).next_multiple_of(BUFFER_ALIGN)
    }

    /// Bytes of all of it.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.buffer(self.buffers())
    }
}
