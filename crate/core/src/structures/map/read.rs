//! Reading without a lock: look, copy, and look whether the version is still what it was.

use super::cells::Cells;
use super::key::Key;
use super::shard::{Broken, Chunk, Payload, Shard};
use crate::error::{Error, Result};
use crate::managed::geometry::map::{
    ENTRY_VERSION, EXPIRES, Eviction, HASH, KEY_BYTES, KEY_IS_BYTES, NEXT_ENTRY, RECENT, VALUE_BYTES, VERSION,
};

/// As often as a reader begins anew before it asks for the lock.
const READS_MAX: u32 = 64;

/// What a read came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// There is no such key.
    Absent,
    /// Its time is over.
    Expired,
    /// It is there.
    Found(Found),
    /// Writers overtook the read again and again: try with the lock.
    Overtaken,
}

/// An entry's copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The value.
    pub value: Vec<u8>,
    /// The entry's.
    pub version: u64,
    /// Milliseconds since 1970; 0: never.
    pub expires: u64,
}

/// A key, whether it was given as bytes, and what is behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its bytes.
    pub key: Vec<u8>,
    /// Whether it was given as bytes, not as text.
    pub key_is_bytes: bool,
    /// The value.
    pub found: Found,
}

impl<C: Cells> Shard<'_, C> {
    /// Copies a key's value out.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_NO_MEMORY`.
    pub fn get(&self, key: &Key, now: &dyn Fn() -> u64) -> Result<Reading> {
        for _ in 0..READS_MAX {
            let version = self.cells.follow(self.head(VERSION));
            let read = self.attempt(key, now);
            self.cells.settle();
            if self.cells.load(self.head(VERSION)) == version {
                return read.unwrap_or(Err(corrupt()));
            }
        }
        Ok(Reading::Overtaken)
    }

    /// The entries of a bucket. `None`: overtaken.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn entries_of(&self, bucket: u32, now: &dyn Fn() -> u64) -> Result<Option<Vec<Entry>>> {
        for _ in 0..READS_MAX {
            let version = self.cells.follow(self.head(VERSION));
            let read = self.attempt_all(bucket, now);
            self.cells.settle();
            if self.cells.load(self.head(VERSION)) == version {
                return read.unwrap_or(Err(corrupt())).map(Some);
            }
        }
        Ok(None)
    }

    fn attempt(&self, key: &Key, now: &dyn Fn() -> u64) -> std::result::Result<Result<Reading>, Broken> {
        let Some((_, entry)) = self.find(key)? else { return Ok(Ok(Reading::Absent)) };
        if self.has_expired(entry, now) {
            return Ok(Ok(Reading::Expired));
        }
        // A write only where it changes something: else readers would take the line from each other.
        if self.map.eviction == Eviction::Lru && self.field(entry, RECENT) == 0 {
            self.set_field(entry, RECENT, 1);
        }
        Ok(self.copy(entry, self.lengths(entry))?.map(|entry| Reading::Found(entry.found)))
    }

    /// A circle, or lengths that overlap, would be copied again and again: all entries together have no more chunks than the shard.
    fn attempt_all(
        &self,
        bucket: u32,
        now: &dyn Fn() -> u64,
    ) -> std::result::Result<Result<Vec<Entry>>, Broken> {
        let mut entries = Vec::new();
        let mut link = self.bucket(bucket);
        let mut left = u64::from(self.map.chunks);
        loop {
            let number = self.cells.follow(link);
            if number == 0 {
                return Ok(Ok(entries));
            }
            let entry = self.chunk(number).ok_or(Broken)?;
            let lengths = self.lengths(entry);
            left = left.checked_sub(self.chunks_for(lengths)).ok_or(Broken)?;
            if self.field(entry, HASH) & (self.map.buckets - 1) != bucket {
                return Err(Broken);
            }
            if !self.has_expired(entry, now) {
                match self.copy(entry, lengths)? {
                    Ok(copied) => entries.push(copied),
                    Err(error) => return Ok(Err(error)),
                }
            }
            link = entry.word(NEXT_ENTRY);
        }
    }

    /// The words that say how long key and value are.
    fn lengths(&self, entry: Chunk) -> [u32; 2] {
        [self.field(entry, KEY_BYTES), self.field(entry, VALUE_BYTES)]
    }

    fn chunks_for(&self, [key_word, value_bytes]: [u32; 2]) -> u64 {
        self.map.chunks_for(key_word & !KEY_IS_BYTES, u64::from(value_bytes))
    }

    /// Key and value, if their lengths are such as a shard can have.
    fn copy(&self, entry: Chunk, lengths: [u32; 2]) -> std::result::Result<Result<Entry>, Broken> {
        if self.chunks_for(lengths) > u64::from(self.map.chunks) {
            return Err(Broken);
        }
        let [key_word, value_bytes] = lengths;
        let (key_bytes, key_is_bytes) = (key_word & !KEY_IS_BYTES, key_word & KEY_IS_BYTES != 0);
        let mut payload = Payload::of(self, entry);
        let mut part = |length: u32| {
            let mut bytes = Vec::new();
            if bytes.try_reserve_exact(length as usize + 3).is_err() {
                let why = format!("no {length} bytes for a copy out of the map");
                return Ok(Err(Error::own("ERR_SHM_NO_MEMORY", why)));
            }
            for _ in 0..length.div_ceil(4) {
                bytes.extend_from_slice(&self.cells.load(payload.next()?).to_le_bytes());
            }
            bytes.truncate(length as usize);
            Ok(Ok(bytes))
        };
        let (key, value) = match (part(key_bytes)?, part(value_bytes)?) {
            (Ok(key), Ok(value)) => (key, value),
            (Err(error), _) | (_, Err(error)) => return Ok(Err(error)),
        };
        let found =
            Found { value, version: self.long(entry, ENTRY_VERSION), expires: self.long(entry, EXPIRES) };
        Ok(Ok(Entry { key, key_is_bytes, found }))
    }
}

/// Nobody changed it meanwhile, and still it makes no sense.
pub(super) fn corrupt() -> Error {
    Error::own(
        "ERR_SHM_POSSIBLY_CORRUPT",
        "a list of the map leads outside or in a circle: clear() makes the map usable again",
    )
}
