//! Readers that wait for a writer's news: it publishes, ends, or is killed anywhere, and another comes.

use super::actor::Actor;
use super::explore::{Model, give_up_each, holds, is_found, kill_each};
use super::mutant::Mutant;
use super::world::{Index, Setup, World, violate};
use shmem_core::membership::Platform;
use shmem_core::structures::one_writer::{News, Seat};
use shmem_core::sync::wait::Answer;

const WORDS: &[&str] = &["gate", "writer", "ended", "watched"];

/// The first actors take the seat, publish once, and perhaps end; the others wait until they have the news, the end, or a death of each writer.
#[derive(Clone)]
struct Waiting {
    writers: usize,
    readers: usize,
    publishes: bool,
    ends: bool,
    mutant: Mutant,
}

impl Waiting {
    fn of(writers: usize, readers: usize) -> Self {
        Self { writers, readers, publishes: true, ends: false, mutant: Mutant::None }
    }

    fn with(self, mutant: Mutant) -> Self {
        Self { mutant, ..self }
    }
}

fn seat(actor: &Actor) -> Seat<Index> {
    Seat { gate: actor.word(0), writer: actor.word(1), ended: actor.word(2) }
}

impl Model for Waiting {
    type Truth = ();

    fn setup(&self) -> Setup {
        Setup::new(self.writers + self.readers, WORDS, self.mutant)
    }

    fn run(&self, actor: &Actor, (): &()) {
        let seat = seat(actor);
        if actor.index < self.writers {
            if seat.take(actor, actor.token(), || {}).is_err() {
                return;
            }
            if self.publishes {
                // As the facade does: the store, then a look at the gate.
                actor.store(actor.word(3), 1);
                if actor.load(actor.word(0)) != 0 {
                    seat.tell(actor);
                }
            }
            if self.ends {
                seat.leave(actor, actor.token(), true);
            }
            return;
        }
        let mut mourned = 0;
        loop {
            let Some(answer) = actor.wait(&mut News::new(seat, actor.word(3), 0, mourned)).unwrap() else {
                return;
            };
            match answer {
                Answer::Done => {
                    if actor.load(actor.word(3)) == 0 && actor.load(actor.word(2)) == 0 {
                        violate("no news");
                    }
                    return;
                }
                Answer::OwnerDied => {
                    let dead = seat.dead_writer(actor).map_or(0, |writer| writer.word());
                    if dead == mourned && dead != 0 {
                        violate("a death was told twice");
                    }
                    if self.writers == 1 {
                        return;
                    }
                    mourned = dead;
                }
                other => violate(format!("{other:?}")),
            }
        }
    }

    /// Nobody writes, or who did is dead and was mourned.
    fn may_sleep(&self, world: &World) -> bool {
        let writer = world.at_end(world.word(1));
        let published = world.at_end(world.word(3)) != 0 || world.at_end(world.word(2)) != 0;
        !published && (writer == 0 || self.writers > 1 && !world.is_alive(writer))
    }
}

#[test]
fn a_writer_publishes_or_is_killed() {
    holds(|| kill_each(&Waiting::of(1, 1), &[0]));
    holds(|| kill_each(&Waiting::of(1, 2), &[0]));
}

#[test]
fn a_writer_ends_or_is_killed() {
    holds(|| kill_each(&Waiting { publishes: false, ends: true, ..Waiting::of(1, 1) }, &[0, 1]));
    holds(|| kill_each(&Waiting { publishes: false, ends: true, ..Waiting::of(1, 2) }, &[]));
}

#[test]
fn a_writer_is_killed_and_another_publishes() {
    holds(|| kill_each(&Waiting::of(2, 1), &[0]));
}

#[test]
fn a_reader_gives_up() {
    holds(|| give_up_each(&Waiting::of(1, 2), 1, None));
    holds(|| give_up_each(&Waiting::of(1, 1), 1, Some(0)));
}

#[test]
fn a_forgotten_wake_is_found() {
    is_found(|| kill_each(&Waiting::of(1, 1).with(Mutant::WakesNobody), &[]));
}

#[test]
fn a_kernel_that_wakes_nobody_is_found() {
    is_found(|| kill_each(&Waiting::of(1, 1).with(Mutant::KernelWakesNobody), &[0]));
}

#[test]
fn a_late_store_is_found() {
    is_found(|| kill_each(&Waiting::of(1, 1).with(Mutant::StoreIsBuffered), &[]));
}
