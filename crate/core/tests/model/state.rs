//! The words, futex queues and threads of the lock model, and the key under which a state is remembered.

use super::checker::Property;

pub(super) const THREADS: usize = 5;
pub(super) const SLOTS: usize = 5;

/// The lock word: owner (0 none, 1 + 2 · slot + generation, [`REFUSED`]) and bit 31.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) owner: u8,
    pub(super) waiters: bool,
}

pub(super) const REFUSED: u8 = 15;
pub(super) const FREE: Word = Word { owner: 0, waiters: false };

/// What a thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
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
pub(super) struct Thread {
    pub(super) at: At,
    pub(super) slot: usize,
    pub(super) generation: bool,
    pub(super) rounds: u8,
    /// The lock word as last read.
    pub(super) seen: Word,
    pub(super) slept: bool,
    pub(super) gives_up: bool,
    pub(super) killed: bool,
    /// A killed thread's `list_op_pending` names the lock.
    pub(super) pending: bool,
    /// Holds the lock after its owner's death.
    pub(super) mourns: bool,
}

/// A set of threads.
pub(super) type Queue = u8;

/// All words, queues and threads.
#[derive(Clone, Copy)]
pub(crate) struct State {
    pub(super) lock: Word,
    pub(super) present: [bool; SLOTS],
    pub(super) generation: [bool; SLOTS],
    pub(super) joining: [bool; SLOTS],
    pub(super) on_lock: Queue,
    pub(super) on_presence: [Queue; SLOTS],
    pub(super) on_claim: [Queue; SLOTS],
    pub(super) threads: [Thread; THREADS],
    pub(super) kills: u8,
    pub(super) aborts: u8,
    pub(super) strays: u8,
    /// An owner died and nobody was told yet.
    pub(super) unreported: bool,
}

pub(super) fn token(slot: usize, generation: bool) -> u8 {
    let slot = u8::try_from(slot).expect("few slots");
    1 + 2 * slot + u8::from(generation)
}

pub(super) fn slot_of(owner: u8) -> usize {
    usize::from((owner - 1) / 2)
}

pub(super) fn generation_of(owner: u8) -> bool {
    (owner - 1) % 2 == 1
}

pub(super) fn held(owner: u8) -> bool {
    owner != 0 && owner != REFUSED
}

pub(super) fn bit(index: usize) -> Queue {
    1 << index
}

impl At {
    /// Steps at which a wait may be given up.
    pub(super) fn waits(self) -> bool {
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
    pub(super) fn in_kernel(self) -> bool {
        matches!(self, At::QueuePresence | At::QueueClaim | At::QueueLock | At::Asleep | At::Unqueue)
    }

    /// Steps of a slow lock or unlock: `list_op_pending` is set.
    pub(super) fn slow(self) -> bool {
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
    pub(super) fn token(&self) -> u8 {
        token(self.slot, self.generation)
    }

    pub(super) fn lives(&self) -> bool {
        !self.killed && self.at != At::Dead
    }

    pub(super) fn holds(&self) -> bool {
        self.lives() && matches!(self.at, At::WakeMourners | At::Inside)
    }

    /// Leaves the slow lock.
    pub(super) fn forget(&mut self) {
        self.seen = FREE;
        self.slept = false;
        self.gives_up = false;
    }

    pub(super) fn end_round(&mut self) {
        self.forget();
        self.mourns = false;
        self.rounds -= 1;
        self.at = if self.rounds > 0 { At::FastLock } else { At::Ended };
    }

    pub(super) fn end(&mut self) {
        self.rounds = 1;
        self.end_round();
    }
}

impl State {
    pub(super) fn claimed(&self, owner: u8) -> bool {
        let slot = slot_of(owner);
        !self.joining[slot] && self.generation[slot] == generation_of(owner)
    }

    pub(super) fn is_queued(&self, index: usize) -> bool {
        let mut queues = self.on_lock;
        for slot in 0..SLOTS {
            queues |= self.on_presence[slot] | self.on_claim[slot];
        }
        queues & bit(index) != 0
    }

    /// A woken, killed or interrupted sleeper leaves its queues, a word at a time.
    pub(super) fn unqueue(&mut self, index: usize) {
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
    pub(super) fn return_from_wait(&mut self, index: usize) {
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

    pub(super) fn wake(&mut self, queue: fn(&mut Self, usize) -> &mut Queue, slot: usize, woken: Queue) {
        *queue(self, slot) &= !woken;
        for index in 0..THREADS {
            if woken & bit(index) != 0 && self.threads[index].at == At::Asleep {
                self.return_from_wait(index);
            }
        }
    }

    pub(super) fn acquire(&mut self, index: usize, word: Word) -> Option<Property> {
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
    pub(super) fn is_settled(&self) -> bool {
        !self.unreported && self.threads.iter().all(|thread| !thread.killed || thread.at == At::Dead)
    }
}

pub(super) fn on_lock(state: &mut State, _: usize) -> &mut Queue {
    &mut state.on_lock
}

pub(super) fn on_presence(state: &mut State, slot: usize) -> &mut Queue {
    &mut state.on_presence[slot]
}

pub(super) fn on_claim(state: &mut State, slot: usize) -> &mut Queue {
    &mut state.on_claim[slot]
}

/// Packs a state; members that differ by number only give the same key.
pub(super) fn key(members: usize, threads: usize, state: &State) -> u128 {
    let mut order = [(0_u32, 0_usize); THREADS];
    for (index, place) in order[..threads].iter_mut().enumerate() {
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
    for (new, (_, old)) in (0_u8..).zip(&order[..threads]) {
        renamed[*old] = new;
    }
    let owner = |owner: u8| match owner {
        0 | REFUSED => u128::from(owner),
        _ => 1 + 2 * u128::from(renamed[slot_of(owner)]) + u128::from(generation_of(owner)),
    };
    let mut key = owner(state.lock.owner);
    for &(alike, index) in &order[..threads] {
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
pub(super) fn alike(state: &State, index: usize) -> u32 {
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
