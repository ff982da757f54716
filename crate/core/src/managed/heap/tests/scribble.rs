//! Memory that somebody wrote over, before the calls and during them: errors, and nothing touched beside the heap.

use super::super::layout::class_of;
use super::arena::{Arena, Model, Operation, config, operations};
use super::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// One word to write over, and with what.
#[derive(Clone, Debug)]
enum Scribble {
    Anything {
        place: u64,
        value: u64,
    },
    /// An offset that could be a block's.
    Link {
        place: u64,
        target: u64,
    },
    /// A header with its check.
    Header {
        place: u64,
        bytes: u64,
        state: State,
    },
    /// A word from elsewhere in the heap.
    Copy {
        place: u64,
        source: u64,
    },
    /// One bit of what is there.
    Flip {
        place: u64,
        bit: u32,
    },
}

fn scribbles() -> impl Strategy<Value = Vec<Scribble>> {
    let word = || prop_oneof![1 => 0..ROOT_BYTES / 8, 4 => any::<u64>()];
    let state =
        prop_oneof![Just(State::Free), Just(State::Uncommitted), Just(State::Committed), Just(State::Lent)];
    let scribble = prop_oneof![
        (word(), any::<u64>()).prop_map(|(place, value)| Scribble::Anything { place, value }),
        (word(), any::<u64>()).prop_map(|(place, target)| Scribble::Link { place, target }),
        (word(), 2..2000_u64, state).prop_map(|(place, units, state)| Scribble::Header {
            place,
            bytes: units * UNIT_BYTES,
            state
        }),
        (word(), word()).prop_map(|(place, source)| Scribble::Copy { place, source }),
        (word(), 0..64_u32).prop_map(|(place, bit)| Scribble::Flip { place, bit }),
    ];
    proptest::collection::vec(scribble, 1..40)
}

/// The offset of a word of the heap: small numbers are the root's, others a header's or a free block's link, where there is one.
fn offset_of_word(heap: &Heap, place: u64) -> u64 {
    if place < ROOT_BYTES / 8 {
        return heap.root + place * 8;
    }
    let mut headers = Vec::new();
    let broken = heap.walk(|block| {
        headers.push(block.offset);
        Ok(())
    });
    if broken.is_ok() && !place.is_multiple_of(4) {
        return headers[usize::try_from(place / 16).unwrap() % headers.len()] + place / 4 % 4 * 8;
    }
    heap.start + place / 4 % ((heap.end - heap.start) / 8) * 8
}

fn scribble(arena: &Arena, scribble: &Scribble) {
    let heap = &arena.heap;
    let word = |place| offset_of_word(heap, place);
    match *scribble {
        Scribble::Anything { place, value } => arena.set(word(place), value),
        Scribble::Link { place, target } => arena.set(word(place), word(target) & !15),
        Scribble::Header { place, bytes, state } => {
            let offset = word(place) & !15;
            if offset >= heap.start {
                arena.set(offset, Block { offset, bytes, state }.encode());
            }
        }
        Scribble::Copy { place, source } => arena.set(word(place), arena.get(word(source))),
        Scribble::Flip { place, bit } => arena.set(word(place), arena.get(word(place)) ^ (1 << bit)),
    }
}

/// Makes the call with no expectation but: an offset inside the area, or an error of ours, after a bounded number of accesses.
fn survive(arena: &Arena, operation: &Operation, known: &mut Vec<u64>) {
    let heap = &arena.heap;
    let pick = |pick: usize| known.get(pick % known.len().max(1)).copied().unwrap_or(heap.start);
    ACCESSES.set(0);
    let result = match *operation {
        Operation::Allocate { bytes, align, token } => heap.allocate(bytes, align, token).map(|offset| {
            assert!(offset.is_multiple_of(align.max(16)) && offset >= heap.start + 16);
            assert!(bytes <= heap.end - offset, "{bytes} bytes at {offset} are not inside");
            known.push(offset);
        }),
        Operation::Free { pick: index } => heap.free(pick(index)),
        Operation::Commit { pick: index } => heap.commit(pick(index)),
        Operation::Retract { pick: index, token } => heap.retract(pick(index), token),
        Operation::Lend { pick: index } => heap.lend(pick(index), 1),
        Operation::TakeBack { pick: index } => heap.take_back(pick(index)),
        Operation::Recover { dead } => heap.recover(|token| token != dead).map(drop),
    };
    if let Err(error) = result {
        let code = error.code();
        let ours = ["ERR_SHM_POSSIBLY_CORRUPT", "ERR_SHM_NOT_ALLOCATED", "ERR_SHM_NO_SPACE"];
        assert!(ours.contains(&code.as_str()), "{code}");
    }
    let blocks = (heap.end - heap.start) / 32;
    assert!(ACCESSES.get() < 30 * blocks + 1000, "{} accesses, {blocks} blocks", ACCESSES.get());
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn a_scribbled_heap_gives_errors_only(
        first in operations(1..60),
        writes in scribbles(),
        then in operations(1..60),
    ) {
        let arena = Arena::new(16 * 1024);
        let mut model = Model::default();
        for operation in &first {
            model.apply(&arena, operation).unwrap();
        }
        let mut known: Vec<u64> = model.taken.iter().map(|taken| taken.offset).collect();
        for (index, operation) in then.iter().enumerate() {
            if let Some(write) = writes.get(index) {
                scribble(&arena, write);
            }
            survive(&arena, operation, &mut known);
            drop(arena.heap.statistics());
        }
        if arena.heap.recover(|_| true).is_ok() {
            whole(&arena.heap);
        }
        arena.assert_untouched_outside();
    }

    #[test]
    fn lists_of_nonsense_are_mended_while_the_chain_is_whole(
        script in operations(1..60),
        heads in proptest::collection::vec(any::<u64>(), CLASS_COUNT),
    ) {
        let arena = Arena::new(16 * 1024);
        let heap = &arena.heap;
        let mut model = Model::default();
        for operation in &script {
            model.apply(&arena, operation).unwrap();
        }
        let blocks = whole(heap);
        for (class, head) in heads.iter().enumerate() {
            arena.set(heap.root + 8 + 8 * class as u64, *head);
        }
        for block in &blocks {
            arena.set(block.offset + 8, heads[0]);
            if block.is_free() {
                arena.set(block.offset + 16, heads[1]);
                arena.set(block.offset + 24, heads[2]);
            }
        }
        heap.recover(|_| true).unwrap();
        prop_assert_eq!(whole(heap), blocks);
        model.assert_payloads(&arena);
    }
}

#[test]
fn a_damaged_block_is_reported_by_each_call_that_meets_it() {
    let damaged = |at: fn(&[u64; 4]) -> u64, value: u64| {
        let arena = Arena::new(4096);
        let offsets = [(); 4].map(|()| arena.heap.allocate(100, 16, 1).unwrap());
        arena.heap.free(offsets[2]).unwrap();
        arena.set(at(&offsets), value);
        (arena, offsets)
    };
    // A header in the middle.
    let (arena, offsets) = damaged(|offsets| offsets[2] - 16, 77);
    for result in [
        arena.heap.free(offsets[1]),
        arena.heap.free(offsets[3]),
        arena.heap.recover(|_| true).map(drop),
        arena.heap.statistics().map(drop),
        arena.heap.allocate(100, 16, 1).map(drop),
    ] {
        assert_eq!(code(result), "ERR_SHM_POSSIBLY_CORRUPT");
    }
    assert_eq!(code(arena.heap.free(offsets[2])), "ERR_SHM_NOT_ALLOCATED");
    // A link of a free block, that leads to itself, away, or to a taken block.
    for link in [|offsets: &[u64; 4]| offsets[2], |offsets: &[u64; 4]| offsets[2] + 8] {
        for value in [1, 8, u64::MAX, 1 << 40, 4096, 480] {
            let (arena, offsets) = damaged(link, value);
            assert_eq!(code(arena.heap.free(offsets[1])), "ERR_SHM_POSSIBLY_CORRUPT", "{value}");
            arena.heap.recover(|_| true).unwrap();
            arena.heap.free(offsets[1]).unwrap();
            whole(&arena.heap);
        }
    }
    // The size of the block before.
    let (arena, offsets) = damaged(|offsets| offsets[1] - 8, u64::MAX);
    assert_eq!(code(arena.heap.free(offsets[0])), "ERR_SHM_POSSIBLY_CORRUPT");
    assert_eq!(code(arena.heap.free(offsets[1])), "ERR_SHM_POSSIBLY_CORRUPT");
}

#[test]
fn a_size_of_the_block_before_that_leads_to_another_block_is_not_believed() {
    let arena = Arena::new(4096);
    let offsets = [(); 4].map(|()| arena.heap.allocate(112, 16, 1).unwrap());
    arena.set(offsets[3] - 8, (2 * 128 / 16) << 32);
    assert_eq!(code(arena.heap.free(offsets[3])), "ERR_SHM_POSSIBLY_CORRUPT");
}

#[test]
fn a_link_to_a_true_block_that_does_not_link_back_is_not_believed() {
    let arena = Arena::new(4096);
    let heap = arena.heap;
    let offsets = [(); 6].map(|()| heap.allocate(112, 16, 1).unwrap());
    let [first, second, third] = [0, 2, 4].map(|index| {
        heap.free(offsets[index]).unwrap();
        offsets[index] - 16
    });
    // The list is third, second, first; the first says that it comes after the third.
    arena.set(first + 24, third);
    assert_eq!(code(heap.free(offsets[1])), "ERR_SHM_POSSIBLY_CORRUPT", "it would take out first and second");
    assert_eq!(code(heap.allocate(120, 16, 1)), "ERR_SHM_POSSIBLY_CORRUPT", "it would try all three");
    arena.set(second + 16, 0);
    arena.set(second + 24, third);
    let next = arena.get(third + 16);
    arena.set(third + 16, 0);
    assert_eq!(
        code(heap.free(offsets[3])),
        "ERR_SHM_POSSIBLY_CORRUPT",
        "the third does not lead to the second"
    );
    arena.set(third + 16, next);
    heap.recover(|_| true).unwrap();
    whole(&heap);
}

#[test]
fn a_list_that_leads_to_a_taken_block_or_to_one_of_another_class_gives_out_none() {
    let arena = Arena::new(4096);
    let heap = arena.heap;
    let taken = heap.allocate(112, 16, 1).unwrap();
    let free = heap.allocate(600, 16, 1).unwrap();
    heap.allocate(16, 16, 1).unwrap();
    heap.free(free).unwrap();
    (0..112).step_by(8).for_each(|at| arena.set(taken + at, 0));
    for block in [taken - 16, free - 16] {
        arena.set(heap.root + 8 + 8 * class_of(128) as u64, block);
        assert_eq!(code(heap.allocate(112, 16, 1)), "ERR_SHM_POSSIBLY_CORRUPT", "{block}");
    }
}

#[test]
fn no_word_outside_root_and_area_is_reached() {
    let arena = Arena::new(4096);
    let heap = arena.heap;
    let outside =
        [0, heap.root - 8, heap.root + ROOT_BYTES, heap.start - 8, heap.end - 4, heap.end, u64::MAX, !7];
    for at in outside.into_iter().chain([heap.start + 1, heap.start + 4]) {
        assert_eq!(code(heap.load(at)), "ERR_SHM_POSSIBLY_CORRUPT", "{at}");
        assert_eq!(code(heap.store(at, 1)), "ERR_SHM_POSSIBLY_CORRUPT", "{at}");
    }
    for at in [heap.root, heap.root + ROOT_BYTES - 8, heap.start, heap.end - 8] {
        heap.load(at).unwrap();
    }
    arena.assert_untouched_outside();
}

#[test]
fn a_ring_of_links_ends() {
    let arena = Arena::new(16 * 1024);
    let heap = arena.heap;
    let offsets = [(); 40].map(|()| heap.allocate(600 / 4, 16, 1).unwrap());
    let every_other: Vec<u64> = offsets.iter().copied().step_by(2).collect();
    every_other.iter().for_each(|offset| heap.free(*offset).unwrap());
    // The last of the list leads to the first.
    arena.set(every_other[0], every_other[19] - 16);
    let rest = heap.statistics().unwrap().largest_free_bytes;
    heap.allocate(rest, 16, 1).unwrap();
    assert_eq!(code(heap.allocate(250, 16, 1)), "ERR_SHM_POSSIBLY_CORRUPT");
}

#[test]
fn memory_that_was_never_formatted_is_no_heap() {
    let arena = Arena::new(4096);
    for fill in [0, u64::MAX, 0x1234_5678_9abc_def0] {
        arena.restore(&[fill; 512]);
        assert_eq!(code(arena.heap.recover(|_| true)), "ERR_SHM_POSSIBLY_CORRUPT");
        assert_eq!(code(arena.heap.statistics()), "ERR_SHM_POSSIBLY_CORRUPT");
        assert!(arena.heap.allocate(16, 16, 1).is_err());
        assert_eq!(code(arena.heap.free(arena.heap.start + 16)), "ERR_SHM_NOT_ALLOCATED");
    }
}

struct Stopper<'flag>(&'flag AtomicBool);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_writer_that_does_not_stop_changes_nothing_beside_the_heap() {
    let arena = Arena::new(16 * 1024);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Also where an assertion fails: else the scope would wait for ever.
        let _stopper = Stopper(&stop);
        scope.spawn(|| {
            let mut random = 1_u64;
            while !stop.load(Ordering::Relaxed) {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let offset =
                    arena.heap.start + (random >> 33) % (arena.heap.end - arena.heap.start) / 16 * 16;
                let bytes = (random >> 20) % 1000 / 16 * 16 + 32;
                let state = if random & (1 << 50) == 0 { State::Free } else { State::Committed };
                let forged = Block { offset, bytes, state }.encode();
                arena.set(
                    offset + (random >> 60) % 2 * 8,
                    if random & (1 << 51) == 0 { forged } else { offset },
                );
            }
        });
        let mut known = Vec::new();
        for round in 0..200_u32 {
            arena.heap.format().unwrap_or_default();
            for index in 0..100 {
                let token = round % 3;
                let allocate =
                    Operation::Allocate { bytes: u64::from(round * 7 % 500), align: 1 << (round % 9), token };
                survive(&arena, &allocate, &mut known);
                survive(&arena, &Operation::Free { pick: index * 7 }, &mut known);
            }
            survive(&arena, &Operation::Recover { dead: 1 }, &mut known);
            known.clear();
        }
    });
    arena.assert_untouched_outside();
}
