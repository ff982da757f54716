//! The reader-writer lock: writers and readers, one killed anywhere, one giving up anywhere.

use super::actor::Actor;
use super::explore::{Model, give_up_each, holds, is_found, kill_each};
use super::mutant::Mutant;
use super::world::{Setup, World, violate};
use shmem_core::membership::Platform;
use shmem_core::sync::mutex::LockOptions;
use shmem_core::sync::rwlock::{ReadLock, WriteLock, read_unlock, write_unlock};
use shmem_core::sync::wait::Answer;
use std::sync::Mutex;

/// The first actors write, the others read.
#[derive(Clone)]
struct Sharing {
    writers: usize,
    readers: usize,
    mutant: Mutant,
}

impl Sharing {
    fn between(writers: usize, readers: usize) -> Self {
        Self { writers, readers, mutant: Mutant::None }
    }

    fn with(self, mutant: Mutant) -> Self {
        Self { mutant, ..self }
    }
}

/// Who is inside.
#[derive(Default)]
struct Inside(Mutex<[bool; 4]>);

impl Inside {
    fn enter(&self, actor: &Actor, with: impl Fn(usize) -> bool) {
        let mut inside = self.0.lock().unwrap();
        let stranger = (0..actor.world.setup.actors)
            .find(|other| inside[*other] && !actor.world.is_dead(*other) && !with(*other));
        inside[actor.index] = true;
        drop(inside);
        if let Some(other) = stranger {
            violate(format!("{} and {other} are inside", actor.index));
        }
        actor.note("ENTERS");
    }

    fn leave(&self, actor: &Actor) {
        self.0.lock().unwrap()[actor.index] = false;
    }
}

impl Model for Sharing {
    type Truth = Inside;

    fn setup(&self) -> Setup {
        let actors = self.writers + self.readers;
        let words = &["data", "writer", "cell[0]", "cell[1]", "cell[2]"][..2 + actors];
        Setup::new(actors, words, self.mutant)
    }

    fn run(&self, actor: &Actor, inside: &Inside) {
        let options = LockOptions { strict: false, blocks_owner: true };
        let (writer, token) = (actor.word(1), actor.token());
        let cell = |slot: u32| actor.word(2 + slot as usize);
        if actor.index < self.writers {
            let slots = u32::try_from(actor.world.setup.actors).unwrap();
            let answer = actor.wait(&mut WriteLock::new(writer, cell, slots, token, options)).unwrap();
            let Some(answer) = answer else { return };
            check_death(actor, answer);
            inside.enter(actor, |_| false);
            actor.count_alone(actor.word(0));
            inside.leave(actor);
            write_unlock(actor, writer, token).unwrap();
        } else {
            let mine = actor.word(2 + actor.index);
            let answer = actor.wait(&mut ReadLock::new(writer, mine, token, options)).unwrap();
            let Some(answer) = answer else { return };
            check_death(actor, answer);
            inside.enter(actor, |other| other >= self.writers);
            let before = actor.load(actor.word(0));
            if actor.load(actor.word(0)) != before {
                violate("what a reader reads has changed");
            }
            inside.leave(actor);
            read_unlock(actor, mine, token).unwrap();
        }
    }

    fn finish(&self, world: &World, _inside: &Inside) {
        for number in 1..world.setup.words.len() {
            if world.is_alive(world.at_end(world.word(number))) {
                violate(format!("{} is held at the end", world.setup.words[number]));
            }
        }
    }
}

fn check_death(actor: &Actor, answer: Answer) {
    if answer == Answer::OwnerDied && !(0..actor.world.setup.actors).any(|other| actor.world.is_dead(other)) {
        violate("a death was told, and nobody died");
    }
}

#[test]
fn a_writer_and_a_reader_of_whom_one_is_killed() {
    holds(|| kill_each(&Sharing::between(1, 1), &[0, 1]));
}

#[test]
fn a_writer_and_two_readers_and_the_writer_is_killed() {
    holds(|| kill_each(&Sharing::between(1, 2), &[0]));
}

#[test]
fn a_writer_and_two_readers_and_a_reader_is_killed() {
    holds(|| kill_each(&Sharing::between(1, 2), &[1]));
}

#[test]
fn two_writers_and_a_reader_and_a_writer_is_killed() {
    holds(|| kill_each(&Sharing::between(2, 1), &[0]));
}

#[test]
fn two_writers_and_a_reader_and_the_reader_is_killed() {
    holds(|| kill_each(&Sharing::between(2, 1), &[2]));
}

#[test]
fn a_reader_or_writer_gives_up_anywhere() {
    holds(|| give_up_each(&Sharing::between(2, 1), 2, None));
    holds(|| give_up_each(&Sharing::between(2, 1), 1, None));
    holds(|| give_up_each(&Sharing::between(1, 2), 0, None));
}

#[test]
fn one_of_two_gives_up_and_the_other_is_killed() {
    holds(|| give_up_each(&Sharing::between(1, 1), 0, Some(1)));
    holds(|| give_up_each(&Sharing::between(1, 1), 1, Some(0)));
}

#[test]
fn a_store_that_comes_after_the_next_load_is_found() {
    is_found(|| kill_each(&Sharing::between(1, 1).with(Mutant::StoreIsBuffered), &[]));
}

#[test]
fn a_forgotten_wake_is_found() {
    is_found(|| kill_each(&Sharing::between(1, 1).with(Mutant::WakesNobody), &[]));
}
