//! Role: sets and deletes keys of its own in a map in which nothing may go, and writes down first what it is about to do, then that it was told that it is
//! done; looks at the keys of others; counts in keys that all share; and throws things into a cache that is too small.
//!
//! What a key must be is known to everybody from the book: the state that was told last, or a later one that was intended.

use crate::book::{Count, KEYS, POSITIONS, Violation};
use crate::room::Room;
use shmem_core::Result;
use shmem_core::managed::geometry::map::{Eviction, MapOptions};
use shmem_core::structures::map::{Condition, Outcome, SharedMap};
use std::time::Duration;

/// As `__test__/children/kill-member.ts` has it.
const MAP: MapOptions = MapOptions {
    memory_bytes: 40 << 10,
    entries: 64,
    chunk_bytes: 64,
    shards: 2,
    eviction: Eviction::None,
    values: shmem_core::managed::geometry::map::Values::Bytes,
};
const CACHE: MapOptions = MapOptions { memory_bytes: 16 << 10, shards: 1, eviction: Eviction::Lru, ..MAP };

/// Keys that all count in.
const COUNTERS: usize = 2;
/// Every so manieth state of a key is to be deleted.
const DELETED: u32 = 5;

pub(crate) fn play(room: &Room) -> Result<()> {
    let (map, cache) = open(room)?;
    for key in 0..KEYS {
        take_over(room, &map, key)?;
    }
    room.begin();
    while room.goes_on() {
        let turns = if room.options.quiet { 20 } else { 1 };
        for _ in 0..turns {
            turn(room, &map, &cache)?;
        }
        room.row.count(Count::Got);
        room.linger();
    }
    Ok(())
}

fn open(room: &Room) -> Result<(SharedMap<'_>, SharedMap<'_>)> {
    let map = SharedMap::open(&room.managed, &room.member, "map", MAP)?;
    Ok((map, SharedMap::open(&room.managed, &room.member, "cache", CACHE)?))
}

fn turn(room: &Room, map: &SharedMap<'_>, cache: &SharedMap<'_>) -> Result<()> {
    match room.random.below(64) {
        0..32 => change(room, map, room.random.index(KEYS)),
        32..42 => look(room, map, room.random.index(POSITIONS), room.random.index(KEYS)),
        42..48 => count(room, map, room.random.index(COUNTERS)),
        48..52 => short_lived(room, map),
        52..63 => throw(room, cache),
        _ if room.random.one_in(8) => cache.clear(),
        _ => Ok(()),
    }
}

/// What a dead one at this position left of a key: what was told last, or what it was about to do.
fn take_over(room: &Room, map: &SharedMap<'_>, key: usize) -> Result<()> {
    let position = room.options.position;
    let (intended, told) = room.row.entry(key);
    let state = state_of(room, map, position, key)?;
    let is = |number: u32| state == expected(number);
    if is(intended.load()) {
        told.store(intended.load());
    } else if !is(told.load()) {
        eprintln!("key {key}: told {}, intended {}, found {state:?}", told.load(), intended.load());
        room.row.violation(Violation::EntryLost);
    }
    Ok(())
}

/// The next state of a key of one's own.
fn change(room: &Room, map: &SharedMap<'_>, key: usize) -> Result<()> {
    let position = room.options.position;
    let (intended, told) = room.row.entry(key);
    let number = intended.load() + 1;
    intended.store(number);
    let done = match expected(number) {
        None => map.delete(&name(position, key)).map(drop),
        Some(number) => map.set(&name(position, key), &payload(position, key, number), None),
    };
    match done {
        // Then it is as it was.
        Err(error) if error.code() == "ERR_SHM_NO_SPACE" => return Ok(()),
        other => other?,
    }
    told.store(number);
    if state_of(room, map, position, key)? != expected(number) {
        room.row.violation(Violation::EntryLost);
    }
    Ok(())
}

/// What another's key is, must be one of the states that it can have.
fn look(room: &Room, map: &SharedMap<'_>, position: usize, key: usize) -> Result<()> {
    let (intended, told) = room.book.row(position).entry(key);
    let first = told.load();
    let state = state_of(room, map, position, key)?;
    let last = intended.load();
    let is_possible = match state {
        Some(number) => (first..=last).contains(&number),
        None => (first..=last).any(|number| expected(number).is_none()),
    };
    if !is_possible {
        eprintln!("position {position} key {key}: {state:?} is not from {first} to {last}");
        room.row.violation(Violation::EntryLost);
    }
    Ok(())
}

/// One more in a key that others count in, too.
fn count(room: &Room, map: &SharedMap<'_>, counter: usize) -> Result<()> {
    let key = map.key(&format!("counter {counter}"))?;
    loop {
        let found = map.get_entry(&key)?;
        let (number, condition) = match &found {
            Some(found) => (counted(&found.value), Condition::Version(found.version)),
            None => (0, Condition::Absent),
        };
        match map.write(&key, &(number + 1).to_le_bytes(), None, condition)? {
            Outcome::Set(_) => {
                room.row.count(Count::Given);
                return Ok(());
            }
            Outcome::Refused => {}
            Outcome::Full => return Ok(()),
        }
    }
}

/// Something that goes by itself.
fn short_lived(room: &Room, map: &SharedMap<'_>) -> Result<()> {
    let key = room.random.index(8);
    let number = 1 + u32::try_from(room.random.below(1000)).unwrap_or(0);
    let ttl = Duration::from_millis(1 + room.random.below(4));
    match map.set(&name(POSITIONS, key), &payload(POSITIONS, key, number), Some(ttl)) {
        Err(error) if error.code() == "ERR_SHM_NO_SPACE" => {}
        other => other?,
    }
    state_of(room, map, POSITIONS, room.random.index(8)).map(drop)
}

/// Into the cache, and something else out of it.
fn throw(room: &Room, cache: &SharedMap<'_>) -> Result<()> {
    let key = room.random.index(200);
    let number = 1 + u32::try_from(room.random.below(1000)).unwrap_or(0);
    cache.set(&name(POSITIONS, key), &payload(POSITIONS, key, number), None)?;
    state_of(room, cache, POSITIONS, room.random.index(200)).map(drop)
}

/// The number of the state that a key has; what it is, is whole.
fn state_of(room: &Room, map: &SharedMap<'_>, position: usize, key: usize) -> Result<Option<u32>> {
    let Some(value) = map.get(&name(position, key))? else { return Ok(None) };
    let number = counted(&value);
    if value != payload(position, key, number) {
        room.row.violation(Violation::Torn);
    }
    Ok(Some(number))
}

/// A state, as a get shows it.
const fn expected(number: u32) -> Option<u32> {
    if number.is_multiple_of(DELETED) { None } else { Some(number) }
}

fn name(position: usize, key: usize) -> String {
    format!("p{position}k{key}")
}

/// A value that says whose it is, and whose every byte follows from that.
fn payload(position: usize, key: usize, number: u32) -> Vec<u8> {
    let words = [number, u32::try_from(position).unwrap_or(0), u32::try_from(key).unwrap_or(0)];
    let mut value: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let length = number.wrapping_mul(37) % 190;
    value.extend((0..length).map(|index| (number.wrapping_mul(31).wrapping_add(index * 7) & 0xff) as u8));
    value
}

fn counted(value: &[u8]) -> u32 {
    value.first_chunk().map_or(0, |four| u32::from_le_bytes(*four))
}

/// Afterwards: every key of everybody is as it must be, nothing is lost of the memory, and the counts are those of an iteration.
pub(crate) fn afterwards(room: &Room) -> Result<()> {
    let (map, cache) = open(room)?;
    for position in 0..POSITIONS {
        for key in 0..KEYS {
            look(room, &map, position, key)?;
        }
    }
    for counter in 0..COUNTERS {
        let value = map.get(&format!("counter {counter}"))?.unwrap_or_default();
        room.book.guarded(counter).first.store(counted(&value));
    }
    std::thread::sleep(Duration::from_millis(10));
    let mut recovered = 0;
    for map in [&map, &cache] {
        // Each shard whose writer was killed last is repaired by the audit's own lock.
        map.audit()?;
        let statistics = map.statistics()?;
        recovered += statistics.recovered;
        let listed = map.entries()?;
        let mut keys: Vec<_> = listed.iter().map(|entry| &entry.key).collect();
        keys.sort();
        keys.dedup();
        if keys.len() != listed.len() || (listed.len() as u64) > statistics.entries {
            eprintln!("{} keys, {} entries, told {statistics:?}", keys.len(), listed.len());
            room.row.violation(Violation::EntryLost);
        }
    }
    room.row.word(Count::OwnerDeaths).store(u32::try_from(recovered).unwrap_or(0));
    map.clear()?;
    cache.clear()?;
    for map in [&map, &cache] {
        map.audit()?;
        if map.statistics()?.chunks_used != 0 {
            room.row.violation(Violation::EntryLost);
        }
    }
    Ok(())
}
