//! A heap in memory of its own between pages that nobody may touch, and a model of what is allocated in it.

#![expect(unsafe_code, reason = "touches payloads as a user would")]

use super::super::{ALIGN_MAX, Heap, ROOT_BYTES};
use super::State;
use crate::error::Result;
use crate::memory::{Extent, FaultCounts, MapRequest, Mapping, Place};
use crate::sys::mman::flags;
use proptest::prelude::*;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const PAGE: u64 = 4096;
const CANARY: u64 = 0xa5a5_5a5a_c3c3_3c3c;
/// Where the root and the area begin; the area ends where the forbidden page begins.
const ROOT: u64 = 64;
const START: u64 = 464;

/// Pages from 0: forbidden; root and area; forbidden. Offsets count from the second page.
pub(super) struct Arena {
    mapping: Arc<Mapping>,
    bytes: u64,
    pub(super) heap: Heap,
}

impl Arena {
    /// A formatted heap; `bytes` is a multiple of the page and counts all but the forbidden pages.
    pub(super) fn new(bytes: u64) -> Self {
        let arena = Self::map(bytes, bytes, 0).unwrap();
        (0..bytes).step_by(8).for_each(|at| arena.set(at, CANARY));
        arena.heap.format().unwrap();
        arena
    }

    /// A formatted heap with an area of this size, without reserving memory for it.
    pub(super) fn sparse(area_bytes: u64) -> Option<Self> {
        let end = START + area_bytes;
        let arena = Self::map(end.next_multiple_of(PAGE), end, flags::MAP_NORESERVE).ok()?;
        arena.heap.format().unwrap();
        Some(arena)
    }

    fn map(bytes: u64, end: u64, also: i32) -> Result<Self> {
        let mapping = Mapping::map(&MapRequest {
            place: Place::Anywhere,
            size_bytes: bytes + 2 * PAGE,
            page_size_bytes: 4096,
            protection: flags::PROT_READ | flags::PROT_WRITE,
            flags: flags::MAP_PRIVATE | flags::MAP_ANONYMOUS | also,
            fd: None,
            offset: 0,
            guard: true,
        })?;
        for offset in [0, PAGE + bytes] {
            mapping.protect(Extent { offset, length_bytes: Some(PAGE) }, flags::PROT_NONE)?;
        }
        // SAFETY: both are inside the mapping, which the arena holds.
        let heap = unsafe { Heap::at(mapping.address() + 4096, START, end, ROOT) }?;
        Ok(Self { mapping, bytes, heap })
    }

    fn word(&self, at: u64) -> &AtomicU64 {
        assert!(at < self.bytes && at.is_multiple_of(8), "offset {at} is not the test's to touch");
        let address = self.heap.base + usize::try_from(at).unwrap();
        // SAFETY: inside the mapping, which `self` holds; aligned; access is atomic.
        unsafe { AtomicU64::from_ptr(address as *mut u64) }
    }

    pub(super) fn get(&self, at: u64) -> u64 {
        self.word(at).load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, at: u64, value: u64) {
        self.word(at).store(value, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self) -> Vec<u64> {
        (0..self.bytes).step_by(8).map(|at| self.get(at)).collect()
    }

    pub(super) fn restore(&self, snapshot: &[u64]) {
        (0..self.bytes).step_by(8).zip(snapshot).for_each(|(at, value)| self.set(at, *value));
    }

    /// No page beside it was touched, no word beside root and area changed.
    pub(super) fn assert_untouched_outside(&self) {
        assert_eq!(self.mapping.faults(), FaultCounts::default(), "a page beside the heap was touched");
        for at in (0..ROOT).chain(ROOT + ROOT_BYTES..START).step_by(8) {
            assert_eq!(self.get(at), CANARY, "the word at {at} beside the heap changed");
        }
    }
}

/// One call. Which block it is about: that of this number, modulo how many there are.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Allocate { bytes: u64, align: u64, token: u32 },
    Free { pick: usize },
    Commit { pick: usize },
    Retract { pick: usize, token: u32 },
    Lend { pick: usize },
    TakeBack { pick: usize },
    Recover { dead: u32 },
}

pub(super) fn operations(count: Range<usize>) -> impl Strategy<Value = Vec<Operation>> {
    let bytes = prop_oneof![6 => 0..200_u64, 3 => 200..3000_u64, 1 => 3000..60_000_u64];
    let align = prop_oneof![4 => Just(0), 1 => 0..=ALIGN_MAX.ilog2()].prop_map(|log2| 1 << log2);
    let operation = prop_oneof![
        6 => (bytes, align, 0..4_u32).prop_map(|(bytes, align, token)| Operation::Allocate { bytes, align, token }),
        5 => any::<usize>().prop_map(|pick| Operation::Free { pick }),
        2 => any::<usize>().prop_map(|pick| Operation::Commit { pick }),
        1 => (any::<usize>(), 0..4_u32).prop_map(|(pick, token)| Operation::Retract { pick, token }),
        4 => any::<usize>().prop_map(|pick| Operation::Lend { pick }),
        3 => any::<usize>().prop_map(|pick| Operation::TakeBack { pick }),
        1 => (0..4_u32).prop_map(|dead| Operation::Recover { dead }),
    ];
    proptest::collection::vec(operation, count)
}

/// `cases` of a property, or as many as PROPTEST_CASES says.
pub(super) fn config(cases: u32) -> ProptestConfig {
    let by_environment = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { by_environment.cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..by_environment }
}

/// A taken block as its user knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) state: State,
    /// Of an uncommitted block; 0 for others.
    pub(super) token: u32,
    pub(super) fill: u64,
}

/// What must be in the heap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Model {
    /// By offset.
    pub(super) taken: Vec<Taken>,
    fills: u64,
}

impl Model {
    /// Makes the call and expects what it must do. Answers its error if it has one that is not a full heap.
    pub(super) fn apply(&mut self, arena: &Arena, operation: &Operation) -> Result<()> {
        let heap = &arena.heap;
        let count = self.taken.len().max(1);
        match *operation {
            Operation::Allocate { bytes, align, token } => match heap.allocate(bytes, align, token) {
                Ok(offset) => self.add(arena, bytes, align, (offset, token)),
                Err(error) if error.code() == "ERR_SHM_NO_SPACE" => assert!(
                    heap.statistics()?.largest_free_bytes < bytes.next_multiple_of(16) + align.max(16) + 16,
                    "{error}, asked {operation:?}"
                ),
                Err(error) => return Err(error),
            },
            Operation::Free { pick } => {
                if let Some(taken) = self.taken.get(pick % count).copied() {
                    assert_payload(arena, &taken);
                    heap.free(taken.offset)?;
                    self.taken.remove(pick % count);
                }
            }
            Operation::Commit { pick } => {
                if let Some(taken) = self.taken.get_mut(pick % count) {
                    heap.commit(taken.offset)?;
                    (taken.state, taken.token) = (State::Committed, 0);
                }
            }
            Operation::Retract { pick, token } => {
                if let Some(taken) = self.taken.get_mut(pick % count) {
                    heap.retract(taken.offset, token)?;
                    (taken.state, taken.token) = (State::Uncommitted, token);
                }
            }
            Operation::Lend { pick } => {
                if let Some(taken) = self.taken.get_mut(pick % count) {
                    let lent = heap.lend(taken.offset, taken.token);
                    if taken.state != State::Uncommitted {
                        assert_eq!(lent.unwrap_err().code(), "ERR_SHM_NOT_ALLOCATED", "{taken:?}");
                        return Ok(());
                    }
                    lent?;
                    (taken.state, taken.token) = (State::Lent, 0);
                }
            }
            Operation::TakeBack { pick } => {
                if let Some(taken) = self.taken.get(pick % count).copied() {
                    assert_payload(arena, &taken);
                    let taken_back = heap.take_back(taken.offset);
                    if taken.state != State::Lent {
                        assert_eq!(taken_back.unwrap_err().code(), "ERR_SHM_NOT_ALLOCATED", "{taken:?}");
                        return Ok(());
                    }
                    taken_back?;
                    self.taken.remove(pick % count);
                }
            }
            Operation::Recover { dead } => {
                let before = self.taken.len();
                let reclaimed = heap.recover(|token| token != dead)?;
                self.bury(dead);
                assert_eq!(reclaimed.blocks, (before - self.taken.len()) as u64);
            }
        }
        Ok(())
    }

    /// Forgets what `recover` frees after the death of this token.
    pub(super) fn bury(&mut self, dead: u32) {
        self.taken.retain(|taken| taken.state != State::Uncommitted || taken.token != dead);
    }

    pub(super) fn assert_payloads(&self, arena: &Arena) {
        self.taken.iter().for_each(|taken| assert_payload(arena, taken));
    }

    fn add(&mut self, arena: &Arena, bytes: u64, align: u64, (offset, token): (u64, u32)) {
        let heap = &arena.heap;
        let usable = heap.usable_bytes(offset).unwrap();
        assert!(offset.is_multiple_of(align) && offset.is_multiple_of(16), "{offset} for {align}");
        assert!(usable >= bytes && usable < bytes.max(16) + 32, "{usable} for {bytes}");
        assert!(offset >= heap.start + 16 && offset + usable <= heap.end);
        let index = self.taken.partition_point(|taken| taken.offset < offset);
        let before = index.checked_sub(1).map(|index| self.taken[index]);
        assert!(
            before.is_none_or(|before| before.offset + before.bytes <= offset - 16),
            "{before:?} at {offset}"
        );
        assert!(self.taken.get(index).is_none_or(|after| offset + usable <= after.offset - 16));
        self.fills += 1;
        let taken = Taken { offset, bytes: usable, state: State::Uncommitted, token, fill: self.fills };
        (0..usable).step_by(8).for_each(|at| arena.set(offset + at, pattern(&taken, at)));
        self.taken.insert(index, taken);
    }
}

fn pattern(taken: &Taken, at: u64) -> u64 {
    (taken.fill << 32 | at).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn assert_payload(arena: &Arena, taken: &Taken) {
    for at in (0..taken.bytes).step_by(8) {
        assert_eq!(arena.get(taken.offset + at), pattern(taken, at), "byte {at} of {taken:?}");
    }
}
