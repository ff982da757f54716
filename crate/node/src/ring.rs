//! Rings: what TypeScript cannot do by itself. Ends are taken and given back here, sleepers are woken; messages go by typed arrays.

use crate::convert::number;
use crate::error::OrThrow;
use crate::managed::NativeMember;
use crate::managed_object::NativeObject;
use napi::bindgen_prelude::Env;
use napi::{Error, Result, Status};
use napi_derive::napi;
use shmem_core::managed::Kind;
use shmem_core::managed::geometry::ring::{self as at, RingGeometry};
use shmem_core::membership::{MemberTable, Platform, Token};
use shmem_core::structures::ring::{CONSUMERS_ENDED, End, PRODUCERS_ENDED, door};

/// A wait at a ring, as numbers of the facade.
pub(crate) const ITEMS: u32 = 20;
pub(crate) const ROOM: u32 = 21;

/// What was drawn in Rust: no offset is written twice. In bytes.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "see shmem_core::managed::geometry::ring")]
pub struct NativeRingLayout {
    pub kind: u32,
    pub many_producers: u32,
    pub many_consumers: u32,
    pub drop_oldest: u32,
    pub slots_min: u32,
    pub slots_max: u32,
    pub slot_bytes_max: u32,
    pub producers_ended: u32,
    pub consumers_ended: u32,
    pub state: u32,
    pub recovered: u32,
    pub lost: u32,
    pub tail: u32,
    pub items_gate: u32,
    pub producer: u32,
    pub producer_laps: u32,
    pub full: u32,
    pub head: u32,
    pub room_gate: u32,
    pub consumer: u32,
    pub consumer_laps: u32,
    pub taken: u32,
    pub control: u32,
}

/// Where the parts of a ring of these numbers are, in bytes.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "see shmem_core::managed::geometry::ring::RingGeometry")]
pub struct NativeRingGeometry {
    pub control_stride: u32,
    pub payload: f64,
    pub stride: u32,
}

/// Where the owner of an end goes on.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "see shmem_core::structures::ring::one::Begin")]
pub struct NativeBegin {
    pub position: u32,
    pub limit: u32,
}

/// The layout of this build.
#[napi(catch_unwind)]
pub fn ring_layout() -> NativeRingLayout {
    let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    NativeRingLayout {
        kind: Kind::Ring as u32,
        many_producers: at::MANY_PRODUCERS,
        many_consumers: at::MANY_CONSUMERS,
        drop_oldest: at::DROP_OLDEST,
        slots_min: at::SLOTS_MIN,
        slots_max: at::SLOTS_MAX,
        slot_bytes_max: at::SLOT_BYTES_MAX,
        producers_ended: PRODUCERS_ENDED,
        consumers_ended: CONSUMERS_ENDED,
        state: small(at::STATE),
        recovered: small(at::RECOVERED),
        lost: small(at::LOST),
        tail: small(at::TAIL),
        items_gate: small(at::ITEMS_GATE),
        producer: small(at::PRODUCER),
        producer_laps: small(at::PRODUCER_LAPS),
        full: small(at::FULL),
        head: small(at::HEAD),
        room_gate: small(at::ROOM_GATE),
        consumer: small(at::CONSUMER),
        consumer_laps: small(at::CONSUMER_LAPS),
        taken: small(at::TAKEN),
        control: small(at::CONTROL),
    }
}

/// Where the parts of a ring of these numbers are.
#[napi(catch_unwind)]
pub fn ring_geometry(env: Env, slots: u32, slot_bytes: u32, flags: u32) -> Result<NativeRingGeometry> {
    let ring = RingGeometry::of([slots, slot_bytes, flags, 0]).or_throw(&env)?;
    let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    Ok(NativeRingGeometry {
        control_stride: small(ring.control_stride()),
        payload: number(ring.payload()),
        stride: small(ring.stride()),
    })
}

/// Takes an end for this environment: 0 the producer's, 1 the consumer's.
#[napi(catch_unwind)]
pub fn ring_take(env: Env, object: &NativeObject, end: u32) -> Result<NativeBegin> {
    let end = end_of(end)?;
    object
        .with(|place, table, token| door::take(&place, table, end, token))
        .or_throw(&env)
        .map(|begin| NativeBegin { position: begin.position, limit: begin.limit })
}

/// Gives this environment's end back.
#[napi(catch_unwind)]
pub fn ring_give(env: Env, object: &NativeObject, end: u32) -> Result<()> {
    let end = end_of(end)?;
    object.with(|place, table, token| door::give(&place, table, end, token)).or_throw(&env)
}

/// Who has an end, if one member has it.
#[napi(catch_unwind)]
pub fn ring_owner(env: Env, object: &NativeObject, end: u32) -> Result<Option<NativeMember>> {
    let end = end_of(end)?;
    object
        .with(|place, table, _| Ok(door::owner(&place, end)?.and_then(|token| table.member(token))))
        .or_throw(&env)
        .map(|facts| facts.map(Into::into))
}

/// Whether the member of a token is this very thread, by whichever opening or copy of this library.
#[napi(catch_unwind)]
pub fn is_this_thread(env: Env, object: &NativeObject, token: u32) -> Result<bool> {
    let is_own = |table: &MemberTable| Token::from_word(token).is_some_and(|token| table.is_own(token));
    object.with(|_, table, _| Ok(is_own(table))).or_throw(&env)
}

/// Ends a side for good.
#[napi(catch_unwind)]
pub fn ring_end(env: Env, object: &NativeObject, end: u32) -> Result<()> {
    let end = end_of(end)?;
    object.with(|place, table, _| door::end(&place, table, end)).or_throw(&env)
}

/// Wakes who waits at that end: the facade did what it waits for.
#[napi(catch_unwind)]
pub fn ring_wake(env: Env, object: &NativeObject, end: u32) -> Result<()> {
    let end = end_of(end)?;
    object.with(|place, table, _| door::wake(&place, table, end)).or_throw(&env)
}

pub(crate) fn end_of(end: u32) -> Result<End> {
    match end {
        0 => Ok(End::Producer),
        1 => Ok(End::Consumer),
        other => Err(Error::new(Status::InvalidArg, format!("no end of a ring is number {other}"))),
    }
}
