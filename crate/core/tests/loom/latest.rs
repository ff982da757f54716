//! The register of Latest: one writer, or one after the other, and readers; one killed anywhere.

use super::actor::Actor;
use super::explore::{Model, holds, is_found, kill_each};
use super::mutant::Mutant;
use super::world::{Index, Setup, violate};
use shmem_core::membership::Platform;
use shmem_core::structures::latest::register::{CLEAR, Register, buffer_of, register as take_cell};
use shmem_core::structures::one_writer::Seat;

const WORDS: &[&str] = &[
    "gate", "writer", "ended", "newest", "cell[0]", "cell[1]", "a[0]", "b[0]", "a[1]", "b[1]", "a[2]",
    "b[2]", "a[3]", "b[3]", "used", "owner[0]", "owner[1]",
];
const NEWEST: usize = 3;
const CELLS: usize = 4;
const BUFFERS: usize = 6;
const USED: usize = 14;
const OWNERS: usize = 15;

/// A fault of the algorithm itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fault {
    #[default]
    None,
    /// The writer takes a cell that is clear for one that names nothing.
    DoesNotHelp,
    /// The reader takes what it found newest, whatever stands in its cell.
    InsistsOnNewest,
    /// The writer does not know of the reader.
    IsNotCounted,
    /// The writer names the buffer before it is full.
    PublishesFirst,
}

/// The first actors write, one at a time, the others read.
#[derive(Clone)]
struct Publishing {
    writers: usize,
    writes: u32,
    readers: usize,
    reads: usize,
    fault: Fault,
    mutant: Mutant,
}

impl Publishing {
    fn of(writers: usize, writes: u32, readers: usize, reads: usize) -> Self {
        Self { writers, writes, readers, reads, fault: Fault::None, mutant: Mutant::None }
    }

    fn buffers(&self) -> usize {
        self.readers + 2
    }

    fn write(&self, actor: &Actor) {
        let seat = Seat { gate: actor.word(0), writer: actor.word(1), ended: actor.word(2) };
        if seat.take(actor, actor.token(), || {}).is_err() {
            return;
        }
        let register = register(actor, self.readers);
        let newest = buffer_of(actor.load(actor.word(NEWEST)));
        let mut version = newest.map_or(0, |buffer| actor.load(actor.word(BUFFERS + 2 * buffer as usize)));
        for _ in 0..self.writes {
            let Some(buffer) = self.choose(actor, &register) else { violate("no buffer is free") };
            version += 1;
            let data = BUFFERS + 2 * buffer as usize;
            if self.fault == Fault::PublishesFirst {
                register.publish(actor, buffer, u64::from(version));
            }
            actor.store(actor.word(data), version);
            actor.store(actor.word(data + 1), version);
            if self.fault != Fault::PublishesFirst {
                register.publish(actor, buffer, u64::from(version));
            }
        }
        seat.leave(actor, actor.token(), false);
    }

    fn choose(&self, actor: &Actor, register: &Register<Index, impl Fn(u32) -> Index>) -> Option<u32> {
        if self.fault != Fault::DoesNotHelp {
            return register.choose(actor, &mut vec![false; self.buffers()]);
        }
        let mut named = vec![actor.load(actor.word(NEWEST))];
        named.extend((0..self.readers).map(|reader| actor.load(actor.word(CELLS + reader))));
        let is_free = |buffer: &u32| named.iter().all(|value| buffer_of(*value) != Some(*buffer));
        (0..u32::try_from(self.buffers()).unwrap()).find(is_free)
    }

    fn read(&self, actor: &Actor) {
        let cells = |index: u32| (actor.word(CELLS + index as usize), actor.word(OWNERS + index as usize));
        let readers = u32::try_from(self.readers).unwrap();
        let used = if self.fault == Fault::IsNotCounted { actor.word(2) } else { actor.word(USED) };
        let Some(cell) = take_cell(actor, used, cells, readers, actor.token()) else {
            violate("no cell is free")
        };
        let register = register(actor, self.readers);
        let mut seen = 0;
        for _ in 0..self.reads {
            let held = if self.fault == Fault::InsistsOnNewest {
                actor.store(actor.word(CELLS), CLEAR);
                let newest = actor.load(actor.word(NEWEST));
                let _ = actor.compare_exchange(actor.word(CELLS), CLEAR, newest);
                newest
            } else {
                register.hold(actor, cell)
            };
            let Some(buffer) = buffer_of(held) else { continue };
            if buffer as usize >= self.buffers() {
                violate(format!("{held:x} names no buffer"));
            }
            let data = BUFFERS + 2 * buffer as usize;
            let (first, second) = (actor.load(actor.word(data)), actor.load(actor.word(data + 1)));
            if first != second {
                violate(format!("torn: {first} and {second}"));
            }
            if first < seen || first == 0 {
                violate(format!("version {first} after {seen}"));
            }
            seen = first;
        }
    }
}

fn register(actor: &Actor, readers: usize) -> Register<Index, impl Fn(u32) -> Index> {
    let cells = actor.word(CELLS);
    let other = actor.word(CELLS + 1);
    Register {
        newest: actor.word(NEWEST),
        used: actor.word(USED),
        cells: move |index: u32| if index == 0 { cells } else { other },
        readers: u32::try_from(readers).unwrap(),
    }
}

impl Model for Publishing {
    type Truth = ();

    fn setup(&self) -> Setup {
        let setup = Setup::new(self.writers + self.readers, WORDS, self.mutant);
        // These programs are short.
        Setup { preemptions: setup.preemptions + 1, ..setup }
    }

    fn run(&self, actor: &Actor, (): &()) {
        if actor.index < self.writers { self.write(actor) } else { self.read(actor) }
    }
}

#[test]
fn a_reader_reads_whole_values_and_none_goes_back() {
    holds(|| kill_each(&Publishing::of(1, 4, 1, 2), &[0, 1]));
}

#[test]
fn two_readers_share_a_writer_and_one_is_killed() {
    holds(|| kill_each(&Publishing::of(1, 3, 2, 1), &[1]));
}

#[test]
fn a_writer_is_killed_and_another_goes_on() {
    holds(|| kill_each(&Publishing::of(2, 2, 1, 1), &[0]));
}

#[test]
fn a_writer_that_does_not_help_is_found() {
    is_found(|| kill_each(&Publishing { fault: Fault::DoesNotHelp, ..Publishing::of(1, 4, 1, 2) }, &[]));
}

#[test]
fn a_reader_that_insists_on_what_it_found_is_found() {
    is_found(|| kill_each(&Publishing { fault: Fault::InsistsOnNewest, ..Publishing::of(1, 3, 1, 1) }, &[]));
}

#[test]
fn a_value_that_is_named_too_early_is_found() {
    is_found(|| kill_each(&Publishing { fault: Fault::PublishesFirst, ..Publishing::of(1, 2, 1, 1) }, &[]));
}

#[test]
fn a_reader_that_is_not_counted_is_found() {
    is_found(|| kill_each(&Publishing { fault: Fault::IsNotCounted, ..Publishing::of(1, 4, 1, 2) }, &[]));
}

#[test]
fn a_store_that_is_late_is_found() {
    is_found(|| {
        kill_each(&Publishing { mutant: Mutant::StoreIsBuffered, ..Publishing::of(1, 4, 1, 2) }, &[])
    });
}
