//! A child of fork(2) is no member: what it drops is its parent's, and stays so; it joins for itself.

#![expect(unsafe_code, reason = "forks")]

use shmem_core::managed::handle::{Mutex, Semaphore};
use shmem_core::managed::{ManagedOptions, ManagedSegment};
use shmem_core::membership::{JoinOptions, Member, Platform};
use shmem_core::memory::{CreateOptions, memfd};
use shmem_core::structures::ring::{Received, Ring, RingGeometry};
use std::io;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

/// What other threads hold a child finds held for ever: one test at a time.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Act(*mut (dyn FnMut() + 'static));

// SAFETY: only the child calls it, which is one thread.
unsafe impl Send for Act {}
// SAFETY: as above.
unsafe impl Sync for Act {}

/// Runs `act` in a forked child, which then becomes another program. An error where it panicked, or died.
fn in_child(mut act: impl FnMut()) -> io::Result<()> {
    let act: *mut (dyn FnMut() + '_) = &raw mut act;
    // SAFETY: the lifetime alone changes; it is called before this function returns.
    let act =
        Act(unsafe { std::mem::transmute::<*mut (dyn FnMut() + '_), *mut (dyn FnMut() + 'static)>(act) });
    let mut command = Command::new("true");
    let run = move || {
        let Act(act) = &act;
        // SAFETY: alive until `in_child` returns, and nobody else has it.
        let act = AssertUnwindSafe(|| unsafe { (**act)() });
        catch_unwind(act).map_err(|_| io::Error::other("it panicked"))
    };
    // SAFETY: the child calls what no other thread of this test holds; glibc keeps its allocator whole over a fork.
    let status = unsafe { command.pre_exec(run) }.status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
}

fn managed() -> ManagedSegment {
    let segment = memfd::create("fork", &CreateOptions::new(1 << 20), 0).unwrap();
    ManagedSegment::open(&segment, ManagedOptions::make()).unwrap()
}

fn join(managed: &ManagedSegment, name: &str) -> Member {
    managed.join(&JoinOptions { name: name.to_owned() }).unwrap()
}

#[test]
fn a_child_drops_what_it_inherited_and_the_parent_has_it_still() {
    let _alone = alone();
    let managed = managed();
    let member = join(&managed, "parent");
    let token = member.token();
    let other = join(&managed, "other");
    let mut member = Some(member);
    in_child(|| drop(member.take())).unwrap();
    assert!(managed.table().is_alive(token));
    // Whose byte lock were gone would be found dead by a second look.
    other.table().recheck(token);
    assert!(managed.table().is_alive(token), "the child gave the parent's place back");
    member.unwrap().leave();
    assert!(!managed.table().is_alive(token));
}

#[test]
fn guards_and_ends_that_a_child_drops_are_not_given_back() {
    let _alone = alone();
    let managed = managed();
    let (member, other) = (join(&managed, "parent"), join(&managed, "other"));
    let held = Mutex::open(&managed, &member, "book").unwrap().lock(None).unwrap().unwrap();
    let permit = Semaphore::open(&managed, &member, "seats", 1).unwrap().acquire(None).unwrap().unwrap();
    let ring =
        Ring::open(&managed, &member, "ring", RingGeometry { slots: 4, slot_bytes: 8, flags: 0 }).unwrap();
    let (mut producer, mut consumer) = (ring.producer().unwrap(), ring.consumer().unwrap());
    producer.try_send(b"message").unwrap();
    consumer.take().unwrap().unwrap();
    let mut all = Some((held, permit, producer, consumer));
    in_child(|| drop(all.take())).unwrap();
    let (held, permit, producer, mut consumer) = all.unwrap();
    let at_once = Some(Duration::ZERO);
    let free = |name| Mutex::open(&managed, &other, name).unwrap().lock(at_once).map(|lock| lock.is_some());
    assert_eq!(free("book").map_err(|error| error.code()), Err("ERR_SHM_DEADLOCK".to_owned()));
    assert_eq!(Semaphore::open(&managed, &other, "seats", 1).unwrap().available().unwrap(), 0);
    assert_eq!(ring.producer().unwrap_err().code(), "ERR_SHM_PRODUCER_TAKEN");
    assert_eq!(consumer.try_receive(&mut [0; 8]).unwrap(), Received::Message(7));
    drop((held, permit, producer, consumer));
    assert!(free("book").unwrap());
}

#[test]
fn a_child_joins_for_itself_and_waits_for_its_parent_as_for_anybody() {
    let _alone = alone();
    let managed = managed();
    let member = join(&managed, "parent");
    let mutex = Mutex::open(&managed, &member, "book").unwrap();
    let held = mutex.lock(None).unwrap().unwrap();
    in_child(|| {
        let member = join(&managed, "child");
        let book = Mutex::open(&managed, &member, "book").unwrap();
        assert!(
            book.lock(Some(Duration::from_millis(20))).unwrap().is_none(),
            "it waits, and is not its own"
        );
        assert_eq!(managed.table().members().iter().filter(|facts| facts.alive).count(), 2);
        member.leave();
    })
    .unwrap();
    drop(held);
    in_child(|| {
        let member = join(&managed, "child");
        let book = Mutex::open(&managed, &member, "book").unwrap();
        std::mem::forget(book.lock(None).unwrap().unwrap());
        std::mem::forget(member);
    })
    .unwrap();
    assert!(mutex.lock(None).unwrap().unwrap().owner_died(), "and its death is told, too");
}
