//! The atomic steps of lock, unlock, join and death: what each thread of the lock model may do next.

use super::checker::{Property, Step};
use super::lock::Scenario;
use super::state::{
    At, FREE, Queue, REFUSED, State, Thread, Word, bit, held, on_claim, on_lock, on_presence, slot_of,
};

/// Collects the steps of one thread.
struct Steps<'a> {
    actor: usize,
    from: &'a State,
    into: &'a mut Vec<Step<State>>,
}

impl Steps<'_> {
    fn add(&mut self, what: &'static str, change: impl FnOnce(&mut State, &mut Thread)) {
        self.push(what, false, |state, index| {
            let mut thread = state.threads[index];
            change(state, &mut thread);
            state.threads[index] = thread;
            None
        });
    }

    fn push(
        &mut self,
        what: &'static str,
        outside: bool,
        change: impl FnOnce(&mut State, usize) -> Option<Property>,
    ) {
        let mut state = *self.from;
        let broken = change(&mut state, self.actor);
        self.into.push(Step { actor: self.actor, what, outside, state, broken });
    }

    /// A wake of at most `count` sleepers, whichever they are, then `change` with their number.
    fn wake(
        &mut self,
        what: &'static str,
        (queue, slot): (fn(&mut State, usize) -> &mut Queue, usize),
        count: u32,
        change: impl Fn(&mut Thread, u32),
    ) {
        let mut state = *self.from;
        let sleepers = *queue(&mut state, slot);
        let count = count.min(sleepers.count_ones());
        for woken in 0..=sleepers {
            if woken & !sleepers == 0 && woken.count_ones() == count {
                self.push(what, false, |state, index| {
                    state.wake(queue, slot, woken);
                    change(&mut state.threads[index], count);
                    None
                });
            }
        }
    }
}

const ALL: u32 = u32::MAX;

impl Scenario {
    /// Appends the steps of one thread.
    pub(super) fn step(&self, index: usize, state: &State, into: &mut Vec<Step<State>>) {
        let me = state.threads[index];
        let mut steps = Steps { actor: index, from: state, into };
        match me.at {
            At::Ended | At::Dead | At::Asleep => {}
            At::FastLock | At::Load | At::LoadClaim | At::LoadPresence | At::SetWaiters | At::TakeOver => {
                self.lock(&me, &mut steps);
            }
            At::WakeMourners => {
                let watched = slot_of(me.seen.owner);
                let count = if self.algorithm.takeover_wakes { ALL } else { 0 };
                steps.wake("lock: wake all on the presence", (on_presence, watched), count, |thread, _| {
                    thread.forget();
                    thread.mourns = self.unrepaired;
                    thread.at = At::Inside;
                });
            }
            At::QueueLock | At::QueuePresence | At::QueueClaim => self.queue(&me, &mut steps),
            At::Unqueue => steps.push("waitv: leave a queue", false, |state, index| {
                state.unqueue(index);
                None
            }),
            At::Returned => {
                let watched = slot_of(me.seen.owner);
                let sees_death = self.algorithm.return_wakes && !state.present[watched];
                let count = if sees_death { ALL } else { 0 };
                steps.wake(
                    "waitv: wake all on a dead presence",
                    (on_presence, watched),
                    count,
                    |thread, _| {
                        thread.seen = FREE;
                        thread.at = At::Load;
                    },
                );
            }
            At::GiveUp => steps.add("abort: set waiters", |state, thread| {
                if self.algorithm.abort_sets_waiters && held(state.lock.owner) {
                    state.lock.waiters = true;
                }
                if self.algorithm.abort_wakes { thread.at = At::GiveUpWake } else { thread.end_round() }
            }),
            At::GiveUpWake => steps.wake("abort: wake one", (on_lock, 0), 1, |thread, _| thread.end_round()),
            At::RefusedWake => steps.wake("refused: wake all", (on_lock, 0), ALL, |thread, _| thread.end()),
            At::Inside | At::UnlockWake | At::UnlockClear | At::RefuseWake | At::StraySlow => {
                self.unlock(&me, &mut steps);
            }
            At::DieMark | At::DieWakePresence | At::DieLoadPending | At::DieWakePending => {
                die(&me, &mut steps)
            }
            At::JoinClaim | At::JoinWakeClaim | At::JoinPresence | At::JoinWakePresence | At::JoinActive => {
                self.join(&me, &mut steps);
            }
        }
        self.outside(&me, &mut steps);
    }

    fn lock(&self, me: &Thread, steps: &mut Steps<'_>) {
        let (mine, seen) = (me.token(), me.seen);
        let now = steps.from.lock;
        match me.at {
            At::FastLock if now == FREE => steps.push("fast lock", false, |state, index| {
                state.acquire(index, Word { owner: mine, waiters: false })
            }),
            At::FastLock => steps.add("fast lock fails", |_, thread| thread.at = At::Load),
            // The load and the CAS of a word without owner are one step: a CAS that fails changes nothing.
            At::Load if now.owner == 0 => steps.push("lock: take a free word", false, |state, index| {
                let slept = self.algorithm.sleeper_sets_waiters && state.threads[index].slept;
                state.acquire(index, Word { owner: mine, waiters: now.waiters || slept })
            }),
            At::Load if now.owner == REFUSED => steps.add("lock: not recoverable", |_, thread| {
                if self.algorithm.refused_wakes && thread.slept {
                    thread.at = At::RefusedWake;
                } else {
                    thread.end();
                }
            }),
            At::Load => steps.add("lock: load", |state, thread| {
                thread.seen = state.lock;
                thread.at = At::LoadClaim;
            }),
            At::LoadClaim => steps.add("lock: load the owner's claim", |state, thread| {
                thread.at = if state.claimed(seen.owner) { At::LoadPresence } else { At::TakeOver };
            }),
            At::LoadPresence => steps.add("lock: load the owner's presence", |state, thread| {
                thread.at = match (state.present[slot_of(seen.owner)], seen.waiters) {
                    (false, _) => At::TakeOver,
                    (true, false) => At::SetWaiters,
                    (true, true) => self.first_queue(),
                };
            }),
            At::SetWaiters => steps.add("lock: set waiters", |state, thread| {
                if state.lock == seen {
                    state.lock.waiters = true;
                    thread.seen = state.lock;
                    thread.at = self.first_queue();
                } else {
                    thread.seen = FREE;
                    thread.at = At::Load;
                }
            }),
            At::TakeOver if now == seen => steps.push("lock: take over", false, |state, index| {
                state.acquire(index, Word { owner: mine, waiters: true })
            }),
            At::TakeOver => steps.add("lock: take over fails", |_, thread| {
                thread.seen = FREE;
                thread.at = At::Load;
            }),
            _ => unreachable!("not a step of lock"),
        }
    }

    fn first_queue(&self) -> At {
        if self.algorithm.presence_first && self.algorithm.watches_presence {
            At::QueuePresence
        } else {
            At::QueueLock
        }
    }

    /// `futex_waitv` compares and queues a word at a time; at the first mismatch it leaves the queues it is in.
    fn queue(&self, me: &Thread, steps: &mut Steps<'_>) {
        let watched = slot_of(me.seen.owner);
        let algorithm = self.algorithm;
        let (what, matches, next) = match me.at {
            At::QueueLock => {
                let next = if algorithm.presence_first || !algorithm.watches_presence {
                    At::QueueClaim
                } else {
                    At::QueuePresence
                };
                ("waitv: queue on the lock", steps.from.lock == me.seen, next)
            }
            At::QueuePresence => {
                let next = if algorithm.presence_first { At::QueueLock } else { At::QueueClaim };
                ("waitv: queue on the presence", steps.from.present[watched], next)
            }
            _ => (
                "waitv: queue on the claim",
                !algorithm.watches_claim || steps.from.claimed(me.seen.owner),
                At::Asleep,
            ),
        };
        let (at, watches_claim) = (me.at, algorithm.watches_claim);
        steps.push(if matches { what } else { "waitv: mismatch" }, false, |state, index| {
            if !matches {
                state.return_from_wait(index);
                return None;
            }
            match at {
                At::QueueLock => state.on_lock |= bit(index),
                At::QueuePresence => state.on_presence[watched] |= bit(index),
                _ if watches_claim => state.on_claim[watched] |= bit(index),
                _ => {}
            }
            state.threads[index].slept = true;
            state.threads[index].at = next;
            if next == At::Asleep && self.was_woken(state, index, watched) {
                state.return_from_wait(index);
            }
            None
        });
    }

    fn was_woken(&self, state: &State, index: usize, watched: usize) -> bool {
        let here = bit(index);
        let algorithm = self.algorithm;
        state.on_lock & here == 0
            || algorithm.watches_presence && state.on_presence[watched] & here == 0
            || algorithm.watches_claim && state.on_claim[watched] & here == 0
    }

    fn unlock(&self, me: &Thread, steps: &mut Steps<'_>) {
        let mine = me.token();
        let now = steps.from.lock;
        match me.at {
            At::Inside => {
                if now == (Word { owner: mine, waiters: false }) {
                    steps.add("fast unlock", |state, thread| {
                        state.lock = FREE;
                        thread.end_round();
                    });
                } else {
                    // The fast CAS that fails and the slow one are one step: nobody but the owner changes more than bit 31.
                    steps.add("unlock: release", |state, thread| self.release(state, thread));
                }
                if me.mourns && self.unrepaired {
                    steps.add("unlock: without repair", |state, thread| {
                        state.lock = Word { owner: REFUSED, waiters: false };
                        thread.mourns = false;
                        thread.at = At::RefuseWake;
                    });
                }
            }
            At::StraySlow => steps.add("stray unlock: release", |state, thread| self.release(state, thread)),
            At::UnlockWake => {
                let count = self.algorithm.unlock_wakes;
                let keeps = self.algorithm.unlock_keeps_waiters;
                steps.wake("unlock: wake", (on_lock, 0), count, |thread, woken| {
                    if woken == 0 && keeps { thread.at = At::UnlockClear } else { thread.end_round() }
                });
            }
            At::UnlockClear => steps.add("unlock: clear waiters", |state, thread| {
                if state.lock == (Word { owner: 0, waiters: true }) {
                    state.lock = FREE;
                }
                thread.end_round();
            }),
            _ => steps.wake("unlock: wake all", (on_lock, 0), ALL, |thread, _| thread.end_round()),
        }
    }

    fn release(&self, state: &mut State, thread: &mut Thread) {
        let is_mine = state.lock == (Word { owner: thread.token(), waiters: true });
        if is_mine || !self.algorithm.unlock_compares {
            state.lock = Word { owner: 0, waiters: self.algorithm.unlock_keeps_waiters };
            thread.at = At::UnlockWake;
        } else {
            thread.end_round();
        }
    }

    fn join(&self, me: &Thread, steps: &mut Steps<'_>) {
        let count = if self.algorithm.join_wakes { ALL } else { 0 };
        let slot = me.slot;
        match me.at {
            At::JoinClaim => {
                for slot in 0..self.members {
                    if !steps.from.present[slot] {
                        steps.push("JOIN: claim a dead slot", true, |state, index| {
                            state.joining[slot] = true;
                            state.generation[slot] = !state.generation[slot];
                            let thread = &mut state.threads[index];
                            thread.slot = slot;
                            thread.generation = state.generation[slot];
                            thread.at = At::JoinWakeClaim;
                            None
                        });
                    }
                }
            }
            At::JoinWakeClaim => {
                steps.wake("join: wake all on the claim", (on_claim, slot), count, |thread, _| {
                    thread.at = At::JoinPresence;
                })
            }
            At::JoinPresence => steps.add("join: lock the presence", |state, thread| {
                state.present[slot] = true;
                thread.at = At::JoinWakePresence;
            }),
            At::JoinWakePresence => {
                steps.wake("join: wake all on the presence", (on_presence, slot), count, |thread, _| {
                    thread.at = At::JoinActive;
                });
            }
            _ => steps.add("join: activate the claim", |state, thread| {
                state.joining[slot] = false;
                thread.at = At::FastLock;
            }),
        }
    }

    fn outside(&self, me: &Thread, steps: &mut Steps<'_>) {
        if !me.lives() || me.at == At::JoinClaim {
            return;
        }
        let pending = self.algorithm.pending && me.at.slow();
        if steps.from.kills < self.kills && steps.from.is_settled() {
            steps.push("KILLED", true, |state, index| {
                state.kills += 1;
                state.unreported |= state.lock.owner == state.threads[index].token();
                let thread = &mut state.threads[index];
                thread.killed = true;
                thread.pending = pending;
                thread.rounds = 0;
                thread.mourns = false;
                if thread.at.in_kernel() {
                    state.return_from_wait(index);
                } else {
                    thread.forget();
                    thread.at = At::DieMark;
                }
                None
            });
        }
        if steps.from.aborts < self.aborts && me.at.waits() && !me.gives_up {
            steps.push("ABORTED", true, |state, index| {
                state.aborts += 1;
                let thread = &mut state.threads[index];
                if thread.slept {
                    thread.gives_up = true;
                    state.return_from_wait(index);
                } else {
                    thread.end_round();
                }
                None
            });
        }
        if steps.from.strays < self.stray_unlocks && me.at == At::FastLock {
            steps.push("STRAY UNLOCK", true, |state, index| {
                state.strays += 1;
                state.threads[index].at = At::StraySlow;
                None
            });
        }
    }
}

/// What the kernel does for a killed thread, in its order: the robust list, then the pending word.
fn die(me: &Thread, steps: &mut Steps<'_>) {
    let slot = me.slot;
    let bury = |thread: &mut Thread| {
        thread.pending = false;
        thread.at = At::Dead;
    };
    match me.at {
        At::DieMark => steps.add("kernel: mark the presence", |state, thread| {
            state.present[slot] = false;
            thread.at = At::DieWakePresence;
        }),
        At::DieWakePresence => {
            steps.wake("kernel: wake one on the presence", (on_presence, slot), 1, |thread, _| {
                if thread.pending { thread.at = At::DieLoadPending } else { bury(thread) }
            });
        }
        At::DieLoadPending => steps.add("kernel: load the pending word", |state, thread| {
            if state.lock.owner == 0 { thread.at = At::DieWakePending } else { bury(thread) }
        }),
        _ => steps.wake("kernel: wake one on the pending", (on_lock, 0), 1, |thread, _| bury(thread)),
    }
}
