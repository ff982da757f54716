//! The map as Rust uses it: the same bytes as JavaScript's.

#![expect(unsafe_code, reason = "a map's words stay as long as its segment")]

use super::change::{Condition, Outcome, Write};
use super::key::Key;
use super::object::{MapObject, now};
use super::read::{Entry, Found, Reading};
use super::shard::Shard;
use super::value::Source;
use crate::error::{Error, Result, Subject};
use crate::managed::geometry::map::{ENTRIES, EVICTIONS, EXPIRED, MapOptions, RECOVERED, SETS, USED};
use crate::managed::{Kind, ManagedSegment, Place, Shape};
use crate::membership::{Member, MemberTable, Token};
use std::time::Duration;

/// What a map has come to, by all members together. Counts wrap at 2^32; stale the moment they are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "see the words in managed/geometry/map.rs")]
pub struct MapStatistics {
    pub entries: u64,
    pub chunks_used: u64,
    pub chunks_total: u64,
    pub sets: u64,
    pub evictions: u64,
    pub expired: u64,
    pub recovered: u64,
}

/// A map from keys to values that processes share. It stays on its member's thread.
///
/// ```
/// # use shmem_core::managed::{ManagedOptions, ManagedSegment};
/// # use shmem_core::membership::JoinOptions;
/// # use shmem_core::memory::{CreateOptions, memfd};
/// # let segment = memfd::create("doc", &CreateOptions::new(1 << 20), 0)?;
/// # let managed = ManagedSegment::open(&segment, ManagedOptions::make())?;
/// # let member = managed.join(&JoinOptions::default())?;
/// use shmem_core::structures::map::{MapOptions, SharedMap};
///
/// // `mem.map('cache', { memory: '256KiB' })` in JavaScript.
/// let cache = SharedMap::open(&managed, &member, "cache", MapOptions::new(256 << 10))?;
/// cache.set("/index.html", b"<html>", None)?;
/// assert_eq!(cache.get("/index.html")?.as_deref(), Some(&b"<html>"[..]));
/// assert!(cache.delete("/index.html")?);
/// # Ok::<(), shmem_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SharedMap<'a> {
    map: MapObject,
    member: &'a Member,
}

impl<'a> SharedMap<'a> {
    /// The map of that name; made if there is none.
    ///
    /// # Errors
    /// Those of [`ManagedSegment::object`].
    pub fn open(
        managed: &'a ManagedSegment,
        member: &'a Member,
        name: &str,
        options: MapOptions,
    ) -> Result<Self> {
        let numbers = options.numbers().map_err(|error| error.or_on(|| Subject::Name(name.to_owned())))?;
        let shape = Shape { kind: Kind::Map, numbers, type_hash: 0 };
        let found = managed.object(member, name, shape)?;
        // SAFETY: the segment is borrowed as long as this lives.
        let map = unsafe { MapObject::at(&Place::of(managed, found, shape)) }?;
        Ok(Self { map, member })
    }

    /// A copy of a key's value.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: a key of 0 or more than 1,024 bytes; `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.get_entry(&self.key(key)?)?.map(|found| found.value))
    }

    /// A copy of a key's value, with its version.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn get_entry(&self, key: &Key) -> Result<Option<Found>> {
        let number = self.map.shard_of(key.hash());
        let mut read = self.map.shard(number)?.get(key, &now)?;
        if read == Reading::Overtaken {
            let locked = |shard: &Shard<'_, _>| Ok(shard.get(key, &now));
            read = self.map.with_lock(self.table(), self.token(), number, locked)??;
        }
        match read {
            Reading::Found(found) => Ok(Some(found)),
            Reading::Expired => self.expire(key, number).map(|()| None),
            Reading::Absent | Reading::Overtaken => Ok(None),
        }
    }

    /// Sets a key's value, for so long.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: too large a key or value. `ERR_SHM_NO_SPACE`: nothing may be evicted. `ERR_SHM_TIMED_OUT`.
    pub fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
        match self.write(&self.key(key)?, value, ttl, Condition::Any)? {
            Outcome::Full => Err(no_space()),
            Outcome::Set(_) | Outcome::Refused => Ok(()),
        }
    }

    /// Sets a key's value if its entry is as `condition` says.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn write(
        &self,
        key: &Key,
        value: &[u8],
        ttl: Option<Duration>,
        condition: Condition,
    ) -> Result<Outcome> {
        let expires = ttl
            .map_or(0, |ttl| now().saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)).max(1));
        check_value(&self.map, key, value)?;
        let write = Write { key, value, expires, condition };
        self.locked(key, |shard| shard.set(&write, &now))
    }

    /// Deletes a key. Answers whether there was one.
    ///
    /// # Errors
    /// As [`Self::get`]; `ERR_SHM_TIMED_OUT`.
    pub fn delete(&self, key: &str) -> Result<bool> {
        let key = self.key(key)?;
        self.locked(&key, |shard| shard.delete(&key, &now))
    }

    /// Takes everything away, a shard after the other.
    ///
    /// # Errors
    /// `ERR_SHM_TIMED_OUT`.
    pub fn clear(&self) -> Result<()> {
        for number in 0..self.map.geometry().shards() {
            self.map.clear(self.table(), self.token(), number)?;
        }
        Ok(())
    }

    /// All entries, a bucket at a time: who is there all the while comes exactly once.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TIMED_OUT`.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let mut all = Vec::new();
        for number in 0..self.map.geometry().shards() {
            for bucket in 0..self.map.geometry().buckets {
                let entries = match self.map.shard(number)?.entries_of(bucket, &now)? {
                    Some(entries) => entries,
                    None => self
                        .map
                        .with_lock(self.table(), self.token(), number, |shard| {
                            Ok(shard.entries_of(bucket, &now))
                        })??
                        .unwrap_or_default(),
                };
                all.extend(entries);
            }
        }
        Ok(all)
    }

    /// What it has come to.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn statistics(&self) -> Result<MapStatistics> {
        let geometry = self.map.geometry();
        let total = u64::from(geometry.shards()) * u64::from(geometry.chunks);
        let mut sum = MapStatistics { chunks_total: total, ..MapStatistics::default() };
        for number in 0..geometry.shards() {
            let shard = self.map.shard(number)?;
            sum.entries += u64::from(shard.number(ENTRIES));
            sum.chunks_used += u64::from(shard.number(USED));
            sum.sets += u64::from(shard.number(SETS));
            sum.evictions += u64::from(shard.number(EVICTIONS));
            sum.expired += u64::from(shard.number(EXPIRED));
            sum.recovered += u64::from(shard.number(RECOVERED));
        }
        Ok(sum)
    }

    /// Whether each shard's chunks are in use or free, each once, and its counts say how many. A look of tests at a map that nobody changes.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`: in words, what is wrong.
    #[doc(hidden)]
    pub fn audit(&self) -> Result<()> {
        for number in 0..self.map.geometry().shards() {
            let audited = |shard: &Shard<'_, _>| Ok(shard.audit());
            self.map
                .with_lock(self.table(), self.token(), number, audited)?
                .map_err(|why| Error::own("ERR_SHM_POSSIBLY_CORRUPT", format!("shard {number}: {why}")))?;
        }
        Ok(())
    }

    /// A key of this map.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn key(&self, text: &str) -> Result<Key> {
        Key::text(text, self.map.seed())
    }

    /// Takes the expired entry away where that needs no wait.
    fn expire(&self, key: &Key, number: u32) -> Result<()> {
        self.map.try_with_lock(self.table(), self.token(), number, |shard| shard.expire(key, &now))?;
        Ok(())
    }

    fn locked<T>(
        &self,
        key: &Key,
        act: impl FnMut(&Shard<'_, super::cells::Region>) -> std::result::Result<T, super::shard::Broken>,
    ) -> Result<T> {
        self.map.with_lock(self.table(), self.token(), self.map.shard_of(key.hash()), act)
    }

    fn table(&self) -> &MemberTable {
        self.member.table()
    }

    fn token(&self) -> Token {
        self.member.token()
    }
}

/// Whether a shard has room for such an entry, when nothing else is in it.
///
/// # Errors
/// `ERR_OUT_OF_RANGE`.
pub fn check_value<S: Source + ?Sized>(map: &MapObject, key: &Key, value: &S) -> Result<()> {
    let most = map.geometry().value_bytes_max(key.length());
    if u64::from(value.length()) <= most {
        return Ok(());
    }
    Err(Error::own(
        "ERR_OUT_OF_RANGE",
        format!(
            "a value of {} bytes is too large: a shard of this map has room for {most}; fewer shards have room for more",
            value.length()
        ),
    ))
}

/// The map is full, and nothing may go.
#[must_use]
pub fn no_space() -> Error {
    Error::own("ERR_SHM_NO_SPACE", "the map is full, and it was made with eviction 'none'")
}
