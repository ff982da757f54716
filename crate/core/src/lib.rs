//! Shared memory of Linux, owned and made safe.
#![doc = include_str!("../README.md")]
#![cfg(target_os = "linux")]

// The house has floors, and none looks up. `sys` calls C, and nobody else does. `memory` owns mappings and the objects behind them, and guards both
// against faults. `membership` knows who uses a managed segment, and who of them is dead. `sync` waits and wakes over bytes that someone else mapped.
// `managed` finds things by name in a segment that tells its members apart. `structures` are what people build on all that.
//
// Memory that another process can write is never behind a Rust reference here: it is reached through raw pointers, by atomic or volatile accesses, and
// every number read from it is bounded once.
//
// What is hidden from the documentation, here and on each floor, is public only because crate/node (the same library in another language) and the model
// tests, which put models in the place of memory and kernel, are crates of their own. README.md promises nothing of it.

#[cfg(test)]
mod c_header;
pub mod error;
#[doc(hidden)]
pub mod fail_point;
pub mod managed;
pub mod membership;
pub mod memory;
pub mod structures;
#[doc(hidden)]
pub mod sync;
#[doc(hidden)]
pub mod sys;

pub use error::{Errno, Error, Result, Subject};
