//! How the bytes of structures lie, by the numbers of their shapes: one file a noun. The algorithms over them are a floor above.

pub mod broadcast;
pub mod latest;
pub mod list;
pub mod map;
pub mod one_writer;
pub mod ring;
