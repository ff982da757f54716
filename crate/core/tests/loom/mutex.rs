//! The lock word: two and three lockers, one killed anywhere, one giving up anywhere.

use super::actor::Actor;
use super::explore::{Model, give_up_each, holds, is_found, kill_each};
use super::mutant::Mutant;
use super::world::{Setup, WAITERS, World, violate};
use shmem_core::sync::mutex::{Lock, LockOptions, unlock};
use shmem_core::sync::wait::Answer;
use std::sync::Mutex;

/// Each locks so many times.
#[derive(Clone)]
struct Locking {
    actors: usize,
    rounds: u32,
    mutant: Mutant,
}

impl Locking {
    fn by(actors: usize, rounds: u32) -> Self {
        Self { actors, rounds, mutant: Mutant::None }
    }

    fn with(mutant: Mutant) -> Self {
        Self { mutant, ..Self::by(2, 1) }
    }
}

impl Model for Locking {
    /// Who is inside.
    type Truth = Inside;

    fn setup(&self) -> Setup {
        Setup::new(self.actors, &["lock", "data"], self.mutant)
    }

    fn run(&self, actor: &Actor, inside: &Inside) {
        let word = actor.word(0);
        for _ in 0..self.rounds {
            let options = LockOptions { strict: false, blocks_owner: true };
            match actor.wait(&mut Lock::new(word, actor.token(), options)).unwrap() {
                Some(answer) => inside.enter(actor, answer),
                None => continue,
            }
            actor.count_alone(actor.word(1));
            inside.leave();
            unlock(actor, word, actor.token()).unwrap();
        }
    }

    fn finish(&self, world: &World, _inside: &Inside) {
        let word = world.at_end(world.word(0));
        if word & !WAITERS != 0 && !(0..self.actors).any(|actor| world.is_dead(actor)) {
            violate(format!("the lock is {word:x} at the end"));
        }
    }
}

/// Who is inside, as the threads themselves know.
#[derive(Default)]
pub(crate) struct Inside(Mutex<Option<usize>>);

impl Inside {
    pub(crate) fn enter(&self, actor: &Actor, answer: Answer) {
        let before = *self.0.lock().unwrap();
        let died = match before {
            None => false,
            Some(other) if actor.world.is_dead(other) => true,
            Some(other) => violate(format!("{} and {other} are inside", actor.index)),
        };
        if died && answer != Answer::OwnerDied {
            violate("an owner's death was not told");
        }
        if answer == Answer::OwnerDied
            && !(0..4).any(|other| other < actor.world.setup.actors && actor.world.is_dead(other))
        {
            violate("a death was told, and nobody died");
        }
        actor.note("ENTERS");
        *self.0.lock().unwrap() = Some(actor.index);
    }

    pub(crate) fn leave(&self) {
        *self.0.lock().unwrap() = None;
    }
}

#[test]
fn two_lock_twice_and_one_is_killed_anywhere() {
    holds(|| kill_each(&Locking::by(2, 2), &[0]));
}

#[test]
fn three_lock_and_one_is_killed_anywhere() {
    holds(|| kill_each(&Locking::by(3, 1), &[0]));
}

#[test]
fn one_of_three_gives_up_anywhere() {
    holds(|| give_up_each(&Locking::by(3, 1), 1, None));
}

#[test]
fn one_of_two_gives_up_anywhere_and_the_other_is_killed() {
    holds(|| give_up_each(&Locking::by(2, 1), 1, Some(0)));
}

#[test]
fn an_exchange_that_is_not_atomic_is_found() {
    is_found(|| kill_each(&Locking::with(Mutant::ExchangeIsNotAtomic), &[]));
}

#[test]
fn a_forgotten_wake_is_found() {
    is_found(|| kill_each(&Locking::with(Mutant::WakesNobody), &[]));
}

#[test]
fn a_kernel_that_wakes_nobody_is_found() {
    is_found(|| kill_each(&Locking::with(Mutant::KernelWakesNobody), &[0]));
}

#[test]
fn one_wake_where_two_are_due_is_found() {
    is_found(|| kill_each(&Locking { actors: 3, ..Locking::with(Mutant::WakesOne) }, &[0]));
}

/// One holds two locks, two wait for one each.
#[derive(Clone)]
struct TwoLocks(Mutant);

impl Model for TwoLocks {
    type Truth = [Inside; 2];

    fn setup(&self) -> Setup {
        Setup::new(3, &["left", "right"], self.0)
    }

    fn run(&self, actor: &Actor, inside: &[Inside; 2]) {
        let wanted = match actor.index {
            0 => 0..2,
            other => other - 1..other,
        };
        for number in wanted.clone() {
            let options = LockOptions { strict: false, blocks_owner: true };
            let answer = actor.wait(&mut Lock::new(actor.word(number), actor.token(), options)).unwrap();
            inside[number].enter(actor, answer.unwrap());
        }
        for number in wanted {
            inside[number].leave();
            unlock(actor, actor.word(number), actor.token()).unwrap();
        }
    }
}

#[test]
fn the_holder_of_two_locks_is_killed_and_both_come_free() {
    holds(|| kill_each(&TwoLocks(Mutant::None), &[0]));
}

#[test]
fn a_death_that_is_not_passed_on_is_found() {
    is_found(|| kill_each(&TwoLocks(Mutant::DeathIsNotPassedOn), &[0]));
}
