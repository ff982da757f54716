//! The heap against a model, killed at every store, and scribbled over.
//!
//! `PROPTEST_CASES=10000 cargo test -p shmem-core heap` is the long form.

mod arena;
mod crash;
mod scribble;

use super::layout::CLASS_COUNT;
use super::*;
use arena::{Arena, Model, Operation, config, operations};
use proptest::prelude::*;
use std::cell::Cell;

thread_local! {
    /// How many more stores this thread may do before it is as if killed.
    static STORES_LEFT: Cell<Option<u64>> = const { Cell::new(None) };
    /// Words of a heap that this thread touched.
    static ACCESSES: Cell<u64> = const { Cell::new(0) };
}

pub(super) fn count_access() {
    ACCESSES.set(ACCESSES.get() + 1);
}

/// Stands in front of every store: the error unwinds the call, and no later store happens, as after SIGKILL.
pub(super) fn before_store() -> Result<()> {
    match STORES_LEFT.get() {
        None => Ok(()),
        Some(0) => Err(Error::own("TEST_KILLED", "")),
        Some(left) => {
            STORES_LEFT.set(Some(left - 1));
            Ok(())
        }
    }
}

/// Runs `call` so that it is killed after this many stores; `None` if it was.
fn killed_after<T>(stores: u64, call: impl FnOnce() -> Result<T>) -> Option<Result<T>> {
    STORES_LEFT.set(Some(stores));
    let result = call();
    STORES_LEFT.set(None);
    Some(result).filter(|result| result.as_ref().err().is_none_or(|error| error.code() != "TEST_KILLED"))
}

/// All blocks, after a check of everything that must hold between two calls.
fn whole(heap: &Heap) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    heap.walk(|block| {
        blocks.push(block);
        Ok(())
    })
    .expect("the chain is whole");
    assert_eq!(blocks.iter().map(|block| block.bytes).sum::<u64>(), heap.end - heap.start);
    for pair in blocks.windows(2) {
        assert_eq!(heap.before(pair[1]).unwrap(), Some(pair[0]));
        assert_eq!(heap.after(pair[0]).unwrap(), Some(pair[1]));
        assert!(!pair[0].merges_with(pair[1]), "{pair:?} are two");
    }
    assert_eq!(heap.before(blocks[0]).unwrap(), None);
    let mut listed: Vec<Block> = (0..CLASS_COUNT)
        .flat_map(|class| heap.members(class).unwrap())
        .collect::<Result<_>>()
        .expect("the lists are whole");
    listed.sort_by_key(|block| block.offset);
    let free: Vec<Block> = blocks.iter().copied().filter(|block| block.is_free()).collect();
    assert_eq!(listed, free, "each free block is in its list, once");
    blocks
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn any_calls_keep_payloads_apart_aligned_and_unchanged(script in operations(1..200)) {
        let arena = Arena::new(48 * 1024);
        let mut model = Model::default();
        for operation in &script {
            model.apply(&arena, operation).unwrap();
            whole(&arena.heap);
        }
        model.assert_payloads(&arena);
        let counted = arena.heap.statistics().unwrap();
        let overhead = HEADER_BYTES * (counted.used_blocks + counted.free_blocks);
        prop_assert_eq!(counted.used_bytes + counted.free_bytes + overhead, arena.heap.end - arena.heap.start);
        prop_assert_eq!(counted.used_blocks, model.taken.len() as u64);
        while !model.taken.is_empty() {
            model.apply(&arena, &Operation::Free { pick: model.taken.len() / 2 }).unwrap();
        }
        prop_assert_eq!(whole(&arena.heap).len(), 1, "all that was freed is one block again");
        arena.assert_untouched_outside();
    }

    #[test]
    fn the_same_calls_give_the_same_offsets(script in operations(1..100)) {
        let (first, second) = (Arena::new(32 * 1024), Arena::new(32 * 1024));
        let (mut one, mut other) = (Model::default(), Model::default());
        for operation in &script {
            one.apply(&first, operation).unwrap();
            other.apply(&second, operation).unwrap();
        }
        prop_assert_eq!(one.taken, other.taken);
    }
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().code()
}

#[test]
fn what_is_not_allocated_cannot_be_freed() {
    let arena = Arena::new(4096);
    let heap = arena.heap;
    let offsets = [(); 3].map(|()| heap.allocate(100, 16, 1).unwrap());
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        for index in order {
            heap.free(offsets[index]).unwrap();
            assert_eq!(code(heap.free(offsets[index])), "ERR_SHM_NOT_ALLOCATED");
            assert_eq!(code(heap.commit(offsets[index])), "ERR_SHM_NOT_ALLOCATED");
            assert_eq!(code(heap.retract(offsets[index], 1)), "ERR_SHM_NOT_ALLOCATED");
            assert_eq!(code(heap.usable_bytes(offsets[index])), "ERR_SHM_NOT_ALLOCATED");
        }
        assert_eq!([(); 3].map(|()| heap.allocate(100, 16, 1).unwrap()), offsets);
    }
    for wrong in [
        0,
        1,
        8,
        offsets[0] + 1,
        offsets[0] + 16,
        heap.start,
        heap.end,
        heap.end + 16,
        u64::MAX - 15,
        u64::MAX,
    ] {
        assert_eq!(code(heap.free(wrong)), "ERR_SHM_NOT_ALLOCATED", "{wrong}");
    }
    assert_eq!(whole(&heap).len(), 4);
}

#[test]
fn a_copied_header_is_no_block() {
    let arena = Arena::new(4096);
    let heap = arena.heap;
    let payload = heap.allocate(256, 16, 1).unwrap();
    for word in 0..2 {
        arena.set(payload + 64 + word * 8, arena.get(payload - HEADER_BYTES + word * 8));
    }
    assert_eq!(code(heap.free(payload + 64 + HEADER_BYTES)), "ERR_SHM_NOT_ALLOCATED");
}

#[test]
fn inside_a_merged_block_nothing_reads_as_a_block() {
    for order in [[0, 1, 2], [2, 1, 0], [0, 2, 1]] {
        let arena = Arena::new(4096);
        let offsets = [(); 3].map(|()| arena.heap.allocate(100, 16, 1).unwrap());
        order.iter().for_each(|index| arena.heap.free(offsets[*index]).unwrap());
        assert_eq!(whole(&arena.heap).len(), 1);
        for offset in &offsets[1..] {
            assert_eq!(arena.heap.probe(offset - HEADER_BYTES).unwrap(), None);
        }
    }
}

#[test]
fn a_full_heap_says_what_was_asked_and_what_is_left() {
    let arena = Arena::new(4096);
    let heap = arena.heap;
    let all = heap.statistics().unwrap().largest_free_bytes;
    assert_eq!(all, heap.end - heap.start - HEADER_BYTES);
    for bytes in [all + 1, 1 << 36, u64::MAX - 14, u64::MAX] {
        let error = heap.allocate(bytes, 1, 1).unwrap_err();
        assert_eq!(error.code(), "ERR_SHM_NO_SPACE");
        assert!(error.to_string().contains(&format!("{bytes} bytes")), "{error}");
        assert!(error.to_string().contains(&format!("has {all}")), "{error}");
    }
    assert_eq!(heap.usable_bytes(heap.allocate(all, 1, 1).unwrap()).unwrap(), all);
    assert!(heap.allocate(0, 1, 1).unwrap_err().to_string().ends_with("has 0"));
}

#[test]
fn only_powers_of_two_up_to_a_page_are_alignments() {
    let arena = Arena::new(32 * 1024);
    for align in [0, 3, 24, 8192, u64::MAX] {
        assert_eq!(code(arena.heap.allocate(1, align, 1)), "ERR_OUT_OF_RANGE", "{align}");
    }
    for align in (0..=12).map(|log2| 1 << log2) {
        assert!(arena.heap.allocate(1, align, 1).unwrap().is_multiple_of(align));
    }
}

#[test]
fn a_small_block_comes_from_the_smallest_class_that_fits() {
    let arena = Arena::new(32 * 1024);
    let heap = arena.heap;
    let [large, small] = [4000, 100].map(|bytes| {
        let offset = heap.allocate(bytes, 16, 1).unwrap();
        heap.allocate(16, 16, 1).unwrap();
        offset
    });
    heap.free(small).unwrap();
    heap.free(large).unwrap();
    assert_eq!(heap.allocate(90, 16, 1).unwrap(), small);
    assert_eq!(heap.allocate(90, 16, 1).unwrap(), large);
}

#[test]
fn a_fit_behind_many_misfits_of_its_class_is_found_at_last() {
    let arena = Arena::new(32 * 1024);
    let heap = arena.heap;
    let mut offsets = Vec::new();
    for bytes in std::iter::once(900).chain([600; 40]) {
        offsets.push(heap.allocate(bytes, 16, 1).unwrap());
        heap.allocate(16, 16, 1).unwrap();
    }
    while heap.allocate(16, 16, 1).is_ok() {}
    offsets.iter().for_each(|offset| heap.free(*offset).unwrap());
    assert_eq!(heap.allocate(890, 16, 1).unwrap(), offsets[0]);
}

#[test]
fn recover_frees_what_the_dead_did_not_commit_and_no_more() {
    let arena = Arena::new(4096);
    let heap = arena.heap;
    let [dead, alive, committed, retracted] = [7, 8, 7, 8].map(|token| heap.allocate(40, 16, token).unwrap());
    heap.commit(committed).unwrap();
    heap.commit(committed).unwrap();
    heap.commit(retracted).unwrap();
    heap.retract(retracted, 7).unwrap();
    assert_eq!(heap.statistics().unwrap().uncommitted_blocks, 3);
    assert_eq!(heap.recover(|token| token != 7).unwrap(), Reclaimed { blocks: 2, bytes: 96 });
    assert_eq!(heap.recover(|token| token != 7).unwrap(), Reclaimed::default());
    assert_eq!(code(heap.free(dead)), "ERR_SHM_NOT_ALLOCATED");
    assert_eq!(code(heap.free(retracted)), "ERR_SHM_NOT_ALLOCATED");
    assert_eq!(heap.statistics().unwrap().reclaimed_blocks, 2);
    whole(&heap);
    heap.free(alive).unwrap();
    heap.free(committed).unwrap();
    assert_eq!(whole(&heap).len(), 1);
}

#[test]
fn places_that_hold_no_heap_are_refused() {
    let arena = Arena::new(4096);
    let heap = arena.heap;
    for (base, start, end, root) in [
        (heap.base + 16, heap.start, heap.end, heap.root),
        (heap.base, heap.start + 8, heap.end, heap.root),
        (heap.base, heap.start, heap.end + 8, heap.root),
        (heap.base, heap.start, heap.end, heap.root + 4),
        (heap.base, 0, heap.end, heap.end),
        (heap.base, heap.end, heap.start, 0),
        (heap.base, heap.start, heap.start + 16, heap.root),
        (heap.base, heap.start, heap.end, heap.start),
        (heap.base, heap.start, heap.end, heap.start - 8),
        (heap.base, heap.start, heap.end, u64::MAX - 7),
        (heap.base, heap.start, u64::MAX - 15, heap.root),
    ] {
        // SAFETY: refused, so never used.
        let refused = unsafe { Heap::at(base, start, end, root) };
        assert_eq!(code(refused), "ERR_OUT_OF_RANGE", "{start} {end} {root}");
    }
}

#[test]
fn an_area_above_the_largest_block_is_several() {
    const GIB: u64 = 1 << 30;
    // 16 bytes above one block are too few for a second: the first gives way.
    for area_bytes in [70 * GIB, BLOCK_BYTES_MAX + 16, BLOCK_BYTES_MAX, 129 * GIB] {
        let Some(arena) = Arena::sparse(area_bytes) else {
            eprintln!("skipped: this machine does not map {area_bytes} bytes, even without reserving");
            return;
        };
        let blocks = whole(&arena.heap);
        assert_eq!(blocks.len() as u64, area_bytes.div_ceil(BLOCK_BYTES_MAX), "{area_bytes}");
        let offset = arena.heap.allocate(33 * GIB, 4096, 1).unwrap();
        arena.heap.free(offset).unwrap();
        assert_eq!(whole(&arena.heap), blocks);
    }
}
