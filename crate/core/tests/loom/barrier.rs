//! The barrier: parties that arrive twice, one killed anywhere.

use super::actor::Actor;
use super::explore::{Model, holds, is_found, kill_each};
use super::mutant::Mutant;
use super::world::{Setup, World, violate};
use shmem_core::sync::barrier::{Arrive, ArriveWish, Barrier};
use shmem_core::sync::wait::Answer;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const ROUNDS: u32 = 2;

/// As many actors as parties.
#[derive(Clone)]
struct Meeting {
    parties: usize,
    rounds: u32,
    mutant: Mutant,
}

impl Meeting {
    fn of(parties: usize, rounds: u32) -> Self {
        Self { parties, rounds, mutant: Mutant::None }
    }
}

/// How many began each round.
#[derive(Default)]
struct Begun([AtomicU32; ROUNDS as usize]);

impl Model for Meeting {
    type Truth = Begun;

    fn setup(&self) -> Setup {
        let words = &[
            "lock",
            "gate",
            "sequence",
            "phase",
            "seat[0]",
            "arrived[0]",
            "seat[1]",
            "arrived[1]",
            "seat[2]",
            "arrived[2]",
        ];
        // Many steps under one lock: with more interruptions it takes minutes.
        Setup {
            preemptions: 4 - self.parties,
            ..Setup::new(self.parties, &words[..4 + 2 * self.parties], self.mutant)
        }
    }

    fn run(&self, actor: &Actor, begun: &Begun) {
        let barrier = || Barrier {
            lock: actor.word(0),
            gate: actor.word(1),
            phase: actor.word(3),
            seats: |index: u32| (actor.word(4 + 2 * index as usize), actor.word(5 + 2 * index as usize)),
            parties: u32::try_from(self.parties).unwrap(),
        };
        for round in &begun.0[..self.rounds as usize] {
            let before = round.fetch_add(1, Relaxed);
            let answer =
                actor.wait(&mut Arrive::new(barrier(), actor.token(), ArriveWish::default())).unwrap();
            let somebody_died = (0..self.parties).any(|other| actor.world.is_dead(other));
            match answer {
                Some(Answer::Done) if !somebody_died && (round.load(Relaxed) as usize) < self.parties => {
                    violate(format!("went on, and only {} had come after {before}", round.load(Relaxed)));
                }
                Some(Answer::PartyDied) if !somebody_died => violate("a death was told, and nobody died"),
                _ => {}
            }
        }
    }

    /// Whoever waits, waits for an empty seat, and not for a dead one's.
    fn may_sleep(&self, world: &World) -> bool {
        let seats: Vec<_> = (0..self.parties).map(|index| world.at_end(world.word(4 + 2 * index))).collect();
        seats.contains(&0) && seats.iter().all(|seat| *seat == 0 || world.is_alive(*seat))
    }
}

#[test]
fn two_parties_meet_and_one_is_killed() {
    holds(|| kill_each(&Meeting::of(2, 2), &[0]));
}

#[test]
fn three_parties_meet_and_one_is_killed() {
    holds(|| kill_each(&Meeting::of(3, 1), &[0]));
}

#[test]
fn a_forgotten_wake_is_found() {
    is_found(|| kill_each(&Meeting { mutant: Mutant::WakesNobody, ..Meeting::of(2, 1) }, &[]));
}

#[test]
fn a_kernel_that_wakes_nobody_is_found() {
    is_found(|| kill_each(&Meeting { mutant: Mutant::KernelWakesNobody, ..Meeting::of(2, 1) }, &[0]));
}
