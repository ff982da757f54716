//! The ring of one and one: its ends with one owner killed anywhere, a successor at either end, and sleeps at both gates. Positions begin just
//! before they wrap.

use super::actor::Actor;
use super::explore::{Model, give_up_each, holds, is_found, kill_each};
use super::mutant::Mutant;
use super::world::{GENERATION, Setup, World, violate};
use shmem_core::managed::geometry::ring as at;
use shmem_core::membership::{Platform, TokenShape};
use shmem_core::structures::ring::End;
use shmem_core::structures::ring::one::{Begin, OneRing, OneWait, Refused};
use shmem_core::sync::wait::Answer;
use std::sync::Mutex;

/// The ring's words, and two slots of two words each: a message is whole when both are equal.
const WORDS: &[&str] = &[
    "state",
    "recovered",
    "lost",
    "tail",
    "items",
    "producer",
    "producer told",
    "producer laps",
    "full",
    "head",
    "room",
    "consumer",
    "consumer told",
    "consumer laps",
    "taken",
    "first[0]",
    "second[0]",
    "first[1]",
    "second[1]",
];
/// Where each of [`WORDS`] before the slots lies in a ring.
const OFFSETS: [u64; 15] = [
    at::STATE,
    at::RECOVERED,
    at::LOST,
    at::TAIL,
    at::ITEMS_GATE,
    at::PRODUCER,
    at::PRODUCER_TOLD,
    at::PRODUCER_LAPS,
    at::FULL,
    at::HEAD,
    at::ROOM_GATE,
    at::CONSUMER,
    at::CONSUMER_TOLD,
    at::CONSUMER_LAPS,
    at::TAKEN,
];
const STATE: usize = 0;
const TAIL: usize = 3;
const PRODUCER: usize = 5;
const HEAD: usize = 9;
const CONSUMER: usize = 11;
const TAKEN: usize = 14;
const SLOT: usize = 15;
const SLOTS: u32 = 2;

/// The first position: the one before they wrap.
const FIRST: u32 = u32::MAX;

/// What an actor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Sends so many messages with the end that it has from the beginning.
    Sends(u32),
    /// The same, published together as there is room.
    SendsTogether(u32),
    /// As `Sends`, and ends.
    SendsAndEnds(u32),
    /// Takes the end if it can be had, and sends.
    ComesToSend(u32),
    /// Receives so many, or until the producer has died or ended, with the end that it has from the beginning.
    Receives(u32),
    /// The same, and gives the slots of what there is back together.
    Drains(u32),
    /// Takes the end if it can be had, and receives.
    ComesToReceive(u32),
    /// Another thread of who has that end, which ends it.
    Ends(End),
}

/// A ring that is done wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// Who takes over begins with what was not given back.
    BeginsAtHead,
    /// The tail is stored before the message.
    PublishesFirst,
    /// What is taken is marked when it was read.
    MarksLate,
}

#[derive(Clone)]
struct Ring {
    acts: &'static [Act],
    mutant: Mutant,
    fault: Fault,
}

/// The messages received, by position and sender.
#[derive(Default)]
struct Received(Mutex<Vec<(u32, u32)>>);

impl Ring {
    const fn of(acts: &'static [Act]) -> Self {
        Self { acts, mutant: Mutant::None, fault: Fault::Nothing }
    }

    /// Publishes up to so many together.
    fn send(&self, actor: &Actor, mut begin: Begin, count: u32, together: u32) -> bool {
        let ring = words(actor);
        let end = begin.position.wrapping_add(count);
        while begin.position != end {
            let room = SLOTS - ring.used(begin.position, actor.load(ring.head)).unwrap();
            if room == 0 {
                if actor.load(ring.state) != 0 {
                    return false;
                }
                match actor.wait(&mut OneWait::new(ring, End::Producer, begin.position)).unwrap() {
                    Some(Answer::Done) => continue,
                    // Given up, or nobody takes any.
                    _ => return false,
                }
            }
            let batch = room.min(together).min(end.wrapping_sub(begin.position));
            let next = begin.position.wrapping_add(batch);
            if self.fault == Fault::PublishesFirst {
                ring.publish(actor, next);
            }
            while begin.position != next {
                let slot = SLOT + 2 * (begin.position % SLOTS) as usize;
                let message = message(begin.position, actor.index);
                actor.store(actor.word(slot), message);
                actor.store(actor.word(slot + 1), message);
                begin.position = begin.position.wrapping_add(1);
            }
            if self.fault != Fault::PublishesFirst {
                ring.publish(actor, next);
            }
        }
        true
    }

    /// Gives up to so many slots back together.
    fn receive(&self, actor: &Actor, begin: Begin, count: u32, together: u32, received: &Received) {
        let ring = words(actor);
        let mut position = begin.position;
        let end = position.wrapping_add(count);
        while position != end {
            let there = ring.used(actor.load(ring.tail), position).unwrap();
            if there == 0 {
                if actor.load(ring.state) != 0 && actor.load(ring.tail) == position {
                    return;
                }
                match actor.wait(&mut OneWait::new(ring, End::Consumer, position)).unwrap() {
                    Some(Answer::Done) => continue,
                    _ => return,
                }
            }
            for _ in 0..there.min(together).min(end.wrapping_sub(position)) {
                self.take(actor, position, received);
                position = position.wrapping_add(1);
            }
            ring.release(actor, position);
        }
    }

    fn take(&self, actor: &Actor, position: u32, received: &Received) {
        let ring = words(actor);
        let next = position.wrapping_add(1);
        if self.fault != Fault::MarksLate {
            ring.mark_taken(actor, next);
        }
        let slot = SLOT + 2 * (position % SLOTS) as usize;
        let (first, second) = (actor.load(actor.word(slot)), actor.load(actor.word(slot + 1)));
        let sender = (0..self.acts.len()).find(|sender| message(position, *sender) == first);
        let Some(sender) = sender.filter(|_| first == second) else {
            violate(format!("a torn message at {position:x}: {first:x}, {second:x}"))
        };
        {
            let mut received = received.0.lock().unwrap();
            if received.iter().any(|(other, _)| *other == position) {
                violate(format!("the message at {position:x} was received twice"));
            }
            received.push((position, u32::try_from(sender).unwrap()));
        }
        if self.fault == Fault::MarksLate {
            ring.mark_taken(actor, next);
        }
    }

    fn come(&self, actor: &Actor, end: End) -> Option<Begin> {
        let ring = words(actor);
        if self.fault == Fault::BeginsAtHead && end == End::Consumer {
            let head = actor.load(ring.head);
            actor.store(ring.taken, head);
        }
        match ring.take(actor, end, actor.token()) {
            Ok(begin) => Some(begin),
            Err(Refused::Occupied(_)) => None,
            Err(Refused::Corrupt(error)) => violate(error.to_string()),
        }
    }
}

fn message(position: u32, sender: usize) -> u32 {
    0x1000 + (position.wrapping_sub(FIRST) << 4) + u32::try_from(sender).unwrap()
}

fn words(actor: &Actor) -> OneRing<super::world::Index> {
    let word = |offset| Ok(actor.word(OFFSETS.iter().position(|at| *at == offset).unwrap()));
    OneRing::of(SLOTS, word).unwrap()
}

impl Model for Ring {
    type Truth = Received;

    fn setup(&self) -> Setup {
        let shape = TokenShape::of(u32::try_from(self.acts.len()).unwrap());
        let token = |actor: usize| shape.token(u32::try_from(actor).unwrap(), GENERATION).word();
        let mut preset = vec![(TAIL, FIRST), (HEAD, FIRST), (TAKEN, FIRST)];
        for (actor, act) in self.acts.iter().enumerate() {
            match act {
                Act::Sends(_) | Act::SendsTogether(_) | Act::SendsAndEnds(_) => {
                    preset.push((PRODUCER, token(actor)));
                }
                Act::Receives(_) | Act::Drains(_) => preset.push((CONSUMER, token(actor))),
                _ => {}
            }
        }
        // Two interruptions find all the faults below, and a third takes minutes.
        Setup { preset, preemptions: 2, ..Setup::new(self.acts.len(), WORDS, self.mutant) }
    }

    fn run(&self, actor: &Actor, received: &Received) {
        let begin = Begin { position: FIRST, limit: FIRST };
        match self.acts[actor.index] {
            Act::Sends(count) => drop(self.send(actor, begin, count, 1)),
            Act::SendsTogether(count) => drop(self.send(actor, begin, count, SLOTS)),
            Act::SendsAndEnds(count) => {
                if self.send(actor, begin, count, 1) {
                    words(actor).end(actor, End::Producer);
                }
            }
            Act::ComesToSend(count) => {
                if let Some(begin) = self.come(actor, End::Producer) {
                    self.send(actor, begin, count, 1);
                }
            }
            Act::Ends(end) => words(actor).end(actor, end),
            Act::Receives(count) => self.receive(actor, begin, count, 1, received),
            Act::Drains(count) => self.receive(actor, begin, count, SLOTS, received),
            Act::ComesToReceive(count) => {
                if let Some(begin) = self.come(actor, End::Consumer) {
                    self.receive(actor, begin, count, 1, received);
                }
            }
        }
    }

    /// With nothing to do, while who has the other end lives, or nobody has it, or its death was told.
    fn may_sleep(&self, world: &World) -> bool {
        let value = |number: usize| world.at_end(world.word(number));
        let (head, taken, tail) = (value(HEAD), value(TAKEN), value(TAIL));
        let waits_for_item = tail == taken && value(STATE) == 0;
        let waits_for_room = tail.wrapping_sub(head) == SLOTS && value(STATE) == 0;
        let is_there = |owner: usize| value(owner) == 0 || world.is_alive(value(owner));
        waits_for_item && is_there(PRODUCER) || waits_for_room && is_there(CONSUMER)
    }

    /// What was received is what was sent, without what died in a consumer's hands.
    fn finish(&self, world: &World, received: &Received) {
        let received = received.0.lock().unwrap();
        let positions: Vec<u32> = received.iter().map(|(position, _)| position.wrapping_sub(FIRST)).collect();
        let deaths = (0..self.acts.len()).filter(|actor| world.is_dead(*actor)).count();
        let taken = world.at_end(world.word(TAKEN)).wrapping_sub(FIRST) as usize;
        if !positions.is_sorted() || positions.len() + deaths < taken {
            violate(format!("{taken} messages were taken, of which {positions:?} were received"));
        }
    }
}

use Act::{ComesToReceive, ComesToSend, Drains, Ends, Receives, Sends, SendsAndEnds, SendsTogether};

/// More messages than there are slots, so that both sleep.
const THROUGH: Ring = Ring::of(&[Sends(3), Receives(3)]);

#[test]
fn messages_go_through_a_ring_and_either_is_killed() {
    holds(|| kill_each(&THROUGH, &[0, 1]));
}

#[test]
fn who_waits_at_a_ring_gives_up() {
    holds(|| give_up_each(&Ring::of(&[Sends(1), Receives(2)]), 1, Some(0)));
    holds(|| give_up_each(&THROUGH, 0, Some(1)));
}

#[test]
fn a_producer_comes_to_a_consumer_that_waits_and_is_killed() {
    holds(|| kill_each(&Ring::of(&[ComesToSend(1), Receives(1)]), &[0]));
}

#[test]
fn a_consumer_comes_to_a_producer_that_waits_and_is_killed() {
    holds(|| kill_each(&Ring::of(&[Sends(3), ComesToReceive(1)]), &[1]));
}

#[test]
fn an_end_is_told_to_who_waits() {
    holds(|| kill_each(&Ring::of(&[SendsAndEnds(1), Receives(3)]), &[0]));
}

#[test]
fn an_end_is_told_to_who_waits_at_it() {
    holds(|| kill_each(&Ring::of(&[Receives(1), Ends(End::Consumer)]), &[]));
    holds(|| kill_each(&Ring::of(&[Sends(3), Ends(End::Producer)]), &[]));
}

#[test]
fn a_consumer_is_killed_and_another_goes_on() {
    holds(|| kill_each(&Ring::of(&[Sends(2), Receives(2), ComesToReceive(2)]), &[1]));
}

#[test]
fn a_producer_is_killed_and_another_goes_on() {
    holds(|| kill_each(&Ring::of(&[Sends(2), Receives(3), ComesToSend(1)]), &[0]));
}

#[test]
fn batches_go_through_a_ring_and_either_is_killed() {
    holds(|| kill_each(&Ring::of(&[SendsTogether(3), Drains(3)]), &[0, 1]));
}

#[test]
fn a_consumer_is_killed_in_a_drain_and_another_goes_on() {
    holds(|| kill_each(&Ring::of(&[SendsTogether(2), Drains(2), ComesToReceive(2)]), &[1]));
}

#[test]
fn two_come_for_one_end() {
    holds(|| kill_each(&Ring::of(&[ComesToSend(1), ComesToSend(1), Receives(1)]), &[0]));
}

#[test]
fn faults_are_found() {
    let wrong = |acts, fault| Ring { fault, ..Ring::of(acts) };
    let taking_over = &[Sends(2), Receives(2), ComesToReceive(2)];
    is_found(|| kill_each(&wrong(taking_over, Fault::BeginsAtHead), &[1]));
    is_found(|| kill_each(&wrong(taking_over, Fault::MarksLate), &[1]));
    is_found(|| kill_each(&wrong(&[Sends(2), Drains(2), ComesToReceive(2)], Fault::MarksLate), &[1]));
    is_found(|| kill_each(&wrong(&[Sends(1), Receives(1)], Fault::PublishesFirst), &[]));
}

#[test]
fn broken_machines_are_found() {
    let broken = |acts, mutant| Ring { mutant, ..Ring::of(acts) };
    is_found(|| kill_each(&broken(&[Sends(1), Receives(2)], Mutant::StoreIsBuffered), &[0]));
    is_found(|| kill_each(&broken(&[Sends(1), Receives(1)], Mutant::WakesNobody), &[]));
    is_found(|| kill_each(&broken(&[Sends(1), Receives(2)], Mutant::KernelWakesNobody), &[0]));
    is_found(|| kill_each(&broken(&[ComesToSend(1), Receives(1)], Mutant::NothingIsPending), &[0]));
}
