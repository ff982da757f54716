//! The mutex word of DESIGN.md §5 as a system of atomic steps: members, their presence and claim words, the futex
//! queues, and what the kernel does for a killed thread. A wake picks any of the sleepers, so that every order of
//! the kernel's queues (its own is first in, first out within a priority) is covered.

use super::checker::{Step, System};
use super::state::{At, FREE, REFUSED, SLOTS, State, Thread, Word, generation_of, key, slot_of};

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
    /// The mutex as it is built: DESIGN.md §5, with what the model asked for: `sleeper_sets_waiters`, `return_wakes`, three
    /// to wake and, as a second line, `refused_wakes`.
    pub(crate) const DESIGN: Self = Self {
        unlock_wakes: 3,
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
        key(self.members, self.members + usize::from(self.rejoin), state)
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
