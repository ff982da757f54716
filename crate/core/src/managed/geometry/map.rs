//! How the bytes of a shared map lie. The algorithm is in `structures/map`.
//!
//! ```text
//! 0                 seed (2 words) … 96 waits · 100 owner deaths · 104 timeouts, as in every object
//! 128               a header of 128 bytes a shard:  0 version │ 64 lock · free list · fresh · hand · counts
//! buckets_offset    shards × buckets, a word each: the head of a list of entries, as the number of a chunk of the shard, from 1
//! chunks_offset     shards × chunks, of chunk_bytes each
//!
//! a chunk           0 next chunk · 4 recently used │ 8 payload …
//! an entry's first  0 next chunk · 4 recently used │ 8 next entry · 12 hash · 16 key's bytes · 20 value's bytes
//!                   24 version, 64 bits · 32 expires at, ms since 1970, 64 bits │ 40 payload: the key, rounded up to 4 bytes, then the value
//! ```

use super::{NUMBERS, OBJECT_ALIGN_BYTES};
use crate::error::{Error, Result};

/// Words of an object's start, in bytes.
pub const SEED: u64 = 0;
/// The first shard's header.
pub const SHARDS: u64 = 128;

/// Words of a shard's header.
pub const SHARD_WORDS: usize = 32;
/// Counts up before a chunk that readers may look at is used again. On a line of its own.
pub const VERSION: usize = 0;
/// The writers' lock: see [`crate::sync::mutex`].
pub const LOCK: usize = 16;
/// The first free chunk; 0: none.
pub const FREE: usize = 17;
/// Chunks beyond were never used.
pub const FRESH: usize = 18;
/// The bucket at which the clock's hand stands.
pub const HAND: usize = 19;
/// Entries, those that expired and are still there too.
pub const ENTRIES: usize = 20;
/// Chunks in use.
pub const USED: usize = 21;
/// How many entries were made, 64 bits: the newest entry's version.
pub const SEQUENCE: usize = 22;
/// Counts, wrapping.
pub const SETS: usize = 24;
/// Entries that had to go for others.
pub const EVICTIONS: usize = 25;
/// Entries that were taken away because their time was over.
pub const EXPIRED: usize = 26;
/// Repairs after a death.
pub const RECOVERED: usize = 27;
/// Entries deleted.
pub const DELETES: usize = 28;

/// Words of a chunk.
pub const NEXT_CHUNK: usize = 0;
/// Set by readers, in whatever the chunk is by then: so no chunk has anything else there.
pub const RECENT: usize = 1;
/// A chunk's payload, where it is not an entry's first.
pub const REST_PAYLOAD: usize = 2;
/// Words of an entry, in its first chunk.
pub const NEXT_ENTRY: usize = 2;
/// Its key's hash.
pub const HASH: usize = 3;
/// Bytes of the key, and [`KEY_IS_BYTES`].
pub const KEY_BYTES: usize = 4;
/// Bytes of the value.
pub const VALUE_BYTES: usize = 5;
/// What the shard counted when the entry was made, 64 bits.
pub const ENTRY_VERSION: usize = 6;
/// Milliseconds since 1970, 64 bits; 0: never.
pub const EXPIRES: usize = 8;
/// The first chunk's payload.
pub const PAYLOAD: usize = 10;
/// The key was given as bytes, not as text.
pub const KEY_IS_BYTES: u32 = 1 << 31;

/// Bytes of a key.
pub const KEY_BYTES_MAX: u32 = 1024;
/// Bytes of a chunk: a multiple of 64.
pub const CHUNK_BYTES_MIN: u32 = 64;
/// The same.
pub const CHUNK_BYTES_MAX: u32 = 4096;
/// See `docs/shared-map.md` for the measurement.
pub const CHUNK_BYTES: u32 = 192;
/// Shards, as a power of two.
pub const SHARDS_LOG2_MAX: u32 = 10;
/// A shard with fewer chunks is none.
const CHUNKS_MIN: u32 = 4;
/// Bytes of all of it, in KiB: 64 GiB.
const MEMORY_KIB_MAX: u32 = 64 << 20;

/// What goes when there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum Eviction {
    /// What was not used for long (a clock's hand).
    #[default]
    Lru = 0,
    /// Nothing but what has expired.
    None = 1,
}

/// What the values are. The map itself keeps bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum Values {
    /// Bytes.
    #[default]
    Bytes = 0,
    /// UTF-8.
    Text = 1,
    /// What V8 serializes.
    Structured = 2,
}

/// What a map is made with, once.
#[derive(Clone, Copy, Debug)]
pub struct MapOptions {
    /// Bytes of all of it: headers, buckets, chunks. Rounded down to KiB.
    pub memory_bytes: u64,
    /// Entries to expect, which decides the number of buckets; 0: as many as there are chunks.
    pub entries: u32,
    /// Bytes of a chunk; 0: [`CHUNK_BYTES`].
    pub chunk_bytes: u32,
    /// Shards, a power of two; 0: one a MiB, from 4 to 64.
    pub shards: u32,
    /// See there.
    pub eviction: Eviction,
    /// See there.
    pub values: Values,
}

impl MapOptions {
    /// Of so many bytes, and the defaults.
    #[must_use]
    pub const fn new(memory_bytes: u64) -> Self {
        Self {
            memory_bytes,
            entries: 0,
            chunk_bytes: 0,
            shards: 0,
            eviction: Eviction::Lru,
            values: Values::Bytes,
        }
    }

    /// The numbers of such a map's shape.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn numbers(self) -> Result<[u32; NUMBERS]> {
        let kib = u32::try_from(self.memory_bytes >> 10).unwrap_or(u32::MAX);
        let chunk_bytes = if self.chunk_bytes == 0 { CHUNK_BYTES } else { self.chunk_bytes };
        let entries = match self.entries {
            0 => u32::try_from(self.memory_bytes / u64::from(chunk_bytes.max(1))).unwrap_or(u32::MAX),
            entries => entries,
        };
        let shards_log2 = match self.shards {
            0 => (kib >> 10).clamp(4, 64).ilog2(),
            shards if shards.is_power_of_two() => shards.ilog2(),
            shards => return Err(out_of_range(format!("{shards} shards are no power of two"))),
        };
        let how = shards_log2 | (self.eviction as u32) << 8 | (self.values as u32) << 16;
        let numbers = [kib, entries, chunk_bytes, how];
        MapGeometry::of(numbers).map(|_| numbers)
    }
}

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapGeometry {
    /// Shards.
    pub shards_log2: u32,
    /// Of a shard, a power of two.
    pub buckets: u32,
    /// Of a shard.
    pub chunks: u32,
    /// Words of a chunk.
    pub chunk_words: u32,
    /// The first bucket's.
    pub buckets_offset: u64,
    /// The first chunk's.
    pub chunks_offset: u64,
    /// All of it.
    pub bytes: u64,
    /// See there.
    pub eviction: Eviction,
}

impl MapGeometry {
    /// From a shape's numbers: KiB, entries, bytes of a chunk, and shards (log 2), eviction and values in a byte each.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn of([kib, entries, chunk_bytes, how]: [u32; NUMBERS]) -> Result<Self> {
        let (shards_log2, eviction, values) = (how & 0xff, how >> 8 & 0xff, how >> 16);
        let is_sound = (1..=MEMORY_KIB_MAX).contains(&kib)
            && entries >= 1
            && (CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(&chunk_bytes)
            && chunk_bytes.is_multiple_of(64)
            && shards_log2 <= SHARDS_LOG2_MAX
            && eviction <= Eviction::None as u32
            && values <= Values::Structured as u32;
        if !is_sound {
            return Err(out_of_range(format!(
                "{kib} KiB for {entries} entries in chunks of {chunk_bytes} bytes, how {how:#x}"
            )));
        }
        let shards = 1_u64 << shards_log2;
        let buckets = (u64::from(entries).next_power_of_two() >> shards_log2).max(1);
        let bytes = u64::from(kib) << 10;
        let buckets_offset = SHARDS + shards * SHARD_WORDS as u64 * 4;
        let chunks_offset = (buckets_offset + shards * buckets * 4).next_multiple_of(OBJECT_ALIGN_BYTES);
        let chunks = bytes.saturating_sub(chunks_offset) / u64::from(chunk_bytes) / shards;
        let chunks = u32::try_from(chunks).unwrap_or(0);
        if chunks < CHUNKS_MIN || buckets.ilog2() + shards_log2 > 31 {
            return Err(out_of_range(format!(
                "{bytes} bytes have no room for {shards} shards of {buckets} buckets and of {CHUNKS_MIN} chunks at least: more memory, fewer entries or fewer shards"
            )));
        }
        Ok(Self {
            shards_log2,
            buckets: u32::try_from(buckets).unwrap_or(1),
            chunks,
            chunk_words: chunk_bytes / 4,
            buckets_offset,
            chunks_offset,
            bytes,
            eviction: if eviction == Eviction::None as u32 { Eviction::None } else { Eviction::Lru },
        })
    }

    /// Shards.
    #[must_use]
    pub const fn shards(&self) -> u32 {
        1 << self.shards_log2
    }

    /// Chunks that a key and a value of so many bytes take.
    #[must_use]
    pub const fn chunks_for(&self, key_bytes: u32, value_bytes: u64) -> u64 {
        let words = (key_bytes as u64).div_ceil(4) + value_bytes.div_ceil(4);
        let first = self.chunk_words as u64 - PAYLOAD as u64;
        let each = self.chunk_words as u64 - REST_PAYLOAD as u64;
        1 + words.saturating_sub(first).div_ceil(each)
    }

    /// Bytes of the largest value that a key of so many bytes can have, when nothing else is in its shard.
    #[must_use]
    pub const fn value_bytes_max(&self, key_bytes: u32) -> u64 {
        let first = self.chunk_words as u64 - PAYLOAD as u64;
        let each = self.chunk_words as u64 - REST_PAYLOAD as u64;
        let words = first + (self.chunks as u64 - 1) * each;
        let most = words.saturating_sub((key_bytes as u64).div_ceil(4)) * 4;
        // Bytes are counted in 31 bits.
        if most > i32::MAX as u64 { i32::MAX as u64 } else { most }
    }
}

/// As users would write it.
#[must_use]
pub fn words([kib, entries, chunk_bytes, how]: [u32; NUMBERS]) -> String {
    let eviction = if how >> 8 & 0xff == 0 { "lru" } else { "none" };
    let values = ["bytes", "text", "structured"].get((how >> 16) as usize).copied().unwrap_or("?");
    let shards = 1_u64 << (how & 31);
    format!(
        "map {{ memory: '{kib}KiB', entries: {entries}, chunkBytes: {chunk_bytes}, shards: {shards}, eviction: '{eviction}', values: '{values}' }}"
    )
}

fn out_of_range(why: String) -> Error {
    Error::own("ERR_OUT_OF_RANGE", format!("no map: {why}"))
}

const _: () = {
    assert!(CHUNK_BYTES_MIN as usize / 4 > PAYLOAD);
    assert!(DELETES < SHARD_WORDS && VERSION / 16 != LOCK / 16);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_lie_behind_each_other_inside_the_memory() {
        for (memory, entries, chunk_bytes, shards) in
            [(64 << 10, 0, 0, 0), (32 << 20, 0, 0, 0), (1 << 20, 1, 64, 1), (5 << 30, 1000, 4096, 1024)]
        {
            let options = MapOptions { entries, chunk_bytes, shards, ..MapOptions::new(memory) };
            let numbers = options.numbers().unwrap();
            let map = MapGeometry::of(numbers).unwrap();
            let shards = u64::from(map.shards());
            assert!(map.buckets_offset >= SHARDS + 128 * shards);
            assert!(map.chunks_offset >= map.buckets_offset + 4 * shards * u64::from(map.buckets));
            let end = map.chunks_offset + shards * u64::from(map.chunks) * u64::from(map.chunk_words) * 4;
            assert!(end <= map.bytes && map.bytes == memory);
            let most = map.value_bytes_max(10);
            assert_eq!(map.chunks_for(10, most), u64::from(map.chunks));
            assert!(map.chunks_for(10, most + 1) > u64::from(map.chunks));
        }
    }

    #[test]
    fn numbers_that_no_map_can_have_are_refused() {
        for numbers in [
            [0, 1, 192, 0],
            [1024, 0, 192, 0],
            [1024, 1, 190, 0],
            [1024, 1, 32, 0],
            [1024, 1, 8192, 0],
            [1024, 1, 192, 11],
            [1024, 1, 192, 0x200],
            [1024, 1, 192, 0x30000],
            [1, 1, 192, 3],
            [64, u32::MAX, 192, 0],
            [u32::MAX, 1, 192, 0],
        ] {
            assert!(MapGeometry::of(numbers).is_err(), "{numbers:?}");
        }
    }
}
