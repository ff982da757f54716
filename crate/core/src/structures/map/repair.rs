//! What a member left in a shard that was killed inside, or scribbled over it: mark and sweep (McCarthy 1960).

use super::cells::Cells;
use super::shard::{Chunk, Shard};
use crate::error::{Error, Result};
use crate::fail_point;
use crate::managed::geometry::map::{
    ENTRIES, FREE, FRESH, HASH, NEXT_CHUNK, NEXT_ENTRY, RECOVERED, USED, VERSION,
};

impl<C: Cells> Shard<'_, C> {
    /// Keeps what the buckets lead to, and frees all else. The caller holds the lock; killed anywhere in here, the next one begins anew.
    ///
    /// # Errors
    /// `ERR_SHM_NO_MEMORY`: for a bit a chunk, of our own memory.
    pub fn repair(&self) -> Result<()> {
        let mut marks = Marks::new(self.map.chunks)?;
        // Whoever was killed may have taken an entry away and not counted: what is swept may still be read.
        self.cells.count_between(self.head(VERSION));
        fail_point::reach("map.repairing");
        let (mut entries, mut used, mut last) = (0, 0, 0);
        for bucket in 0..self.map.buckets {
            let mut link = self.bucket(bucket);
            loop {
                let number = self.cells.load(link);
                if number == 0 {
                    break;
                }
                let Some((entry, chunks, highest)) = self.mark(number, bucket, &mut marks) else {
                    // No death leaves this: somebody scribbled. The list ends here.
                    self.cells.publish(link, 0);
                    break;
                };
                entries += 1;
                used += chunks;
                last = last.max(highest);
                link = entry.word(NEXT_ENTRY);
            }
        }
        let mut free = 0;
        for number in (1..=last).rev() {
            if let Some(chunk) = self.chunk(number).filter(|chunk| !marks.has(chunk.number())) {
                self.set_field(chunk, NEXT_CHUNK, free);
                free = number;
            }
        }
        fail_point::reach("map.swept");
        self.set_number(FREE, free);
        self.set_number(FRESH, last);
        self.set_number(ENTRIES, entries);
        self.set_number(USED, used);
        self.count(RECOVERED);
        fail_point::reach("map.repaired");
        Ok(())
    }

    /// What is wrong with the shard, if anything is: each chunk is in use or free, and the counts say how many. For tests; the caller holds the lock.
    ///
    /// # Errors
    /// In words.
    pub fn audit(&self) -> std::result::Result<(), String> {
        let mut marks = Marks::new(self.map.chunks).map_err(|error| error.to_string())?;
        let (mut entries, mut used) = (0, 0);
        for bucket in 0..self.map.buckets {
            let mut link = self.bucket(bucket);
            while let number @ 1.. = self.cells.load(link) {
                let (entry, chunks, _) =
                    self.mark(number, bucket, &mut marks).ok_or(format!("entry {number} makes no sense"))?;
                entries += 1;
                used += chunks;
                link = entry.word(NEXT_ENTRY);
            }
        }
        let mut free = self.map.chunks - self.number(FRESH).min(self.map.chunks);
        let mut number = self.number(FREE);
        while let Some(chunk) = self.chunk(number) {
            if !marks.set(number) {
                return Err(format!("chunk {number} is free, and in use or free again"));
            }
            free += 1;
            number = self.field(chunk, NEXT_CHUNK);
        }
        let told = (self.number(ENTRIES), self.number(USED));
        if told != (entries, used) || used + free != self.map.chunks {
            return Err(format!(
                "{entries} entries in {used} chunks and {free} free of {}, told {told:?}",
                self.map.chunks
            ));
        }
        Ok(())
    }

    /// Marks the chunks of the entry of that number: all of them, each once, and as many as its lengths say.
    fn mark(&self, number: u32, bucket: u32, marks: &mut Marks) -> Option<(Chunk, u32, u32)> {
        let entry = self.chunk(number)?;
        let count = u32::try_from(self.chunks_of(entry)).ok().filter(|count| *count <= self.map.chunks)?;
        if self.field(entry, HASH) & (self.map.buckets - 1) != bucket {
            return None;
        }
        let mut chunk = entry;
        let mut highest = 0;
        for left in (0..count).rev() {
            if !marks.set(chunk.number()) {
                return None;
            }
            highest = highest.max(chunk.number());
            if left > 0 {
                chunk = self.chunk(self.field(chunk, NEXT_CHUNK))?;
            }
        }
        Some((entry, count, highest))
    }
}

/// A bit a chunk.
struct Marks(Vec<u64>);

impl Marks {
    fn new(chunks: u32) -> Result<Self> {
        let words = chunks as usize / 64 + 1;
        let mut bits = Vec::new();
        bits.try_reserve_exact(words).map_err(|_| {
            Error::own("ERR_SHM_NO_MEMORY", format!("no {words} words to repair a shard of the map with"))
        })?;
        bits.resize(words, 0);
        Ok(Self(bits))
    }

    /// Answers whether it was clear.
    fn set(&mut self, number: u32) -> bool {
        let was_clear = !self.has(number);
        self.0[number as usize / 64] |= 1 << (number % 64);
        was_clear
    }

    fn has(&self, number: u32) -> bool {
        self.0[number as usize / 64] >> (number % 64) & 1 != 0
    }
}
