//! Where the parts of each structure lie: drawn here once, from a shape's numbers, and handed to TypeScript at load.

pub mod broadcast;
pub mod latest;
pub mod one_writer;
