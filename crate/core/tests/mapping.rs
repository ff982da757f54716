//! Where mappings may go, and when they end.

mod support;

use shmem_core::memory::{Extent, FaultCounts, MapRequest, Mapping, Place};
use shmem_core::sys::mman::flags;
use std::sync::Arc;
use support::{get, set};

const PAGE: usize = 4096;

fn map(place: Place, pages: u64) -> shmem_core::Result<Arc<Mapping>> {
    Mapping::map(&MapRequest {
        place,
        size_bytes: pages * 4096,
        page_size_bytes: PAGE,
        protection: flags::PROT_READ | flags::PROT_WRITE,
        flags: flags::MAP_SHARED | flags::MAP_ANONYMOUS,
        fd: None,
        offset: 0,
        guard: true,
    })
}

#[test]
fn a_mapping_may_replace_a_part_of_ours_and_of_nobody_elses() {
    let parent = map(Place::Anywhere, 4).unwrap();
    set(&parent, PAGE, 1);
    let child = map(Place::Replacing(parent.address() + PAGE), 1).unwrap();
    assert_eq!(get(&parent, PAGE), 0, "the parent's range shows the child");
    set(&child, 0, 3);
    assert_eq!(get(&parent, PAGE), 3);

    let local = 0_u8;
    let stack = (std::ptr::from_ref(&local) as usize) & !(PAGE - 1);
    for foreign in [stack, parent.address() + 3 * PAGE, parent.address() + PAGE + 1] {
        let refused = map(Place::Replacing(foreign), 2).unwrap_err();
        assert_eq!(refused.code(), "ERR_SHM_NOT_OURS");
    }
}

#[test]
fn a_parent_that_is_closed_first_waits_for_its_child() {
    let parent = map(Place::Anywhere, 2).unwrap();
    let child = map(Place::Replacing(parent.address()), 1).unwrap();
    set(&child, 0, 8);
    parent.release();
    assert!(parent.is_closed());
    assert_eq!(get(&child, 0), 8, "the child lives");
    assert_eq!(child.faults(), FaultCounts::default());
    child.release();
    assert_eq!(get(&parent, PAGE), 0, "the parent went with its last child");
}

#[test]
fn the_address_of_a_closed_mapping_can_be_had_again() {
    let first = map(Place::Anywhere, 1).unwrap();
    let address = first.address();
    first.release();
    let second = map(Place::Exactly(address), 1).unwrap();
    assert_eq!(second.address(), address);
    assert_eq!(map(Place::Exactly(address), 1).unwrap_err().code(), "EEXIST");
}

#[test]
fn every_range_is_bounded_before_the_kernel_sees_it() {
    let mapping = map(Place::Anywhere, 2).unwrap();
    let read = flags::PROT_READ;
    for (offset, length) in [(0, 3 * 4096), (2 * 4096, 1), (u64::MAX, 1), (4096, u64::MAX), (0, 0)] {
        let refused = mapping.protect(Extent { offset, length_bytes: Some(length) }, read).unwrap_err();
        assert_eq!(refused.code(), "ERR_OUT_OF_RANGE", "{offset} + {length}");
    }
    assert_eq!(
        mapping.protect(Extent { offset: 1, length_bytes: None }, read).unwrap_err().code(),
        "ERR_OUT_OF_RANGE"
    );
    assert_eq!(mapping.with_bytes(2 * 4096, 1, |_| Ok(())).unwrap_err().code(), "ERR_OUT_OF_RANGE");
    mapping.release();
    assert_eq!(mapping.protect(Extent::default(), read).unwrap_err().code(), "ERR_SHM_CLOSED");
}

#[test]
fn a_duplicate_shows_the_same_bytes_and_outlives_the_first() {
    let first = map(Place::Anywhere, 1).unwrap();
    // What the first one forbids by now is not handed on.
    first.protect(Extent::default(), flags::PROT_NONE).unwrap();
    let second = first.duplicate(flags::PROT_READ | flags::PROT_WRITE).unwrap();
    first.protect(Extent::default(), flags::PROT_READ | flags::PROT_WRITE).unwrap();
    set(&first, 9, 5);
    first.release();
    assert_eq!(get(&second, 9), 5);
}
