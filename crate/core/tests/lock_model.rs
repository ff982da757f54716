//! The lock word, every state of it.

mod model;

use model::checker::{explore, shortest_run};
use model::lock::Scenario;

#[test]
fn probe() {
    let spec = std::env::var("SPEC").unwrap_or("3,2,1,0,0".into());
    let n: Vec<u8> = spec.split(',').map(|x| x.parse().unwrap()).collect();
    let scenario = Scenario { kills: n[2], aborts: n[3], rejoin: n[4] & 1 != 0, unrepaired: n[4] & 2 != 0, stray_unlocks: n[4] >> 2, ..Scenario::new(n[0].into(), n[1]) };
    let start = std::time::Instant::now();
    let result = explore(&scenario);
    println!("{spec}: {result:?} {:?}", start.elapsed());
    if result.is_err() {
        let (p, run) = shortest_run(&scenario).unwrap();
        println!("{p:?}\n{run}");
    }
}
