//! Events and gates.

#[path = "model/checker.rs"]
mod checker;
#[path = "model/wait.rs"]
mod wait;

use checker::{explore, shortest_run};
use wait::{ALL, Kind, Waiting};

#[test]
fn probe() {
    let kinds = [
        Kind::AutoReset,
        Kind::ManualReset,
        Kind::Items(1),
        Kind::Items(2),
        Kind::Flag(1),
        Kind::Flag(2),
        Kind::Flag(ALL),
    ];
    for kind in kinds {
        for (sleeper, passing, renotify, pending) in [
            (true, 0, true, true),
            (false, 0, true, true),
            (true, 1, true, true),
            (true, ALL, true, true),
            (false, 1, true, true),
            (false, ALL, true, true),
            (true, 0, false, true),
            (true, 1, false, true),
            (true, 1, true, false),
            (true, ALL, true, false),
        ] {
            let base = Waiting {
                kind,
                waiters: 3,
                setters: 1,
                sets: 2,
                resetter: false,
                kills: 0,
                aborts: 0,
                sleeper_sets_waiters: sleeper,
                passing_wakes: passing,
                notifier_sets_waiters: renotify,
                set_wakes: 2,
                pending,
            };
            let mut line = String::new();
            for (name, w) in [
                ("k0", base),
                ("k0 2x1", Waiting { setters: 2, sets: 1, waiters: 3, ..base }),
                ("k1", Waiting { kills: 1, ..base }),
                ("a1", Waiting { aborts: 1, ..base }),
                ("k1a1", Waiting { kills: 1, aborts: 1, ..base }),
                ("k1 2x2", Waiting { kills: 1, setters: 2, ..base }),
                ("k1a1 reset", Waiting { kills: 1, aborts: 1, resetter: kind == Kind::ManualReset, ..base }),
                ("k2", Waiting { kills: 2, ..base }),
            ] {
                match explore(&w) {
                    Ok(v) => line += &format!(" {name}:ok({})", v.states),
                    Err(p) => line += &format!(" {name}:{p:?}"),
                }
                if std::env::var("SHOW")
                    .is_ok_and(|s| s == format!("{kind:?} {sleeper} {passing} {renotify} {pending} {name}"))
                {
                    println!("{}", shortest_run(&w, checker::Property::Asleep).unwrap());
                }
            }
            println!(
                "{kind:?} sleeperW={sleeper} passing={passing} renotify={renotify} pending={pending}: {line}"
            );
        }
    }
}
