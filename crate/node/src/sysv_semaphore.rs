//! System V semaphore sets.

use crate::convert::{number, seconds};
use crate::error::{OrThrow, throw};
use napi::Result;
use napi::bindgen_prelude::Env;
use napi_derive::napi;
use shmem_core::error::{Errno, Error, Named, Subject};
use shmem_core::sync::sysv_semaphore;
use shmem_core::sys::sysv_sem::{self, NumberCommand, Operation};
use std::time::Duration;

/// One operation of semop(2).
#[napi(object, object_to_js = false)]
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are sembuf's own")]
pub struct NativeSemaphoreOperation {
    pub index: u16,
    pub delta: i32,
    pub flags: i32,
}

/// `struct semid_ds`.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "the names are semctl(2)'s own")]
pub struct NativeSemidDs {
    pub id: i32,
    pub key: i32,
    pub uid: u32,
    pub gid: u32,
    pub creator_uid: u32,
    pub creator_gid: u32,
    pub mode: u32,
    pub operation_time: f64,
    pub change_time: f64,
    pub count: f64,
}

impl NativeSemidDs {
    fn new(id: i32, ds: &sysv_sem::SemidDs) -> Self {
        Self {
            id,
            key: ds.key,
            uid: ds.uid,
            gid: ds.gid,
            creator_uid: ds.creator_uid,
            creator_gid: ds.creator_gid,
            mode: ds.mode,
            operation_time: seconds(ds.operation_time),
            change_time: seconds(ds.change_time),
            count: number(ds.count),
        }
    }
}

/// Identifier of a set, and whether it was made.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "one line above")]
pub struct NativeFoundSet {
    pub id: i32,
    pub created: bool,
}

/// Makes a set with initial values.
#[napi(catch_unwind)]
pub fn semaphore_set_create(env: Env, key: i32, initial: Vec<u16>, mode: u32) -> Result<i32> {
    sysv_semaphore::create(key, &initial, mode).or_throw(&env)
}

/// Finds the set of a key.
#[napi(catch_unwind)]
pub fn semaphore_set_open(env: Env, key: i32, count: i32) -> Result<i32> {
    sysv_semaphore::open(key, count).or_throw(&env)
}

/// Finds the set of a key, or makes it.
#[napi(catch_unwind)]
pub fn semaphore_set_open_or_create(
    env: Env,
    key: i32,
    initial: Vec<u16>,
    mode: u32,
) -> Result<NativeFoundSet> {
    let (id, created) = sysv_semaphore::open_or_create(key, &initial, mode).or_throw(&env)?;
    Ok(NativeFoundSet { id, created })
}

/// `semget(2)` itself.
#[napi(catch_unwind)]
pub fn semget(env: Env, key: i32, count: i32, flags: i32) -> Result<i32> {
    sysv_sem::semget(key, count, flags)
        .called("semget")
        .map_err(|error| error.on(Subject::Key(key)))
        .or_throw(&env)
}

/// `semtimedop(2)`, for `slice_ms` at most (absent: without limit). Answers the errno of `EAGAIN` and `EINTR`, which are
/// no failures here, and 0 when done. When a wait is going on (`again`), a set that is not there any more was removed: `EIDRM`.
#[napi(catch_unwind)]
pub fn semtimedop(
    env: Env,
    id: i32,
    operations: Vec<NativeSemaphoreOperation>,
    slice_ms: Option<u32>,
    again: bool,
) -> Result<i32> {
    let by_id = |errno| Error::system("semop", errno).on(Subject::Id(id));
    let mut raw = raw_operations(id, &operations).or_throw(&env)?;
    let slice = slice_ms.map(|milliseconds| Duration::from_millis(milliseconds.into()));
    match sysv_sem::semtimedop(id, &mut raw, slice) {
        Ok(()) => Ok(0),
        Err(errno @ (Errno::EAGAIN | Errno::EINTR)) => Ok(errno.raw()),
        Err(Errno::EINVAL) if again => Err(throw(&env, &by_id(Errno::EIDRM))),
        Err(errno) => Err(throw(&env, &by_id(errno))),
    }
}

/// As the kernel takes them.
pub(crate) fn raw_operations(
    id: i32,
    operations: &[NativeSemaphoreOperation],
) -> shmem_core::Result<Vec<Operation>> {
    operations
        .iter()
        .map(|operation| match (i16::try_from(operation.delta), i16::try_from(operation.flags)) {
            (Ok(delta), Ok(flags)) => Ok(Operation { index: operation.index, delta, flags }),
            _ => Err(Error::system("semop", Errno::ERANGE).on(Subject::Id(id))),
        })
        .collect()
}

/// `semctl(2)` with a command that takes a number or nothing.
#[napi(catch_unwind)]
pub fn semctl_number(env: Env, id: i32, index: i32, command: String, value: i32) -> Result<i32> {
    let command = match command.as_str() {
        "GETVAL" => NumberCommand::Value,
        "GETPID" => NumberCommand::LastPid,
        "GETNCNT" => NumberCommand::WaitingForIncrease,
        "GETZCNT" => NumberCommand::WaitingForZero,
        "SETVAL" => NumberCommand::SetValue(value),
        "IPC_RMID" => NumberCommand::Remove,
        _ => return Err(throw(&env, &Error::system("semctl", Errno::EINVAL).on(Subject::Id(id)))),
    };
    sysv_sem::control(id, index, command)
        .called("semctl")
        .map_err(|error| error.on(Subject::Id(id)))
        .or_throw(&env)
}

/// `semctl(2)` with `GETALL`.
#[napi(catch_unwind)]
pub fn semaphore_values(env: Env, id: i32) -> Result<Vec<u16>> {
    sysv_sem::values(id).called("semctl").map_err(|error| error.on(Subject::Id(id))).or_throw(&env)
}

/// `semctl(2)` with `SETALL`.
#[napi(catch_unwind)]
pub fn set_semaphore_values(env: Env, id: i32, values: Vec<u16>) -> Result<()> {
    sysv_sem::set_values(id, &values)
        .called("semctl")
        .map_err(|error| error.on(Subject::Id(id)))
        .or_throw(&env)
}

/// `semctl(2)` with `IPC_STAT`.
#[napi(catch_unwind)]
pub fn semaphore_set_stat(env: Env, id: i32) -> Result<NativeSemidDs> {
    let ds = sysv_sem::stat(id).called("semctl").map_err(|error| error.on(Subject::Id(id))).or_throw(&env)?;
    Ok(NativeSemidDs::new(id, &ds))
}

/// `semctl(2)` with `SEM_STAT` or `SEM_STAT_ANY`, by kernel index.
#[napi(catch_unwind)]
pub fn semaphore_set_stat_by_index(env: Env, index: i32, any: bool) -> Result<NativeSemidDs> {
    let command = if any { sysv_sem::SEM_STAT_ANY } else { sysv_sem::flags::SEM_STAT };
    let (id, ds) = sysv_sem::stat_by_index(index, command).called("semctl").or_throw(&env)?;
    Ok(NativeSemidDs::new(id, &ds))
}

/// `semctl(2)` with `IPC_SET`.
#[napi(catch_unwind)]
pub fn semaphore_set_set(env: Env, id: i32, uid: u32, gid: u32, mode: u16) -> Result<()> {
    sysv_sem::set(id, uid, gid, mode)
        .called("semctl")
        .map_err(|error| error.on(Subject::Id(id)))
        .or_throw(&env)
}

/// `semctl(2)` with `IPC_INFO` or `SEM_INFO`: the ten numbers of `struct seminfo`, then the highest used index.
#[napi(catch_unwind)]
pub fn semaphore_info(env: Env, used: bool) -> Result<Vec<i32>> {
    let command = if used { sysv_sem::flags::SEM_INFO } else { sysv_sem::flags::IPC_INFO };
    let (max_index, info) = sysv_sem::info(command).called("semctl").or_throw(&env)?;
    Ok(vec![
        info.semmap,
        info.semmni,
        info.semmns,
        info.semmnu,
        info.semmsl,
        info.semopm,
        info.semume,
        info.semusz,
        info.semvmx,
        info.semaem,
        max_index,
    ])
}
