//! Role: makes a named object, then joins and leaves. And what must hold afterwards: every place in the table can be had, and the directory
//! lists objects that do not overlap.

use crate::book::{Count, Violation};
use crate::room::Room;
use shmem_core::Result;
use shmem_core::managed::{Kind, layout};
use shmem_core::membership::JoinOptions;

pub(crate) fn play(room: &Room) -> Result<()> {
    room.begin();
    let name = format!("object {}", room.options.seed);
    room.place(&name, Kind::Word, 0)?.word(layout::WORD)?.store(1);
    while room.goes_on() {
        let member = match room.managed.join(&JoinOptions::default()) {
            Err(error) if error.code() == "ERR_SHM_MEMBERS_FULL" => continue,
            other => other?,
        };
        room.row.count(Count::Got);
        if !room.table().is_alive(member.token()) {
            room.row.violation(Violation::FalseDeath);
        }
        if room.random.one_in(8) { member.die() } else { member.leave() }
    }
    Ok(())
}

/// Afterwards: the table holds as many as it has slots, this process among them.
pub(crate) fn afterwards(room: &Room) -> Result<()> {
    let mut objects = room.managed.objects();
    objects.sort_by_key(|object| object.offset);
    if objects.windows(2).any(|pair| pair[0].offset + pair[0].bytes > pair[1].offset) {
        room.row.violation(Violation::ObjectsOverlap);
    }
    room.place("object of afterwards", Kind::Word, 0)?;
    let members = (1..room.options.slots)
        .map(|_| room.managed.join(&JoinOptions::default()))
        .collect::<Result<Vec<_>>>()?;
    match room.managed.join(&JoinOptions::default()) {
        Err(error) if error.code() == "ERR_SHM_MEMBERS_FULL" => {}
        other => other?.leave(),
    }
    room.row.word(Count::Got).store(u32::try_from(members.len()).unwrap_or(0) + 1);
    for member in members {
        member.leave();
    }
    Ok(())
}
