//! What changes a shard, by who holds its lock: set, delete, make room, clear. See [`super`] for the order of steps.

use super::cells::Cells;
use super::key::Key;
use super::shard::{Broken, Chunk, Payload, Shard, halves};
use super::value::Source;
use crate::fail_point;
use crate::managed::geometry::map::{
    DELETES, ENTRIES, ENTRY_VERSION, EVICTIONS, EXPIRED, EXPIRES, Eviction, FREE, FRESH, HAND, HASH,
    KEY_BYTES, NEXT_ENTRY, RECENT, SEQUENCE, SETS, USED, VALUE_BYTES, VERSION,
};

/// What must be so before a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Any,
    /// There is no such key.
    Absent,
    /// The entry has that version.
    Version(u64),
}

/// What a set came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is there, as this version.
    Set(u64),
    /// The condition did not hold.
    Refused,
    /// There is no room, and nothing may go.
    Full,
}

/// What is to be set.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a, S: ?Sized> {
    /// The key.
    pub key: &'a Key,
    /// The value.
    pub value: &'a S,
    /// Milliseconds since 1970; 0: never.
    pub expires: u64,
    /// Whether it is set at all.
    pub condition: Condition,
}

impl<C: Cells> Shard<'_, C> {
    /// Sets a key's value. The chunks that it takes are not more than there are. `now` is asked where something may have expired.
    ///
    /// # Errors
    /// [`Broken`]: nothing was set.
    pub fn set<S: Source + ?Sized>(
        &self,
        write: &Write<'_, S>,
        now: &dyn Fn() -> u64,
    ) -> Result<Outcome, Broken> {
        let Write { key, value, .. } = *write;
        let needed = self.map.chunks_for(key.length(), u64::from(value.length()));
        // Room was made once, or twice where the entry itself had to go for it: more often only where numbers are scribbled.
        for _ in 0..8 {
            let found = self.find(key)?;
            if !self.holds(write.condition, found.map(|(_, entry)| entry), now) {
                return Ok(Outcome::Refused);
            }
            if u64::from(self.free_chunks()) < needed {
                if !self.make_room(needed, now)? {
                    return Ok(Outcome::Full);
                }
                // The one that was found may be gone.
                continue;
            }
            let version = self.next_version();
            let entry = self.write_entry(write, version)?;
            let (link, next) = match found {
                Some((link, old)) => (link, self.field(old, NEXT_ENTRY)),
                None => (self.bucket(key.hash()), self.cells.load(self.bucket(key.hash()))),
            };
            self.set_field(entry, NEXT_ENTRY, next);
            fail_point::reach("map.written");
            self.cells.publish(link, entry.number());
            fail_point::reach("map.published");
            self.count(SETS);
            match found {
                Some((_, old)) => self.retire(old),
                None => self.count(ENTRIES),
            }
            return Ok(Outcome::Set(version));
        }
        Err(Broken)
    }

    /// Deletes a key. Answers whether there was one.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn delete(&self, key: &Key, now: &dyn Fn() -> u64) -> Result<bool, Broken> {
        let Some((link, entry)) = self.find(key)? else { return Ok(false) };
        let was_there = !self.has_expired(entry, now);
        self.unlink(link, entry);
        self.count(if was_there { DELETES } else { EXPIRED });
        Ok(was_there)
    }

    /// Takes a key away whose time is over.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn expire(&self, key: &Key, now: &dyn Fn() -> u64) -> Result<bool, Broken> {
        let Some((link, entry)) = self.find(key)?.filter(|(_, entry)| self.has_expired(*entry, now)) else {
            return Ok(false);
        };
        self.unlink(link, entry);
        self.count(EXPIRED);
        Ok(true)
    }

    /// Takes everything away, without a look at what there is.
    pub fn clear(&self) {
        for bucket in 0..self.map.buckets {
            self.cells.publish(self.bucket(bucket), 0);
        }
        fail_point::reach("map.emptied");
        self.cells.count_between(self.head(VERSION));
        for number in [FREE, FRESH, HAND, ENTRIES, USED] {
            self.set_number(number, 0);
        }
        fail_point::reach("map.cleared");
    }

    /// Whether the entry's time is over.
    pub(super) fn has_expired(&self, entry: Chunk, now: &dyn Fn() -> u64) -> bool {
        let expires = self.long(entry, EXPIRES);
        expires != 0 && expires <= now()
    }

    fn holds(&self, condition: Condition, found: Option<Chunk>, now: &dyn Fn() -> u64) -> bool {
        if condition == Condition::Any {
            return true;
        }
        match (condition, found.filter(|entry| !self.has_expired(*entry, now))) {
            (Condition::Version(version), Some(entry)) => self.long(entry, ENTRY_VERSION) == version,
            (Condition::Absent, None) => true,
            _ => false,
        }
    }

    fn next_version(&self) -> u64 {
        let before = u64::from(self.number(SEQUENCE + 1)) << 32 | u64::from(self.number(SEQUENCE));
        // Numbers of JavaScript are exact below 2^53; a scribbled count begins anew.
        let version = (before + 1) & ((1 << 53) - 1);
        let [low, high] = halves(version);
        self.set_number(SEQUENCE, low);
        self.set_number(SEQUENCE + 1, high);
        version
    }

    fn write_entry<S: Source + ?Sized>(&self, write: &Write<'_, S>, version: u64) -> Result<Chunk, Broken> {
        let Write { key, value, expires, .. } = *write;
        let entry = self.take_chunk()?;
        fail_point::reach("map.taken");
        // One turn of the hand's for who is new.
        self.set_field(entry, RECENT, 1);
        self.set_field(entry, HASH, key.hash());
        self.set_field(entry, KEY_BYTES, key.length_word());
        self.set_field(entry, VALUE_BYTES, value.length());
        self.set_long(entry, ENTRY_VERSION, version);
        self.set_long(entry, EXPIRES, expires);
        let mut payload = Payload::of(self, entry);
        for word in key.words() {
            self.cells.store(payload.next_new()?, *word);
        }
        for index in 0..value.length().div_ceil(4) as usize {
            self.cells.store(payload.next_new()?, value.word(index));
        }
        payload.end();
        Ok(entry)
    }

    /// Lets a link lead past its entry.
    fn unlink(&self, link: usize, entry: Chunk) {
        self.cells.publish(link, self.field(entry, NEXT_ENTRY));
        fail_point::reach("map.unlinked");
        self.set_number(ENTRIES, self.number(ENTRIES).wrapping_sub(1));
        self.retire(entry);
    }

    /// No link leads to the entry any more: its chunks are free, once no reader can take them for what they were.
    fn retire(&self, entry: Chunk) {
        self.cells.count_between(self.head(VERSION));
        fail_point::reach("map.counted");
        if self.free_entry(entry).is_err() {
            // What was asked for has happened: the shard must not say that it did not.
            let _ = self.repair();
        }
        fail_point::reach("map.freed");
    }

    /// Takes away what has expired, and, where it may, what was not used since the hand came by, until so many chunks are free. Answers
    /// whether they are.
    fn make_room(&self, needed: u64, now: &dyn Fn() -> u64) -> Result<bool, Broken> {
        let evicts = self.map.eviction == Eviction::Lru;
        let buckets = self.map.buckets;
        // The first turn takes the marks away, the second finds no more than readers set meanwhile, the third does not look at them.
        let turns = if evicts { 3 } else { 1 };
        // No entry is in two lists.
        let mut left = turns * u64::from(self.map.chunks);
        for step in 0..turns * u64::from(buckets) {
            let hand = self.number(HAND) & (buckets - 1);
            self.set_number(HAND, hand.wrapping_add(1));
            let mut link = self.bucket(hand);
            loop {
                let number = self.cells.load(link);
                if number == 0 {
                    break;
                }
                left = left.checked_sub(1).ok_or(Broken)?;
                let entry = self.chunk(number).ok_or(Broken)?;
                if self.has_expired(entry, now) {
                    self.unlink(link, entry);
                    self.count(EXPIRED);
                } else if !evicts {
                    link = entry.word(NEXT_ENTRY);
                } else if self.field(entry, RECENT) != 0 && step < 2 * u64::from(buckets) {
                    self.set_field(entry, RECENT, 0);
                    link = entry.word(NEXT_ENTRY);
                } else {
                    self.unlink(link, entry);
                    self.count(EVICTIONS);
                    fail_point::reach("map.evicted");
                }
                if u64::from(self.free_chunks()) >= needed {
                    return Ok(true);
                }
            }
        }
        // All entries are gone, and still there is no room: the count was scribbled.
        if evicts { Err(Broken) } else { Ok(false) }
    }
}
