//! Many waits at once on few threads: all end, those called off leave nothing behind.

use shmem_core::managed::{Kind, LockWish, ManagedOptions, ManagedSegment, Operation, Place, Shape};
use shmem_core::membership::{JoinOptions, Member};
use shmem_core::memory::{CreateOptions, memfd};
use shmem_core::sync::wait::{Answer, wait_until};
use shmem_core::sync::waiter::{Request, Waiters};
use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Duration;

/// A limit for what would hang otherwise.
const LONG: Duration = Duration::from_secs(20);

fn managed() -> ManagedSegment {
    let segment = memfd::create("waiters", &CreateOptions::new(1 << 20), 0).unwrap();
    ManagedSegment::open(&segment, ManagedOptions::make()).unwrap()
}

fn join(managed: &ManagedSegment) -> Member {
    managed.join(&JoinOptions::default()).unwrap()
}

fn place<'a>(managed: &'a ManagedSegment, member: &Member, name: &str, shape: Shape) -> Place<'a> {
    Place::of(managed, managed.object(member, name, shape).unwrap(), shape)
}

fn request(managed: &ManagedSegment, member: &Member, place: &Place<'_>, operation: Operation) -> Request {
    let wait = place.wait(operation, member.token()).unwrap();
    Request::new(member.table().clone(), wait, |_| {}, managed.mapping().pin().unwrap())
}

fn lock_now(place: &Place<'_>, member: &Member) -> Option<Answer> {
    let mut wait = place.wait(Operation::Lock(LockWish::default()), member.token()).unwrap();
    wait_until(member.table(), &mut *wait, Some(Duration::ZERO)).unwrap().answer
}

/// Waiters, and what comes in when they tell.
fn waiters() -> (Waiters, mpsc::Receiver<()>) {
    let (tell, told) = mpsc::channel();
    (
        Waiters::new(move || {
            let _ = tell.send(());
        }),
        told,
    )
}

#[test]
fn two_hundred_waits_end_when_each_is_served() {
    const COUNT: usize = 200;
    let managed = managed();
    let (asker, setter) = (join(&managed), join(&managed));
    let shape = Shape::numbered(Kind::Event, 1);
    let (waiters, told) = waiters();
    let mut waiting = BTreeSet::new();
    for index in 0..COUNT {
        let event = place(&managed, &asker, &format!("event {index}"), shape);
        waiting.insert(waiters.begin(request(&managed, &asker, &event, Operation::Event)).unwrap());
    }
    assert_eq!(waiting.len(), COUNT);
    for index in (0..COUNT).rev() {
        place(&managed, &setter, &format!("event {index}"), shape).set_event(setter.table()).unwrap();
    }
    while !waiting.is_empty() {
        told.recv_timeout(LONG).expect("a wait was not served");
        for (id, ending) in waiters.fetch() {
            assert_eq!(ending.unwrap(), Answer::Done);
            assert!(waiting.remove(&id), "told once");
        }
    }
}

#[test]
fn what_a_wait_got_before_it_was_called_off_is_given_back() {
    let managed = managed();
    let (asker, other) = (join(&managed), join(&managed));
    let book = place(&managed, &asker, "book", Shape::plain(Kind::Mutex));
    let (waiters, told) = waiters();
    let lock = Operation::Lock(LockWish::default());
    let id = waiters.begin(request(&managed, &asker, &book, lock)).unwrap();
    told.recv_timeout(LONG).unwrap();
    assert_eq!(lock_now(&book, &other), None, "it was granted");
    assert!(waiters.call_off(id));
    assert_eq!(lock_now(&book, &other), Some(Answer::Done), "and given back");
    assert!(waiters.fetch().is_empty());

    let id = waiters.begin(request(&managed, &asker, &book, lock)).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    assert!(waiters.call_off(id), "while it pends");
    assert!(!waiters.call_off(id));
    book.unlock(other.table(), other.token(), true).unwrap();
    assert_eq!(lock_now(&book, &other), Some(Answer::Done), "nobody took it");
    assert!(waiters.fetch().is_empty());
}

#[test]
fn a_death_that_a_called_off_wait_was_told_of_is_told_to_the_next() {
    let managed = managed();
    let asker = join(&managed);
    let book = place(&managed, &asker, "book", Shape::plain(Kind::Mutex));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let owner = join(&managed);
            assert_eq!(lock_now(&book, &owner), Some(Answer::Done));
            owner.die();
        });
    });
    let (waiters, told) = waiters();
    let lock = Operation::Lock(LockWish::default());
    let id = waiters.begin(request(&managed, &asker, &book, lock)).unwrap();
    told.recv_timeout(LONG).unwrap();
    assert!(waiters.call_off(id));
    let next = join(&managed);
    assert_eq!(lock_now(&book, &next), Some(Answer::OwnerDied));
}

#[test]
fn waits_outlive_the_segment_that_was_released_and_end_with_their_waiters() {
    let managed = managed();
    let asker = join(&managed);
    let event = place(&managed, &asker, "never", Shape::numbered(Kind::Event, 0));
    let (waiters, _told) = waiters();
    for _ in 0..50 {
        waiters.begin(request(&managed, &asker, &event, Operation::Event)).unwrap();
    }
    std::thread::sleep(Duration::from_millis(20));
    managed.mapping().release();
    std::thread::sleep(Duration::from_millis(20));
    waiters.close();
    let other = self::managed();
    assert!(waiters.fetch().is_empty());
    assert_eq!(waiters.begin(request_of_another(&other)).unwrap_err().code(), "ERR_SHM_CLOSED");
}

fn request_of_another(managed: &ManagedSegment) -> Request {
    let member = join(managed);
    let event = place(managed, &member, "event", Shape::numbered(Kind::Event, 0));
    request(managed, &member, &event, Operation::Event)
}
