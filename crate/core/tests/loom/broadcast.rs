//! The slots of Broadcast: one writer, or one after the other, and a reader that is overtaken; one killed anywhere.

use super::actor::Actor;
use super::explore::{Model, holds, is_found, kill_each};
use super::mutant::Mutant;
use super::world::{Index, Setup, violate};
use shmem_core::membership::Platform;
use shmem_core::structures::broadcast::feed::{Feed, Found, Head, whole};
use shmem_core::structures::one_writer::Seat;
use std::cell::Cell;
use std::sync::Mutex;

const WORDS: &[&str] = &[
    "gate", "writer", "ended", "head", "stamp[0]", "lap[0]", "a[0]", "b[0]", "stamp[1]", "lap[1]", "a[1]",
    "b[1]",
];
const HEAD: usize = 3;
const SLOTS: usize = 4;
const SLOT: usize = 4;

/// A fault of the algorithm itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fault {
    #[default]
    None,
    /// The reader does not look again after it copied.
    TrustsItsCopy,
    /// The writer does not say that it writes.
    DoesNotClaim,
    /// The next writer believes the head.
    TrustsTheHead,
}

/// The first actors send, one at a time; the last one receives.
#[derive(Clone)]
struct Sending {
    writers: usize,
    sends: u32,
    looks: usize,
    fault: Fault,
    mutant: Mutant,
}

struct WordHead(Index);

impl Head<Actor> for WordHead {
    fn load(&self, actor: &Actor) -> u64 {
        u64::from(actor.load(self.0))
    }

    fn store(&self, actor: &Actor, position: u64) {
        actor.store(self.0, u32::try_from(position).unwrap());
    }
}

/// What stands at each position, for whoever knows for certain.
#[derive(Default)]
struct Known {
    committed: Mutex<Vec<(u64, u32)>>,
    seen: Mutex<Vec<(u64, u32)>>,
}

impl Sending {
    fn of(writers: usize, sends: u32, looks: usize) -> Self {
        Self { writers, sends, looks, fault: Fault::None, mutant: Mutant::None }
    }

    fn send(&self, actor: &Actor, known: &Known) {
        let seat = Seat { gate: actor.word(0), writer: actor.word(1), ended: actor.word(2) };
        let feed = feed(actor);
        let position = Cell::new(0);
        let recover = || {
            position.set(match self.fault {
                Fault::TrustsTheHead => feed.head.load(actor),
                _ => feed.recover(actor),
            });
        };
        if seat.take(actor, actor.token(), recover).is_err() {
            return;
        }
        for _ in 0..self.sends {
            let position = position.replace(position.get() + 1);
            let value = u32::try_from(position).unwrap() << 4 | u32::try_from(actor.index + 1).unwrap();
            let data = slot_of(position) + 2;
            if self.fault != Fault::DoesNotClaim {
                feed.begin(actor, position);
            }
            actor.store(actor.word(data), value);
            actor.store(actor.word(data + 1), value);
            feed.commit(actor, position);
            known.committed.lock().unwrap().push((position, value));
        }
        seat.leave(actor, actor.token(), false);
    }

    fn receive(&self, actor: &Actor, known: &Known) {
        let feed = feed(actor);
        let (mut position, mut received, mut lost) = (0, 0, 0);
        for _ in 0..self.looks {
            let data = slot_of(position) + 2;
            let (first, second) = (Cell::new(0), Cell::new(0));
            let copy = || {
                first.set(actor.load(actor.word(data)));
                second.set(actor.load(actor.word(data + 1)));
            };
            let found = if self.fault == Fault::TrustsItsCopy
                && actor.load(actor.word(slot_of(position))) == whole(position)
            {
                copy();
                Found::Message
            } else {
                feed.read(actor, position, copy)
            };
            match found {
                Found::Message => {
                    if first != second || u64::from(first.get() >> 4) != position {
                        violate(format!("torn at {position}: {:x} and {:x}", first.get(), second.get()));
                    }
                    known.seen.lock().unwrap().push((position, first.get()));
                    position += 1;
                    received += 1;
                }
                Found::NotYet => {}
                Found::Overtaken(next) => {
                    lost += next - position;
                    position = next;
                }
            }
        }
        let head = u64::from(actor.load(actor.word(HEAD)));
        if received + lost != position || position > head + 1 {
            violate(format!("{received} received and {lost} lost at {position}, of {head}"));
        }
    }
}

/// The first word of a position's slot.
fn slot_of(position: u64) -> usize {
    SLOTS + SLOT * usize::try_from(position % 2).unwrap()
}

fn feed(actor: &Actor) -> Feed<WordHead, impl Fn(u32) -> (Index, Index)> {
    let slots = [0, 1].map(|slot| (actor.word(SLOTS + SLOT * slot), actor.word(SLOTS + SLOT * slot + 1)));
    Feed { head: WordHead(actor.word(HEAD)), slots: move |index: u32| slots[index as usize], count: 2 }
}

impl Model for Sending {
    type Truth = Known;

    fn setup(&self) -> Setup {
        Setup::new(self.writers + 1, WORDS, self.mutant)
    }

    fn run(&self, actor: &Actor, known: &Known) {
        if actor.index < self.writers { self.send(actor, known) } else { self.receive(actor, known) }
    }

    /// A message that was received is the one that was sent at its position, and there is no other.
    fn finish(&self, _world: &super::world::World, known: &Known) {
        let committed = known.committed.lock().unwrap();
        for (position, value) in known.seen.lock().unwrap().iter() {
            if committed.iter().any(|(other, sent)| other == position && sent != value) {
                violate(format!("{value:x} was received at {position}, and another message sent there"));
            }
        }
    }
}

#[test]
fn a_reader_that_is_overtaken_sees_whole_messages_and_counts_the_others() {
    holds(|| kill_each(&Sending::of(1, 4, 2), &[0, 1]));
}

#[test]
fn a_writer_is_killed_and_another_goes_on_at_its_position() {
    holds(|| kill_each(&Sending::of(2, 2, 2), &[0]));
}

#[test]
fn a_reader_that_trusts_its_copy_is_found() {
    is_found(|| kill_each(&Sending { fault: Fault::TrustsItsCopy, ..Sending::of(1, 3, 1) }, &[]));
}

#[test]
fn a_writer_that_does_not_claim_its_slot_is_found() {
    is_found(|| kill_each(&Sending { fault: Fault::DoesNotClaim, ..Sending::of(1, 3, 1) }, &[]));
}

#[test]
fn a_writer_that_trusts_the_head_is_found() {
    is_found(|| kill_each(&Sending { fault: Fault::TrustsTheHead, ..Sending::of(2, 1, 1) }, &[0]));
}
