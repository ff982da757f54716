//! Members join, leave and die; the lock of a dead one comes free at once.

use shmem_core::managed::{Kind, ManagedOptions, ManagedSegment, Shape};
use shmem_core::membership::{JoinOptions, Member, Word};
use shmem_core::memory::{CreateOptions, memfd};
use shmem_core::sync::mutex::{self, Lock, LockOptions};
use shmem_core::sync::wait::{Answer, wait_until};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn managed() -> Arc<ManagedSegment> {
    let segment = memfd::create("membership", &CreateOptions::new(1 << 20), 0).unwrap();
    Arc::new(ManagedSegment::open(&segment, ManagedOptions::make()).unwrap())
}

fn join(managed: &ManagedSegment, name: &str) -> Member {
    managed.join(&JoinOptions { name: name.to_owned() }).unwrap()
}

fn mutex_word(managed: &ManagedSegment, member: &Member) -> Word {
    let found = managed.object(member, "book", Shape::plain(Kind::Mutex)).unwrap();
    managed.word(found.offset).unwrap()
}

fn lock(member: &Member, word: Word, strict: bool) -> Answer {
    let options = LockOptions { strict, blocks_owner: true };
    let waited = wait_until(member.table(), &mut Lock::new(word, member.token(), options), None).unwrap();
    waited.answer.unwrap()
}

#[test]
fn members_are_listed_while_they_live_and_free_their_place_when_they_leave() {
    let managed = managed();
    let (first, second) = (join(&managed, "first"), join(&managed, "second"));
    let mut names: Vec<_> =
        managed.table().members().into_iter().map(|facts| (facts.name, facts.alive)).collect();
    names.sort();
    assert_eq!(names, [("first".to_owned(), true), ("second".to_owned(), true)]);
    assert_ne!(first.token(), second.token());
    first.leave();
    assert_eq!(managed.table().members().len(), 1);
    drop(second);
    assert!(managed.table().members().iter().all(|facts| !facts.alive), "a forgotten member is a dead one");
}

#[test]
fn a_count_under_the_lock_is_exact() {
    const ROUNDS: u32 = 20_000;
    let managed = managed();
    let counter = {
        let member = join(&managed, "maker");
        let found = managed.object(&member, "count", Shape::plain(Kind::Word)).unwrap();
        member.leave();
        found.offset
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let member = join(&managed, "counter");
                let word = mutex_word(&managed, &member);
                let count = managed.word(counter).unwrap();
                for _ in 0..ROUNDS {
                    assert_eq!(lock(&member, word, false), Answer::Done);
                    // Not atomic as a whole: only the lock keeps it exact.
                    count.store(count.load() + 1);
                    mutex::unlock(member.table(), word, member.token()).unwrap();
                }
                member.leave();
            });
        }
    });
    assert_eq!(managed.word(counter).unwrap().load(), 4 * ROUNDS);
}

#[test]
fn the_lock_of_a_thread_that_ends_comes_free_at_once_with_word_of_the_death() {
    let managed = managed();
    let member = join(&managed, "heir");
    let word = mutex_word(&managed, &member);
    for strict in [false, true] {
        let (held, is_held) = std::sync::mpsc::channel();
        let owner = {
            let managed = Arc::clone(&managed);
            std::thread::spawn(move || {
                let owner = join(&managed, "owner");
                assert_eq!(lock(&owner, word, false), Answer::Done);
                held.send(()).unwrap();
                std::thread::sleep(Duration::from_millis(50));
                if strict { drop(owner) } else { std::mem::forget(owner) }
            })
        };
        is_held.recv().unwrap();
        let begun = Instant::now();
        assert_eq!(lock(&member, word, strict), Answer::OwnerDied);
        println!("owner's death seen after {:?}", begun.elapsed());
        owner.join().unwrap();
        mutex::unlock(member.table(), word, member.token()).unwrap();
    }
}

#[test]
fn a_lock_of_ones_own_is_a_deadlock_and_not_a_silence() {
    let managed = managed();
    let (member, other) = (join(&managed, "one"), join(&managed, "the same thread"));
    let word = mutex_word(&managed, &member);
    assert_eq!(lock(&member, word, false), Answer::Done);
    for token in [member.token(), other.token()] {
        let options = LockOptions { strict: false, blocks_owner: true };
        let refused = wait_until(member.table(), &mut Lock::new(word, token, options), None).unwrap_err();
        assert_eq!(refused.code(), "ERR_SHM_DEADLOCK");
    }
    assert_eq!(mutex::unlock(other.table(), word, other.token()).unwrap_err().code(), "ERR_SHM_NOT_OWNER");
}
