//! The fault guard, touched as a careless or unlucky user would: the process lives, the mark is set, shared bytes stay.

mod support;

use shmem_core::memory::{
    Access, CreateOptions, Extent, FaultCounts, MapOptions, MapRequest, Mapping, OpenMode, Place, guard,
    posix,
};
use shmem_core::sys::mman::flags;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use support::{get, kernel_mappings_within, set, unique_name};

const PAGE: usize = 4096;

fn anonymous(pages: u64) -> Arc<Mapping> {
    Mapping::map(&MapRequest {
        place: Place::Anywhere,
        size_bytes: pages * 4096,
        page_size_bytes: PAGE,
        protection: flags::PROT_READ | flags::PROT_WRITE,
        flags: flags::MAP_SHARED | flags::MAP_ANONYMOUS,
        fd: None,
        offset: 0,
        guard: true,
    })
    .unwrap()
}

#[test]
fn a_write_through_a_read_only_mapping_leaves_the_shared_bytes_alone() {
    let name = unique_name("readonly");
    let writer = posix::create(&name, &CreateOptions::new(8192), OpenMode::Create).unwrap();
    let reader = posix::open(&name, &MapOptions { access: Access::Read, ..MapOptions::default() }).unwrap();
    posix::remove(&name).unwrap();
    set(&writer.mapping, 1, 42);

    set(&reader.mapping, 0, 7);

    assert_eq!(get(&writer.mapping, 0), 0, "the shared byte changed");
    assert_eq!(get(&reader.mapping, 0), 7, "the private page keeps the write");
    assert_eq!(get(&reader.mapping, 1), 42, "the private page is a copy");
    assert_eq!(reader.mapping.faults(), FaultCounts { read_only: 1, ..FaultCounts::default() });
    set(&writer.mapping, PAGE, 9);
    assert_eq!(get(&reader.mapping, PAGE), 9, "pages that were not touched are still shared");
}

#[test]
fn bytes_of_a_shrunk_object_read_zeroes() {
    let name = unique_name("shrunk");
    let mut owner = posix::create(&name, &CreateOptions::new(3 * PAGE as u64), OpenMode::Create).unwrap();
    let other = posix::open(&name, &MapOptions::default()).unwrap();
    set(&other.mapping, 2 * PAGE, 5);
    drop(owner.resize(PAGE as u64).unwrap());
    posix::remove(&name).unwrap();

    assert_eq!(get(&other.mapping, 2 * PAGE), 0);
    assert_eq!(other.mapping.faults(), FaultCounts { truncated: 1, ..FaultCounts::default() });
}

#[test]
fn a_hole_reads_zeroes_and_the_rest_stays() {
    let mapping = anonymous(3);
    for page in 0..3 {
        set(&mapping, page * PAGE, 1);
    }
    mapping.unmap_part(Extent { offset: PAGE as u64, length_bytes: Some(PAGE as u64) }).unwrap();

    assert_eq!([get(&mapping, 0), get(&mapping, PAGE), get(&mapping, 2 * PAGE)], [1, 0, 1]);
    assert_eq!(mapping.faults(), FaultCounts { hole: 1, ..FaultCounts::default() });
}

#[test]
fn a_closed_range_reads_zeroes_while_it_is_in_quarantine() {
    let mapping = anonymous(1);
    set(&mapping, 0, 9);
    mapping.release();
    let before = guard::TOUCHED_AFTER_CLOSE.load(Ordering::Relaxed);
    assert_eq!(get(&mapping, 0), 0);
    assert!(guard::TOUCHED_AFTER_CLOSE.load(Ordering::Relaxed) > before);
}

#[test]
fn a_sleeper_learns_of_a_repaired_fault() {
    let seen = guard::count();
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| guard::wait_beyond(seen));
        let mapping = anonymous(1);
        mapping.protect(Extent::default(), flags::PROT_READ).unwrap();
        set(&mapping, 0, 1);
        assert_ne!(sleeper.join().unwrap(), seen);
    });
}

#[test]
fn many_exchanged_pages_merge_into_few_mappings() {
    let pages = 2000;
    let mapping = anonymous(pages);
    mapping.protect(Extent::default(), flags::PROT_READ).unwrap();
    for page in 0..usize::try_from(pages).unwrap() {
        set(&mapping, page * PAGE, 1);
    }
    assert_eq!(u64::from(mapping.faults().read_only), pages);
    // One, or none where it merged with a neighbour that begins below.
    let begin_within = kernel_mappings_within(&mapping);
    assert!(begin_within <= 1, "{begin_within} mappings: exchanged pages must not use up vm.max_map_count");
}

#[test]
fn threads_that_fault_while_others_map_and_release_meet_no_foreign_memory() {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let mapping = anonymous(2);
                    mapping.protect(Extent::default(), flags::PROT_READ).unwrap();
                    set(&mapping, 0, 1);
                    mapping.release();
                    // Sometimes a touch comes too late, as a runtime's own thread may.
                    assert_eq!(get(&mapping, PAGE), 0);
                }
            });
        }
        // Heap blocks of a size that the allocator maps: were a page of ours put over one, its bytes would change.
        scope.spawn(|| {
            for round in 0..100_usize {
                let block = vec![u8::try_from(round % 251).unwrap(); 1 << 20];
                std::thread::yield_now();
                assert!(
                    block.iter().all(|byte| usize::from(*byte) == round % 251),
                    "somebody wrote into the heap"
                );
            }
            stop.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn a_mapping_that_is_closed_in_the_middle_of_a_repair_kills_nobody() {
    for round in 0..300 {
        let mapping = anonymous(64);
        mapping.protect(Extent::default(), flags::PROT_READ).unwrap();
        let written = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Each write is a fault whose page is copied; somewhere among them the mapping goes.
                for page in 0..64 {
                    set(&mapping, page * PAGE, 1);
                    written.store(page + 1, Ordering::Relaxed);
                }
            });
            while written.load(Ordering::Relaxed) <= round % 60 {
                std::hint::spin_loop();
            }
            mapping.release();
        });
    }
}

#[test]
fn all_who_opened_a_named_semaphore_learn_that_its_file_was_truncated() {
    use shmem_core::sync::{NamedSemaphore, PosixSemaphore, posix_semaphore};
    let name = unique_name("semaphore");
    let first = NamedSemaphore::create(&name, 1, 0o600).unwrap();
    let second = NamedSemaphore::open(&name).unwrap();
    let path = shmem_core::sys::posix_sem::path(&name);
    let file = std::fs::OpenOptions::new().write(true).open(path);
    posix_semaphore::unlink(&name).unwrap();
    file.unwrap().set_len(0).unwrap();
    for semaphore in [&first, &second, &first] {
        assert_eq!(semaphore.with(PosixSemaphore::post).unwrap_err().code(), "ERR_SHM_TRUNCATED");
    }
    drop(first);
    assert_eq!(second.with(PosixSemaphore::post).unwrap_err().code(), "ERR_SHM_TRUNCATED");
}
