//! System V semaphore sets: made whole or found, by key (sysvipc(7)).
//!
//! A new set's values rise from 0 to their initial values in one semop(2), so that whoever opens it early waits and
//! never takes from a half-set one.

use super::outcome::Outcome;
use super::pending_waits::Attempt;
use crate::error::{Errno, Error, Named, Result, Subject};
use crate::memory::ROUNDS_MAX;
use crate::sys::sysv_sem::{self, Operation, flags};
use std::time::Duration;

/// Makes a set with these initial values; `EEXIST` where the key has one.
///
/// # Errors
/// EEXIST EINVAL ENOMEM ENOSPC; `ERANGE` for a value over 32,767.
pub fn create(key: i32, initial: &[u16], mode: u32) -> Result<i32> {
    let by_key = |error: Error| error.on(Subject::Key(key));
    let count = i32::try_from(initial.len()).map_err(|_| by_key(Error::system("semget", Errno::EINVAL)))?;
    let mode = i32::try_from(mode & 0o777).unwrap_or(0);
    let id = sysv_sem::semget(key, count, flags::IPC_CREAT | flags::IPC_EXCL | mode)
        .called("semget")
        .map_err(by_key)?;
    let raised = raise(id, initial);
    if raised.is_err() {
        let _ = remove(id);
    }
    raised.map(|()| id).map_err(by_key)
}

/// Finds the set of a key; `count` 0 accepts any size.
///
/// # Errors
/// EACCES EINVAL (fewer semaphores than `count`) ENOENT.
pub fn open(key: i32, count: i32) -> Result<i32> {
    if key == flags::IPC_PRIVATE {
        return Err(Error::own(
            "ERR_INVALID_ARG_VALUE",
            "IPC_PRIVATE names no set: it can only be created, or attached by id",
        ));
    }
    sysv_sem::semget(key, count, 0).called("semget").map_err(|error| error.on(Subject::Key(key)))
}

/// Finds the set of a key, or makes it. Answers whether it was made.
///
/// # Errors
/// Those of [`create`] and [`open`].
pub fn open_or_create(key: i32, initial: &[u16], mode: u32) -> Result<(i32, bool)> {
    let mut rounds = 0;
    loop {
        match create(key, initial, mode) {
            Err(error) if error.errno() == Some(Errno::EEXIST) => {}
            other => return other.map(|id| (id, true)),
        }
        let count = i32::try_from(initial.len()).unwrap_or(i32::MAX);
        match open(key, count) {
            // Removed between the two calls: make it.
            Err(error) if error.errno() == Some(Errno::ENOENT) && rounds < ROUNDS_MAX => rounds += 1,
            other => return other.map(|id| (id, false)),
        }
    }
}

/// `semctl(2)` with `IPC_RMID`: every waiter gets `EIDRM`.
///
/// # Errors
/// EIDRM EINVAL EPERM.
pub fn remove(id: i32) -> Result<()> {
    sysv_sem::control(id, 0, sysv_sem::NumberCommand::Remove)
        .called("semctl")
        .map(drop)
        .map_err(|error| error.on(Subject::Id(id)))
}

/// Operations that are waited for, all or none of them, on a set that was there before.
#[derive(Debug)]
pub struct Operations {
    id: i32,
    operations: Vec<Operation>,
}

impl Operations {
    /// On the set `id`.
    #[must_use]
    pub const fn new(id: i32, operations: Vec<Operation>) -> Self {
        Self { id, operations }
    }
}

impl Attempt for Operations {
    fn attempt(&mut self, slice: Duration) -> Result<Outcome> {
        match sysv_sem::semtimedop(self.id, &mut self.operations, Some(slice)) {
            Ok(()) => Ok(Outcome::Acquired),
            Err(Errno::EAGAIN) => Ok(Outcome::NotNow),
            Err(Errno::EINTR) => Ok(Outcome::Interrupted),
            // It was there: so it was removed between two turns.
            Err(Errno::EINVAL) => Err(Error::system("semop", Errno::EIDRM).on(Subject::Id(self.id))),
            Err(errno) => Err(Error::system("semop", errno).on(Subject::Id(self.id))),
        }
    }

    /// The reverse, in one step too, with the same undo: the kernel's memory of it is as before.
    fn give_back(&mut self) {
        let mut reverse: Vec<Operation> = self
            .operations
            .iter()
            .rev()
            .filter(|operation| operation.delta != 0)
            .map(|operation| Operation {
                delta: operation.delta.saturating_neg(),
                flags: operation.flags | NO_WAIT,
                ..*operation
            })
            .collect();
        if !reverse.is_empty() {
            // Nobody is left to tell. It fails where the set is gone, or somebody else set or took what was there.
            let _ = sysv_sem::semtimedop(self.id, &mut reverse, None);
        }
    }

    /// What was put somewhere may be taken by now.
    fn can_give_back(&self) -> bool {
        self.operations.iter().all(|operation| operation.delta <= 0)
    }
}

const NO_WAIT: i16 = 0o4000;
const _: () = assert!(NO_WAIT as i32 == flags::IPC_NOWAIT);

fn raise(id: i32, initial: &[u16]) -> Result<()> {
    let mut operations = Vec::new();
    for (index, value) in initial.iter().enumerate().filter(|(_, value)| **value > 0) {
        let index = u16::try_from(index).map_err(|_| Error::system("semop", Errno::EFBIG))?;
        let delta = i16::try_from(*value).map_err(|_| Error::system("semop", Errno::ERANGE))?;
        operations.push(Operation { index, delta, flags: 0 });
    }
    if operations.is_empty() {
        // All zeroes: an operation that changes nothing still sets `sem_otime`, by which C programs tell a set that is ready.
        operations.push(Operation { index: 0, delta: 0, flags: 0 });
    }
    match sysv_sem::semtimedop(id, &mut operations, None) {
        // More than SEMOPM at once: then by SETALL, which is also one step.
        Err(Errno::E2BIG) => sysv_sem::set_values(id, initial).called("semctl"),
        other => other.called("semop"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_set_has_its_initial_values() {
        let id = create(flags::IPC_PRIVATE, &[0, 3, 0, 7], 0o600).unwrap();
        assert_eq!(sysv_sem::values(id).unwrap(), [0, 3, 0, 7]);
        remove(id).unwrap();
    }

    #[test]
    fn a_value_over_the_limit_leaves_no_set_behind() {
        let used = || sysv_sem::info(flags::SEM_INFO).unwrap().1.semusz;
        let before = used();
        assert_eq!(create(flags::IPC_PRIVATE, &[40_000], 0o600).unwrap_err().errno(), Some(Errno::ERANGE));
        assert!(used() <= before + 1, "other tests may make one meanwhile");
    }

    #[test]
    fn what_a_wait_took_is_given_back_whole() {
        let id = create(flags::IPC_PRIVATE, &[5, 0, 7], 0o600).unwrap();
        let undo = i16::try_from(flags::SEM_UNDO).unwrap();
        let take = vec![
            Operation { index: 0, delta: -2, flags: undo },
            Operation { index: 1, delta: 0, flags: 0 },
            Operation { index: 2, delta: -7, flags: 0 },
        ];
        let mut taker = Operations::new(id, take);
        assert!(taker.can_give_back());
        assert_eq!(taker.attempt(Duration::ZERO).unwrap(), Outcome::Acquired);
        assert_eq!(sysv_sem::values(id).unwrap(), [3, 0, 0]);
        assert_eq!(taker.attempt(Duration::from_millis(1)).unwrap(), Outcome::NotNow);
        taker.give_back();
        assert_eq!(sysv_sem::values(id).unwrap(), [5, 0, 7]);
        let put =
            vec![Operation { index: 0, delta: -1, flags: 0 }, Operation { index: 1, delta: 1, flags: 0 }];
        assert!(!Operations::new(id, put).can_give_back());
        remove(id).unwrap();
        assert_eq!(taker.attempt(Duration::ZERO).unwrap_err().errno(), Some(Errno::EIDRM));
    }
}
