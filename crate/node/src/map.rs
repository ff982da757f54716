//! The shared map: its layout, and one raw function a map for everything that needs its locks. Reading is the facade's, on typed arrays.
//!
//! A raw callback, since a method made by `#[napi]` costs more than the set itself. Its arguments but one are words of an area that the facade and
//! this share: private memory of one environment, which only its thread touches, and which lives as long as either has it.

#![expect(unsafe_code, reason = "Node-API is C")]

use crate::convert::{number, whole};
use crate::error::{OrThrow, throw};
use crate::managed::Inner;
use crate::managed_object::NativeObject;
use crate::panics::guarded;
use crate::view;
use napi::bindgen_prelude::{Env, Unknown};
use napi::{Result, sys};
use napi_derive::napi;
use shmem_core::Error;
use shmem_core::error::Subject;
use shmem_core::managed::Kind;
use shmem_core::managed::geometry::map::{self, Eviction, MapGeometry, MapOptions, Values};
use shmem_core::membership::{MemberTable, Token};
use shmem_core::memory::guard;
use shmem_core::structures::map::{
    Condition, KEY_WORDS_MAX, Key, MapObject, Outcome, RawBytes, Write, check_value, no_space,
};
use shmem_core::sys::process;
use std::cell::Cell;
use std::ptr;
use std::rc::Rc;

/// Words of the area, by their place.
const KEY_BYTES: usize = 0;
const IS_BYTES: usize = 1;
const VALUE_BYTES: usize = 2;
const EXPIRES: usize = 3;
const VERSION: usize = 5;
const SHARD: usize = 7;
const KEY: usize = 8;
const AREA_WORDS: usize = KEY + KEY_WORDS_MAX;

/// What is asked for, by its number.
const SET: i32 = 0;
const SET_ABSENT: i32 = 1;
const SET_VERSION: i32 = 2;
const DELETE: i32 = 3;
const EXPIRE: i32 = 4;
const CLEAR: i32 = 5;
const LOCK: i32 = 6;
const UNLOCK: i32 = 7;

/// What was drawn in Rust: no offset is written twice. Words, not bytes, of a shard's header, a chunk, an entry and the area.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "see shmem_core::managed::geometry::map")]
pub struct NativeMapLayout {
    pub kind: u32,
    pub shards: u32,
    pub shard_words: u32,
    pub version: u32,
    pub entries: u32,
    pub used: u32,
    pub sets: u32,
    pub evictions: u32,
    pub expired: u32,
    pub recovered: u32,
    pub deletes: u32,
    pub next_chunk: u32,
    pub recent: u32,
    pub rest_payload: u32,
    pub next_entry: u32,
    pub hash: u32,
    pub key_bytes: u32,
    pub value_bytes: u32,
    pub entry_version: u32,
    pub expires: u32,
    pub payload: u32,
    pub key_bytes_max: u32,
    pub chunk_bytes_min: u32,
    pub chunk_bytes_max: u32,
    pub shards_log2_max: u32,
    pub area_key_bytes: u32,
    pub area_is_bytes: u32,
    pub area_value_bytes: u32,
    pub area_expires: u32,
    pub area_version: u32,
    pub area_shard: u32,
    pub area_key: u32,
}

/// Where the parts of a map of some numbers are.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "see shmem_core::managed::geometry::map::MapGeometry")]
pub struct NativeMapGeometry {
    pub shards_log2: u32,
    pub buckets: u32,
    pub chunks: u32,
    pub chunk_words: u32,
    pub buckets_offset: f64,
    pub chunks_offset: f64,
    pub bytes: f64,
    pub value_bytes_max: f64,
    pub evicts: bool,
}

/// What the seed of a map's hashes is.
#[napi(object)]
#[derive(Debug)]
pub struct NativeSeed {
    /// The first word.
    pub first: i32,
    /// The second.
    pub second: i32,
}

/// The layout of this build.
#[napi(catch_unwind)]
pub fn map_layout() -> NativeMapLayout {
    let small = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    NativeMapLayout {
        kind: Kind::Map as u32,
        shards: u32::try_from(map::SHARDS / 4).unwrap_or(u32::MAX),
        shard_words: small(map::SHARD_WORDS),
        version: small(map::VERSION),
        entries: small(map::ENTRIES),
        used: small(map::USED),
        sets: small(map::SETS),
        evictions: small(map::EVICTIONS),
        expired: small(map::EXPIRED),
        recovered: small(map::RECOVERED),
        deletes: small(map::DELETES),
        next_chunk: small(map::NEXT_CHUNK),
        recent: small(map::RECENT),
        rest_payload: small(map::REST_PAYLOAD),
        next_entry: small(map::NEXT_ENTRY),
        hash: small(map::HASH),
        key_bytes: small(map::KEY_BYTES),
        value_bytes: small(map::VALUE_BYTES),
        entry_version: small(map::ENTRY_VERSION),
        expires: small(map::EXPIRES),
        payload: small(map::PAYLOAD),
        key_bytes_max: map::KEY_BYTES_MAX,
        chunk_bytes_min: map::CHUNK_BYTES_MIN,
        chunk_bytes_max: map::CHUNK_BYTES_MAX,
        shards_log2_max: map::SHARDS_LOG2_MAX,
        area_key_bytes: small(KEY_BYTES),
        area_is_bytes: small(IS_BYTES),
        area_value_bytes: small(VALUE_BYTES),
        area_expires: small(EXPIRES),
        area_version: small(VERSION),
        area_shard: small(SHARD),
        area_key: small(KEY),
    }
}

/// The numbers of a map's shape. What is 0 has its default.
#[napi(catch_unwind)]
pub fn map_numbers(
    env: Env,
    memory_bytes: f64,
    entries: u32,
    chunk_bytes: u32,
    shards: u32,
    evicts: bool,
    values: u32,
) -> Result<Vec<u32>> {
    let eviction = if evicts { Eviction::Lru } else { Eviction::None };
    let values = [Values::Bytes, Values::Text, Values::Structured][values.min(2) as usize];
    let memory_bytes = whole(memory_bytes)?;
    let options = MapOptions { memory_bytes, entries, chunk_bytes, shards, eviction, values };
    options.numbers().or_throw(&env).map(|numbers| numbers.to_vec())
}

/// Where the parts of a map of those numbers are.
#[napi(catch_unwind)]
pub fn map_geometry(env: Env, numbers: Vec<u32>) -> Result<NativeMapGeometry> {
    let mut four = [0; 4];
    four.iter_mut().zip(&numbers).for_each(|(number, given)| *number = *given);
    let map = MapGeometry::of(four).or_throw(&env)?;
    Ok(NativeMapGeometry {
        shards_log2: map.shards_log2,
        buckets: map.buckets,
        chunks: map.chunks,
        chunk_words: map.chunk_words,
        buckets_offset: number(map.buckets_offset),
        chunks_offset: number(map.chunks_offset),
        bytes: number(map.bytes),
        value_bytes_max: number(map.value_bytes_max(map::KEY_BYTES_MAX)),
        evicts: map.eviction == Eviction::Lru,
    })
}

/// The seed of a map, drawn by who comes first.
#[napi(catch_unwind)]
pub fn map_seed(env: Env, object: &NativeObject) -> Result<NativeSeed> {
    // SAFETY: the answer is dropped inside, while the segment is open.
    let seed = object.look(|place| unsafe { MapObject::at(&place) }.map(|map| map.seed())).or_throw(&env)?;
    Ok(NativeSeed { first: seed.0.cast_signed(), second: seed.1.cast_signed() })
}

/// The area through which the facade talks to [`map_function`]: private words.
#[napi(catch_unwind, ts_return_type = "ArrayBuffer")]
pub fn map_area(env: &Env) -> Result<Unknown<'_>> {
    AREA.with(|area| view::own_words(env, area))
}

thread_local! {
    /// One an environment, which is a thread: its calls never overlap.
    static AREA: Rc<[Cell<u32>]> = (0..AREA_WORDS).map(|_| Cell::new(0)).collect();
}

/// The raw function of a map: `(operation, value?) => 1 done, 0 not`. Keys and numbers are in the area.
#[napi(catch_unwind, ts_return_type = "(operation: number, value?: Uint8Array) => number")]
pub fn map_function<'env>(env: &'env Env, object: &NativeObject) -> Result<Unknown<'env>> {
    // SAFETY: it is kept beside the `Inner` it belongs to, and used only while that is open.
    let map = object.look(|place| unsafe { MapObject::at(&place) }).or_throw(env)?;
    let area = AREA.with(Rc::clone);
    let calls =
        Calls { inner: object.inner(), map, name: object.name(), area, faults: Cell::new(guard::count()) };
    view::function(env, c"map", Some(call), Box::new(calls))
}

/// What a map's function works on.
struct Calls {
    inner: Rc<Inner>,
    map: MapObject,
    name: String,
    area: Rc<[Cell<u32>]>,
    /// Faults of this process when the segment was last found whole.
    faults: Cell<u32>,
}

/// The raw callback; JavaScript calls it.
extern "C" fn call(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let mut result = ptr::null_mut();
    guarded(|| {
        let mut arguments = [ptr::null_mut(); 2];
        let mut count = arguments.len();
        let mut data = ptr::null_mut();
        // SAFETY: `info` is that of this call; the out parameters are live, and `count` says how many there are.
        let status = unsafe {
            sys::napi_get_cb_info(
                env,
                info,
                &raw mut count,
                arguments.as_mut_ptr(),
                ptr::null_mut(),
                &raw mut data,
            )
        };
        if status != sys::Status::napi_ok {
            return;
        }
        // SAFETY: the data of a function made by `view::function`: it lives until the function is finalized.
        let calls = unsafe { &*data.cast::<Calls>() };
        let mut operation = -1;
        // SAFETY: a value of this call; anything but a number leaves −1, which is no operation.
        let _ = unsafe { sys::napi_get_value_int32(env, arguments[0], &raw mut operation) };
        let value = if count > 1 { view::bytes_of_value(env, arguments[1]) } else { None };
        match calls.run(operation, value) {
            // SAFETY: `result` is live.
            Ok(answer) => drop(unsafe { sys::napi_create_int32(env, answer, &raw mut result) }),
            Err(error) => {
                let error = error.or_on(|| Subject::Name(calls.name.clone()));
                drop(throw(&Env::from_raw(env), &error));
            }
        }
    });
    result
}

impl Calls {
    fn run(&self, operation: i32, value: Option<(*mut u8, usize)>) -> shmem_core::Result<i32> {
        let look = |open: &crate::managed::Open| {
            let member = open.member()?;
            self.act(operation, value, member.table(), member.token())
        };
        // A segment that was found whole is so until there is a fault in this process.
        let faults = guard::count();
        if faults == self.faults.get() {
            return self.inner.with_unchecked(look);
        }
        let done = self.inner.with(look);
        if done.is_ok() {
            self.faults.set(faults);
        }
        done
    }

    fn act(
        &self,
        operation: i32,
        value: Option<(*mut u8, usize)>,
        table: &MemberTable,
        token: Token,
    ) -> shmem_core::Result<i32> {
        let map = &self.map;
        match operation {
            SET => self.set(value, Condition::Any, table, token),
            SET_ABSENT => self.set(value, Condition::Absent, table, token),
            SET_VERSION => self.set(value, Condition::Version(self.long(VERSION)), table, token),
            DELETE => {
                let key = self.key()?;
                let shard = map.shard_of(key.hash());
                map.with_lock(table, token, shard, |shard| shard.delete(&key, &now)).map(i32::from)
            }
            EXPIRE => {
                let key = self.key()?;
                let shard = map.shard_of(key.hash());
                map.try_with_lock(table, token, shard, |shard| shard.expire(&key, &now))
                    .map(|expired| i32::from(expired.unwrap_or(false)))
            }
            CLEAR => map.clear(table, token, self.word(SHARD)).map(|()| 1),
            LOCK => map.lock(table, token, self.word(SHARD)).map(|()| 1),
            UNLOCK => map.unlock(table, token, self.word(SHARD)).map(|()| 1),
            other => Err(Error::own("ERR_OUT_OF_RANGE", format!("no operation is number {other}"))),
        }
    }

    fn set(
        &self,
        value: Option<(*mut u8, usize)>,
        condition: Condition,
        table: &MemberTable,
        token: Token,
    ) -> shmem_core::Result<i32> {
        let key = self.key()?;
        let (first, bytes) =
            value.ok_or_else(|| Error::own("ERR_INVALID_ARG_VALUE", "a value is a Uint8Array"))?;
        let length = self.word(VALUE_BYTES).min(u32::try_from(bytes).unwrap_or(u32::MAX));
        // SAFETY: the array has `bytes` bytes, of which these are the first; JavaScript does not run in this call.
        let value = unsafe { RawBytes::at(first, length) };
        check_value(&self.map, &key, &value)?;
        let write = Write { key: &key, value: &value, expires: self.long(EXPIRES), condition };
        let shard = self.map.shard_of(key.hash());
        match self.map.with_lock(table, token, shard, |shard| shard.set(&write, &now))? {
            Outcome::Set(version) => {
                self.set_long(VERSION, version);
                Ok(1)
            }
            Outcome::Refused => Ok(0),
            Outcome::Full => Err(no_space()),
        }
    }

    fn key(&self) -> shmem_core::Result<Key> {
        Key::from_words(
            |index| self.word(KEY + index),
            self.word(KEY_BYTES),
            self.word(IS_BYTES) != 0,
            self.map.seed(),
        )
    }

    fn word(&self, index: usize) -> u32 {
        self.area[index].get()
    }

    fn long(&self, index: usize) -> u64 {
        u64::from(self.word(index + 1)) << 32 | u64::from(self.word(index))
    }

    fn set_long(&self, index: usize, value: u64) {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        self.area[index].set(u32::from_le_bytes([a, b, c, d]));
        self.area[index + 1].set(u32::from_le_bytes([e, f, g, h]));
    }
}

/// On the clock of `Date.now()`.
fn now() -> u64 {
    process::unix_time_ms()
}
