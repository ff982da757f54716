//! A map in its segment: its words, its seed, and the locks of its shards.

#![expect(unsafe_code, reason = "the map's words are addresses")]

use super::cells::Region;
use super::key::Seed;
use super::read::corrupt;
use super::shard::{Broken, Shard};
use crate::error::{Error, Result};
use crate::fail_point;
use crate::managed::geometry::map::{LOCK, MapGeometry, SEED};
use crate::managed::{Counters, Kind, Place};
use crate::membership::{MemberTable, Token, Word};
use crate::sync::mutex::{self, Lock, LockOptions};
use crate::sync::wait::{Answer, wait_until};
use crate::sys::{futex, process};
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// A writer needs microseconds; for one that is stopped in the middle this is the patience.
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module. Whoever keeps it keeps the segment mapped.
#[derive(Clone, Copy, Debug)]
pub struct MapObject {
    cells: Region,
    map: MapGeometry,
    first: Word,
    counters: Counters,
    seed: Seed,
}

impl MapObject {
    /// The map at that place; its seed is drawn if it has none.
    ///
    /// # Errors
    /// `ERR_SHM_TYPE_MISMATCH`; `ERR_OUT_OF_RANGE`.
    ///
    /// # Safety
    /// The segment must stay mapped while the answer is used.
    pub unsafe fn at(place: &Place<'_>) -> Result<Self> {
        if place.shape().kind != Kind::Map {
            return Err(Error::own(
                "ERR_SHM_TYPE_MISMATCH",
                format!("a {} is no map", place.shape().words()),
            ));
        }
        let map = MapGeometry::of(place.shape().numbers)?;
        let first = place.word(0)?;
        place.word(map.bytes - 4)?;
        let words = usize::try_from(map.bytes / 4).unwrap_or(0);
        // SAFETY: the first and the last word lie inside the segment, as just checked; mapped by the contract of this function.
        let cells = unsafe { Region::at(first.address(), words) };
        let seed = [place.word(SEED)?, place.word(SEED + 4)?].map(drawn);
        Ok(Self { cells, map, first, counters: place.counters()?, seed: Seed(seed[0], seed[1]) })
    }

    /// Where its parts are.
    #[must_use]
    pub const fn geometry(&self) -> &MapGeometry {
        &self.map
    }

    /// What its hashes begin with.
    #[must_use]
    pub const fn seed(&self) -> Seed {
        self.seed
    }

    /// The shard in which a hash is looked for.
    #[must_use]
    pub fn shard_of(&self, hash: u32) -> u32 {
        // A map of one shard has none of the bits.
        hash.checked_shr(32 - self.map.shards_log2).unwrap_or(0)
    }

    /// A shard, to look at.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn shard(&self, number: u32) -> Result<Shard<'_, Region>> {
        Shard::of(&self.cells, &self.map, number)
            .map_err(|Broken| Error::own("ERR_OUT_OF_RANGE", format!("the map has no shard {number}")))
    }

    /// Runs `act` while nobody else changes the shard. What a dead member left in it is repaired first.
    ///
    /// # Errors
    /// `ERR_SHM_TIMED_OUT`: its owner lives, and has it for 10 s already; `ERR_SHM_POSSIBLY_CORRUPT`; those of `act`.
    pub fn with_lock<T>(
        &self,
        table: &MemberTable,
        token: Token,
        number: u32,
        mut act: impl FnMut(&Shard<'_, Region>) -> std::result::Result<T, Broken>,
    ) -> Result<T> {
        let shard = self.shard(number)?;
        self.lock(table, token, number)?;
        let mut held = Held { table, token, shard: &shard, word: self.lock_word(number), is_whole: false };
        let done = match act(&shard) {
            Err(Broken) => {
                shard.repair()?;
                act(&shard)
            }
            done => done,
        };
        held.is_whole = done.is_ok();
        done.map_err(|Broken| corrupt())
    }

    /// Takes a shard's lock, and repairs the shard where its owner died.
    ///
    /// # Errors
    /// As [`Self::with_lock`].
    pub fn lock(&self, table: &MemberTable, token: Token, number: u32) -> Result<()> {
        let word = self.lock_word(number);
        // SYNC: takes over what the one before wrote. Nobody sleeps on a free word, so there is no wake to pass on.
        if word.compare_exchange(0, token.word()).is_err() {
            let options = LockOptions { strict: false, blocks_owner: true };
            let until = futex::now() + PATIENCE;
            let waited = wait_until(table, &mut Lock::new(word, token, options), Some(until))?;
            self.counters.count(waited);
            match waited.answer {
                None => return Err(busy(table, word)),
                Some(Answer::OwnerDied) => self.mend(table, token, number)?,
                Some(_) => {}
            }
        }
        fail_point::reach("map.locked");
        Ok(())
    }

    /// As [`Self::with_lock`], where that needs no wait; else nothing is done.
    ///
    /// # Errors
    /// As [`Self::with_lock`].
    pub fn try_with_lock<T>(
        &self,
        table: &MemberTable,
        token: Token,
        number: u32,
        act: impl FnOnce(&Shard<'_, Region>) -> std::result::Result<T, Broken>,
    ) -> Result<Option<T>> {
        let shard = self.shard(number)?;
        let word = self.lock_word(number);
        if word.compare_exchange(0, token.word()).is_err() {
            return Ok(None);
        }
        let mut held = Held { table, token, shard: &shard, word, is_whole: false };
        let done = act(&shard);
        held.is_whole = done.is_ok();
        done.map(Some).map_err(|Broken| corrupt())
    }

    /// Takes everything out of a shard, whatever it says, and whatever its lock says where no member could have written that.
    ///
    /// # Errors
    /// `ERR_SHM_TIMED_OUT`.
    pub fn clear(&self, table: &MemberTable, token: Token, number: u32) -> Result<()> {
        self.shard(number)?;
        mutex::reset(table, self.lock_word(number));
        self.with_lock(table, token, number, |shard| {
            shard.clear();
            Ok(())
        })
    }

    /// Gives a shard's lock back.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_OWNER`.
    pub fn unlock(&self, table: &MemberTable, token: Token, number: u32) -> Result<()> {
        self.shard(number)?;
        release(table, token, self.lock_word(number))
    }

    fn mend(&self, table: &MemberTable, token: Token, number: u32) -> Result<()> {
        let mended = self.shard(number).and_then(|shard| shard.repair());
        if mended.is_err() {
            // No memory for it here: the next one learns of the death too.
            let (slot, generation) = table.shape().parts(token);
            let dead = table.shape().token(slot, generation.saturating_sub(1));
            mutex::hand_on(table, self.lock_word(number), token, dead);
        }
        mended
    }

    /// The caller has checked the number.
    fn lock_word(&self, number: u32) -> Word {
        let bytes = Shard::of(&self.cells, &self.map, number).map_or(0, |shard| 4 * shard.head(LOCK));
        self.first.forward(bytes)
    }
}

/// A shard's lock in hand. Where `act` failed or panicked, the shard is made whole before it goes.
struct Held<'a> {
    table: &'a MemberTable,
    token: Token,
    shard: &'a Shard<'a, Region>,
    word: Word,
    is_whole: bool,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.is_whole {
            let _ = self.shard.repair();
        }
        fail_point::reach("map.done");
        // It fails only where somebody scribbled over the lock.
        let _ = release(self.table, self.token, self.word);
    }
}

fn release(table: &MemberTable, token: Token, word: Word) -> Result<()> {
    // SYNC: releases what was written to the next one. Where nobody sleeps there is nobody to wake.
    if word.compare_exchange(token.word(), 0).is_ok() {
        return Ok(());
    }
    mutex::unlock(table, word, token)
}

/// Now, on the clock that all members and JavaScript's `Date.now()` have in common.
#[must_use]
pub(super) fn now() -> u64 {
    process::unix_time_ms()
}

/// What stands there, drawn at random if it is 0.
fn drawn(word: Word) -> u32 {
    // The standard library seeds it from the kernel's random numbers.
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    let [a, b, c, d, ..] = random.to_le_bytes();
    match word.compare_exchange(0, u32::from_le_bytes([a, b, c, d]) | 1) {
        Ok(()) => word.load(),
        Err(drawn) => drawn,
    }
}

fn busy(table: &MemberTable, word: Word) -> Error {
    let owner = Token::from_word(word.load() & !mutex::WAITERS).and_then(|token| table.describe(token));
    let who = owner.map_or_else(String::new, |owner| format!(" by {owner}"));
    Error::own(
        "ERR_SHM_TIMED_OUT",
        format!("a part of the map is being changed{who} for {PATIENCE:?} already"),
    )
}
