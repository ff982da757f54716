//! The mutex word of DESIGN.md §5 as a system of atomic steps: members, their presence and claim words, the futex
//! queues, and what the kernel does for a killed thread. A wake picks any of the sleepers, so that every order of
//! the kernel's queues (its own is first in, first out within a priority) is covered.

use super::checker::{Property, Step, System};

/// How the algorithm is made; [`Algorithm::DESIGN`] is ours, all others are there to be refuted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Algorithm {
    /// Sleepers woken by a slow unlock.
    pub(crate) unlock_wakes: u32,
    /// A slow unlock compares the word with the own token; otherwise it stores.
    pub(crate) unlock_compares: bool,
    /// A slow unlock leaves bit 31 set until it knows that nobody slept; otherwise it frees the word, then wakes.
    pub(crate) unlock_keeps_waiters: bool,
    /// Who gives up after having slept wakes one.
    pub(crate) abort_wakes: bool,
    /// Who gives up after having slept sets bit 31 of a held word.
    pub(crate) abort_sets_waiters: bool,
    /// Who takes over from a dead owner wakes all on its presence word.
    pub(crate) takeover_wakes: bool,
    /// Sleepers watch the owner's presence word.
    pub(crate) watches_presence: bool,
    /// Sleepers watch the owner's claim word.
    pub(crate) watches_claim: bool,
    /// The presence word comes before the lock word in `futex_waitv`.
    pub(crate) presence_first: bool,
    /// `list_op_pending` names the word during slow operations.
    pub(crate) pending: bool,
    /// Who joins wakes all on the claim word and the presence word that it takes over.
    pub(crate) join_wakes: bool,
    /// Who slept takes even a free word with bit 31 set, since others may sleep on.
    pub(crate) sleeper_sets_waiters: bool,
    /// Who returns from a wait and sees the watched owner dead wakes all on its presence word, whoever holds the lock now.
    pub(crate) return_wakes: bool,
    /// Who finds the lock not recoverable after having slept wakes all on it.
    pub(crate) refused_wakes: bool,
}

impl Algorithm {
    /// The algorithm of DESIGN.md.
    pub(crate) const DESIGN: Self = Self {
        unlock_wakes: 2,
        unlock_compares: true,
        unlock_keeps_waiters: true,
        abort_wakes: true,
        abort_sets_waiters: true,
        takeover_wakes: true,
        watches_presence: true,
        watches_claim: true,
        presence_first: false,
        pending: true,
        join_wakes: true,
        sleeper_sets_waiters: true,
        return_wakes: true,
        refused_wakes: true,
    };
}

/// Who takes part and what befalls them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// How the lock works.
    pub(crate) algorithm: Algorithm,
    /// Members from the start, at most 5.
    pub(crate) members: usize,
    /// How often each locks and unlocks, at most 3.
    pub(crate) rounds: u8,
    /// Kills, at any step of anyone, at most 3. Each but the first strikes only when the one before has been dealt with.
    pub(crate) kills: u8,
    /// Waits given up, at any step, at most 3.
    pub(crate) aborts: u8,
    /// Unlocks by a member that does not hold the lock, at most 1.
    pub(crate) stray_unlocks: u8,
    /// One more thread joins into the slot of a member that died, and locks once.
    pub(crate) rejoin: bool,
    /// Whoever is told of a death may unlock without repair, which makes the lock not recoverable.
    pub(crate) unrepaired: bool,
}

impl Scenario {
    /// Members that lock undisturbed.
    pub(crate) const fn new(members: usize, rounds: u8) -> Self {
        Self {
            algorithm: Algorithm::DESIGN,
            members,
            rounds,
            kills: 0,
            aborts: 0,
            stray_unlocks: 0,
            rejoin: false,
            unrepaired: false,
        }
    }
}

const THREADS: usize = 5;
const SLOTS: usize = 5;

/// The lock word: owner (0 none, 1 + 2 · slot + generation, [`REFUSED`]) and bit 31.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Word {
    owner: u8,
    waiters: bool,
}

const REFUSED: u8 = 15;
const FREE: Word = Word { owner: 0, waiters: false };

/// What a thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    Ended,
    Dead,
    FastLock,
    Load,
    LoadClaim,
    LoadPresence,
    SetWaiters,
    TakeOver,
    WakeMourners,
    QueueLock,
    QueuePresence,
    QueueClaim,
    Asleep,
    Unqueue,
    Returned,
    GiveUp,
    GiveUpWake,
    RefusedWake,
    Inside,
    UnlockWake,
    UnlockClear,
    RefuseWake,
    StraySlow,
    DieMark,
    DieWakePresence,
    DieLoadPending,
    DieWakePending,
    JoinClaim,
    JoinWakeClaim,
    JoinPresence,
    JoinWakePresence,
    JoinActive,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Thread {
    at: At,
    slot: usize,
    generation: bool,
    rounds: u8,
    /// The lock word as last read.
    seen: Word,
    slept: bool,
    gives_up: bool,
    killed: bool,
    /// A killed thread's `list_op_pending` names the lock.
    pending: bool,
    /// Holds the lock after its owner's death.
    mourns: bool,
}

/// A set of threads.
type Queue = u8;

/// All words, queues and threads.
#[derive(Clone, Copy)]
pub(crate) struct State {
    lock: Word,
    present: [bool; SLOTS],
    generation: [bool; SLOTS],
    joining: [bool; SLOTS],
    on_lock: Queue,
    on_presence: [Queue; SLOTS],
    on_claim: [Queue; SLOTS],
    threads: [Thread; THREADS],
    kills: u8,
    aborts: u8,
    strays: u8,
    /// An owner died and nobody was told yet.
    unreported: bool,
}

fn token(slot: usize, generation: bool) -> u8 {
    let slot = u8::try_from(slot).expect("few slots");
    1 + 2 * slot + u8::from(generation)
}

fn slot_of(owner: u8) -> usize {
    usize::from((owner - 1) / 2)
}

fn generation_of(owner: u8) -> bool {
    (owner - 1) % 2 == 1
}

fn held(owner: u8) -> bool {
    owner != 0 && owner != REFUSED
}

fn bit(index: usize) -> Queue {
    1 << index
}

impl At {
    /// Steps at which a wait may be given up.
    fn waits(self) -> bool {
        matches!(
            self,
            At::Load
                | At::LoadClaim
                | At::LoadPresence
                | At::SetWaiters
                | At::TakeOver
                | At::QueueLock
                | At::QueuePresence
                | At::QueueClaim
                | At::Asleep
                | At::Unqueue
                | At::Returned
        )
    }

    /// Steps inside `futex_waitv`.
    fn in_kernel(self) -> bool {
        matches!(self, At::QueuePresence | At::QueueClaim | At::QueueLock | At::Asleep | At::Unqueue)
    }

    /// Steps of a slow lock or unlock: `list_op_pending` is set.
    fn slow(self) -> bool {
        self.waits()
            || matches!(
                self,
                At::WakeMourners
                    | At::GiveUp
                    | At::GiveUpWake
                    | At::RefusedWake
                    | At::UnlockWake
                    | At::UnlockClear
                    | At::RefuseWake
                    | At::StraySlow
            )
    }
}

impl Thread {
    fn token(&self) -> u8 {
        token(self.slot, self.generation)
    }

    fn lives(&self) -> bool {
        !self.killed && self.at != At::Dead
    }

    fn holds(&self) -> bool {
        self.lives() && matches!(self.at, At::WakeMourners | At::Inside)
    }

    /// Leaves the slow lock.
    fn forget(&mut self) {
        self.seen = FREE;
        self.slept = false;
        self.gives_up = false;
    }

    fn end_round(&mut self) {
        self.forget();
        self.mourns = false;
        self.rounds -= 1;
        self.at = if self.rounds > 0 { At::FastLock } else { At::Ended };
    }

    fn end(&mut self) {
        self.rounds = 1;
        self.end_round();
    }
}

impl State {
    fn claimed(&self, owner: u8) -> bool {
        let slot = slot_of(owner);
        !self.joining[slot] && self.generation[slot] == generation_of(owner)
    }

    fn is_queued(&self, index: usize) -> bool {
        let queues = [self.on_lock].into_iter().chain(self.on_presence).chain(self.on_claim);
        queues.fold(0, |all, queue| all | queue) & bit(index) != 0
    }

    /// A woken, killed or interrupted sleeper leaves its queues, a word at a time.
    fn unqueue(&mut self, index: usize) {
        let thread = bit(index);
        let presence = self.on_presence.iter().position(|queue| queue & thread != 0);
        let claim = self.on_claim.iter().position(|queue| queue & thread != 0);
        if self.on_lock & thread != 0 {
            self.on_lock &= !thread;
        } else if let Some(slot) = presence {
            self.on_presence[slot] &= !thread;
        } else if let Some(slot) = claim {
            self.on_claim[slot] &= !thread;
        }
        self.return_from_wait(index);
    }

    /// What follows a wait, for a thread that is in no queue any more.
    fn return_from_wait(&mut self, index: usize) {
        let queued = self.is_queued(index);
        let thread = &mut self.threads[index];
        thread.at = if queued {
            At::Unqueue
        } else if thread.killed {
            thread.forget();
            At::DieMark
        } else if thread.gives_up {
            At::GiveUp
        } else if thread.at.in_kernel() {
            At::Returned
        } else {
            At::Load
        };
        if !queued && thread.at != At::Returned {
            thread.seen = FREE;
        }
    }

    fn wake(&mut self, queue: fn(&mut Self, usize) -> &mut Queue, slot: usize, woken: Queue) {
        *queue(self, slot) &= !woken;
        for index in 0..THREADS {
            if woken & bit(index) != 0 && self.threads[index].at == At::Asleep {
                self.return_from_wait(index);
            }
        }
    }

    fn acquire(&mut self, index: usize, word: Word) -> Option<Property> {
        let took_over = held(self.lock.owner);
        let exclusive = !self.threads.iter().any(Thread::holds);
        self.lock = word;
        let reported = took_over == self.unreported;
        self.unreported = false;
        let thread = &mut self.threads[index];
        thread.mourns = took_over;
        thread.at = if took_over { At::WakeMourners } else { At::Inside };
        if !took_over {
            thread.forget();
        }
        if !exclusive {
            Some(Property::Exclusion)
        } else if !reported {
            Some(Property::DeathReport)
        } else {
            None
        }
    }

    /// The last death's marks, wakes and takeover are done.
    fn is_settled(&self) -> bool {
        !self.unreported && self.threads.iter().all(|thread| !thread.killed || thread.at == At::Dead)
    }
}

fn on_lock(state: &mut State, _: usize) -> &mut Queue {
    &mut state.on_lock
}

fn on_presence(state: &mut State, slot: usize) -> &mut Queue {
    &mut state.on_presence[slot]
}

fn on_claim(state: &mut State, slot: usize) -> &mut Queue {
    &mut state.on_claim[slot]
}

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
    fn step(&self, index: usize, state: &State, into: &mut Vec<Step<State>>) {
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

impl System for Scenario {
    type State = State;

    fn start(&self) -> State {
        let thread = |index: usize| {
            let joins = self.rejoin && index == self.members;
            let (at, rounds) = match index < self.members {
                true => (At::FastLock, self.rounds),
                false if joins => (At::JoinClaim, 1),
                false => (At::Dead, 0),
            };
            Thread {
                at,
                slot: if index < self.members { index } else { 0 },
                generation: false,
                rounds,
                seen: FREE,
                slept: false,
                gives_up: false,
                killed: false,
                pending: false,
                mourns: false,
            }
        };
        State {
            lock: FREE,
            present: [true; SLOTS],
            generation: [false; SLOTS],
            joining: [false; SLOTS],
            on_lock: 0,
            on_presence: [0; SLOTS],
            on_claim: [0; SLOTS],
            threads: [0, 1, 2, 3, 4].map(thread),
            kills: 0,
            aborts: 0,
            strays: 0,
            unreported: false,
        }
    }

    fn steps(&self, state: &State, steps: &mut Vec<Step<State>>) {
        for index in 0..self.members + usize::from(self.rejoin) {
            self.step(index, state, steps);
        }
    }

    fn waits(&self, state: &State) -> bool {
        state.threads.iter().any(|thread| thread.lives() && !matches!(thread.at, At::Ended | At::JoinClaim))
    }

    fn key(&self, state: &State) -> u128 {
        key(self.members, state)
    }

    fn show(&self, state: &State) -> String {
        let owner = |word: Word| match word.owner {
            0 => "0".to_owned(),
            REFUSED => "NR".to_owned(),
            owner => format!("{}{}", slot_of(owner), if generation_of(owner) { "'" } else { "" }),
        };
        let word = |word: Word| format!("{}{}", owner(word), if word.waiters { "|W" } else { "" });
        let threads = self.members + usize::from(self.rejoin);
        let places: Vec<String> = state.threads[..threads]
            .iter()
            .map(|thread| {
                format!(
                    "{:?}{}",
                    thread.at,
                    if thread.slept { format!("({})", word(thread.seen)) } else { String::new() }
                )
            })
            .collect();
        format!("lock {:<4} {}", word(state.lock), places.join(" "))
    }
}

/// Packs a state; members that differ by number only give the same key.
fn key(members: usize, state: &State) -> u128 {
    let mut order = [(0_u32, 0_usize); THREADS];
    for (index, place) in order.iter_mut().enumerate() {
        *place = (alike(state, index), index);
    }
    // Members alone may change places; who joins has no slot of its own.
    for at in 1..members {
        let mut at = at;
        while at > 0 && order[at - 1].0 > order[at].0 {
            order.swap(at - 1, at);
            at -= 1;
        }
    }
    let mut renamed = [0_u8; THREADS];
    for (new, (_, old)) in (0_u8..).zip(order) {
        renamed[old] = new;
    }
    let owner = |owner: u8| match owner {
        0 | REFUSED => u128::from(owner),
        _ => 1 + 2 * u128::from(renamed[slot_of(owner)]) + u128::from(generation_of(owner)),
    };
    let mut key = owner(state.lock.owner);
    for (alike, index) in order {
        let thread = &state.threads[index];
        key = (key << 16) | (u128::from(alike) & 0xFFFF);
        key = (key << 4) | owner(thread.seen.owner);
        if index >= members {
            key = (key << 3) | u128::from(renamed[thread.slot]);
        }
    }
    for flag in [state.lock.waiters, state.unreported] {
        key = (key << 1) | u128::from(flag);
    }
    for count in [state.kills, state.aborts, state.strays] {
        key = (key << 2) | u128::from(count);
    }
    key
}

/// What tells a thread from others without naming anyone: 16 bits that make up its state, and whether it owns the lock.
/// Presence, claim and generation follow from where the threads are.
fn alike(state: &State, index: usize) -> u32 {
    let thread = &state.threads[index];
    let here = bit(index);
    let watched = if held(thread.seen.owner) { slot_of(thread.seen.owner) } else { 0 };
    let flags = [
        thread.seen.waiters,
        thread.slept,
        thread.gives_up,
        thread.killed,
        thread.pending,
        thread.mourns,
        state.on_lock & here != 0,
        state.on_presence[watched] & here != 0,
        state.on_claim[watched] & here != 0,
    ];
    let mut bits =
        (u32::from(held(state.lock.owner) && slot_of(state.lock.owner) == index) << 5) | thread.at as u32;
    bits = (bits << 2) | u32::from(thread.rounds);
    for flag in flags {
        bits = (bits << 1) | u32::from(flag);
    }
    bits
}
