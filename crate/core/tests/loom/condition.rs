//! The condition variable: notifiers and waiters, one killed anywhere, one giving up anywhere.

use super::actor::Actor;
use super::explore::{Model, give_up_each, holds, is_found, kill_each};
use super::mutant::Mutant;
use super::world::{Setup, World};
use shmem_core::membership::Platform;
use shmem_core::sync::condition::{Notified, notify};
use shmem_core::sync::mutex::{Lock, LockOptions, unlock};

/// The first actors put items and notify for each, the others take one each.
#[derive(Clone)]
struct Handing {
    givers: usize,
    takers: usize,
    /// How many each giver puts.
    items: u32,
    /// How many a giver wakes.
    wakes: u32,
    mutant: Mutant,
}

impl Handing {
    fn between(givers: usize, takers: usize, wakes: u32) -> Self {
        Self { givers, takers, items: 1, wakes, mutant: Mutant::None }
    }

    fn with(self, mutant: Mutant) -> Self {
        Self { mutant, ..self }
    }
}

impl Model for Handing {
    type Truth = ();

    fn setup(&self) -> Setup {
        Setup::new(self.givers + self.takers, &["gate", "sequence", "items"], self.mutant)
    }

    fn run(&self, actor: &Actor, (): &()) {
        let (gate, sequence, items) = (actor.word(0), actor.word(1), actor.word(2));
        if actor.index < self.givers {
            for _ in 0..self.items {
                actor.add(items, 1);
                notify(actor, gate, sequence, self.wakes);
            }
            return;
        }
        // Whoever was notified and is killed then keeps it from the others, and rightly so.
        actor.expose();
        loop {
            // As if under a mutex: the wait begins before the look.
            let mut notified = Notified::begin(actor, gate, sequence);
            let count = actor.load(items);
            if count > 0 {
                if actor.compare_exchange(items, count, count - 1).is_err() {
                    continue;
                }
                return actor.note("TAKES");
            }
            if actor.wait(&mut notified).unwrap().is_none() {
                return;
            }
        }
    }

    /// Nothing is left to take, but what somebody put who was killed before he told of it.
    fn may_sleep(&self, world: &World) -> bool {
        let dead = (0..self.givers).filter(|giver| world.is_dead(*giver)).count();
        world.at_end(world.word(2)) as usize <= dead
    }
}

/// One raises a flag under a mutex, the others wait for it.
#[derive(Clone)]
struct Flag {
    waiters: usize,
    /// It gives the mutex back before it notifies.
    unlocks_first: bool,
    mutant: Mutant,
}

impl Model for Flag {
    type Truth = ();

    fn setup(&self) -> Setup {
        let words = &["lock", "gate", "sequence", "flag"];
        Setup { preemptions: 3 - self.waiters, ..Setup::new(1 + self.waiters, words, self.mutant) }
    }

    fn run(&self, actor: &Actor, (): &()) {
        let [mutex, gate, sequence, flag] = [0, 1, 2, 3].map(|number| actor.word(number));
        let lock = || {
            let options = LockOptions { strict: false, blocks_owner: true };
            actor.wait_patiently(&mut Lock::new(mutex, actor.token(), options)).unwrap();
        };
        lock();
        if actor.index == 0 {
            actor.store(flag, 1);
            if self.unlocks_first {
                unlock(actor, mutex, actor.token()).unwrap();
            }
            notify(actor, gate, sequence, u32::MAX);
            if self.unlocks_first {
                return;
            }
        } else {
            while actor.load(flag) == 0 {
                let mut notified = Notified::begin(actor, gate, sequence);
                unlock(actor, mutex, actor.token()).unwrap();
                let waited = actor.wait(&mut notified).unwrap();
                lock();
                if waited.is_none() {
                    break;
                }
            }
        }
        unlock(actor, mutex, actor.token()).unwrap();
    }

    /// Nobody was notified, or he who notifies was killed at it.
    fn may_sleep(&self, world: &World) -> bool {
        world.at_end(world.word(2)) == 0 || world.is_dead(0)
    }
}

impl Flag {
    fn before(waiters: usize, unlocks_first: bool) -> Self {
        Self { waiters, unlocks_first, mutant: Mutant::None }
    }
}

#[test]
fn a_notifier_is_killed_and_another_notifies() {
    holds(|| kill_each(&Handing::between(2, 1, 1), &[0]));
    holds(|| kill_each(&Handing::between(2, 1, u32::MAX), &[0]));
}

#[test]
fn two_notify_at_once_and_two_wake() {
    holds(|| kill_each(&Handing::between(2, 2, 1), &[0, 2]));
}

#[test]
fn a_waiter_is_killed_and_its_wake_goes_to_another() {
    holds(|| kill_each(&Handing::between(1, 2, 1), &[1]));
    holds(|| kill_each(&Handing { items: 2, ..Handing::between(1, 2, 1) }, &[1]));
}

#[test]
fn waiters_of_a_mutex_see_the_flag() {
    holds(|| kill_each(&Flag::before(1, false), &[0, 1]));
    holds(|| kill_each(&Flag::before(1, true), &[0, 1]));
    holds(|| kill_each(&Flag::before(2, true), &[1]));
}

#[test]
fn a_waiter_gives_up() {
    holds(|| give_up_each(&Flag::before(2, false), 1, None));
}

#[test]
fn a_forgotten_wake_is_found() {
    is_found(|| kill_each(&Handing::between(1, 1, 1).with(Mutant::WakesNobody), &[]));
}

#[test]
fn a_missing_pending_word_is_found() {
    is_found(|| kill_each(&Handing::between(1, 2, 1).with(Mutant::NothingIsPending), &[1]));
}
