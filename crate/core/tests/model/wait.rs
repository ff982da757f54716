//! Words that one waits on without owning them: an auto-reset event, a manual-reset event, and a gate in front of a
//! condition. Each thread has the word as its `list_op_pending` from its first step to its last, and the word has no
//! owner bits, so the kernel wakes one for whoever is killed.

use super::checker::{Step, System};

/// What the word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whoever is let through resets the event.
    AutoReset,
    /// The event stays set until it is reset.
    ManualReset,
    /// Waiters take items; a notifier adds so many, then opens the gate for as many.
    Items(u8),
    /// Waiters pass once a flag is up; a notifier raises it, then wakes so many.
    Flag(u32),
}

/// When a gate's notifier counts S up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sequence {
    /// Before it closes the gate.
    BeforeClose,
    /// After it closed the gate, before it wakes.
    AfterClose,
    /// S is the word that the condition stands in: one store changes both.
    IsCondition,
}

/// Who waits and who wakes, and which details are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) kind: Kind,
    /// At most 5 with the setters and the resetter.
    pub(crate) waiters: usize,
    pub(crate) setters: usize,
    /// How often each setter sets.
    pub(crate) sets: u8,
    pub(crate) resetter: bool,
    pub(crate) kills: u8,
    pub(crate) aborts: u8,
    /// Who has slept takes the event with W kept; at a gate: sets W on leaving.
    pub(crate) sleeper_sets_waiters: bool,
    /// How many are woken by one who has slept and passes.
    pub(crate) passing_wakes: u32,
    /// A gate's notifier who has woken as many as it wanted sets W again.
    pub(crate) notifier_sets_waiters: bool,
    /// How many a setter of an auto-reset event wakes.
    pub(crate) set_wakes: u32,
    pub(crate) pending: bool,
    pub(crate) sequence: Sequence,
    /// A gate's waiter loads S before it sets W; otherwise after.
    pub(crate) loads_sequence_first: bool,
}

/// As many as sleep.
pub(crate) const ALL: u32 = u32::MAX;

const THREADS: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Ended,
    Dead,
    Look,
    LoadSequence,
    Check,
    Queue,
    CompareSequence,
    Asleep,
    SetWaiters,
    Pass,
    GiveUp,
    Set,
    SetWake,
    SetClear,
    Reset,
    Change,
    LoadGate,
    Advance,
    Close,
    Wake,
    Reopen,
    DieUnqueue,
    DieWake,
}

#[derive(Clone, Copy)]
struct Thread {
    at: At,
    sequence: u8,
    slept: bool,
    pending: bool,
    sets: u8,
}

#[derive(Clone, Copy)]
pub(crate) struct State {
    set: bool,
    waiters: bool,
    sequence: u8,
    items: u8,
    queue: u8,
    threads: [Thread; THREADS],
    kills: u8,
    aborts: u8,
}

impl Thread {
    fn lives(&self) -> bool {
        !matches!(self.at, At::Dead | At::DieUnqueue | At::DieWake)
    }

    fn end(&mut self, first: At) {
        self.slept = false;
        self.sequence = 0;
        self.sets -= 1;
        self.at = if self.sets > 0 { first } else { At::Ended };
    }
}

impl Waiting {
    fn is_gate(&self) -> bool {
        matches!(self.kind, Kind::Items(_) | Kind::Flag(_))
    }

    fn threads(&self) -> usize {
        self.waiters + self.setters + usize::from(self.resetter)
    }

    /// The condition that waiters wait for.
    fn is_open(&self, state: &State) -> bool {
        if self.is_gate() { state.items > 0 } else { state.set }
    }

    fn pass(&self, thread: &mut Thread) {
        thread.at = match (thread.slept, self.is_gate()) {
            (true, true) if self.sleeper_sets_waiters => At::SetWaiters,
            (true, _) if self.passing_wakes > 0 => At::Pass,
            _ => {
                thread.end(At::Look);
                thread.at
            }
        };
    }

    fn act(&self, state: &mut State, index: usize) -> &'static str {
        let mut thread = state.threads[index];
        let what = match thread.at {
            At::Look if self.is_gate() && self.loads_sequence_first => {
                thread.sequence = state.sequence;
                thread.at = At::LoadSequence;
                "wait: load S"
            }
            At::LoadSequence if self.loads_sequence_first => {
                state.waiters = true;
                thread.at = At::Check;
                "wait: set W"
            }
            At::Look if self.is_gate() => {
                state.waiters = true;
                thread.at = At::LoadSequence;
                "wait: set W"
            }
            At::Look if state.set => {
                if self.kind == Kind::AutoReset {
                    state.set = false;
                    state.waiters |= thread.slept && self.sleeper_sets_waiters;
                }
                self.pass(&mut thread);
                "wait: passes"
            }
            At::Look => {
                state.waiters = true;
                thread.at = At::Queue;
                "wait: set W"
            }
            At::LoadSequence => {
                thread.sequence = state.sequence;
                thread.at = At::Check;
                "wait: load S"
            }
            At::Check if state.items > 0 => {
                if let Kind::Items(_) = self.kind {
                    state.items -= 1;
                }
                thread.sequence = 0;
                self.pass(&mut thread);
                "wait: passes"
            }
            At::Check => {
                thread.at = At::Queue;
                "wait: condition does not hold"
            }
            At::Queue if state.waiters && !state.set => {
                state.queue |= 1 << index;
                thread.slept = true;
                thread.at = if self.is_gate() { At::CompareSequence } else { At::Asleep };
                "futex: queue"
            }
            At::Queue => {
                thread.at = At::Look;
                "futex: mismatch"
            }
            At::CompareSequence if state.sequence == thread.sequence && state.queue & (1 << index) != 0 => {
                thread.at = At::Asleep;
                "futex: sleep"
            }
            At::CompareSequence => {
                state.queue &= !(1 << index);
                thread.at = At::Look;
                "futex: returns"
            }
            At::SetWaiters => {
                state.waiters = true;
                if self.passing_wakes > 0 {
                    thread.at = At::Pass
                } else {
                    thread.end(At::Look)
                }
                "wait: set W on leaving"
            }
            At::Set if state.set => {
                thread.end(At::Set);
                "set: already"
            }
            At::Set => {
                state.set = true;
                if state.waiters {
                    thread.at = At::SetWake
                } else {
                    thread.end(At::Set)
                }
                "set"
            }
            At::SetClear => {
                state.waiters &= !state.set;
                thread.end(At::Set);
                "set: clear W"
            }
            At::Reset => {
                state.set = false;
                thread.end(At::Reset);
                "reset"
            }
            At::Change => {
                state.items = if let Kind::Items(count) = self.kind { state.items + count } else { 1 };
                state.sequence += u8::from(self.sequence == Sequence::IsCondition);
                thread.at = At::LoadGate;
                "notify: change the condition"
            }
            At::LoadGate => {
                let next = if self.sequence == Sequence::BeforeClose { At::Advance } else { At::Close };
                if state.waiters {
                    thread.at = next
                } else {
                    thread.end(At::Change)
                }
                "notify: load G"
            }
            At::Advance => {
                state.sequence += 1;
                thread.at = if self.sequence == Sequence::BeforeClose { At::Close } else { At::Wake };
                "notify: S + 1"
            }
            At::Close => {
                state.waiters = false;
                thread.at = if self.sequence == Sequence::AfterClose { At::Advance } else { At::Wake };
                "notify: G = 0"
            }
            _ => {
                state.waiters = true;
                thread.end(At::Change);
                "notify: set W"
            }
        };
        state.threads[index] = thread;
        what
    }

    /// How many a thread at a waking step wakes, and under which name.
    fn wakes(&self, at: At) -> Option<(u32, &'static str)> {
        match (at, self.kind) {
            (At::SetWake, Kind::AutoReset) => Some((self.set_wakes, "set: wake")),
            (At::SetWake, _) => Some((ALL, "set: wake all")),
            (At::Wake, Kind::Items(count)) => Some((u32::from(count), "notify: wake")),
            (At::Wake, Kind::Flag(count)) => Some((count, "notify: wake")),
            (At::Pass, _) => Some((self.passing_wakes, "wait: wake on leaving")),
            (At::GiveUp, _) => Some((1, "abort: wake one")),
            (At::DieWake, _) => Some((1, "kernel: wake one")),
            _ => None,
        }
    }

    fn woken(&self, thread: &mut Thread, wanted: u32, count: u32) {
        match thread.at {
            At::SetWake if self.kind == Kind::ManualReset || count == 0 => thread.at = At::SetClear,
            At::SetWake => thread.end(At::Set),
            At::Wake if count == wanted && self.notifier_sets_waiters => thread.at = At::Reopen,
            At::Wake => thread.end(At::Change),
            At::DieWake => thread.at = At::Dead,
            _ => thread.end(At::Look),
        }
    }

    fn outside(&self, index: usize, state: &State, steps: &mut Vec<Step<State>>) {
        let thread = state.threads[index];
        if !thread.lives() || thread.at == At::Ended {
            return;
        }
        if state.kills < self.kills {
            let mut next = *state;
            next.kills += 1;
            let idle = matches!(thread.at, At::Set | At::Change | At::Reset);
            let pending = self.pending && !idle;
            let queued = state.queue & (1 << index) != 0;
            let at = match (queued, pending) {
                (true, _) => At::DieUnqueue,
                (false, true) => At::DieWake,
                (false, false) => At::Dead,
            };
            next.threads[index] = Thread { at, sequence: 0, slept: false, pending, sets: 0 };
            steps.push(Step { actor: index, what: "KILLED", outside: true, state: next, broken: None });
        }
        let waits = matches!(thread.at, At::Look | At::LoadSequence | At::Check | At::Queue | At::Asleep);
        if state.aborts < self.aborts && waits {
            let mut next = *state;
            next.aborts += 1;
            next.queue &= !(1 << index);
            let thread = &mut next.threads[index];
            if thread.slept {
                thread.at = At::GiveUp;
                thread.sequence = 0;
                next.waiters |= self.is_gate();
            } else {
                thread.end(At::Look);
            }
            steps.push(Step { actor: index, what: "ABORTED", outside: true, state: next, broken: None });
        }
    }
}

impl System for Waiting {
    type State = State;

    fn start(&self) -> State {
        let thread = |index: usize| {
            let (at, sets) = if index < self.waiters {
                (At::Look, 1)
            } else if index < self.waiters + self.setters {
                (if self.is_gate() { At::Change } else { At::Set }, self.sets)
            } else if index < self.threads() {
                (At::Reset, 1)
            } else {
                (At::Ended, 0)
            };
            Thread { at, sequence: 0, slept: false, pending: false, sets }
        };
        State {
            set: false,
            waiters: false,
            sequence: 0,
            items: 0,
            queue: 0,
            threads: [0, 1, 2, 3, 4].map(thread),
            kills: 0,
            aborts: 0,
        }
    }

    fn steps(&self, state: &State, steps: &mut Vec<Step<State>>) {
        for index in 0..self.threads() {
            let at = state.threads[index].at;
            let mut next = *state;
            if let Some((wanted, what)) = self.wakes(at) {
                let count = wanted.min(state.queue.count_ones());
                for woken in
                    (0..=state.queue).filter(|woken| woken & !state.queue == 0 && woken.count_ones() == count)
                {
                    let mut next = *state;
                    next.queue &= !woken;
                    for sleeper in (0..self.threads()).filter(|sleeper| woken & (1 << sleeper) != 0) {
                        if next.threads[sleeper].at == At::Asleep {
                            next.threads[sleeper].at = At::Look;
                        }
                    }
                    self.woken(&mut next.threads[index], wanted, count);
                    steps.push(Step { actor: index, what, outside: false, state: next, broken: None });
                }
            } else if at == At::DieUnqueue {
                next.queue &= !(1 << index);
                next.threads[index].at = if next.threads[index].pending { At::DieWake } else { At::Dead };
                steps.push(Step {
                    actor: index,
                    what: "kernel: leave the queue",
                    outside: false,
                    state: next,
                    broken: None,
                });
            } else if !matches!(at, At::Ended | At::Dead | At::Asleep) {
                let what = self.act(&mut next, index);
                steps.push(Step { actor: index, what, outside: false, state: next, broken: None });
            }
            self.outside(index, state, steps);
        }
    }

    fn key(&self, state: &State) -> u128 {
        let mut key = (u128::from(state.set) << 1) | u128::from(state.waiters);
        for number in [state.sequence, state.items, state.queue, state.kills, state.aborts] {
            key = (key << 5) | u128::from(number);
        }
        for thread in &state.threads[..self.threads()] {
            key = (key << 5) | thread.at as u128;
            key = (key << 4) | u128::from(thread.sequence);
            key = (key << 2) | u128::from(thread.sets);
            key = (key << 2) | (u128::from(thread.slept) << 1) | u128::from(thread.pending);
        }
        key
    }

    fn waits(&self, state: &State) -> bool {
        self.is_open(state) && state.threads.iter().any(|thread| thread.at == At::Asleep)
    }

    fn show(&self, state: &State) -> String {
        let word =
            format!("{}{}", if state.set { "SET" } else { "0" }, if state.waiters { "|W" } else { "" });
        let places: Vec<String> =
            state.threads[..self.threads()].iter().map(|thread| format!("{:?}", thread.at)).collect();
        format!("{word:<6} S {} items {} {}", state.sequence, state.items, places.join(" "))
    }
}
