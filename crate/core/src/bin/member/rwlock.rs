//! Role: reads two words that must agree and must not change meanwhile, or writes both while nobody reads.

use crate::book::{Count, Violation};
use crate::mutex;
use crate::room::Room;
use shmem_core::Result;
use shmem_core::managed::{Kind, Operation, Place};
use shmem_core::sync::wait::Answer;

pub(crate) fn play(room: &Room) -> Result<()> {
    let lock = room.place("rwlock", Kind::RwLock, 0)?;
    room.begin();
    while room.goes_on() {
        if room.random.one_in(3) {
            write(room, &lock)?
        } else {
            read(room, &lock)?
        };
    }
    Ok(())
}

fn read(room: &Room, lock: &Place<'_>) -> Result<bool> {
    let Some(answer) = wait(room, lock, Operation::Read(room.lock_wish()))? else { return Ok(false) };
    let guarded = room.book.guarded(0);
    let (slot, _) = room.table().shape().parts(room.token());
    let mark = room.book.reader(slot as usize);
    mark.store(room.token().word());
    let seen = (guarded.first.load(), guarded.second.load());
    // What a dead writer left is shown to readers too.
    if answer != Answer::OwnerDied && guarded.broken.load() == 0 && seen.0 != seen.1 {
        room.row.violation(Violation::Torn);
    }
    if room.is_alive(guarded.holder.load()) {
        room.row.violation(Violation::ReaderBesideWriter);
    }
    room.linger();
    if (guarded.first.load(), guarded.second.load()) != seen {
        room.row.violation(Violation::ChangedUnderReader);
    }
    mark.store(0);
    lock.read_unlock(room.table(), room.token())?;
    Ok(true)
}

fn write(room: &Room, lock: &Place<'_>) -> Result<bool> {
    let Some(answer) = wait(room, lock, Operation::Write(room.lock_wish()))? else { return Ok(false) };
    let guarded = room.book.guarded(0);
    if answer == Answer::OwnerDied || guarded.broken.load() != 0 {
        mutex::inherit(room, guarded);
        guarded.broken.store(0);
    } else {
        mutex::check(room, guarded);
    }
    guarded.holder.store(room.token().word());
    for slot in 0..room.options.slots as usize {
        if room.is_alive(room.book.reader(slot).load()) {
            room.row.violation(Violation::ReaderBesideWriter);
        }
    }
    guarded.first.fetch_add(1);
    room.linger();
    guarded.second.fetch_add(1);
    if guarded.holder.compare_exchange(room.token().word(), 0).is_err() {
        room.row.violation(Violation::MarkLost);
    }
    room.row.count(Count::Given);
    lock.unlock(room.table(), room.token(), true)?;
    Ok(true)
}

/// A lock that nobody can get any more is made free, and what it guards is marked as broken before.
fn wait(room: &Room, lock: &Place<'_>, operation: Operation) -> Result<Option<Answer>> {
    match room.wait(lock, operation) {
        Err(error) if error.code() == "ERR_SHM_NOT_RECOVERABLE" => {
            room.book.guarded(0).broken.store(1);
            if lock.reset_lock(room.table())? {
                room.row.count(Count::Resets);
            }
            Ok(None)
        }
        other => other,
    }
}

pub(crate) fn afterwards(room: &Room) -> Result<()> {
    let lock = room.place("rwlock", Kind::RwLock, 0)?;
    while !write(room, &lock)? {}
    while !read(room, &lock)? {}
    Ok(())
}
