//! The ring of many: every message is got once, or died in somebody's hands; and nobody sleeps beside one, nor beside room.

use super::actor::Actor;
use super::explore::{Fates, Model, explore, give_up_each, holds, is_found, kill_each};
use super::mutant::Mutant;
use super::world::{GENERATION, Index, Setup, World, violate};
use shmem_core::membership::{Platform, Token, TokenShape};
use shmem_core::structures::ring::End;
use shmem_core::structures::ring::many::{EndWait, FULL, Gate, LAP, Many, Part, READING, SKIPPED, Seen};
use std::sync::Mutex;

/// What an actor does, one after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Send,
    /// Claims, and gives the claim up.
    Abort,
    Receive,
    /// Ends the producers' side.
    Ends,
}

use Act::{Abort, Ends, Receive, Send};

/// A ring that is done wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// As Vyukov's: the position is moved, and then the slot claimed.
    MovesFirst,
    /// A commit stores.
    CommitStores,
    /// The gate is looked at behind the commit only.
    LooksLate,
    /// Those who looked before the claim are not told of it by the sequence.
    AnnouncesNothing,
}

const WORDS: &[&str] = &[
    "tail",
    "head",
    "items",
    "items sequence",
    "room",
    "room sequence",
    "recovered",
    "lost",
    "state",
    "skipped",
    "standing",
    "laps",
    "cleared",
    "seat[0]",
    "seat[1]",
    "control[0]",
    "data[0]",
    "control[1]",
    "data[1]",
];
const SEAT: usize = 13;
const CONTROL: usize = 15;

#[derive(Clone)]
struct Ring {
    acts: &'static [&'static [Act]],
    slots: u32,
    drops: bool,
    /// Consumers sit down before they receive, and not before all begins.
    sits: bool,
    /// They never sit down.
    stands: bool,
    preemptions: Option<usize>,
    mutant: Mutant,
    fault: Fault,
}

/// What became of the messages.
#[derive(Default)]
struct Book(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    tried: Vec<u32>,
    sent: Vec<u32>,
    got: Vec<u32>,
}

impl Ring {
    fn of(slots: u32, acts: &'static [&'static [Act]]) -> Self {
        Self {
            acts,
            slots,
            drops: false,
            sits: false,
            stands: false,
            preemptions: None,
            mutant: Mutant::None,
            fault: Fault::Nothing,
        }
    }

    fn within(self, preemptions: usize) -> Self {
        Self { preemptions: Some(preemptions), ..self }
    }

    fn done_wrong(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }

    fn words<'a>(&self, actor: &'a Actor) -> Many<Index, impl Fn(Part) -> Index + use<'a>> {
        Many {
            tail: actor.word(0),
            head: actor.word(1),
            items: Gate { word: actor.word(2), sequence: actor.word(3) },
            room: Gate { word: actor.word(4), sequence: actor.word(5) },
            recovered: actor.word(6),
            lost: actor.word(7),
            state: actor.word(8),
            skipped: actor.word(9),
            cleared: actor.word(12),
            standing: actor.word(10),
            laps: [actor.word(11); 2],
            part: |part| match part {
                Part::Control(index) => actor.word(CONTROL + 2 * index as usize),
                Part::Seat(index) => actor.word(SEAT + index as usize),
            },
            seats: u32::try_from(self.consumers().count()).unwrap(),
            slots: self.slots,
            drops: self.drops,
        }
    }

    fn consumers(&self) -> impl Iterator<Item = usize> {
        (0..self.acts.len()).filter(|actor| self.acts[*actor].contains(&Receive))
    }

    fn ends(&self) -> bool {
        self.acts.iter().any(|acts| acts.contains(&Ends))
    }

    fn control(&self, position: u32) -> usize {
        CONTROL + 2 * (position % self.slots) as usize
    }

    fn claim(&self, actor: &Actor) -> Option<u32> {
        let ring = self.words(actor);
        loop {
            if self.fault == Fault::MovesFirst {
                let position = actor.load(ring.tail);
                if actor.load(actor.word(self.control(position))) == position / self.slots {
                    if actor.compare_exchange(ring.tail, position, position + 1).is_ok() {
                        actor.store(actor.word(self.control(position)), actor.token().word());
                        return Some(position);
                    }
                    continue;
                }
            }
            let seen = ring.claim(actor, actor.token()).unwrap();
            if let Seen::Ready(position) = seen {
                return Some(position);
            }
            actor.wait(&mut EndWait::new(self.words(actor), End::Producer)).unwrap()?;
        }
    }

    fn commit(&self, actor: &Actor, position: u32) {
        let ring = self.words(actor);
        let control = actor.word(self.control(position));
        let (token, full) = (actor.token().word(), FULL | (position / self.slots));
        let exchange = || actor.compare_exchange(control, token, full).unwrap();
        match self.fault {
            Fault::CommitStores => {
                actor.store(control, full);
                if actor.load(ring.items.word) != 0 {
                    ring.tell(actor, End::Consumer);
                }
            }
            Fault::LooksLate => {
                exchange();
                ring.tell(actor, End::Consumer);
            }
            Fault::AnnouncesNothing => {
                actor.set_pending(Some(ring.items.word));
                exchange();
                ring.tell(actor, End::Consumer);
            }
            _ => ring.commit(actor, actor.token(), position).unwrap(),
        }
    }

    fn send(&self, actor: &Actor, value: u32, book: &Book) -> Option<()> {
        let position = self.claim(actor)?;
        actor.store(actor.word(self.control(position) + 1), value);
        book.0.lock().unwrap().tried.push(value);
        self.commit(actor, position);
        book.0.lock().unwrap().sent.push(value);
        Some(())
    }

    fn receive(&self, actor: &Actor, book: &Book) -> Option<()> {
        let ring = self.words(actor);
        loop {
            // The state first, as an end of the ring does.
            let has_ended = self.ends() && actor.load(ring.state) != 0;
            let seen = ring.take(actor, actor.token()).unwrap();
            if let (Seen::Wanting(position), true) = (seen, has_ended) {
                ring.bury(actor, position, true).unwrap();
                return None;
            }
            if let Seen::Ready(position) = seen {
                let value = actor.load(actor.word(self.control(position) + 1));
                {
                    let got = &mut book.0.lock().unwrap().got;
                    if value == 0 || got.contains(&value) {
                        violate(format!("message {value:x} was got, after {got:x?}"));
                    }
                    got.push(value);
                }
                ring.release(actor, actor.token(), position).unwrap();
                return Some(());
            }
            actor.wait(&mut EndWait::new(self.words(actor), End::Consumer)).unwrap()?;
        }
    }

    /// What lies in the slots.
    fn lying(&self, world: &World) -> Vec<u32> {
        let slots = (0..self.slots).filter(|slot| {
            let word = world.at_end(world.word(self.control(*slot)));
            word & !LAP == FULL
        });
        slots.map(|slot| world.at_end(world.word(self.control(slot) + 1))).collect()
    }
}

impl Model for Ring {
    type Truth = Book;

    fn setup(&self) -> Setup {
        let words = &WORDS[..CONTROL + 2 * self.slots as usize];
        let setup = Setup::new(self.acts.len(), words, self.mutant);
        let shape = TokenShape::of(u32::try_from(self.acts.len()).unwrap());
        let seat = |(seat, actor)| (seat, shape.token(u32::try_from(actor).unwrap(), GENERATION).word());
        let preset = if self.sits || self.stands {
            Vec::new()
        } else {
            (SEAT..).zip(self.consumers()).map(seat).collect()
        };
        Setup { preemptions: self.preemptions.unwrap_or(setup.preemptions), preset, ..setup }
    }

    fn run(&self, actor: &Actor, book: &Book) {
        if self.sits && self.acts[actor.index].contains(&Receive) {
            self.words(actor).sit(actor, actor.token());
        }
        for (number, act) in (1..).zip(self.acts[actor.index]) {
            let value = number << 8 | u32::try_from(actor.index + 1).unwrap();
            let done = match act {
                Send => self.send(actor, value, book),
                Receive => self.receive(actor, book),
                Ends => {
                    self.words(actor).end(actor, End::Producer);
                    None
                }
                Abort => self.claim(actor).map(|position| {
                    self.words(actor).abort(actor, actor.token(), position).unwrap();
                }),
            };
            if done.is_none() {
                return;
            }
        }
    }

    /// Consumers beside an empty ring, producers beside a full one, while it has not ended.
    fn may_sleep(&self, world: &World) -> bool {
        if world.at_end(world.word(8)) != 0 {
            return false;
        }
        let tail = world.at_end(world.word(0));
        let next = world.at_end(world.word(self.control(tail)));
        let dead =
            |word: u32| Token::from_word(word & !READING).is_some() && !world.is_alive(word & !READING);
        let has_room = next == tail / self.slots || next & !LAP == SKIPPED || dead(next);
        let has_items = !self.lying(world).is_empty();
        (0..self.acts.len())
            .filter(|actor| world.sleeps(*actor))
            .all(|actor| if self.acts[actor].contains(&Receive) { !has_items } else { !has_room })
    }

    /// One message at most died in somebody's hands, and none is counted twice as lost: a consumer may have died with one that it got.
    fn finish(&self, world: &World, book: &Book) {
        let book = book.0.lock().unwrap();
        let lying = self.lying(world);
        let missing =
            book.sent.iter().filter(|sent| !book.got.contains(sent) && !lying.contains(sent)).count();
        let deaths = (0..self.acts.len()).filter(|actor| world.is_dead(*actor)).count();
        let dropped = world.at_end(world.word(7)) as usize;
        let gone =
            book.tried.iter().filter(|tried| !book.got.contains(tried) && !lying.contains(tried)).count();
        let readers = self.consumers().filter(|actor| world.is_dead(*actor)).count();
        if dropped > gone + readers {
            violate(format!(
                "{dropped} are counted as lost, of {:x?}, of which {:x?} were got",
                book.tried, book.got
            ));
        }
        if missing > deaths + dropped {
            violate(format!(
                "sent {:x?}, got {:x?}, {lying:x?} is left, {dropped} were dropped",
                book.sent, book.got
            ));
        }
    }
}

fn two_producers(slots: u32) -> Ring {
    Ring::of(slots, &[&[Send], &[Send], &[Receive, Receive]])
}

fn two_consumers(slots: u32) -> Ring {
    Ring::of(slots, &[&[Send, Send], &[Receive], &[Receive]])
}

fn one_to_one() -> Ring {
    Ring::of(1, &[&[Send, Send], &[Receive, Receive]])
}

#[test]
fn two_messages_go_through_one_slot_and_either_end_is_killed() {
    holds(|| kill_each(&one_to_one().within(1), &[0, 1]));
}

#[test]
fn two_send_to_one_and_one_is_killed() {
    holds(|| kill_each(&two_producers(2).within(1), &[0, 2]));
    holds(|| kill_each(&two_producers(1).within(1), &[0]));
}

#[test]
fn two_receive_from_one_and_one_is_killed() {
    holds(|| kill_each(&two_consumers(2).within(1), &[0, 1]));
    holds(|| kill_each(&two_consumers(1).within(1), &[1]));
}

#[test]
fn a_claim_is_given_up() {
    holds(|| kill_each(&Ring::of(1, &[&[Abort, Send], &[Receive]]).within(1), &[0]));
    holds(|| kill_each(&Ring::of(1, &[&[Abort], &[Send], &[Receive]]).within(1), &[0]));
}

#[test]
fn an_end_is_told_beside_a_message_that_is_read() {
    holds(|| kill_each(&Ring::of(1, &[&[Send, Ends], &[Receive, Receive], &[Receive]]).within(1), &[0, 1]));
}

#[test]
fn the_oldest_is_dropped() {
    let ring = |acts| Ring { drops: true, ..Ring::of(1, acts) };
    holds(|| kill_each(&ring(&[&[Send, Send], &[Receive]]).within(1), &[0, 1]));
    holds(|| kill_each(&ring(&[&[Send], &[Send]]).within(2), &[0]));
    holds(|| kill_each(&ring(&[&[Send], &[Send, Send]]).within(1), &[0]));
    holds(|| kill_each(&ring(&[&[Send], &[Send], &[Receive]]).within(1), &[0]));
}

/// A commit opens two gates there, and only one word is pending at a time. It takes two interruptions to see what that does, so only these kills are tried.
#[test]
fn who_drops_the_oldest_is_killed_between_the_gates_that_it_opens() {
    let ring = Ring { drops: true, ..Ring::of(1, &[&[Send], &[Send], &[Receive]]) }.within(2);
    holds(|| {
        (14..=17).try_fold(0, |orders, step| {
            let mut fates = Fates::default();
            fates[0].killed_at = Some(step);
            explore(&ring, fates).map(|explored| orders + explored.orders)
        })
    });
}

#[test]
fn a_consumer_that_sits_down_late_is_watched() {
    holds(|| kill_each(&Ring { sits: true, ..one_to_one() }.within(1), &[1]));
}

#[test]
fn one_gives_up() {
    holds(|| give_up_each(&two_consumers(2).within(1), 1, None));
    holds(|| give_up_each(&one_to_one().within(1), 0, Some(1)));
}

#[test]
fn a_position_that_moves_before_the_claim_is_found() {
    is_found(|| kill_each(&two_producers(1).done_wrong(Fault::MovesFirst), &[0]));
}

#[test]
fn a_commit_that_stores_is_found() {
    let buffered = Ring { mutant: Mutant::StoreIsBuffered, ..one_to_one() };
    is_found(|| kill_each(&buffered.done_wrong(Fault::CommitStores), &[]));
}

#[test]
fn a_gate_that_is_looked_at_late_is_found() {
    is_found(|| kill_each(&one_to_one().done_wrong(Fault::LooksLate), &[0]));
}

#[test]
fn a_quiet_commit_is_found() {
    is_found(|| kill_each(&one_to_one().done_wrong(Fault::AnnouncesNothing), &[0]));
}

#[test]
fn a_consumer_that_nobody_watches_is_found() {
    is_found(|| kill_each(&Ring { stands: true, ..one_to_one() }, &[1]));
}

#[test]
fn an_exchange_in_two_steps_is_found() {
    is_found(|| kill_each(&Ring { mutant: Mutant::ExchangeIsNotAtomic, ..two_consumers(2) }, &[]));
}

#[test]
fn a_kernel_that_wakes_nobody_is_found() {
    is_found(|| kill_each(&Ring { mutant: Mutant::KernelWakesNobody, ..one_to_one() }, &[0]));
}

#[test]
fn a_forgotten_wake_is_found() {
    is_found(|| kill_each(&Ring { mutant: Mutant::WakesNobody, ..one_to_one() }, &[]));
}
