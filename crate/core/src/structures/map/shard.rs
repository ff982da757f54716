//! One shard: where its words are, and its lists.

use super::cells::Cells;
use super::key::Key;
use crate::managed::geometry::map::{
    CHUNK_BYTES_MIN, FREE, FRESH, HASH, KEY_BYTES, KEY_IS_BYTES, MapGeometry, NEXT_CHUNK, NEXT_ENTRY,
    PAYLOAD, REST_PAYLOAD, SHARD_WORDS, SHARDS, USED, VALUE_BYTES,
};

/// Something in the shard makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// A chunk of the shard: its number was bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    number: u32,
    /// Its first word.
    word: usize,
}

impl Chunk {
    pub(super) const fn number(self) -> u32 {
        self.number
    }

    /// The word of that index in it.
    pub(super) const fn word(self, index: usize) -> usize {
        self.word + index
    }
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Shard<'a, C> {
    pub(super) cells: &'a C,
    pub(super) map: &'a MapGeometry,
    head: usize,
    buckets: usize,
    chunks: usize,
}

impl<'a, C: Cells> Shard<'a, C> {
    /// The shard of that number, of a map whose words are these.
    ///
    /// # Errors
    /// [`Broken`]: there is no such shard.
    pub fn of(cells: &'a C, map: &'a MapGeometry, number: u32) -> Result<Self, Broken> {
        if number >= map.shards() {
            return Err(Broken);
        }
        let number = number as usize;
        let words = |bytes: u64| usize::try_from(bytes / 4).map_err(|_| Broken);
        Ok(Self {
            cells,
            map,
            head: words(SHARDS)? + number * SHARD_WORDS,
            buckets: words(map.buckets_offset)? + number * map.buckets as usize,
            chunks: words(map.chunks_offset)? + number * map.chunks as usize * map.chunk_words as usize,
        })
    }

    /// The word of the shard's header.
    #[must_use]
    pub const fn head(&self, index: usize) -> usize {
        self.head + index
    }

    /// A number of the header.
    #[must_use]
    pub fn number(&self, index: usize) -> u32 {
        self.cells.load(self.head + index)
    }

    pub(super) fn set_number(&self, index: usize, value: u32) {
        self.cells.store(self.head + index, value);
    }

    pub(super) fn count(&self, index: usize) {
        self.set_number(index, self.number(index).wrapping_add(1));
    }

    /// The word in which a bucket's list begins.
    pub(super) const fn bucket(&self, hash: u32) -> usize {
        self.buckets + (hash & (self.map.buckets - 1)) as usize
    }

    /// A chunk by a number that anybody may have written. 0 is none, and neither is what lies outside.
    pub(super) fn chunk(&self, number: u32) -> Option<Chunk> {
        if number == 0 || number > self.map.chunks {
            return None;
        }
        let word = self.chunks + (number as usize - 1) * self.map.chunk_words as usize;
        Some(Chunk { number, word })
    }

    /// As [`Self::chunk`], where there must be one.
    pub(super) fn chunk_at(&self, word: usize) -> Result<Chunk, Broken> {
        self.chunk(self.cells.follow(word)).ok_or(Broken)
    }

    pub(super) fn field(&self, chunk: Chunk, index: usize) -> u32 {
        self.cells.load(chunk.word(index))
    }

    pub(super) fn set_field(&self, chunk: Chunk, index: usize, value: u32) {
        self.cells.store(chunk.word(index), value);
    }

    pub(super) fn long(&self, chunk: Chunk, index: usize) -> u64 {
        u64::from(self.field(chunk, index + 1)) << 32 | u64::from(self.field(chunk, index))
    }

    pub(super) fn set_long(&self, chunk: Chunk, index: usize, value: u64) {
        let [low, high] = halves(value);
        self.set_field(chunk, index, low);
        self.set_field(chunk, index + 1, high);
    }

    /// The entry behind a key, and the word of the link that leads to it.
    pub(super) fn find(&self, key: &Key) -> Result<Option<(usize, Chunk)>, Broken> {
        let mut link = self.bucket(key.hash());
        for _ in 0..=self.map.chunks {
            let number = self.cells.follow(link);
            if number == 0 {
                return Ok(None);
            }
            let entry = self.chunk(number).ok_or(Broken)?;
            if self.is_of(entry, key)? {
                return Ok(Some((link, entry)));
            }
            link = entry.word(NEXT_ENTRY);
        }
        Err(Broken)
    }

    fn is_of(&self, entry: Chunk, key: &Key) -> Result<bool, Broken> {
        if self.field(entry, HASH) != key.hash() || self.key_bytes(entry) != key.length() {
            return Ok(false);
        }
        let mut payload = Payload::of(self, entry);
        for word in key.words() {
            if self.cells.load(payload.next()?) != *word {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Bytes of an entry's key, whatever it says.
    pub(super) fn key_bytes(&self, entry: Chunk) -> u32 {
        self.field(entry, KEY_BYTES) & !KEY_IS_BYTES
    }

    /// How many chunks an entry has, by its lengths.
    pub(super) fn chunks_of(&self, entry: Chunk) -> u64 {
        self.map.chunks_for(self.key_bytes(entry), u64::from(self.field(entry, VALUE_BYTES)))
    }

    /// Chunks that nobody uses.
    pub(super) fn free_chunks(&self) -> u32 {
        self.map.chunks.saturating_sub(self.number(USED))
    }

    /// Takes a free chunk. The caller holds the lock.
    pub(super) fn take_chunk(&self) -> Result<Chunk, Broken> {
        let free = self.number(FREE);
        let taken = if free == 0 {
            let fresh = self.number(FRESH);
            let taken = self.chunk(fresh.wrapping_add(1)).ok_or(Broken)?;
            self.set_number(FRESH, fresh + 1);
            taken
        } else {
            let taken = self.chunk(free).ok_or(Broken)?;
            self.set_number(FREE, self.field(taken, NEXT_CHUNK));
            taken
        };
        self.count(USED);
        Ok(taken)
    }

    /// Gives the chunks of an entry back, to which no link leads any more. The caller holds the lock, and has counted the version up.
    pub(super) fn free_entry(&self, entry: Chunk) -> Result<(), Broken> {
        let count = self.chunks_of(entry);
        let mut last = entry;
        for _ in 1..count.min(u64::from(self.map.chunks) + 1) {
            last = self.chunk_at(last.word(NEXT_CHUNK))?;
        }
        let count = u32::try_from(count).map_err(|_| Broken)?;
        let used = self.number(USED).checked_sub(count).ok_or(Broken)?;
        self.set_field(last, NEXT_CHUNK, self.number(FREE));
        self.set_number(FREE, entry.number());
        self.set_number(USED, used);
        Ok(())
    }
}

/// The words of an entry's payload, one after the other, over all its chunks.
#[derive(Debug)]
pub(super) struct Payload<'a, 'b, C> {
    shard: &'b Shard<'a, C>,
    chunk: Chunk,
    index: usize,
}

impl<'a, 'b, C: Cells> Payload<'a, 'b, C> {
    /// From an entry's first word on.
    pub(super) const fn of(shard: &'b Shard<'a, C>, entry: Chunk) -> Self {
        Self { shard, chunk: entry, index: PAYLOAD }
    }

    /// The next word.
    pub(super) fn next(&mut self) -> Result<usize, Broken> {
        if self.index == self.shard.map.chunk_words as usize {
            self.chunk = self.shard.chunk_at(self.chunk.word(NEXT_CHUNK))?;
            self.index = REST_PAYLOAD;
        }
        self.index += 1;
        Ok(self.chunk.word(self.index - 1))
    }

    /// As [`Self::next`], taking chunks as they are needed.
    pub(super) fn next_new(&mut self) -> Result<usize, Broken> {
        if self.index == self.shard.map.chunk_words as usize {
            let chunk = self.shard.take_chunk()?;
            self.shard.set_field(self.chunk, NEXT_CHUNK, chunk.number());
            self.chunk = chunk;
            self.index = REST_PAYLOAD;
        }
        self.index += 1;
        Ok(self.chunk.word(self.index - 1))
    }

    /// No chunk follows.
    pub(super) fn end(&self) {
        self.shard.set_field(self.chunk, NEXT_CHUNK, 0);
    }
}

/// Low and high.
#[expect(clippy::cast_possible_truncation, reason = "each half has 32 bits")]
pub(super) const fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

const _: () = assert!(CHUNK_BYTES_MIN as usize / 4 > PAYLOAD && KEY_IS_BYTES > i32::MAX as u32);
