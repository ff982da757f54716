//! Role: arrives at a barrier again and again. A phase that lets go has ended, by all parties or by a death.

use crate::book::{Count, Violation};
use crate::room::Room;
use shmem_core::Result;
use shmem_core::managed::{Kind, Operation, Place, layout};
use shmem_core::sync::barrier::ArriveWish;
use shmem_core::sync::wait::Answer;
use shmem_core::sys::futex;
use std::time::Duration;

pub(crate) fn play(room: &Room) -> Result<()> {
    let barrier = barrier(room)?;
    room.begin();
    while room.goes_on() {
        let before = barrier.word(layout::BARRIER_PHASE)?.load() >> 1;
        // Read before one's own arrival, without which no phase but a broken one can end.
        let answer = room.wait(&barrier, Operation::Arrive(ArriveWish::default()))?;
        let after = barrier.word(layout::BARRIER_PHASE)?.load() >> 1;
        if matches!(answer, Some(Answer::Done | Answer::PartyDied)) && after == before {
            room.row.violation(Violation::PhaseNotEnded);
        }
        if answer == Some(Answer::Done) {
            room.row.count(Count::Taken);
        }
        room.linger();
    }
    let _ = barrier.leave_barrier(room.table(), room.token());
    Ok(())
}

fn barrier(room: &Room) -> Result<Place<'_>> {
    room.place("barrier", Kind::Barrier, room.options.parties)
}

/// Dies at the barrier, again and again until nobody is left who waits: whoever goes leaves an empty seat, for which the others would wait.
pub(crate) fn close(room: &Room) -> Result<()> {
    while room.book.gone().load() == 0 {
        let member = room.managed.join(&Default::default())?;
        let until = Some(futex::now() + Duration::from_millis(20));
        let mut wait = barrier(room)?.wait(Operation::Arrive(ArriveWish::default()), member.token())?;
        match shmem_core::sync::wait::wait_until(member.table(), &mut *wait, until) {
            Err(error) if error.code() == "ERR_SHM_BARRIER_FULL" => {
                std::thread::sleep(Duration::from_millis(1))
            }
            other => drop(other?),
        }
        member.die();
    }
    room.row.count(Count::Got);
    Ok(())
}

/// Afterwards: as many as there are seats get through.
pub(crate) fn afterwards(room: &Room) -> Result<()> {
    let (managed, parties) = (&room.managed, room.options.parties);
    std::thread::scope(|scope| {
        let arrive = || -> Result<Option<Answer>> {
            let member = managed.join(&Default::default())?;
            let shape = shmem_core::managed::Shape::numbered(Kind::Barrier, parties);
            let place = Place::of(managed, managed.object(&member, "barrier", shape)?, shape);
            let mut wait = place.wait(Operation::Arrive(ArriveWish::default()), member.token())?;
            let waited = shmem_core::sync::wait::wait_until(member.table(), &mut *wait, None)?;
            let _ = place.leave_barrier(member.table(), member.token());
            member.leave();
            Ok(waited.answer)
        };
        let threads: Vec<_> = (0..parties).map(|_| scope.spawn(arrive)).collect();
        for thread in threads {
            match thread.join() {
                Ok(answer) => drop(answer?),
                Err(_) => room.row.violation(Violation::PhaseNotEnded),
            }
        }
        Ok(())
    })
}
