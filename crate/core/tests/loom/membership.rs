//! Joining and leaving: two joiners and one slot, one killed anywhere, while a third waits for what they hold.

use super::actor::Actor;
use super::explore::{Model, holds, is_found, kill_each};
use super::mutant::Mutant;
use super::world::{Setup, THREAD_ID, WAITERS, World, violate};
use shmem_core::membership::claim::{Ending, activate, appear, claim, disappear, free};
use shmem_core::membership::{Platform, Token};
use shmem_core::sync::mutex::{Lock, LockOptions, unlock};
use shmem_core::sync::permits::{Acquire, Permits};
use std::sync::Mutex;

/// What the joiners do once they are in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holding {
    Nothing,
    Lock,
    Permit,
}

/// All but the last actor join the one slot if they find it free, and leave. The last is somebody else's member, and looks on.
#[derive(Clone)]
struct Joining {
    joiners: usize,
    holding: Holding,
    /// The second joiner takes nothing, and never leaves.
    second_stays: bool,
    fault: Fault,
}

/// A way to join that is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Takes the slot of one who may still be there.
    NoByteLock,
    /// The presence stands before the slot is claimed, so that the token of the one before comes to life.
    PresenceFirst,
    /// The death is never marked, and the next joiner does not bury the dead.
    NoBurial,
    /// The death is never marked, as the kernel cannot always do, and the next joiner buries the dead: no fault.
    NoMark,
}

/// Who is in the slot, and whose presences stood.
#[derive(Default)]
struct Seen(Mutex<Slot>);

#[derive(Default)]
struct Slot {
    member: Option<usize>,
    stood: Vec<(Token, usize)>,
}

impl Joining {
    fn by(joiners: usize, holding: Holding) -> Self {
        Self { joiners, holding, second_stays: false, fault: Fault::None }
    }

    fn join(&self, actor: &Actor, seen: &Seen) -> bool {
        let (byte, word, presence) = (actor.word(0), World::claim(0), World::presence(0));
        if self.fault != Fault::NoByteLock {
            if actor.compare_exchange(byte, 0, 1).is_err() {
                return false;
            }
            actor.byte.set(Some(byte));
        }
        let stand = |token| {
            appear(actor, presence, THREAD_ID, || {
                if !matches!(self.fault, Fault::NoMark | Fault::NoBurial) {
                    actor.linked.set(Some(0));
                }
                seen.0.lock().unwrap().stood.push((token, actor.index));
            });
        };
        let shape = actor.world.shape();
        let token = if matches!(self.fault, Fault::NoBurial | Fault::PresenceFirst) {
            let generation = (actor.load(word) >> 2) + 1;
            let token = shape.token(0, generation);
            if self.fault == Fault::PresenceFirst {
                stand(token);
            }
            actor.store(word, generation << 2 | 1);
            token
        } else {
            shape.token(0, claim(actor, word, presence, shape.generation_max()).unwrap())
        };
        if self.fault != Fault::PresenceFirst {
            stand(token);
        }
        if !activate(actor, word, shape.parts(token).1) {
            violate("the claim of one who joins was taken away");
        }
        actor.token.set(token);
        let before = seen.0.lock().unwrap().member.replace(actor.index);
        if let Some(other) = before.filter(|other| !actor.world.is_dead(*other)) {
            violate(format!("{} and {other} are in one slot", actor.index));
        }
        actor.note("JOINED");
        true
    }

    fn leave(actor: &Actor, seen: &Seen) {
        let (_, generation) = actor.world.shape().parts(actor.token());
        seen.0.lock().unwrap().member = None;
        free(actor, World::claim(0), generation);
        disappear(actor, World::presence(0), Ending::Leaves, || actor.linked.set(None));
        if let Some(byte) = actor.byte.take() {
            actor.store(byte, 0);
        }
    }

    /// Takes what all want. It has no limit of time, and so ends only if every death is seen.
    fn take(&self, actor: &Actor) {
        match self.holding {
            Holding::Nothing => {}
            Holding::Lock => {
                let options = LockOptions { strict: false, blocks_owner: false };
                actor.wait(&mut Lock::new(actor.word(1), actor.token(), options)).unwrap();
            }
            Holding::Permit => {
                actor.wait(&mut Acquire::new(permits(actor), actor.token(), false)).unwrap();
            }
        }
    }

    fn give_back(&self, actor: &Actor) {
        match self.holding {
            Holding::Nothing => {}
            Holding::Lock => unlock(actor, actor.word(1), actor.token()).unwrap(),
            Holding::Permit => permits(actor).release(actor, actor.token()).unwrap(),
        }
    }

    /// A token that is said to live stands, and is no dead one's. Only if the slot was taken again between its two looks may it say that one
    /// lives who died before: whoever then sleeps on the claim wakes at once.
    fn look(actor: &Actor, seen: &Seen) {
        let token = actor.world.shape().token(0, 1);
        let owner =
            || seen.0.lock().unwrap().stood.iter().find(|stood| stood.0 == token).map(|stood| stood.1);
        let was_dead = owner().is_some_and(|owner| actor.world.is_dead(owner));
        let life = actor.look_at(token).unwrap();
        if life.is_alive && owner().is_none() {
            violate("a token lived before its presence stood");
        }
        if was_dead && life.is_alive && actor.load(life.claim.0) == life.claim.1 {
            violate("a token lived after its death");
        }
    }
}

fn permits(actor: &Actor) -> Permits<super::world::Index, impl Fn(u32) -> super::world::Index> {
    let cell = actor.word(1);
    Permits { gate: actor.word(2), sequence: actor.word(3), cells: move |_| cell, count: 1 }
}

impl Model for Joining {
    type Truth = Seen;

    fn setup(&self) -> Setup {
        let words = match self.holding {
            Holding::Nothing => &["byte"][..],
            Holding::Lock => &["byte", "lock"],
            Holding::Permit => &["byte", "permit", "gate", "sequence"],
        };
        Setup { slots: 2, joining: true, ..Setup::new(self.joiners + 1, words, Mutant::None) }
    }

    fn run(&self, actor: &Actor, seen: &Seen) {
        if actor.index == self.joiners {
            if self.holding == Holding::Nothing {
                return Self::look(actor, seen);
            }
            // The other slot's claim and presence never change: it is nobody's, and so the last to hold anything.
            actor.token.set(actor.world.shape().token(1, 1));
            return self.take(actor);
        }
        if self.join(actor, seen) {
            if self.second_stays && actor.index == 1 {
                return;
            }
            self.take(actor);
            self.give_back(actor);
            Self::leave(actor, seen);
        }
    }

    /// A death that nobody marks is seen when the next one joins: as long as the holder's generation has the slot, none has.
    fn may_sleep(&self, world: &World) -> bool {
        let (claim, lock) = (world.at_end(World::claim(0)), world.at_end(world.word(1)));
        matches!(self.fault, Fault::NoMark | Fault::NoBurial)
            && claim & 3 == 2
            && lock & !WAITERS == world.shape().token(0, claim >> 2).word()
    }
}

#[test]
fn two_never_have_one_slot_and_a_killed_one_leaves_it_free() {
    holds(|| kill_each(&Joining::by(2, Holding::Nothing), &[0]));
}

#[test]
fn a_token_lives_only_while_its_presence_stands() {
    holds(|| kill_each(&Joining::by(1, Holding::Nothing), &[0]));
}

#[test]
fn a_lock_comes_free_though_another_takes_the_dead_ones_slot() {
    for second_stays in [false, true] {
        holds(|| kill_each(&Joining { second_stays, ..Joining::by(2, Holding::Lock) }, &[0]));
    }
}

#[test]
fn a_permit_comes_free_though_another_takes_the_dead_ones_slot() {
    for second_stays in [false, true] {
        holds(|| kill_each(&Joining { second_stays, ..Joining::by(2, Holding::Permit) }, &[0]));
    }
}

#[test]
fn a_joiner_buries_whom_the_kernel_did_not_mark() {
    let unmarked = Joining { fault: Fault::NoMark, second_stays: true, ..Joining::by(2, Holding::Lock) };
    holds(|| kill_each(&unmarked, &[0]));
}

#[test]
fn joining_without_the_byte_lock_is_found() {
    is_found(|| kill_each(&Joining { fault: Fault::NoByteLock, ..Joining::by(2, Holding::Nothing) }, &[]));
}

#[test]
fn standing_before_claiming_is_found() {
    is_found(|| {
        kill_each(&Joining { fault: Fault::PresenceFirst, ..Joining::by(2, Holding::Nothing) }, &[0])
    });
}

#[test]
fn a_dead_one_that_nobody_buries_is_found() {
    let unburied = Joining { fault: Fault::NoBurial, second_stays: true, ..Joining::by(2, Holding::Lock) };
    is_found(|| kill_each(&unburied, &[0]));
}
