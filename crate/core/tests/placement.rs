//! Where the pages of a mapping are: locked, brought in, made huge, on which node.

use shmem_core::Errno;
use shmem_core::memory::{CreateOptions, Extent, Locking, Segment, memfd};
use shmem_core::sys::{file, machine, mman, numa};

fn sparse(size_bytes: u64) -> Segment {
    let options = CreateOptions { reserve: Some(false), ..CreateOptions::new(size_bytes) };
    memfd::create("placement", &options, 0).unwrap()
}

fn page() -> u64 {
    machine::page_size_bytes() as u64
}

#[test]
fn a_lock_that_fails_half_way_is_undone_to_what_was_before() {
    let segment = sparse(8 * page());
    segment.with_fd(segment.access, |fd| Ok(file::ftruncate(fd, page()))).unwrap().unwrap();
    let refused = segment.mapping.lock_whole(Locking::Now).unwrap_err();
    assert_eq!(refused.errno(), Some(Errno::ENOMEM));
    assert_eq!(segment.mapping.page_facts().unwrap().marked_locked, 0);
    assert_eq!(segment.mapping.locking(), None);
    segment.mapping.lock_whole(Locking::OnFault).unwrap();
    assert!(segment.mapping.lock_whole(Locking::Now).is_err());
    assert_eq!(segment.mapping.locking(), Some(Locking::OnFault));
    assert_eq!(segment.mapping.page_facts().unwrap().marked_locked, 8 * page());
    segment.mapping.unlock_whole().unwrap();
    assert_eq!(segment.mapping.page_facts().unwrap().marked_locked, 0);
}

#[test]
fn populating_tells_its_faults_and_is_seen_in_the_facts() {
    let segment = sparse(8 * page());
    assert_eq!(segment.mapping.page_facts().unwrap().resident, 0);
    let part = Extent { offset: 0, length_bytes: Some(3 * page()) };
    assert!(segment.populate(part).unwrap() >= 1);
    assert_eq!(segment.mapping.page_facts().unwrap().resident, 3 * page());
}

#[test]
fn a_second_mapping_of_the_same_bytes_is_kept_out_of_core_dumps_as_the_first_is() {
    let segment = sparse(4 * page());
    segment.mapping.advise(Extent::default(), mman::flags::MADV_DONTDUMP).unwrap();
    let again = segment.mapping.duplicate(mman::flags::PROT_READ | mman::flags::PROT_WRITE).unwrap();
    assert_eq!(again.page_facts().unwrap().undumped, 4 * page());
}

#[test]
fn a_mapping_that_a_huge_page_fits_into_lies_where_one_can_be_mapped() {
    let Some(huge) = machine::transparent_page_size_bytes() else { return };
    // A length that kernels do not align by themselves.
    let segment = sparse(huge as u64 + page());
    assert!(segment.mapping.address().is_multiple_of(huge));
}

#[test]
fn pages_are_counted_by_node_or_the_kernel_says_why_not() {
    let segment = sparse(4 * page());
    segment.populate(Extent { offset: 0, length_bytes: Some(page()) }).unwrap();
    match segment.mapping.pages_by_node(Extent::default()) {
        Ok(report) => {
            assert_eq!(report.by_node.iter().map(|(_, pages)| pages).sum::<u64>(), 1);
            assert_eq!(report.absent, 3);
            let local = numa::flags::MPOL_LOCAL;
            segment.mapping.bind_to_nodes(Extent::default(), local, &[], 0).unwrap();
            assert_eq!(segment.mapping.node_policy(0, 0).unwrap().mode, local);
        }
        Err(error) => assert!(matches!(error.errno(), Some(Errno::ENOSYS | Errno::EPERM)), "{error}"),
    }
}

#[test]
fn a_released_mapping_answers_closed_to_all_of_it() {
    let segment = sparse(page());
    segment.mapping.release();
    let all = Extent::default();
    let codes = [
        segment.mapping.lock_whole(Locking::Now).unwrap_err().code(),
        segment.mapping.unlock_whole().unwrap_err().code(),
        segment.mapping.page_facts().unwrap_err().code(),
        segment.mapping.pages_by_node(all).unwrap_err().code(),
        segment.mapping.bind_to_nodes(all, 0, &[], 0).unwrap_err().code(),
        segment.mapping.node_policy(0, 0).unwrap_err().code(),
        segment.mapping.move_pages(&[0], None, 0).unwrap_err().code(),
        segment.populate(all).unwrap_err().code(),
        segment.collapse(all).unwrap_err().code(),
    ];
    assert!(codes.iter().all(|code| code == "ERR_SHM_CLOSED"), "{codes:?}");
}
