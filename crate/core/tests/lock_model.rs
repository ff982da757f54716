//! The lock word, every state of it.

mod model;

use model::checker::{explore, shortest_run};
use model::lock::{Scenario, Algorithm};

#[test]
fn probe() {
    let d = Algorithm::DESIGN;
    let base = Algorithm { sleeper_sets_waiters: false, return_wakes: false, refused_wakes: false, ..d };
    let kinds = [("given", base), ("sleeper", Algorithm { sleeper_sets_waiters: true, ..base }), ("return", Algorithm { return_wakes: true, ..base }), ("both", d)];
    let mut mutants = Vec::new();
    for (k, d) in kinds {
    mutants.extend([
        ("design", d),
        ("wakes one", Algorithm { unlock_wakes: 1, ..d }),
        ("clears before wake", Algorithm { unlock_keeps_waiters: false, ..d }),
        ("abort no wake", Algorithm { abort_wakes: false, ..d }),
        ("abort no set", Algorithm { abort_sets_waiters: false, ..d }),
        ("takeover no wake", Algorithm { takeover_wakes: false, ..d }),
        ("P first", Algorithm { presence_first: true, ..d }),
        ("no pending", Algorithm { pending: false, ..d }),
        ("no join wake", Algorithm { join_wakes: false, ..d }),
        ("no C no joinwake", Algorithm { watches_claim: false, join_wakes: false, ..d }),
        ("no C", Algorithm { watches_claim: false, ..d }),
        ("no refused wake", Algorithm { refused_wakes: !d.refused_wakes, ..d }),
    ].map(|(n, a)| (format!("{k} {n}"), a)));
    }
    let n = Scenario::new;
    let scenarios = [
    ("5x1", n(5, 1)),
    ("5x1 k1", Scenario { kills: 1, ..n(5, 1) }),
    ("3x2 k1a2", Scenario { kills: 1, aborts: 2,  ..n(3, 2) }),
    ("3x3 k1", Scenario { kills: 1,  ..n(3, 3) }),
    ("4x1 k1 join", Scenario { kills: 1, rejoin: true, ..n(4, 1) }),
    ("3x1 k2 join a1", Scenario { kills: 2, aborts: 1, rejoin: true, ..n(3, 1) }),
    ("4x2 k1", Scenario { kills: 1, ..n(4, 2) }),
    ];
    let only = std::env::var("ONLY").unwrap_or_default();
    for (name, algorithm) in mutants {
        if !name.contains(&only) { continue }
        println!("== {name}");
        for (what, s) in scenarios {
            let s = Scenario { algorithm, ..s };
            let start = std::time::Instant::now();
            match explore(&s) {
                Ok(v) => if name.contains("design") {println!("   {what}: ok {v:?} {:?}", start.elapsed())},
                Err(p) => {
                    println!("   {what}: {p:?} {}", shortest_run(&s).map_or(0, |(_, t)| t.lines().count()));
                    if only != "" && std::env::var("SHOW").is_ok_and(|w| w == what) { println!("{}", shortest_run(&s).unwrap().1)}
                }
            }
        }
    }
}
