//! Role: takes a permit, or two, and with each a place that nobody else may be in.

use crate::book::{Count, Violation};
use crate::room::Room;
use shmem_core::Result;
use shmem_core::managed::{Kind, Operation, Place, layout};
use shmem_core::membership::Word;
use shmem_core::sys::futex;

const ACQUIRE: Operation = Operation::Acquire { blocks_owner: false };

pub(crate) fn play(room: &Room) -> Result<()> {
    let semaphore = semaphore(room)?;
    room.begin();
    while room.goes_on() {
        if room.wait(&semaphore, ACQUIRE)?.is_none() {
            continue;
        }
        enter(room, &semaphore)?;
        // A second one only if it can be had at once: two who hold one and wait for one would wait for each other.
        let at_once = Some(futex::now());
        let more = !room.options.quiet && room.random.one_in(4);
        if more && room.wait_until(&semaphore, ACQUIRE, at_once)?.is_some() {
            enter(room, &semaphore)?;
            leave(room, &semaphore)?;
        }
        room.linger();
        leave(room, &semaphore)?;
    }
    Ok(())
}

fn semaphore(room: &Room) -> Result<Place<'_>> {
    room.place("semaphore", Kind::Semaphore, room.options.permits)
}

/// Goes to the place of the permit's cell that became its own.
fn enter(room: &Room, semaphore: &Place<'_>) -> Result<()> {
    let mine = room.token().word();
    for index in 0..room.options.permits {
        let place = room.book.place(index as usize);
        if cell(semaphore, index)?.load() != mine || place.load() == mine {
            continue;
        }
        if room.is_alive(place.swap(mine)) {
            room.row.violation(Violation::TooManyHolders);
        }
        return Ok(());
    }
    room.row.violation(Violation::MarkLost);
    Ok(())
}

/// Leaves its first place, whose permit is the one that goes back.
fn leave(room: &Room, semaphore: &Place<'_>) -> Result<()> {
    let mine = room.token().word();
    for index in 0..room.options.permits {
        if cell(semaphore, index)?.load() != mine {
            continue;
        }
        if room.book.place(index as usize).compare_exchange(mine, 0).is_err() {
            room.row.violation(Violation::MarkLost);
        }
        room.row.count(Count::Given);
        return semaphore.release(room.table(), room.token());
    }
    room.row.violation(Violation::MarkLost);
    Ok(())
}

fn cell(semaphore: &Place<'_>, index: u32) -> Result<Word> {
    semaphore.word(layout::PARTS + layout::PERMIT_STRIDE * u64::from(index))
}

/// Afterwards: every permit can be had at once.
pub(crate) fn afterwards(room: &Room) -> Result<()> {
    let semaphore = semaphore(room)?;
    for _ in 0..room.options.permits {
        room.wait_until(&semaphore, ACQUIRE, None)?;
        enter(room, &semaphore)?;
    }
    (0..room.options.permits).try_for_each(|_| leave(room, &semaphore))
}
