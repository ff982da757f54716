//! The shared map against a model of it, between threads that are members each, and what deaths and scribbles leave of it. Processes are for the kill tests.

#![expect(unsafe_code, reason = "scribbles over the map as a bad neighbour would")]
#![expect(clippy::cast_possible_truncation, reason = "of numbers that are bounded, or random")]

use proptest::prelude::*;
use shmem_core::managed::geometry::map::{Eviction, KEY_BYTES, MapOptions, NEXT_ENTRY, VALUE_BYTES};
use shmem_core::managed::{ManagedOptions, ManagedSegment};
use shmem_core::membership::{JoinOptions, Member, Word};
use shmem_core::memory::{CreateOptions, memfd};
use shmem_core::structures::map::{Condition, Outcome, SharedMap};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Longer than any test runs, and shorter than any sleep in one.
const LONG: Duration = Duration::from_secs(600);

fn managed() -> ManagedSegment {
    let segment = memfd::create("map", &CreateOptions::new(4 << 20), 0).unwrap();
    ManagedSegment::open(&segment, ManagedOptions::make()).unwrap()
}

fn join(managed: &ManagedSegment) -> Member {
    managed.join(&JoinOptions::default()).unwrap()
}

fn small(eviction: Eviction) -> MapOptions {
    MapOptions { eviction, chunk_bytes: 64, shards: 2, entries: 16, ..MapOptions::new(24 << 10) }
}

#[derive(Clone, Debug)]
enum Step {
    Set(u8, u16, bool),
    Add(u8, u16),
    Swap(u8, u16),
    Delete(u8),
    Get(u8),
    Clear,
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (any::<u8>(), 0..900_u16, any::<bool>()).prop_map(|(key, length, dies)| Step::Set(key % 40, length, dies)),
        2 => (any::<u8>(), 0..300_u16).prop_map(|(key, length)| Step::Add(key % 40, length)),
        2 => (any::<u8>(), 0..300_u16).prop_map(|(key, length)| Step::Swap(key % 40, length)),
        4 => any::<u8>().prop_map(|key| Step::Delete(key % 40)),
        4 => any::<u8>().prop_map(|key| Step::Get(key % 40)),
        1 => Just(Step::Clear),
        1 => Just(Step::Expire),
    ]
}

fn value(key: u8, length: u16, turn: usize) -> Vec<u8> {
    (0..length).map(|index| key ^ (index % 251) as u8 ^ (turn % 256) as u8).collect()
}

/// Of 1 to about 90 bytes.
fn name(key: u8) -> String {
    format!("key {key} {}", "x".repeat(2 * usize::from(key)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_a_map_does(steps in prop::collection::vec(step(), 1..200)) {
        let managed = managed();
        let member = join(&managed);
        let map = SharedMap::open(&managed, &member, "map", small(Eviction::None)).unwrap();
        let mut model: HashMap<String, Vec<u8>> = HashMap::new();
        // Those whose time is over when an hour is.
        let mut short: Vec<String> = Vec::new();
        for (turn, step) in steps.into_iter().enumerate() {
            let keep = |model: &mut HashMap<String, Vec<u8>>, key: String, value, done: Outcome| {
                if let Outcome::Set(_) = done { model.insert(key, value); }
            };
            match step {
                Step::Set(key, length, dies) => {
                    let (key, value) = (name(key), value(key, length, turn));
                    let ttl = if dies { Duration::from_nanos(1) } else { LONG };
                    let done = map.write(&map.key(&key).unwrap(), &value, Some(ttl), Condition::Any).unwrap();
                    if let Outcome::Set(_) = done {
                        short.retain(|other| *other != key);
                        if dies { short.push(key.clone()); model.remove(&key); } else { model.insert(key, value); }
                    }
                }
                Step::Add(key, length) => {
                    let (key, value) = (name(key), value(key, length, turn));
                    let done = map.write(&map.key(&key).unwrap(), &value, None, Condition::Absent).unwrap();
                    prop_assert_eq!(done == Outcome::Refused, model.contains_key(&key));
                    keep(&mut model, key, value, done);
                }
                Step::Swap(key, length) => {
                    let (key, value) = (name(key), value(key, length, turn));
                    let known = map.get_entry(&map.key(&key).unwrap()).unwrap();
                    prop_assert_eq!(known.as_ref().map(|found| &found.value), model.get(&key));
                    let Some(known) = known else { continue };
                    let wrong = Condition::Version(known.version + 1);
                    prop_assert_eq!(map.write(&map.key(&key).unwrap(), &value, None, wrong).unwrap(), Outcome::Refused);
                    let right = Condition::Version(known.version);
                    let done = map.write(&map.key(&key).unwrap(), &value, None, right).unwrap();
                    prop_assert_ne!(done, Outcome::Refused);
                    keep(&mut model, key, value, done);
                }
                Step::Delete(key) => {
                    prop_assert_eq!(map.delete(&name(key)).unwrap(), model.remove(&name(key)).is_some());
                }
                Step::Get(key) => prop_assert_eq!(map.get(&name(key)).unwrap(), model.get(&name(key)).cloned()),
                Step::Clear => { map.clear().unwrap(); model.clear(); }
                Step::Expire => {
                    for key in short.drain(..) { prop_assert_eq!(map.get(&key).unwrap(), model.get(&key).cloned()); }
                }
            }
            map.audit().unwrap();
        }
        let listed: HashMap<String, Vec<u8>> = map.entries().unwrap().into_iter()
            .map(|entry| (String::from_utf8(entry.key).unwrap(), entry.found.value)).collect();
        prop_assert_eq!(listed, model);
    }
}

#[test]
fn a_full_map_lets_go_of_what_was_not_used_and_keeps_what_was() {
    let managed = managed();
    let member = join(&managed);
    let options = MapOptions { chunk_bytes: 0, shards: 1, ..small(Eviction::Lru) };
    let map = SharedMap::open(&managed, &member, "map", options).unwrap();
    map.set("hot", b"kept", None).unwrap();
    for number in 0..2000 {
        map.set(&format!("cold {number}"), &[1; 100], None).unwrap();
        assert_eq!(map.get("hot").unwrap().as_deref(), Some(&b"kept"[..]), "after {number}");
    }
    let statistics = map.statistics().unwrap();
    assert!(statistics.evictions > 1800 && statistics.entries > 100, "{statistics:?}");
    // One that needs nearly all of a shard.
    map.set("large", &[3; 20_000], None).unwrap();
    assert_eq!(map.get("large").unwrap().unwrap(), vec![3; 20_000]);
    assert_eq!(map.set("too large", &[3; 30_000], None).unwrap_err().code(), "ERR_OUT_OF_RANGE");
    map.audit().unwrap();
}

#[test]
fn a_full_map_in_which_nothing_may_go_says_so_and_takes_what_expires() {
    let managed = managed();
    let member = join(&managed);
    let options = MapOptions { shards: 1, ..small(Eviction::None) };
    let map = SharedMap::open(&managed, &member, "map", options).unwrap();
    let full = (0..1000).find(|number| map.set(&format!("{number}"), &[1; 50], None).is_err()).unwrap();
    assert!(full > 50);
    assert_eq!(map.set("one more", &[1; 50], None).unwrap_err().code(), "ERR_SHM_NO_SPACE");
    assert!((0..full).all(|number| map.get(&format!("{number}")).unwrap().is_some()));
    map.delete("3").unwrap();
    map.set("short", &[2; 50], Some(Duration::from_millis(1))).unwrap();
    std::thread::sleep(Duration::from_millis(3));
    map.set("one more", &[1; 50], None).unwrap();
    assert_eq!(map.get("short").unwrap(), None);
    map.audit().unwrap();
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn readers_see_whole_values_while_writers_replace_and_delete_them() {
    let managed = managed();
    let stop = AtomicBool::new(false);
    let reads = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for writer in 0..2_u8 {
            let (managed, stop) = (&managed, &stop);
            scope.spawn(move || {
                let member = join(managed);
                let map = SharedMap::open(managed, &member, "map", small(Eviction::Lru)).unwrap();
                for turn in 0_usize.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let key = format!("{}", turn % 7);
                    let byte = (turn % 256) as u8;
                    map.set(&key, &vec![byte; 20 + 131 * (turn % 5) + usize::from(writer)], None).unwrap();
                    if turn % 3 == 0 {
                        map.delete(&format!("{}", (turn + 3) % 7)).unwrap();
                    }
                }
                member.leave();
            });
        }
        let (managed, stop, reads) = (&managed, &stop, &reads);
        scope.spawn(move || {
            let member = join(managed);
            let map = SharedMap::open(managed, &member, "map", small(Eviction::Lru)).unwrap();
            // Whatever happens here: the writers end.
            let _end = End(stop);
            for turn in 0..40_000 {
                if let Some(value) = map.get(&format!("{}", turn % 7)).unwrap() {
                    assert!(value.iter().all(|byte| *byte == value[0]), "{value:?}");
                    reads.fetch_add(1, Ordering::SeqCst);
                }
            }
            member.leave();
        });
    });
    assert!(reads.into_inner() > 1000);
    let member = join(&managed);
    SharedMap::open(&managed, &member, "map", small(Eviction::Lru)).unwrap().audit().unwrap();
}

#[test]
fn nobody_loses_a_count_that_all_make() {
    let managed = managed();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let member = join(&managed);
                let map = SharedMap::open(&managed, &member, "map", small(Eviction::None)).unwrap();
                let key = map.key("count").unwrap();
                for _ in 0..2000 {
                    loop {
                        let found = map.get_entry(&key).unwrap();
                        let (count, condition) = found.map_or((0, Condition::Absent), |found| {
                            let count = u32::from_le_bytes(found.value.try_into().unwrap());
                            (count, Condition::Version(found.version))
                        });
                        let next = (count + 1).to_le_bytes();
                        if let Outcome::Set(_) = map.write(&key, &next, None, condition).unwrap() {
                            break;
                        }
                    }
                }
                member.leave();
            });
        }
    });
    let member = join(&managed);
    let map = SharedMap::open(&managed, &member, "map", small(Eviction::None)).unwrap();
    assert_eq!(map.get("count").unwrap().unwrap(), 6000_u32.to_le_bytes());
}

#[test]
fn a_list_in_a_circle_is_an_error_before_more_is_copied_than_the_shard_has() {
    let managed = managed();
    let member = join(&managed);
    let options = MapOptions { chunk_bytes: 256, shards: 1, entries: 16, ..MapOptions::new(1 << 20) };
    let map = SharedMap::open(&managed, &member, "map", options).unwrap();
    map.set("key", &vec![7; 256 << 10], None).unwrap();
    let object = managed.objects().into_iter().find(|object| object.name == "map").unwrap();
    let words: Vec<u64> = (0..object.bytes / 4).map(|word| object.offset + 4 * word).collect();
    let word = |index: usize| managed.word(words[index]).unwrap();
    let entry = (0..words.len())
        .find(|first| word(first + KEY_BYTES).load() == 3 && word(first + VALUE_BYTES).load() == 256 << 10)
        .unwrap();
    // SAFETY: a word of the object, in the mapped segment.
    unsafe { Word::at(word(entry + NEXT_ENTRY).address()) }.store(1);
    let most = resident_most_kib();
    assert_eq!(map.entries().unwrap_err().code(), "ERR_SHM_POSSIBLY_CORRUPT");
    assert!(resident_most_kib() - most < 200 << 10);
    // Who makes room comes by, and does not stay.
    for number in 0..20 {
        let _ = map.set(&format!("other {number}"), &vec![7; 100 << 10], None);
    }
    map.clear().unwrap();
    assert_eq!(map.entries().unwrap(), []);
    map.audit().unwrap();
}

fn resident_most_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn scribbles_are_errors_or_nonsense_and_clear_ends_them() {
    let managed = managed();
    let member = join(&managed);
    let mut codes = HashMap::new();
    for eviction in [Eviction::None, Eviction::Lru] {
        let name = format!("{eviction:?}");
        let map = SharedMap::open(&managed, &member, &name, small(eviction)).unwrap();
        let object = managed.objects().into_iter().find(|object| object.name == name).unwrap();
        let mut random = 88_172_645_463_325_252_u64;
        let mut next = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        };
        for turn in 0..6000_u32 {
            for _ in 0..3 {
                // Not the counters of the first line; locks are not the map's alone, and have tests of their own.
                let word = 32 + next() % (object.bytes / 4 - 32);
                if word < 96 && word % 32 == 16 {
                    continue;
                }
                let known = managed.word(object.offset + 4 * (128 + next() % 1000)).unwrap().load();
                let value =
                    [0, 1, u32::MAX, known, (next() % 400) as u32, next() as u32][next() as usize % 6];
                // SAFETY: a word of the object, in the mapped segment.
                unsafe { Word::at(managed.word(object.offset + 4 * word).unwrap().address()) }.store(value);
            }
            let key = format!("{}", turn % 50);
            for error in [
                map.set(&key, &[7; 90], None).err(),
                map.get(&key).err(),
                map.delete(&format!("{}", (turn + 25) % 50)).err(),
                map.entries().err().filter(|_| turn % 50 == 0),
            ]
            .into_iter()
            .flatten()
            {
                *codes.entry(error.code()).or_insert(0) += 1;
            }
        }
        map.clear().unwrap();
        map.set("after", b"all", None).unwrap();
        assert_eq!(map.get("after").unwrap().unwrap(), b"all");
        map.audit().unwrap();
    }
    let expected = ["ERR_SHM_POSSIBLY_CORRUPT", "ERR_SHM_NO_SPACE", "ERR_SHM_BUSY"];
    assert!(codes.keys().all(|code| expected.contains(&code.as_str())), "{codes:?}");
    assert!(codes.contains_key("ERR_SHM_POSSIBLY_CORRUPT"), "{codes:?}");
}
