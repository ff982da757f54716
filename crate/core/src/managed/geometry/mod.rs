//! How the bytes of each structure lie, reckoned from the numbers of its shape alone: what stands in the bytes themselves has no say.

pub mod map;
