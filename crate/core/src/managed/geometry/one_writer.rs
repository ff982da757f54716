//! The first words of a structure that has one writer and many readers.
//!
//! ```text
//! 0 gate · 4 writer · 8 ended   64 what the writer publishes   96 waits · 100 owner deaths · 104 timeouts   128 parts
//! ```

use super::super::layout;

/// Where readers sleep.
pub const GATE: u64 = layout::WORD;
/// Whose seat it is.
pub const WRITER: u64 = 4;
/// Whether the writer said that nothing follows.
pub const ENDED: u64 = 8;
