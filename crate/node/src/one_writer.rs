//! Structures with one writer and many readers: the slow paths of `Broadcast` and `Latest`. The fast ones are in the facade.

use crate::error::OrThrow;
use crate::managed_object::{NativeObject, answer_number};
use crate::managed_waits::NativeWaiters;
use napi::Result;
use napi::bindgen_prelude::Env;
use napi_derive::napi;
use shmem_core::managed::Kind;
use shmem_core::managed::geometry::{broadcast, latest, one_writer};
use shmem_core::structures::latest::{CLEAR, give_cell_back, take_cell};
use shmem_core::structures::seating;
use shmem_core::sync::wait::{Waited, wait_until};
use shmem_core::sys::futex;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

const WHOLE_SLICE_MS: f64 = 100.0;

/// What was drawn in Rust: no offset is written twice.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "see shmem_core::managed::geometry")]
pub struct NativeFeedLayout {
    pub latest: u32,
    pub broadcast: u32,
    pub gate: u32,
    pub writer: u32,
    pub ended: u32,
    pub newest: u32,
    pub used: u32,
    pub cell_stride: u32,
    pub cell_value: u32,
    pub cell_received: u32,
    pub cell_missed: u32,
    pub buffer_align: u32,
    pub buffer_version: u32,
    pub buffer_length: u32,
    pub buffer_payload: u32,
    pub readers_max: u32,
    pub clear: u32,
    pub head: u32,
    pub lost: u32,
    pub slot_align: u32,
    pub slot_stamp: u32,
    pub slot_lap: u32,
    pub slot_length: u32,
    pub slot_payload: u32,
    pub slots_max: u32,
    pub slot_bytes_max: u32,
}

/// The layout of this build.
#[napi(catch_unwind)]
pub fn feed_layout() -> NativeFeedLayout {
    let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    NativeFeedLayout {
        latest: Kind::Latest as u32,
        broadcast: Kind::Broadcast as u32,
        gate: small(one_writer::GATE),
        writer: small(one_writer::WRITER),
        ended: small(one_writer::ENDED),
        newest: small(latest::NEWEST),
        used: small(latest::USED),
        cell_stride: small(latest::CELL_STRIDE),
        cell_value: small(latest::CELL_VALUE),
        cell_received: small(latest::CELL_RECEIVED),
        cell_missed: small(latest::CELL_MISSED),
        buffer_align: small(latest::BUFFER_ALIGN),
        buffer_version: small(latest::BUFFER_VERSION),
        buffer_length: small(latest::BUFFER_LENGTH),
        buffer_payload: small(latest::BUFFER_PAYLOAD),
        readers_max: latest::READERS_MAX,
        clear: CLEAR,
        head: small(broadcast::HEAD),
        lost: small(broadcast::LOST),
        slot_align: small(broadcast::SLOT_ALIGN),
        slot_stamp: small(broadcast::SLOT_STAMP),
        slot_lap: small(broadcast::SLOT_LAP),
        slot_length: small(broadcast::SLOT_LENGTH),
        slot_payload: small(broadcast::SLOT_PAYLOAD),
        slots_max: broadcast::SLOTS_MAX,
        slot_bytes_max: broadcast::SLOT_BYTES_MAX,
    }
}

/// Keeps the memory accesses before it from those behind it, on processors that would mix them.
#[napi(catch_unwind)]
pub fn memory_fence() {
    fence(Ordering::SeqCst);
}

#[napi]
impl NativeObject {
    /// Makes this environment the object's writer.
    #[napi(catch_unwind)]
    pub fn take_seat(&self, env: Env) -> Result<()> {
        self.with(|place, table, token| seating::take(&place, table, token)).or_throw(&env)
    }

    /// Leaves the seat; `ends`: and says that nothing follows.
    #[napi(catch_unwind)]
    pub fn leave_seat(&self, env: Env, ends: bool) -> Result<()> {
        self.with(|place, table, token| {
            seating::seat(&place)?.leave(table, token, ends);
            Ok(())
        })
        .or_throw(&env)
    }

    /// Wakes the readers: the facade published something.
    #[napi(catch_unwind)]
    pub fn tell_news(&self, env: Env) -> Result<()> {
        self.with(|place, table, _| {
            seating::seat(&place)?.tell(table);
            Ok(())
        })
        .or_throw(&env)
    }

    /// The token of the writer if it is dead; else 0.
    #[napi(catch_unwind)]
    pub fn dead_writer(&self, env: Env) -> Result<u32> {
        self.with(|place, table, _| {
            Ok(seating::seat(&place)?.dead_writer(table).map_or(0, |writer| writer.word()))
        })
        .or_throw(&env)
    }

    /// Makes this environment a reader of a latest. Answers its cell.
    #[napi(catch_unwind)]
    pub fn take_cell(&self, env: Env) -> Result<u32> {
        self.with(|place, table, token| take_cell(&place, table, token)).or_throw(&env)
    }

    /// Gives the cell back.
    #[napi(catch_unwind)]
    pub fn give_cell_back(&self, env: Env, cell: u32) -> Result<()> {
        self.with(|place, table, token| give_cell_back(&place, table, token, cell)).or_throw(&env)
    }

    /// Waits, for `slice_ms` at most, while the word at `watched` is `seen`; the death of the writer with the token `mourned` was told before.
    /// Answers as `wait`.
    #[napi(catch_unwind)]
    pub fn wait_for_news(
        &self,
        env: Env,
        watched: i64,
        seen: u32,
        mourned: u32,
        slice_ms: f64,
    ) -> Result<i32> {
        let until =
            futex::now() + Duration::try_from_secs_f64((slice_ms / 1000.0).min(3600.0)).unwrap_or_default();
        self.with(|place, table, _| {
            let mut wait = seating::news(&place, u64::try_from(watched).unwrap_or(u64::MAX), seen, mourned)?;
            let waited = wait_until(table, &mut wait, Some(until))?;
            // As in `wait`.
            if waited.answer.is_some() || slice_ms < WHOLE_SLICE_MS {
                place.counters()?.count(waited);
            }
            Ok(waited)
        })
        .or_throw(&env)
        .map(|Waited { answer, .. }| answer.map_or(-1, answer_number))
    }
}

#[napi]
impl NativeWaiters {
    /// As `NativeObject.waitForNews`, elsewhere. Answers the wait's id.
    #[napi(catch_unwind)]
    pub fn begin_news(
        &self,
        env: Env,
        object: &NativeObject,
        watched: i64,
        seen: u32,
        mourned: u32,
    ) -> Result<u32> {
        object
            .request_with(|place, _| {
                Ok(Box::new(seating::news(place, u64::try_from(watched).unwrap_or(u64::MAX), seen, mourned)?))
            })
            .and_then(|request| self.waiters.begin(request))
            .or_throw(&env)
    }
}
