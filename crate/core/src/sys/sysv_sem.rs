//! System V semaphores: semget(2), semtimedop(2), semctl(2).

#![expect(unsafe_code, reason = "this floor calls C")]

use super::SysResult;
use super::conv::{ret, ret_long, ret_unit};
use super::ipc::RawSemidDs;
use crate::error::Errno;
use std::mem::MaybeUninit;
use std::time::Duration;

/// `linux/sem.h`, since Linux 4.17.
pub const SEM_STAT_ANY: i32 = 20;

/// The flag words of semget(2) and semop(2), for the floors above.
pub mod flags {
    pub use libc::{IPC_CREAT, IPC_EXCL, IPC_INFO, IPC_NOWAIT, IPC_PRIVATE, SEM_INFO, SEM_STAT, SEM_UNDO};
}

/// One operation of semop(2); laid out as `struct sembuf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[expect(missing_docs, reason = "the fields are sembuf's own")]
pub struct Operation {
    pub index: u16,
    pub delta: i16,
    pub flags: i16,
}

const _: () = assert!(size_of::<Operation>() == size_of::<libc::sembuf>());

/// `struct semid_ds` in our own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are semctl(2)'s own")]
pub struct SemidDs {
    pub key: i32,
    pub uid: u32,
    pub gid: u32,
    pub creator_uid: u32,
    pub creator_gid: u32,
    pub mode: u32,
    pub operation_time: i64,
    pub change_time: i64,
    pub count: u64,
}

/// `struct seminfo`: limits, or with `SEM_INFO` the use, of this IPC namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[expect(missing_docs, reason = "the names are semctl(2)'s own")]
pub struct Seminfo {
    pub semmap: i32,
    pub semmni: i32,
    pub semmns: i32,
    pub semmnu: i32,
    pub semmsl: i32,
    pub semopm: i32,
    pub semume: i32,
    pub semusz: i32,
    pub semvmx: i32,
    pub semaem: i32,
}

/// `semget(2)`.
///
/// # Errors
/// EACCES EEXIST EINVAL ENOENT ENOMEM ENOSPC.
pub fn semget(key: i32, count: i32, flags: i32) -> SysResult<i32> {
    // SAFETY: numbers only.
    ret(unsafe { libc::semget(key, count, flags) })
}

/// `semtimedop(2)`; without a timeout it waits as long as it takes. `EINTR` is returned, not retried:
/// the caller knows how much of its time is left.
///
/// # Errors
/// E2BIG EACCES EAGAIN EFBIG EIDRM EINTR EINVAL ENOMEM ERANGE.
pub fn semtimedop(id: i32, operations: &mut [Operation], timeout: Option<Duration>) -> SysResult<()> {
    let limit = timeout.map(|time| libc::timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    });
    let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `operations` has the layout of sembuf (asserted) and its own length; `limit` is null or a live timespec.
    let answer =
        unsafe { libc::syscall(libc::SYS_semtimedop, id, operations.as_mut_ptr(), operations.len(), limit) };
    ret_long(answer).map(drop)
}

/// `semctl(2)` with a command that takes a number or nothing: `GETVAL`, `GETPID`, `GETNCNT`, `GETZCNT`,
/// `SETVAL`, `IPC_RMID`.
///
/// # Errors
/// EACCES EIDRM EINVAL EPERM ERANGE.
pub fn control(id: i32, index: i32, command: NumberCommand) -> SysResult<i32> {
    let (command, value) = match command {
        NumberCommand::Value => (libc::GETVAL, 0),
        NumberCommand::LastPid => (libc::GETPID, 0),
        NumberCommand::WaitingForIncrease => (libc::GETNCNT, 0),
        NumberCommand::WaitingForZero => (libc::GETZCNT, 0),
        NumberCommand::SetValue(value) => (libc::SETVAL, value),
        NumberCommand::Remove => (libc::IPC_RMID, 0),
    };
    // SAFETY: these commands take no pointer, so the kernel dereferences nothing of ours.
    ret(unsafe { libc::semctl(id, index, command, value) })
}

/// The commands of [`control`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberCommand {
    /// `GETVAL`.
    Value,
    /// `GETPID`.
    LastPid,
    /// `GETNCNT`.
    WaitingForIncrease,
    /// `GETZCNT`.
    WaitingForZero,
    /// `SETVAL`.
    SetValue(i32),
    /// `IPC_RMID`.
    Remove,
}

/// `semctl(2)` with `GETALL`.
///
/// # Errors
/// EACCES EIDRM EINVAL.
pub fn values(id: i32) -> SysResult<Vec<u16>> {
    let count = usize::try_from(stat(id)?.count).map_err(|_| Errno::EOVERFLOW)?;
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    values.resize(count, 0_u16);
    // SAFETY: GETALL writes one u16 a semaphore, and `values` has as many as the set. A set's count never changes, and its id comes
    // back only after its slot's sequence number has wrapped, which takes tens of thousands of sets made and removed in between.
    ret(unsafe { libc::semctl(id, 0, libc::GETALL, values.as_mut_ptr()) })?;
    Ok(values)
}

/// `semctl(2)` with `SETALL`. `values` must be as many as the set has.
///
/// # Errors
/// EACCES EIDRM EINVAL (another count) ERANGE.
pub fn set_values(id: i32, values: &[u16]) -> SysResult<()> {
    let count = usize::try_from(stat(id)?.count).map_err(|_| Errno::EOVERFLOW)?;
    if count != values.len() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: SETALL reads `count` u16, which `values` has (checked above).
    ret_unit(unsafe { libc::semctl(id, 0, libc::SETALL, values.as_ptr()) })
}

/// `semctl(2)` with `IPC_STAT`.
///
/// # Errors
/// EACCES EIDRM EINVAL.
pub fn stat(id: i32) -> SysResult<SemidDs> {
    stat_by(id, libc::IPC_STAT).map(|(_, ds)| ds)
}

/// `semctl(2)` with `SEM_STAT` or `SEM_STAT_ANY`: by kernel index; answers the id too.
///
/// # Errors
/// EACCES EINVAL.
pub fn stat_by_index(index: i32, command: i32) -> SysResult<(i32, SemidDs)> {
    stat_by(index, command)
}

fn stat_by(id_or_index: i32, command: i32) -> SysResult<(i32, SemidDs)> {
    let mut raw = MaybeUninit::<RawSemidDs>::zeroed();
    // SAFETY: the three STAT commands write one semid64_ds, and `raw` has room for it.
    let id = ret(unsafe { libc::semctl(id_or_index, 0, command, raw.as_mut_ptr()) })?;
    // SAFETY: zeroed above, and every bit pattern is a valid semid_ds.
    let raw = unsafe { raw.assume_init() };
    let ds = SemidDs {
        key: raw.permissions.key,
        uid: raw.permissions.uid,
        gid: raw.permissions.gid,
        creator_uid: raw.permissions.creator_uid,
        creator_gid: raw.permissions.creator_gid,
        mode: raw.permissions.mode,
        operation_time: raw.operation_time,
        change_time: raw.change_time,
        count: raw.count,
    };
    Ok((id, ds))
}

/// `semctl(2)` with `IPC_SET`.
///
/// # Errors
/// EIDRM EINVAL EPERM.
pub fn set(id: i32, uid: u32, gid: u32, mode: u16) -> SysResult<()> {
    let mut raw = MaybeUninit::<RawSemidDs>::zeroed();
    // SAFETY: zeroed above, and every bit pattern is a valid semid_ds.
    let ds = unsafe { raw.assume_init_mut() };
    ds.permissions.uid = uid;
    ds.permissions.gid = gid;
    ds.permissions.mode = mode.into();
    // SAFETY: IPC_SET reads uid, gid and mode of the semid_ds, all set above.
    ret_unit(unsafe { libc::semctl(id, 0, libc::IPC_SET, std::ptr::from_mut(ds)) })
}

/// `semctl(2)` with `IPC_INFO` (limits) or `SEM_INFO` (use: `semusz` sets, `semaem` semaphores).
/// Answers the highest used index beside it.
///
/// # Errors
/// None are documented.
pub fn info(command: i32) -> SysResult<(i32, Seminfo)> {
    if command != libc::IPC_INFO && command != libc::SEM_INFO {
        return Err(Errno::EINVAL);
    }
    let mut raw = MaybeUninit::<Seminfo>::zeroed();
    // SAFETY: both commands write one struct seminfo, ten ints, which is how Seminfo is laid out.
    let max_index = ret(unsafe { libc::semctl(0, 0, command, raw.as_mut_ptr()) })?;
    // SAFETY: zeroed above, and every bit pattern is valid.
    Ok((max_index, unsafe { raw.assume_init() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_counts_waits_in_slices_and_goes() {
        let id = semget(flags::IPC_PRIVATE, 2, flags::IPC_CREAT | 0o600).unwrap();
        set_values(id, &[1, 0]).unwrap();
        assert_eq!(values(id).unwrap(), [1, 0]);
        assert_eq!(set_values(id, &[1]), Err(Errno::EINVAL));
        let mut take = [Operation { index: 1, delta: -1, flags: 0 }];
        assert_eq!(semtimedop(id, &mut take, Some(Duration::from_millis(1))), Err(Errno::EAGAIN));
        control(id, 0, NumberCommand::Remove).unwrap();
        assert!(matches!(stat(id), Err(Errno::EINVAL | Errno::EIDRM)));
    }
}
