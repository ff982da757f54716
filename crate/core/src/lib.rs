//! Shared memory of Linux, owned and made safe.
//!
//! The house has floors, and none looks up:
//!
//! - [`sys`] calls C: System V, POSIX, `mman`, semaphores, signals. Nobody else does.
//! - [`memory`] owns mappings and the objects behind them, and guards both against faults.
//! - [`sync`] waits and wakes over bytes that someone else mapped.
//! - [`managed`] gives out the bytes of a managed segment.
//!
//! Memory that another process can write is never behind a Rust reference here: it is reached
//! through raw pointers, by atomic or volatile accesses, and every number read from it is bounded once.

#![cfg(target_os = "linux")]

pub mod error;
pub mod managed;
pub mod memory;
pub mod sync;
pub mod sys;

pub use error::{Errno, Error, Result, Subject};
