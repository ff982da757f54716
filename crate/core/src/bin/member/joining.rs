//! Role: joins and leaves. And what must hold afterwards: every place in the table can be had.

use crate::book::{Count, Violation};
use crate::room::Room;
use shmem_core::Result;
use shmem_core::membership::JoinOptions;

pub(crate) fn play(room: &Room) -> Result<()> {
    room.begin();
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
