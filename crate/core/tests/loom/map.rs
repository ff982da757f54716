//! One shard of the shared map: writers that replace an entry and use its chunks again, a reader beside them, a writer killed at any step and the repair by the
//! next. The reader never waits, sees a value whole, and never one older than what was told to be set before it began.
//!
//! Only words that readers look at or that a repair depends on are the model's; what a writer changes under its lock for itself alone is plain memory.

#![expect(clippy::cast_possible_truncation, reason = "of small constants")]

use super::actor::Actor;
use super::explore::{Model, holds, is_found, kill_each};
use super::mutant::Mutant;
use super::world::{Setup, World, violate};
use shmem_core::managed::geometry::map::{
    Eviction, FREE, FRESH, LOCK, MapGeometry, NEXT_CHUNK, NEXT_ENTRY, PAYLOAD, SHARDS, USED, VERSION,
};
use shmem_core::membership::Platform;
use shmem_core::structures::map::{Cells, Condition, Key, Outcome, Reading, Seed, Shard, Write};
use shmem_core::sync::mutex::{Lock, LockOptions, unlock};
use shmem_core::sync::wait::Answer;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// A key of a word fills an entry's first chunk, and the value takes a second: so there are chains to be torn.
const CHUNK_WORDS: usize = PAYLOAD + 1;
/// Two entries of two, so that the third set uses the chunks of the first.
const CHUNKS: usize = 4;
const HEAD: usize = SHARDS as usize / 4;
const BUCKET: usize = HEAD + 32;
const FIRST: usize = BUCKET + 32;
const WORDS: usize = FIRST + CHUNKS * CHUNK_WORDS;

fn geometry() -> MapGeometry {
    MapGeometry {
        shards_log2: 0,
        buckets: 1,
        chunks: CHUNKS as u32,
        chunk_words: CHUNK_WORDS as u32,
        buckets_offset: 4 * BUCKET as u64,
        chunks_offset: 4 * FIRST as u64,
        bytes: 4 * WORDS as u64,
        eviction: Eviction::None,
    }
}

/// The model's words, in the order of its names.
fn number_of(word: usize) -> Option<usize> {
    let heads = [HEAD + LOCK, HEAD + VERSION, HEAD + FREE, BUCKET, HEAD + USED, HEAD + FRESH];
    if let Some(number) = heads.iter().position(|head| *head == word) {
        return Some(number);
    }
    let inside = word.checked_sub(FIRST)?;
    let fields = [NEXT_CHUNK, NEXT_ENTRY, NEXT_ENTRY + 1];
    let field = fields.iter().position(|field| *field == inside % CHUNK_WORDS)?;
    Some(heads.len() + inside / CHUNK_WORDS * fields.len() + field)
}

/// What is wrong with a map that is to be found wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fault {
    #[default]
    None,
    /// Chunks are used again, and readers are not told.
    NotCounted,
    /// The link swings before the entry is written.
    PublishedFirst,
    /// A dead writer's shard is used as it is.
    NotRepaired,
}

/// One sets twice or once, another sets once; a third reads.
#[derive(Clone)]
struct Setting {
    /// Sets of each writer.
    sets: &'static [u32],
    reads: bool,
    fault: Fault,
    mutant: Mutant,
}

/// What the threads know beside the memory.
struct Truth {
    plain: Vec<AtomicU32>,
    /// The newest that was told to be set, and all that were intended.
    told: AtomicU32,
    intended: AtomicU32,
    /// Values in the order of their publication, as far as writers know: the lock orders them.
    order: Mutex<()>,
}

impl Default for Truth {
    fn default() -> Self {
        let plain = initial().into_iter().map(AtomicU32::new).collect();
        Self { plain, told: AtomicU32::new(1), intended: AtomicU32::new(1), order: Mutex::new(()) }
    }
}

/// A map in which the value is 1.
fn initial() -> Vec<u32> {
    let words = Plain((0..WORDS).map(|_| AtomicU32::new(0)).collect());
    let geometry = geometry();
    let done = set(&Shard::of(&words, &geometry, 0).unwrap(), 1);
    assert!(done);
    words.0.into_iter().map(AtomicU32::into_inner).collect()
}

struct Plain(Vec<AtomicU32>);

impl Cells for Plain {
    fn load(&self, word: usize) -> u32 {
        self.0[word].load(SeqCst)
    }
    fn store(&self, word: usize, value: u32) {
        self.0[word].store(value, SeqCst);
    }
    fn follow(&self, word: usize) -> u32 {
        self.load(word)
    }
    fn publish(&self, word: usize, value: u32) {
        self.store(word, value);
    }
    fn count_between(&self, word: usize) {
        self.store(word, self.load(word) + 1);
    }
    fn settle(&self) {}
}

/// The shard's words, as one thread of the model reaches them.
struct Seen<'a> {
    actor: &'a Actor,
    truth: &'a Truth,
    fault: Fault,
    /// A link that is to be swung too early, and what it has to lead to in the end.
    early: bool,
}

impl Cells for Seen<'_> {
    fn load(&self, word: usize) -> u32 {
        match number_of(word) {
            Some(number) => self.actor.load(self.actor.word(number)),
            None => self.truth.plain[word].load(SeqCst),
        }
    }

    fn store(&self, word: usize, value: u32) {
        if self.early && word == FIRST + 2 * CHUNK_WORDS {
            // Of the entry that is being made: its first word that is the model's.
            self.actor.store(self.actor.word(number_of(BUCKET).unwrap()), 3);
        }
        match number_of(word) {
            Some(number) => self.actor.store(self.actor.word(number), value),
            None => self.truth.plain[word].store(value, SeqCst),
        }
    }

    fn follow(&self, word: usize) -> u32 {
        self.load(word)
    }

    fn publish(&self, word: usize, value: u32) {
        self.store(word, value);
    }

    fn count_between(&self, word: usize) {
        if self.fault != Fault::NotCounted {
            self.store(word, self.load(word).wrapping_add(1));
        }
    }

    fn settle(&self) {}
}

fn key() -> Key {
    Key::text("key", Seed(1, 2)).unwrap()
}

/// A value of two words that agree.
fn value(number: u32) -> [u8; 8] {
    let [a, b, c, d] = number.to_le_bytes();
    [a, b, c, d, a, b, c, d]
}

fn set<C: Cells>(shard: &Shard<'_, C>, number: u32) -> bool {
    let (key, value) = (key(), value(number));
    let write = Write { key: &key, value: &value[..], expires: 0, condition: Condition::Any };
    matches!(shard.set(&write, &|| 0), Ok(Outcome::Set(_)))
}

impl Setting {
    fn by(sets: &'static [u32], reads: bool) -> Self {
        Self { sets, reads, fault: Fault::None, mutant: Mutant::None }
    }

    fn with(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }

    fn set_all(&self, actor: &Actor, truth: &Truth) {
        let geometry = geometry();
        let cells = Seen { actor, truth, fault: self.fault, early: self.fault == Fault::PublishedFirst };
        let shard = Shard::of(&cells, &geometry, 0).unwrap();
        let word = actor.word(0);
        for _ in 0..self.sets[actor.index] {
            let options = LockOptions { strict: false, blocks_owner: true };
            let Some(answer) = actor.wait(&mut Lock::new(word, actor.token(), options)).unwrap() else {
                return;
            };
            if answer == Answer::OwnerDied && self.fault != Fault::NotRepaired {
                shard.repair().unwrap();
            }
            let number = {
                let _order = truth.order.lock().unwrap();
                truth.intended.fetch_add(1, SeqCst) + 1
            };
            if !set(&shard, number) {
                violate("the shard is broken, or has no room");
            }
            truth.told.fetch_max(number, SeqCst);
            unlock(actor, word, actor.token()).unwrap();
        }
    }

    fn read(&self, actor: &Actor, truth: &Truth) {
        let geometry = geometry();
        let cells = Seen { actor, truth, fault: self.fault, early: false };
        let shard = Shard::of(&cells, &geometry, 0).unwrap();
        let told = truth.told.load(SeqCst);
        match shard.get(&key(), &|| 0) {
            Ok(Reading::Found(found)) => {
                let first = found.value.first_chunk().map_or(0, |four| u32::from_le_bytes(*four));
                if found.value != value(first) {
                    violate(format!("torn: {:?}", found.value));
                }
                if !(told..=truth.intended.load(SeqCst)).contains(&first) {
                    violate(format!("{first} was read, after {told} was told"));
                }
            }
            Ok(Reading::Overtaken) => {}
            other => violate(format!("the reader found {other:?}")),
        }
    }
}

impl Model for Setting {
    type Truth = Truth;

    fn setup(&self) -> Setup {
        let actors = self.sets.len() + usize::from(self.reads);
        let words = initial();
        let mut names: Vec<(usize, &'static str)> = (0..WORDS)
            .filter_map(|word| number_of(word).map(|number| (number, &*format!("word {word}").leak())))
            .collect();
        names.sort_unstable();
        let preset =
            (0..WORDS).filter_map(|word| number_of(word).map(|number| (number, words[word]))).collect();
        let names: Vec<&'static str> = names.into_iter().map(|(_, name)| name).collect();
        let preemptions = if actors == 3 { 2 } else { 3 };
        Setup { preset, preemptions, ..Setup::new(actors, names.leak(), self.mutant) }
    }

    fn run(&self, actor: &Actor, truth: &Truth) {
        if actor.index < self.sets.len() { self.set_all(actor, truth) } else { self.read(actor, truth) }
    }

    /// Each chunk is in use or free, if the lock is free; and the newest value is there.
    fn finish(&self, world: &World, truth: &Truth) {
        let words = Plain(
            (0..WORDS)
                .map(|word| match number_of(word) {
                    Some(number) => world.at_end(world.word(number)),
                    None => truth.plain[word].load(SeqCst),
                })
                .map(AtomicU32::new)
                .collect(),
        );
        let geometry = geometry();
        let shard = Shard::of(&words, &geometry, 0).unwrap();
        if words.load(HEAD + LOCK) & 0x7fff_ffff != 0 {
            shard.repair().unwrap();
        }
        if let Err(why) = shard.audit() {
            violate(why);
        }
        let told = truth.told.load(SeqCst);
        match shard.get(&key(), &|| 0) {
            Ok(Reading::Found(found)) if (told..=told + 1).any(|number| found.value == value(number)) => {}
            other => violate(format!("{told} was told, and at the end there is {other:?}")),
        }
    }
}

#[test]
fn a_reader_beside_a_writer_that_uses_chunks_again() {
    holds(|| kill_each(&Setting::by(&[2], true), &[]));
}

#[test]
fn a_writer_is_killed_anywhere_and_the_next_goes_on() {
    holds(|| kill_each(&Setting::by(&[1, 1], false), &[0]));
}

#[test]
fn a_writer_is_killed_anywhere_beside_a_reader() {
    holds(|| kill_each(&Setting::by(&[2], true), &[0]));
}

#[test]
fn a_writer_is_killed_anywhere_and_the_next_goes_on_beside_a_reader() {
    holds(|| kill_each(&Setting::by(&[1, 1], true), &[0]));
}

#[test]
fn chunks_that_are_used_again_uncounted_are_found() {
    is_found(|| kill_each(&Setting::by(&[2], true).with(Fault::NotCounted), &[]));
}

#[test]
fn a_link_that_swings_too_early_is_found() {
    is_found(|| kill_each(&Setting::by(&[1], true).with(Fault::PublishedFirst), &[]));
}

#[test]
fn a_shard_that_is_not_repaired_is_found() {
    is_found(|| kill_each(&Setting::by(&[1, 1], false).with(Fault::NotRepaired), &[0]));
}
