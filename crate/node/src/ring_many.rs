//! Rings among many: what their fast paths in TypeScript leave to the core. Claims end here where somebody sleeps, and claims of the dead.

use crate::error::OrThrow;
use crate::managed_object::NativeObject;
use crate::ring::end_of;
use napi::bindgen_prelude::Env;
use napi::{Error, Result, Status};
use napi_derive::napi;
use shmem_core::managed::geometry::ring as at;
use shmem_core::structures::ring::door::{self, Ending};
use shmem_core::structures::ring::many::{CLAIMED, FULL, LAP, READING, SKIPPED};

/// The words of a ring among many, as they were drawn in Rust.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "see shmem_core::structures::ring::many")]
pub struct NativeManyLayout {
    pub skipped_count: u32,
    pub cleared_count: u32,
    pub claimed: u32,
    pub reading: u32,
    pub full: u32,
    pub skipped: u32,
    pub lap: u32,
}

/// The layout of this build.
#[napi(catch_unwind)]
pub fn ring_many_layout() -> NativeManyLayout {
    NativeManyLayout {
        skipped_count: u32::try_from(at::SKIPPED).unwrap_or(u32::MAX),
        cleared_count: u32::try_from(at::CLEARED).unwrap_or(u32::MAX),
        claimed: CLAIMED,
        reading: READING,
        full: FULL,
        skipped: SKIPPED,
        lap: LAP,
    }
}

/// Ends this environment's claim of a position: 0 commits, 1 gives it up, 2 gives a message's slot back. Wakes who waits for that.
#[napi(catch_unwind)]
pub fn ring_finish(env: Env, object: &NativeObject, position: u32, ending: u32) -> Result<()> {
    let ending = match ending {
        0 => Ending::Commit,
        1 => Ending::Abort,
        2 => Ending::Release,
        other => {
            return Err(Error::new(Status::InvalidArg, format!("no claim ends by number {other}")));
        }
    };
    object.with(|place, table, token| door::finish(&place, table, token, position, ending)).or_throw(&env)
}

/// Looks who stands in the way at an end, and takes what the dead claimed. Answers whether to try again at once.
#[napi(catch_unwind)]
pub fn ring_unblock(env: Env, object: &NativeObject, end: u32) -> Result<bool> {
    let end = end_of(end)?;
    object.with(|place, table, _| door::unblock(&place, table, end)).or_throw(&env)
}
