//! Roles: an owner that keeps a lock until it is killed, and an heir that notes when it got it.

use crate::book::{Count, Violation};
use crate::room::Room;
use shmem_core::Result;
use shmem_core::managed::{Kind, Operation};
use shmem_core::sync::wait::Answer;
use shmem_core::sys::futex;

pub(crate) fn own(room: &Room) -> Result<()> {
    let lock = room.place("owned", Kind::Mutex, 0)?;
    room.wait_until(&lock, Operation::Lock(Default::default()), None)?;
    room.begin();
    loop {
        std::thread::park();
    }
}

pub(crate) fn inherit(room: &Room) -> Result<()> {
    let lock = room.place("owned", Kind::Mutex, 0)?;
    room.begin();
    let answer = room.wait_until(&lock, Operation::Lock(Default::default()), None)?;
    let now = futex::now().as_nanos();
    if answer != Some(Answer::OwnerDied) {
        room.row.violation(Violation::TwoHolders);
    }
    room.row.word(Count::StampLow).store(u32::try_from(now & u128::from(u32::MAX)).unwrap_or(0));
    room.row.word(Count::StampHigh).store(u32::try_from(now >> 32).unwrap_or(0));
    lock.unlock(room.table(), room.token(), true)
}
