//! The objects behind mappings: made whole or not at all, opened at their true size, gone when they should be.

mod support;

use shmem_core::Errno;
use shmem_core::memory::{
    Cleaned, CreateOptions, MapOptions, OpenMode, Reservation, clean_sysv, file, liveness, memfd, posix, sysv,
};
use shmem_core::sys::memfd::flags;
use shmem_core::sys::{file as sys_file, sysv_shm};
use std::os::fd::AsFd;
use support::{get, set, unique_name};

#[test]
fn of_many_creators_one_makes_it_and_none_sees_it_half_made() {
    let name = unique_name("race");
    let options = CreateOptions::new(1 << 20);
    let made: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let segment = posix::create(&name, &options, OpenMode::OpenOrCreate).unwrap();
                    assert_eq!(segment.mapping.size_bytes(), 1 << 20);
                    usize::from(segment.created)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    posix::remove(&name).unwrap();
    assert_eq!(made, 1);
}

#[test]
fn create_open_and_open_or_create_differ_as_promised() {
    let name = unique_name("forms");
    let options = CreateOptions::new(8192);
    assert_eq!(posix::open(&name, &options.map).unwrap_err().errno(), Some(Errno::ENOENT));
    let first = posix::create(&name, &options, OpenMode::Create).unwrap();
    assert_eq!(first.reservation, Reservation::Done);
    assert_eq!(posix::create(&name, &options, OpenMode::Create).unwrap_err().errno(), Some(Errno::EEXIST));
    let smaller = CreateOptions::new(4096);
    assert_eq!(posix::create(&name, &smaller, OpenMode::OpenOrCreate).unwrap().mapping.size_bytes(), 8192);
    let larger = CreateOptions::new(8193);
    assert_eq!(
        posix::create(&name, &larger, OpenMode::OpenOrCreate).unwrap_err().errno(),
        Some(Errno::EINVAL)
    );
    posix::remove(&name).unwrap();
    assert_eq!(posix::remove(&name).unwrap_err().errno(), Some(Errno::ENOENT));
}

#[test]
fn a_name_that_leads_to_another_object_is_not_followed() {
    let name = unique_name("replaced");
    let mut first = posix::create(&name, &CreateOptions::new(4096), OpenMode::Create).unwrap();
    posix::remove(&name).unwrap();
    assert_eq!(first.resize(8192).unwrap_err().code(), "ERR_SHM_REMOVED");
    let _second = posix::create(&name, &CreateOptions::new(4096), OpenMode::Create).unwrap();
    assert_eq!(first.object_stat().unwrap_err().code(), "ERR_SHM_REMOVED");
    posix::remove(&name).unwrap();
}

#[test]
fn the_sign_of_life_lasts_as_long_as_the_mapping() {
    let name = unique_name("alive");
    let segment = posix::create(&name, &CreateOptions::new(4096), OpenMode::Create).unwrap();
    let path = posix::path_of(&name).unwrap();
    let probe = sys_file::open(&path, sys_file::flags::O_RDWR, 0).unwrap();
    let alive = || sys_file::is_byte_locked(probe.as_fd(), shmem_core::memory::LIVENESS_BYTE).unwrap();
    assert!(alive(), "the descriptor is closed, the mapping lives");
    segment.mapping.release();
    assert!(!alive());
    posix::remove(&name).unwrap();
}

/// Somebody who removes what nobody uses: holds the sign of life alone while `act` runs.
fn while_cleaned<T: Send>(name: &str, act: impl FnOnce() + Send, opened: impl FnOnce() -> T) -> T {
    let path = posix::path_of(name).unwrap();
    let fd = sys_file::open(&path, sys_file::flags::O_RDWR, 0).unwrap();
    assert!(liveness::take_alone(fd.as_fd()).unwrap());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            act();
            drop(fd);
        });
        opened()
    })
}

#[test]
fn an_opener_waits_for_a_cleaner_and_never_gets_what_was_removed() {
    let name = unique_name("cleaned");
    let options = CreateOptions::new(4096);
    let make = || posix::create(&name, &options, OpenMode::Create).unwrap().mapping.release();
    let remove = || posix::remove(&name).unwrap();
    make();
    let refused = while_cleaned(&name, remove, || posix::open(&name, &options.map).unwrap_err());
    assert_eq!(refused.errno(), Some(Errno::ENOENT));
    make();
    let made =
        while_cleaned(&name, remove, || posix::create(&name, &options, OpenMode::OpenOrCreate).unwrap());
    assert!(made.created);
    assert_eq!(made.object_stat().unwrap().links, 1);
    made.mapping.release();
    let left = while_cleaned(&name, || (), || posix::open(&name, &options.map).unwrap());
    assert_eq!(left.object_stat().unwrap().links, 1);
    remove();
}

#[test]
fn an_object_without_a_name_is_opened_through_its_descriptor() {
    let name = unique_name("nameless");
    let options = MapOptions { keep_fd: true, ..MapOptions::default() };
    let segment =
        posix::create(&name, &CreateOptions { map: options, ..CreateOptions::new(4096) }, OpenMode::Create)
            .unwrap();
    posix::remove(&name).unwrap();
    let shmem_core::memory::Backing::Object { fd: Some(fd), .. } = &segment.backing else { panic!("kept") };
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(fd));
    let again = file::open(&path, &MapOptions::default()).unwrap();
    set(&segment.mapping, 0, 9);
    assert_eq!(get(&again.mapping, 0), 9);
}

#[test]
fn an_attacher_gives_way_to_a_cleaner_of_system_v_segments() {
    let segment = sysv::create(0, &CreateOptions::new(100)).unwrap();
    let shmem_core::memory::Backing::Sysv { id } = segment.backing else { panic!("not System V") };
    assert_eq!(clean_sysv(id).unwrap(), Cleaned::InUse);
    assert_eq!(sysv_shm::stat(id).unwrap().mode & 0o777, 0o600, "its mode is as before");
    segment.mapping.release();
    let owner = sysv_shm::stat(id).unwrap();
    let set_mode = |mode: u16| sysv_shm::set(id, owner.uid, owner.gid, mode).unwrap();
    // The mark of a cleaner, for a while.
    set_mode(0o410);
    let attached = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            set_mode(0o600);
        });
        sysv::attach(id, &MapOptions::default()).unwrap()
    });
    assert_eq!(sysv_shm::stat(id).unwrap().mode & 0o777, 0o600, "it waited for the mark to go");
    attached.mapping.release();
    assert_eq!(clean_sysv(id).unwrap(), Cleaned::Removed);
    assert_eq!(clean_sysv(id).unwrap(), Cleaned::Gone);
}

#[test]
fn a_file_is_private_or_shared_as_asked() {
    let path = std::env::temp_dir().join(unique_name("file").trim_start_matches('/'));
    let path = path.to_str().unwrap();
    let shared = file::create(path, &CreateOptions::new(4096), OpenMode::Create).unwrap();
    let private = file::open(
        path,
        &MapOptions { access: shmem_core::memory::Access::CopyOnWrite, ..MapOptions::default() },
    )
    .unwrap();
    set(&shared.mapping, 0, 1);
    set(&private.mapping, 1, 2);
    assert_eq!(get(&shared.mapping, 1), 0);
    assert_eq!(std::fs::read(path).unwrap()[..2], [1, 0]);
    file::remove(path).unwrap();
}

#[test]
fn what_is_no_regular_file_or_empty_is_refused() {
    assert_eq!(file::open("/dev/null", &MapOptions::default()).unwrap_err().errno(), Some(Errno::EINVAL));
    let path = std::env::temp_dir().join(unique_name("empty").trim_start_matches('/'));
    std::fs::write(&path, b"").unwrap();
    let refused = file::open(path.to_str().unwrap(), &MapOptions::default()).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(refused.code(), "ERR_SHM_EMPTY");
}

#[test]
fn a_seal_holds_for_its_maker_too() {
    let mut segment = memfd::create("sealed", &CreateOptions::new(8192), flags::F_SEAL_SHRINK).unwrap();
    assert_eq!(segment.resize(4096).unwrap_err().errno(), Some(Errno::EPERM));
    assert_eq!(segment.mapping.size_bytes(), 8192);
    drop(segment.resize(16384).unwrap());
    assert_eq!(segment.mapping.size_bytes(), 16384);
}

#[test]
fn a_memfd_larger_than_memory_is_refused_before_the_machine_suffers() {
    let refused = memfd::create("huge", &CreateOptions::new(1 << 45), 0).unwrap_err();
    assert_eq!(refused.code(), "ERR_SHM_NO_MEMORY");
    let sparse = CreateOptions { reserve: Some(false), ..CreateOptions::new(1 << 40) };
    let segment = memfd::create("sparse", &sparse, 0).unwrap();
    set(&segment.mapping, (1 << 40) - 1, 6);
    assert_eq!(get(&segment.mapping, (1 << 40) - 1), 6);
}

#[test]
fn a_removed_system_v_segment_lives_until_its_last_detach() {
    let segment = sysv::create(0, &CreateOptions::new(100)).unwrap();
    let shmem_core::memory::Backing::Sysv { id } = segment.backing else { panic!("not System V") };
    assert_eq!((segment.mapping.size_bytes(), segment.mapping.length_bytes()), (100, 4096));
    sysv::remove(id).unwrap();
    let again = sysv::attach(id, &MapOptions::default()).unwrap();
    set(&segment.mapping, 99, 4);
    assert_eq!(get(&again.mapping, 99), 4);
    assert_eq!(sysv_shm::stat(id).unwrap().attach_count, 2);
    segment.mapping.release();
    assert_eq!(sysv_shm::stat(id).unwrap().attach_count, 1, "a release detaches at once");
    again.mapping.release();
    assert!(matches!(sysv_shm::stat(id), Err(Errno::EINVAL | Errno::EIDRM)));
}

#[test]
fn a_sender_never_waits_for_a_listener_that_takes_nobody() {
    use shmem_core::sys::socket;
    let path = format!("@shmem-test-{}", std::process::id());
    let _listener = socket::listen(&path).unwrap();
    let mut waiting = Vec::new();
    let refused = loop {
        match socket::connect(&path) {
            Ok(peer) => waiting.push(peer),
            Err(errno) => break errno,
        }
    };
    assert_eq!((refused, waiting.len() < 10), (shmem_core::error::Errno::EAGAIN, true));
}
