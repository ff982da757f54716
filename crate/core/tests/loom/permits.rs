//! The semaphore of cells, on its gate: one holder or acquirer killed anywhere, one giving up anywhere.

use super::actor::Actor;
use super::explore::{Model, give_up_each, holds, is_found, kill_each};
use super::mutant::Mutant;
use super::world::{Index, Setup, World, violate};
use shmem_core::sync::permits::{Acquire, Permits};
use std::sync::Mutex;

/// Each acquires once.
#[derive(Clone)]
struct Acquiring {
    actors: usize,
    permits: usize,
    /// Those from this one on never release.
    keepers: usize,
    mutant: Mutant,
}

impl Acquiring {
    fn by(actors: usize, permits: usize) -> Self {
        Self { actors, permits, keepers: actors, mutant: Mutant::None }
    }

    fn with(self, mutant: Mutant) -> Self {
        Self { mutant, ..self }
    }
}

/// Who holds a permit.
#[derive(Default)]
struct Holders(Mutex<[bool; 5]>);

impl Model for Acquiring {
    type Truth = Holders;

    fn setup(&self) -> Setup {
        let words = &["data", "gate", "sequence", "cell[0]", "cell[1]"][..3 + self.permits];
        Setup::new(self.actors, words, self.mutant)
    }

    fn run(&self, actor: &Actor, holders: &Holders) {
        let permits = || Permits {
            gate: actor.word(1),
            sequence: actor.word(2),
            cells: |index: u32| -> Index { actor.word(3 + index as usize) },
            count: u32::try_from(self.permits).unwrap(),
        };
        let Some(_) = actor.wait(&mut Acquire::new(permits(), actor.token(), false)).unwrap() else { return };
        actor.note("HOLDS");
        {
            let mut holders = holders.0.lock().unwrap();
            holders[actor.index] = true;
            let living =
                (0..self.actors).filter(|other| holders[*other] && !actor.world.is_dead(*other)).count();
            drop(holders);
            if living > self.permits {
                violate(format!("{living} hold {} permits", self.permits));
            }
        }
        actor.count_alone(actor.word(0));
        if actor.index < self.keepers {
            holders.0.lock().unwrap()[actor.index] = false;
            permits().release(actor, actor.token()).unwrap();
        }
    }

    /// Each permit is a living one's.
    fn may_sleep(&self, world: &World) -> bool {
        (0..self.permits).all(|index| world.is_alive(world.at_end(world.word(3 + index))))
    }
}

#[test]
fn two_share_a_permit_and_one_is_killed() {
    holds(|| kill_each(&Acquiring::by(2, 1), &[0]));
}

#[test]
fn three_share_a_permit_and_one_is_killed() {
    holds(|| kill_each(&Acquiring::by(3, 1), &[0]));
}

#[test]
fn three_share_two_permits_and_one_is_killed() {
    holds(|| kill_each(&Acquiring::by(3, 2), &[0]));
}

#[test]
fn nobody_waits_for_a_permit_that_nobody_holds() {
    holds(|| kill_each(&Acquiring { keepers: 1, ..Acquiring::by(3, 1) }, &[0, 1]));
    holds(|| kill_each(&Acquiring { keepers: 0, ..Acquiring::by(3, 2) }, &[0]));
    holds(|| kill_each(&Acquiring { keepers: 2, ..Acquiring::by(4, 2) }, &[]));
}

/// The first takes both permits, and two others wait for one each.
#[derive(Clone)]
struct Hoarding;

impl Model for Hoarding {
    type Truth = ();

    fn setup(&self) -> Setup {
        Setup::new(3, &["gate", "sequence", "cell[0]", "cell[1]"], Mutant::None)
    }

    fn run(&self, actor: &Actor, (): &()) {
        let permits = || Permits {
            gate: actor.word(0),
            sequence: actor.word(1),
            cells: |index: u32| actor.word(2 + index as usize),
            count: 2,
        };
        let times = if actor.index == 0 { 2 } else { 1 };
        for _ in 0..times {
            actor.wait(&mut Acquire::new(permits(), actor.token(), false)).unwrap();
        }
        if actor.index == 0 {
            (0..times).for_each(|_| permits().release(actor, actor.token()).unwrap());
        }
    }

    /// Each permit is a living one's.
    fn may_sleep(&self, world: &World) -> bool {
        (0..2).all(|index| world.is_alive(world.at_end(world.word(2 + index))))
    }
}

/// Two release their permits, and three others acquire and keep them.
#[derive(Clone)]
struct Changing;

impl Model for Changing {
    type Truth = ();

    fn setup(&self) -> Setup {
        let words = &["gate", "sequence", "cell[0]", "cell[1]"];
        let shape = shmem_core::membership::TokenShape::of(5);
        let preset = (0..2).map(|slot| (2 + slot as usize, shape.token(slot, 1).word())).collect();
        Setup { preset, ..Setup::new(5, words, Mutant::None) }
    }

    fn run(&self, actor: &Actor, (): &()) {
        let permits = || Permits {
            gate: actor.word(0),
            sequence: actor.word(1),
            cells: |index: u32| actor.word(2 + index as usize),
            count: 2,
        };
        if actor.index < 2 {
            permits().release(actor, actor.token()).unwrap();
        } else {
            actor.wait(&mut Acquire::new(permits(), actor.token(), false)).unwrap();
            actor.pause();
        }
    }

    /// Each permit is a living one's.
    fn may_sleep(&self, world: &World) -> bool {
        (0..2).all(|index| world.is_alive(world.at_end(world.word(2 + index))))
    }
}

#[test]
fn permits_change_hands_at_once_and_one_that_got_one_is_killed() {
    holds(|| kill_each(&Changing, &[2]));
}

#[test]
fn the_holder_of_two_permits_is_killed_and_both_are_taken() {
    holds(|| kill_each(&Hoarding, &[0]));
}

#[test]
fn one_of_three_gives_up_anywhere() {
    holds(|| give_up_each(&Acquiring::by(3, 1), 1, None));
}

#[test]
fn one_of_two_gives_up_and_the_other_is_killed() {
    holds(|| give_up_each(&Acquiring::by(2, 1), 1, Some(0)));
}

#[test]
fn a_forgotten_wake_is_found() {
    is_found(|| kill_each(&Acquiring::by(2, 1).with(Mutant::WakesNobody), &[]));
}

#[test]
fn a_kernel_that_wakes_nobody_is_found() {
    is_found(|| kill_each(&Acquiring::by(2, 1).with(Mutant::KernelWakesNobody), &[0]));
}
