//! The named objects between threads that are members each, and what a death leaves of them. Processes are for the kill tests.

use shmem_core::Result;
use shmem_core::managed::handle::{
    Barrier, Condition, Event, Mutex, Once, Passed, RwLock, Semaphore, SeqLock,
};
use shmem_core::managed::{ManagedOptions, ManagedSegment};
use shmem_core::membership::{JoinOptions, Member};
use shmem_core::memory::{CreateOptions, memfd};
use shmem_core::sync::event::Reset;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

const SHORT: Option<Duration> = Some(Duration::from_millis(20));
const NOW: Option<Duration> = Some(Duration::ZERO);
/// Of a test that would hang otherwise.
const LONG: Option<Duration> = Some(Duration::from_secs(20));

fn managed() -> ManagedSegment {
    let segment = memfd::create("handles", &CreateOptions::new(1 << 20), 0).unwrap();
    ManagedSegment::open(&segment, ManagedOptions::make()).unwrap()
}

fn join(managed: &ManagedSegment) -> Member {
    managed.join(&JoinOptions::default()).unwrap()
}

/// Lets a member of its own thread get something with `act`, and die with it in hand.
fn die_with(managed: &ManagedSegment, act: impl FnOnce(&ManagedSegment, &Member) + Send) {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let member = join(managed);
            act(managed, &member);
            member.die();
        });
    });
}

#[test]
fn a_dead_owner_is_reported_until_somebody_repairs_and_an_unrepaired_lock_is_nobodys() {
    let managed = managed();
    let member = join(&managed);
    let book = Mutex::open(&managed, &member, "book").unwrap();
    let take = |managed: &ManagedSegment, member: &Member| {
        std::mem::forget(Mutex::open(managed, member, "book").unwrap().lock(LONG).unwrap());
    };
    die_with(&managed, take);
    let held = book.lock(LONG).unwrap().unwrap();
    assert!(held.owner_died());
    held.mark_consistent();
    drop(held);
    assert!(!book.lock(LONG).unwrap().unwrap().owner_died());

    die_with(&managed, take);
    drop(book.lock(LONG).unwrap().unwrap());
    assert_eq!(book.lock(LONG).unwrap_err().code(), "ERR_SHM_NOT_RECOVERABLE");
    assert!(book.reset().unwrap());
    assert!(!book.lock(LONG).unwrap().unwrap().owner_died());
}

#[test]
fn readers_share_and_writers_do_not_and_the_dead_block_nobody() {
    let managed = managed();
    let member = join(&managed);
    let lock = RwLock::open(&managed, &member, "pages").unwrap();
    let reading = lock.read(NOW).unwrap().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let member = join(&managed);
            let other = RwLock::open(&managed, &member, "pages").unwrap();
            assert!(other.read(NOW).unwrap().is_some(), "two read at once");
            assert!(other.write(SHORT).unwrap().is_none(), "nobody writes while one reads");
        });
    });
    assert_eq!(lock.write(NOW).unwrap_err().code(), "ERR_SHM_DEADLOCK");
    drop(reading);

    die_with(&managed, |managed, member| {
        std::mem::forget(RwLock::open(managed, member, "pages").unwrap().read(LONG).unwrap());
    });
    assert!(!lock.write(LONG).unwrap().unwrap().writer_died(), "a dead reader left nothing half-written");

    die_with(&managed, |managed, member| {
        std::mem::forget(RwLock::open(managed, member, "pages").unwrap().write(LONG).unwrap());
    });
    assert!(lock.read(LONG).unwrap().unwrap().writer_died(), "readers are told");
    assert!(lock.read(LONG).unwrap().unwrap().writer_died(), "as long as nobody repaired");
    let repaired = lock.write(LONG).unwrap().unwrap();
    assert!(repaired.writer_died());
    repaired.mark_consistent();
    drop(repaired);
    assert!(!lock.read(LONG).unwrap().unwrap().writer_died());
}

#[test]
fn a_writer_that_waits_is_let_in_by_the_last_reader_and_lets_readers_in() {
    const WRITES: u32 = 300;
    let managed = managed();
    let (left, right) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for writes in [true, true, false, false] {
            let (managed, left, right) = (&managed, &left, &right);
            scope.spawn(move || {
                let member = join(managed);
                let lock = RwLock::open(managed, &member, "pair").unwrap();
                for _ in 0..WRITES {
                    if writes {
                        let _held = lock.write(LONG).unwrap().unwrap();
                        left.fetch_add(1, Ordering::Relaxed);
                        std::thread::yield_now();
                        right.fetch_add(1, Ordering::Relaxed);
                    } else {
                        let _held = lock.read(LONG).unwrap().unwrap();
                        assert_eq!(left.load(Ordering::Relaxed), right.load(Ordering::Relaxed));
                    }
                }
            });
        }
    });
    assert_eq!((left.into_inner(), right.into_inner()), (2 * WRITES, 2 * WRITES));
}

#[test]
fn permits_are_limited_and_those_of_the_dead_come_back() {
    let managed = managed();
    let member = join(&managed);
    let semaphore = Semaphore::open(&managed, &member, "seats", 2).unwrap();
    let first = semaphore.acquire(NOW).unwrap().unwrap();
    die_with(&managed, |managed, member| {
        std::mem::forget(Semaphore::open(managed, member, "seats", 2).unwrap().acquire(LONG).unwrap());
    });
    assert_eq!(semaphore.available().unwrap(), 1);
    let second = semaphore.acquire(LONG).unwrap().unwrap();
    assert!(semaphore.acquire(NOW).unwrap().is_none());
    let (asked, is_asked) = mpsc::channel();
    std::thread::scope(|scope| {
        let managed = &managed;
        let waiter = scope.spawn(move || {
            let member = join(managed);
            let semaphore = Semaphore::open(managed, &member, "seats", 2).unwrap();
            asked.send(()).unwrap();
            semaphore.acquire(LONG).unwrap().is_some()
        });
        is_asked.recv().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        drop(second);
        assert!(waiter.join().unwrap());
    });
    drop(first);
    assert_eq!(semaphore.available().unwrap(), 2);
    assert_eq!(Semaphore::open(&managed, &member, "seats", 3).unwrap_err().code(), "ERR_SHM_TYPE_MISMATCH");
}

#[test]
fn each_set_of_an_automatic_event_lets_one_through() {
    const SETS: u32 = 2000;
    let managed = managed();
    let passed = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let member = join(&managed);
                let (go, back) = (
                    Event::open(&managed, &member, "go", Reset::Auto).unwrap(),
                    Event::open(&managed, &member, "back", Reset::Auto).unwrap(),
                );
                while passed.load(Ordering::SeqCst) < SETS {
                    if go.wait(SHORT).unwrap() {
                        passed.fetch_add(1, Ordering::SeqCst);
                        back.set().unwrap();
                    }
                }
            });
        }
        let member = join(&managed);
        let go = Event::open(&managed, &member, "go", Reset::Auto).unwrap();
        let back = Event::open(&managed, &member, "back", Reset::Auto).unwrap();
        for round in 0..SETS {
            assert!(go.set().unwrap());
            assert!(back.wait(LONG).unwrap(), "round {round}");
        }
    });
    assert_eq!(passed.into_inner(), SETS);
}

#[test]
fn a_manual_event_lets_everybody_through_until_it_is_reset() {
    let managed = managed();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let member = join(&managed);
                let ready = Event::open(&managed, &member, "ready", Reset::Manual).unwrap();
                assert!(ready.wait(LONG).unwrap());
            });
        }
        let member = join(&managed);
        let ready = Event::open(&managed, &member, "ready", Reset::Manual).unwrap();
        std::thread::sleep(Duration::from_millis(30));
        assert!(ready.set().unwrap());
        assert!(!ready.set().unwrap(), "it was set already");
    });
    let member = join(&managed);
    let ready = Event::open(&managed, &member, "ready", Reset::Manual).unwrap();
    assert!(ready.wait(NOW).unwrap());
    assert!(ready.reset().unwrap());
    assert!(!ready.wait(NOW).unwrap());
}

#[test]
fn every_ticket_put_under_a_condition_is_taken() {
    const TICKETS: u32 = 2000;
    let managed = managed();
    let (room, taken) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let member = join(&managed);
                let mutex = Mutex::open(&managed, &member, "tickets").unwrap();
                let some = Condition::open(&managed, &member, "some").unwrap();
                loop {
                    let mut held = mutex.lock(LONG).unwrap().unwrap();
                    while room.load(Ordering::Relaxed) == 0 && taken.load(Ordering::Relaxed) < TICKETS {
                        held = some.wait(&mutex, held, LONG).unwrap().0;
                    }
                    if taken.load(Ordering::Relaxed) == TICKETS {
                        return;
                    }
                    room.fetch_sub(1, Ordering::Relaxed);
                    if taken.fetch_add(1, Ordering::Relaxed) + 1 == TICKETS {
                        some.notify_all().unwrap();
                    }
                }
            });
        }
        let member = join(&managed);
        let mutex = Mutex::open(&managed, &member, "tickets").unwrap();
        let some = Condition::open(&managed, &member, "some").unwrap();
        for _ in 0..TICKETS {
            let held = mutex.lock(LONG).unwrap().unwrap();
            room.fetch_add(1, Ordering::Relaxed);
            drop(held);
            some.notify_one().unwrap();
        }
    });
    assert_eq!((room.into_inner(), taken.into_inner()), (0, TICKETS));
}

#[test]
fn parties_pass_a_barrier_together_and_learn_of_a_death() {
    let managed = managed();
    let phases = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let member = join(&managed);
                let barrier = Barrier::open(&managed, &member, "start", 3).unwrap();
                for phase in 0..50 {
                    assert!(phases.load(Ordering::SeqCst) >= phase * 3, "somebody is a phase behind");
                    phases.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(barrier.wait(LONG).unwrap(), Some(Passed::Together));
                }
                barrier.leave().unwrap();
            });
        }
    });
    let member = join(&managed);
    let barrier = Barrier::open(&managed, &member, "start", 3).unwrap();
    assert_eq!(barrier.wait(SHORT).unwrap(), None, "nobody else came");
    let (dead, is_dead) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let managed = &managed;
        scope.spawn(move || {
            let member = join(managed);
            // It has a seat, and dies without coming again.
            assert_eq!(Barrier::open(managed, &member, "start", 3).unwrap().wait(SHORT).unwrap(), None);
            is_dead.recv().unwrap();
            member.die();
        });
        std::thread::sleep(Duration::from_millis(60));
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            dead.send(()).unwrap();
        });
        assert_eq!(barrier.wait(LONG).unwrap(), Some(Passed::PartyDied));
    });
}

#[test]
fn once_is_done_once_and_again_where_it_failed() -> Result<()> {
    let managed = managed();
    let member = join(&managed);
    let once = Once::open(&managed, &member, "setup")?;
    let failed = once.run(|| Err(shmem_core::Error::own("ERR_TEST", "no"))).unwrap_err();
    assert_eq!(failed.code(), "ERR_TEST");
    let runs = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let member = join(&managed);
                let once = Once::open(&managed, &member, "setup").unwrap();
                once.run(|| {
                    runs.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                })
                .unwrap();
                assert_eq!(runs.load(Ordering::SeqCst), 1, "nobody passes before it is done");
            });
        }
    });
    assert!(once.is_done()?);
    Ok(())
}

#[test]
fn a_record_is_never_torn() {
    let managed = managed();
    let stop = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for first in [1_u8, 2] {
            let (managed, stop) = (&managed, &stop);
            scope.spawn(move || {
                let member = join(managed);
                let record = SeqLock::open(managed, &member, "state", 61).unwrap();
                let mut value = first;
                while stop.load(Ordering::Relaxed) == 0 {
                    record.write(&[value; 61]).unwrap();
                    value = value.wrapping_add(2);
                }
            });
        }
        let member = join(&managed);
        let record = SeqLock::open(&managed, &member, "state", 61).unwrap();
        let mut bytes = [0; 61];
        for _ in 0..20_000 {
            record.read(&mut bytes).unwrap();
            assert!(bytes.iter().all(|byte| *byte == bytes[0]), "{bytes:?}");
        }
        stop.store(1, Ordering::Relaxed);
    });
}

#[test]
fn permits_that_are_all_this_threads_are_a_deadlock_by_whichever_member() {
    let managed = managed();
    let (member, other) = (join(&managed), join(&managed));
    let seats = |member| Semaphore::open(&managed, member, "seats", 2).unwrap();
    let (ours, theirs) = (seats(&member), seats(&other));
    let first = ours.acquire(LONG).unwrap();
    let second = theirs.acquire(LONG).unwrap();
    assert!(ours.acquire(NOW).unwrap().is_none(), "a try is no wait");
    for seats in [ours, theirs] {
        assert_eq!(seats.acquire(SHORT).map(drop).unwrap_err().code(), "ERR_SHM_DEADLOCK");
    }
    drop(second);
    assert!(ours.acquire(NOW).unwrap().is_some());
    drop(first);
}
