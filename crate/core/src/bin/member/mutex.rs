//! Role: locks one or two of several mutexes, checks that it is alone, counts in two words that must agree, unlocks.

use crate::book::{Count, Guarded, Violation};
use crate::room::Room;
use shmem_core::Result;
use shmem_core::managed::{Kind, Operation, Place};
use shmem_core::sync::wait::Answer;

pub(crate) fn play(room: &Room) -> Result<()> {
    let locks = locks(room)?;
    room.begin();
    while room.goes_on() {
        let first = room.random.index(locks.len());
        if !take(room, &locks[first], first)? {
            continue;
        }
        // A second one only behind the first, so that no two members wait for each other.
        let second = first + 1 + room.random.index(locks.len());
        if second < locks.len() && take(room, &locks[second], second)? {
            give_back(room, &locks[second], second)?;
        }
        give_back(room, &locks[first], first)?;
    }
    Ok(())
}

fn locks(room: &Room) -> Result<Vec<Place<'_>>> {
    (0..room.options.locks).map(|index| room.place(&format!("lock {index}"), Kind::Mutex, 0)).collect()
}

/// Locks, and answers whether it did.
fn take(room: &Room, lock: &Place<'_>, index: usize) -> Result<bool> {
    let answer = match room.wait(lock, Operation::Lock(room.lock_wish())) {
        Err(error) if error.code() == "ERR_SHM_NOT_RECOVERABLE" => {
            if lock.reset_lock(room.table())? {
                room.row.count(Count::Resets);
            }
            return Ok(false);
        }
        other => other?,
    };
    let guarded = room.book.guarded(index);
    match answer {
        None => return Ok(false),
        Some(Answer::OwnerDied) => {
            inherit(room, guarded);
            if !room.options.quiet && room.random.one_in(8) {
                lock.unlock(room.table(), room.token(), false)?;
                return Ok(false);
            }
        }
        Some(_) => check(room, guarded),
    }
    guarded.holder.store(room.token().word());
    guarded.first.fetch_add(1);
    room.linger();
    guarded.second.fetch_add(1);
    Ok(true)
}

/// Unlocks, unless its mark is gone.
fn give_back(room: &Room, lock: &Place<'_>, index: usize) -> Result<()> {
    let guarded = room.book.guarded(index);
    if guarded.holder.compare_exchange(room.token().word(), 0).is_err() {
        room.row.violation(Violation::MarkLost);
    }
    room.row.count(Count::Given);
    lock.unlock(room.table(), room.token(), true)
}

/// Repairs what a dead holder left.
pub(crate) fn inherit(room: &Room, guarded: Guarded) {
    if room.is_alive(guarded.holder.load()) {
        room.row.violation(Violation::FalseDeath);
    }
    guarded.holder.store(0);
    guarded.second.store(guarded.first.load());
}

/// Nobody else is there, and nobody left a half.
pub(crate) fn check(room: &Room, guarded: Guarded) {
    if guarded.holder.load() != 0 {
        room.row.violation(Violation::TwoHolders);
    }
    if guarded.first.load() != guarded.second.load() {
        room.row.violation(Violation::Torn);
    }
}

/// Afterwards: every lock can be had, and guards two words that agree.
pub(crate) fn afterwards(room: &Room) -> Result<()> {
    for (index, lock) in locks(room)?.iter().enumerate() {
        while !take(room, lock, index)? {}
        give_back(room, lock, index)?;
    }
    Ok(())
}
