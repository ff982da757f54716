//! Events and gates, every state of them: waiters that wait, give up and are killed at every step, setters and
//! notifiers likewise, without re-checks. W is bit 31: somebody may sleep.
//!
//! | event word | meaning | leaves by |
//! |---|---|---|
//! | 0 | unset, nobody sleeps | CAS to SET; to W by a waiter |
//! | W | unset, somebody may sleep | CAS to SET + W, then wake one (auto-reset) or all (manual-reset) |
//! | SET | set | CAS to 0 by whoever passes (auto-reset) or resets; to W by one who passes after having slept |
//! | SET + W | set, somebody may sleep | CAS to W by whoever passes or resets; to SET by the setter, once it woke nobody (auto) or all (manual) |
//!
//! * *Who has slept leaves W behind* when it takes an auto-reset event, as with the mutex: the late clear of one setter
//!   may take the W of another.
//! * *Who has slept and passes a manual-reset event wakes one*: the kernel wakes but one for a setter that was killed.
//! * *A gate* (G: 0 or W; S: counted up; sleep on both) holds only where S **is** the word that the condition stands in,
//!   so that one store changes both, and whoever has slept and passes wakes one. A notifier that changes the
//!   condition, is killed, and has not changed S leaves those asleep who had looked but were not in the queue yet; no order of
//!   S and G helps, and which wakes are added does not matter. Counting S before closing G fails even without a kill.

#[expect(dead_code, reason = "nobody owns an event: the lock model alone can break the other properties")]
#[path = "model/checker.rs"]
mod checker;
#[path = "model/wait.rs"]
mod wait;

use checker::{Property, explore, shortest_run};
use wait::{ALL, Kind, Sequence, Waiting};

const EVENT: Waiting = Waiting {
    kind: Kind::AutoReset,
    waiters: 3,
    setters: 2,
    sets: 1,
    resetter: false,
    kills: 0,
    aborts: 0,
    sleeper_sets_waiters: true,
    passing_wakes: 0,
    notifier_sets_waiters: true,
    set_wakes: 1,
    pending: true,
    sequence: Sequence::IsCondition,
    loads_sequence_first: false,
};
const MANUAL: Waiting =
    Waiting { kind: Kind::ManualReset, passing_wakes: 1, resetter: true, setters: 1, sets: 2, ..EVENT };
/// What holds.
const GATE: Waiting = Waiting { kind: Kind::Items(1), passing_wakes: 1, setters: 1, sets: 2, ..EVENT };
/// S is counted up, then G closed, then so many woken.
const COUNTED_GATE: Waiting = Waiting { sequence: Sequence::BeforeClose, passing_wakes: 0, ..GATE };

const GATED: [Kind; 5] = [Kind::Items(1), Kind::Items(2), Kind::Flag(1), Kind::Flag(2), Kind::Flag(ALL)];

fn holds(waiting: Waiting) {
    match explore(&waiting) {
        Ok(visited) => println!("{} states, {} steps: {waiting:?}", visited.states, visited.steps),
        Err(property) => {
            let run = shortest_run(&waiting, property).unwrap_or_default();
            panic!("{waiting:?} breaks {property:?}:\n{run}");
        }
    }
}

fn leaves_asleep(what: &str, waiting: Waiting) {
    let run =
        shortest_run(&waiting, Property::Asleep).unwrap_or_else(|| panic!("{what}: nobody stays asleep"));
    println!("{what}:\n{run}");
}

#[test]
fn a_set_auto_reset_event_leaves_nobody_asleep() {
    holds(Waiting { kills: 1, setters: 2, sets: 2, ..EVENT });
    holds(Waiting { kills: 1, aborts: 1, ..EVENT });
}

#[test]
fn a_set_manual_reset_event_leaves_nobody_asleep() {
    holds(Waiting { kills: 1, aborts: 1, ..MANUAL });
    holds(Waiting { kills: 1, setters: 2, sets: 1, resetter: false, ..MANUAL });
}

#[test]
fn a_gate_whose_sequence_is_the_condition_leaves_nobody_asleep() {
    for kind in GATED {
        holds(Waiting { kind, kills: 1, ..GATE });
        holds(Waiting { kind, aborts: 1, ..GATE });
    }
    holds(Waiting { setters: 2, sets: 1, ..GATE });
    if std::env::var("SHMEM_MODEL").is_ok_and(|size| size == "large") {
        for kind in GATED {
            holds(Waiting { kind, setters: 2, sets: 1, ..GATE });
            holds(Waiting { kind, kills: 1, aborts: 1, ..GATE });
            holds(Waiting { kind, kills: 1, setters: 2, sets: 1, ..GATE });
            holds(Waiting { kind, kills: 1, aborts: 1, waiters: 4, ..GATE });
        }
    }
}

#[test]
fn each_detail_of_an_event_left_out_leaves_somebody_asleep() {
    let events = Waiting { kills: 1, setters: 2, sets: 2, ..EVENT };
    leaves_asleep("who slept takes the event without W", Waiting { sleeper_sets_waiters: false, ..events });
    leaves_asleep("no list_op_pending, auto-reset", Waiting { pending: false, ..events });
    leaves_asleep("who slept passes and wakes nobody", Waiting { kills: 1, passing_wakes: 0, ..MANUAL });
    leaves_asleep("no list_op_pending, manual-reset", Waiting { kills: 1, pending: false, ..MANUAL });
    leaves_asleep("set wakes nobody", Waiting { set_wakes: 0, ..EVENT });
    // One is enough, as whoever is killed on the way has the word pending; two do no harm.
    holds(Waiting { set_wakes: 2, ..events });
}

#[test]
fn a_gate_that_counts_on_its_own_leaves_somebody_asleep() {
    leaves_asleep("S before G, no kill", COUNTED_GATE);
    for kind in GATED {
        for sequence in [Sequence::BeforeClose, Sequence::AfterClose] {
            for loads_sequence_first in [false, true] {
                for passing_wakes in [0, 1, ALL] {
                    let gate =
                        Waiting { kind, sequence, loads_sequence_first, passing_wakes, ..COUNTED_GATE };
                    leaves_asleep("one kill", Waiting { kills: 1, ..gate });
                }
            }
        }
        leaves_asleep(
            "passing wakes nobody",
            Waiting { kind, kills: 1, setters: 2, sets: 1, passing_wakes: 0, ..GATE },
        );
        leaves_asleep("no list_op_pending", Waiting { kind, kills: 1, pending: false, ..GATE });
    }
}

#[test]
fn neither_waiter_nor_notifier_of_a_sound_gate_need_set_w_again() {
    for kind in [Kind::Items(1), Kind::Flag(ALL)] {
        holds(Waiting { kind, kills: 1, sleeper_sets_waiters: false, notifier_sets_waiters: false, ..GATE });
    }
}
