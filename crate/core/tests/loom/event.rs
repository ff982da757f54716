//! The event word: setters and waiters, one killed anywhere, one giving up anywhere.

use super::actor::Actor;
use super::explore::{Model, give_up_each, holds, is_found, kill_each};
use super::mutant::Mutant;
use super::world::{Setup, violate};
use shmem_core::sync::event::{EventWait, Reset, set};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The first actors set it once, the others wait once.
#[derive(Clone)]
struct Signalling {
    setters: usize,
    waiters: usize,
    reset: Reset,
    mutant: Mutant,
}

impl Signalling {
    fn between(setters: usize, waiters: usize, reset: Reset) -> Self {
        Self { setters, waiters, reset, mutant: Mutant::None }
    }

    fn with(self, mutant: Mutant) -> Self {
        Self { mutant, ..self }
    }
}

/// How often it was set, and how often somebody got through.
#[derive(Default)]
struct Passed {
    sets: AtomicU32,
    passes: AtomicU32,
}

impl Model for Signalling {
    type Truth = Passed;

    fn setup(&self) -> Setup {
        let actors = self.setters + self.waiters;
        Setup::new(actors, &["event"], self.mutant)
    }

    fn run(&self, actor: &Actor, passed: &Passed) {
        let word = actor.word(0);
        let set = || {
            // Counted before: a setter may be killed once it is set.
            passed.sets.fetch_add(1, Relaxed);
            set(actor, word, self.reset);
        };
        if actor.index < self.setters {
            return set();
        }
        // Whoever gets through and is killed then keeps it from the others, and rightly so.
        actor.expose();
        let answer = actor.wait(&mut EventWait::new(word, self.reset)).unwrap();
        if answer.is_none() {
            return;
        }
        actor.note("PASSES");
        passed.passes.fetch_add(1, Relaxed);
        let sets = passed.sets.load(Relaxed);
        if sets == 0 || self.reset == Reset::Auto && passed.passes.load(Relaxed) > sets {
            violate("somebody got through, and it was not set");
        }
        if self.reset == Reset::Auto {
            // The next one's turn.
            set();
        }
    }
}

#[test]
fn a_setter_is_killed_and_another_sets() {
    holds(|| kill_each(&Signalling::between(2, 1, Reset::Auto), &[0]));
    holds(|| kill_each(&Signalling::between(2, 2, Reset::Auto), &[0]));
    holds(|| kill_each(&Signalling::between(2, 1, Reset::Manual), &[0]));
    holds(|| kill_each(&Signalling::between(2, 2, Reset::Manual), &[0]));
}

#[test]
fn a_waiter_is_killed() {
    holds(|| kill_each(&Signalling::between(1, 2, Reset::Auto), &[1]));
    holds(|| kill_each(&Signalling::between(1, 3, Reset::Auto), &[1]));
    holds(|| kill_each(&Signalling::between(1, 2, Reset::Manual), &[1]));
    holds(|| kill_each(&Signalling::between(1, 3, Reset::Manual), &[1]));
}

#[test]
fn a_waiter_gives_up() {
    holds(|| give_up_each(&Signalling::between(1, 3, Reset::Auto), 1, None));
    holds(|| give_up_each(&Signalling::between(1, 3, Reset::Manual), 1, None));
}

#[test]
fn a_waiter_gives_up_and_a_setter_or_waiter_is_killed() {
    for reset in [Reset::Auto, Reset::Manual] {
        holds(|| give_up_each(&Signalling::between(2, 1, reset), 2, Some(0)));
        holds(|| give_up_each(&Signalling::between(1, 2, reset), 1, Some(2)));
    }
}

#[test]
fn a_forgotten_wake_is_found() {
    is_found(|| kill_each(&Signalling::between(1, 1, Reset::Auto).with(Mutant::WakesNobody), &[]));
    is_found(|| kill_each(&Signalling::between(1, 1, Reset::Manual).with(Mutant::WakesNobody), &[]));
}

#[test]
fn a_missing_pending_word_is_found() {
    for reset in [Reset::Auto, Reset::Manual] {
        is_found(|| kill_each(&Signalling::between(2, 1, reset).with(Mutant::NothingIsPending), &[0]));
    }
    is_found(|| kill_each(&Signalling::between(1, 2, Reset::Auto).with(Mutant::NothingIsPending), &[1]));
}

#[test]
fn an_exchange_that_is_not_atomic_is_found() {
    is_found(|| kill_each(&Signalling::between(2, 2, Reset::Auto).with(Mutant::ExchangeIsNotAtomic), &[]));
}
