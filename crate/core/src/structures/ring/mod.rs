//! Messages in slots.

pub mod many;
