//! Role: sets an event, or waits for it and consumes it. Even positions set, odd ones wait.
//!
//! In a quiet round the setters set only what is not set: no set wakes whom an earlier one forgot.

use crate::book::Count;
use crate::room::Room;
use shmem_core::Result;
use shmem_core::managed::{Kind, Operation, Place, layout};
use shmem_core::sync::event::SET;
use std::time::Duration;

pub(crate) fn play(room: &Room) -> Result<()> {
    let event = event(room)?;
    room.begin();
    if room.options.position.is_multiple_of(2) { set_on(room, &event) } else { wait_on(room, &event) }
}

fn event(room: &Room) -> Result<Place<'_>> {
    room.place("event", Kind::Event, room.options.auto)
}

fn set_on(room: &Room, event: &Place<'_>) -> Result<()> {
    while !room.is_stopped() {
        set(room, event)?;
        if room.options.quiet {
            std::thread::sleep(Duration::from_micros(room.random.below(200)));
        } else {
            room.linger();
        }
    }
    Ok(())
}

fn set(room: &Room, event: &Place<'_>) -> Result<()> {
    if event.word(layout::WORD)?.load() & SET == 0 && event.set_event(room.table())? {
        room.row.count(Count::Given);
    }
    Ok(())
}

fn wait_on(room: &Room, event: &Place<'_>) -> Result<()> {
    while room.goes_on() {
        if room.wait(event, Operation::Event)?.is_none() {
            continue;
        }
        if room.options.auto == 1 || event.reset_event(room.table())? {
            room.row.count(Count::Taken);
        }
        if room.options.quiet {
            room.linger();
        } else if room.is_stopped() {
            // The storm is over: each hands the last set on to the next sleeper.
            return set(room, event);
        }
    }
    Ok(())
}

/// The one set that must reach all sleepers in turn, once the storm is over.
pub(crate) fn close(room: &Room) -> Result<()> {
    set(room, &event(room)?)
}

/// Afterwards: it can be set and consumed.
pub(crate) fn afterwards(room: &Room) -> Result<()> {
    let event = event(room)?;
    set(room, &event)?;
    room.wait_until(&event, Operation::Event, None)?;
    room.row.count(Count::Taken);
    Ok(())
}
