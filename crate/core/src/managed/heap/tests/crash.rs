//! A kill after every store of every call: the chain is whole at once, and all else after `recover`.

use super::arena::{Arena, Model, Operation, Taken, config, operations};
use super::*;

/// The member that is killed.
const DEAD: u32 = 9;

/// The same call, made by the member that is killed.
fn by_the_dead(operation: &Operation) -> Operation {
    match *operation {
        Operation::Allocate { bytes, align, .. } => Operation::Allocate { bytes, align, token: DEAD },
        Operation::Retract { pick, .. } => Operation::Retract { pick, token: DEAD },
        ref other => other.clone(),
    }
}

/// Offset, bytes and state of what is taken in the heap; the chain must be whole, all else need not.
fn taken_in(heap: &Heap) -> Vec<(u64, u64, State)> {
    let mut taken = Vec::new();
    heap.walk(|block| {
        if !block.is_free() {
            taken.push((block.offset + HEADER_BYTES, block.payload_bytes(), block.state));
        }
        Ok(())
    })
    .expect("the chain is whole after a kill");
    taken
}

fn key(taken: &Taken) -> (u64, u64, State) {
    (taken.offset, taken.bytes, taken.state)
}

/// Blocks that one has and the other has not, or not in this state.
fn difference(model: &Model, heap: &Heap) -> usize {
    let expected: Vec<_> = model.taken.iter().map(key).collect();
    let found = taken_in(heap);
    let missing = expected.iter().filter(|taken| !found.contains(taken)).count();
    missing.max(found.iter().filter(|taken| !expected.contains(taken)).count())
}

/// What the next owner of the lock does, and what then must hold: all as before the call that was killed, or as after it.
fn assert_recovers(arena: &Arena, dead: &[u32], outcomes: &[&Model]) {
    arena.heap.recover(|token| !dead.contains(&token)).expect("a kill is no damage");
    whole(&arena.heap);
    let found = taken_in(&arena.heap);
    let outcome = outcomes.iter().find(|model| model.taken.iter().map(key).eq(found.iter().copied()));
    let outcome = outcome.unwrap_or_else(|| panic!("{found:?} is none of {outcomes:#?}"));
    outcome.assert_payloads(arena);
    for gone in outcomes.iter().flat_map(|model| &model.taken).filter(|taken| !outcome.taken.contains(taken))
    {
        assert_eq!(
            found.iter().any(|taken| taken.0 == gone.offset),
            arena.heap.usable_bytes(gone.offset).is_ok()
        );
    }
}

/// Kills the call after every store it has, and each time recovers; then lets it through. Answers how often it was killed.
fn kill_everywhere(arena: &Arena, model: &mut Model, operation: &Operation, recovery_too: bool) -> u64 {
    let snapshot = arena.snapshot();
    // Whoever is dead for a `recover` that is killed is so for the next one.
    let dead = match operation {
        Operation::Recover { dead } => vec![DEAD, *dead],
        _ => vec![DEAD],
    };
    let mut before = model.clone();
    dead.iter().for_each(|dead| before.bury(*dead));
    let operation = by_the_dead(operation);
    let mut after = model.clone();
    after.apply(arena, &operation).unwrap();
    let finished = after.clone();
    dead.iter().for_each(|dead| after.bury(*dead));
    let outcomes = [&before, &after];
    let reclaimable = model.taken.len() - before.taken.len();
    for stores in 0.. {
        arena.restore(&snapshot);
        if killed_after(stores, || model.clone().apply(arena, &operation)).is_some() {
            *model = finished;
            return stores;
        }
        let changed = difference(model, &arena.heap);
        assert!(changed <= 1.max(reclaimable), "{changed} blocks differ after {operation:?}");
        if recovery_too {
            let killed = arena.snapshot();
            for stores in 0.. {
                arena.restore(&killed);
                let recovery = killed_after(stores, || arena.heap.recover(|token| !dead.contains(&token)));
                if recovery.is_some() {
                    break;
                }
                taken_in(&arena.heap);
                assert_recovers(arena, &dead, &outcomes);
            }
            arena.restore(&killed);
        }
        assert_recovers(arena, &dead, &outcomes);
    }
    unreachable!()
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn a_kill_at_any_store_loses_nothing(script in operations(1..60)) {
        let arena = Arena::new(16 * 1024);
        let mut model = Model::default();
        for operation in &script {
            kill_everywhere(&arena, &mut model, operation, false);
        }
        arena.assert_untouched_outside();
    }

    #[test]
    fn a_kill_at_any_store_of_the_recovery_from_a_kill_loses_nothing(script in operations(1..25)) {
        let arena = Arena::new(8192);
        let mut model = Model::default();
        for operation in &script[1..] {
            model.apply(&arena, operation).unwrap();
        }
        kill_everywhere(&arena, &mut model, &script[0], true);
        kill_everywhere(&arena, &mut model, &Operation::Recover { dead: 1 }, true);
    }
}

#[test]
fn the_longest_calls_are_killed_at_each_of_their_stores() {
    let arena = Arena::new(16 * 1024);
    let mut model = Model::default();
    let allocate = |bytes, align| Operation::Allocate { bytes, align, token: 1 };
    for operation in [allocate(64, 16), allocate(64, 16), allocate(64, 16), Operation::Free { pick: 0 }] {
        model.apply(&arena, &operation).unwrap();
    }
    // Space in front to split off, and behind.
    let aligned = kill_everywhere(&arena, &mut model, &allocate(64, 4096), true);
    assert!(aligned >= 15, "{aligned} stores");
    assert_eq!(kill_everywhere(&arena, &mut model, &Operation::Commit { pick: 1 }, true), 1);
    assert_eq!(kill_everywhere(&arena, &mut model, &Operation::Retract { pick: 1, token: 1 }, true), 2);
    assert_eq!(kill_everywhere(&arena, &mut model, &Operation::Lend { pick: 1 }, true), 1);
    let taken_back = kill_everywhere(&arena, &mut model, &Operation::TakeBack { pick: 1 }, true);
    assert!(taken_back >= 5, "{taken_back} stores");
    for expected in [Operation::Free { pick: 1 }, Operation::Free { pick: 0 }] {
        assert!(kill_everywhere(&arena, &mut model, &expected, true) >= 5, "{expected:?}");
    }
}

#[test]
fn a_kill_before_commit_is_undone_and_one_after_is_not() {
    let arena = Arena::new(4096);
    let heap = arena.heap;
    let kept = heap.allocate(64, 64, DEAD).unwrap();
    heap.commit(kept).unwrap();
    let lost = heap.allocate(64, 64, DEAD).unwrap();
    assert!(killed_after(0, || heap.commit(lost)).is_none());
    assert_eq!(heap.recover(|token| token != DEAD).unwrap().blocks, 1);
    assert_eq!(heap.usable_bytes(kept).unwrap(), 64);
    assert_eq!(code(heap.usable_bytes(lost)), "ERR_SHM_NOT_ALLOCATED");
}
