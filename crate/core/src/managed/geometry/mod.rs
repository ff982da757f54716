//! How the bytes of structures lie, by the numbers of their shapes: one file a noun. The algorithms over them are a floor above.

pub mod broadcast;
pub mod latest;
pub mod list;
pub mod map;
pub mod one_writer;
pub mod ring;

/// How many numbers a shape has: each file here says what they mean to its noun.
pub const NUMBERS: usize = 4;

/// Objects begin at multiples of this: two cache lines, since processors fetch them in pairs.
pub const OBJECT_ALIGN_BYTES: u64 = 128;
