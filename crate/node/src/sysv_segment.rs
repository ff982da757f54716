//! Opening System V segments.

use crate::convert::{number, seconds};
use crate::error::OrThrow;
use crate::options::{create_options, map_options};
use crate::segment::NativeSegment;
use napi::Result;
use napi::bindgen_prelude::Env;
use napi_derive::napi;
use shmem_core::error::{Named, Subject};
use shmem_core::memory::sysv;
use shmem_core::sys::sysv_shm;

/// `struct shmid_ds`.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "the names are shmctl(2)'s own")]
pub struct NativeShmidDs {
    pub id: i32,
    pub key: i32,
    pub uid: u32,
    pub gid: u32,
    pub creator_uid: u32,
    pub creator_gid: u32,
    pub mode: u32,
    pub sequence: u32,
    pub size: f64,
    pub attach_time: f64,
    pub detach_time: f64,
    pub change_time: f64,
    pub creator_pid: i32,
    pub last_pid: i32,
    pub attach_count: f64,
}

impl NativeShmidDs {
    pub(crate) fn new(id: i32, ds: &sysv_shm::ShmidDs) -> Self {
        Self {
            id,
            key: ds.key,
            uid: ds.uid,
            gid: ds.gid,
            creator_uid: ds.creator_uid,
            creator_gid: ds.creator_gid,
            mode: ds.mode,
            sequence: ds.sequence,
            size: number(ds.size_bytes),
            attach_time: seconds(ds.attach_time),
            detach_time: seconds(ds.detach_time),
            change_time: seconds(ds.change_time),
            creator_pid: ds.creator_pid,
            last_pid: ds.last_pid,
            attach_count: number(ds.attach_count),
        }
    }
}

/// Makes a segment; `EEXIST` where the key has one.
#[napi(catch_unwind)]
pub fn sysv_create(
    env: Env,
    key: i32,
    wishes: u32,
    offset: f64,
    length: f64,
    size: f64,
    mode: u32,
    huge_page_size: f64,
) -> Result<NativeSegment> {
    sysv::create(key, &create_options(wishes, offset, length, size, mode, huge_page_size)?)
        .or_throw(&env)
        .map(Into::into)
}

/// Opens the segment of a key.
#[napi(catch_unwind)]
pub fn sysv_open(env: Env, key: i32, wishes: u32, offset: f64, length: f64) -> Result<NativeSegment> {
    sysv::open(key, &map_options(wishes, offset, length)?).or_throw(&env).map(Into::into)
}

/// Opens the segment of a key, or makes it.
#[napi(catch_unwind)]
pub fn sysv_open_or_create(
    env: Env,
    key: i32,
    wishes: u32,
    offset: f64,
    length: f64,
    size: f64,
    mode: u32,
    huge_page_size: f64,
) -> Result<NativeSegment> {
    sysv::open_or_create(key, &create_options(wishes, offset, length, size, mode, huge_page_size)?)
        .or_throw(&env)
        .map(Into::into)
}

/// Attaches by identifier.
#[napi(catch_unwind)]
pub fn sysv_attach(env: Env, id: i32, wishes: u32, offset: f64, length: f64) -> Result<NativeSegment> {
    sysv::attach(id, &map_options(wishes, offset, length)?).or_throw(&env).map(Into::into)
}

/// `shmctl(2)` with `IPC_RMID`.
#[napi(catch_unwind)]
pub fn sysv_remove(env: Env, id: i32) -> Result<()> {
    sysv::remove(id).or_throw(&env)
}

/// `shmctl(2)` with `IPC_STAT`.
#[napi(catch_unwind)]
pub fn sysv_stat(env: Env, id: i32) -> Result<NativeShmidDs> {
    let ds = sysv_shm::stat(id).called("shmctl").map_err(|error| error.on(Subject::Id(id))).or_throw(&env)?;
    Ok(NativeShmidDs::new(id, &ds))
}

/// `shmctl(2)` with `IPC_SET`.
#[napi(catch_unwind)]
pub fn sysv_set(env: Env, id: i32, uid: u32, gid: u32, mode: u16) -> Result<()> {
    sysv_shm::set(id, uid, gid, mode)
        .called("shmctl")
        .map_err(|error| error.on(Subject::Id(id)))
        .or_throw(&env)
}

/// `shmctl(2)` with `SHM_LOCK` or `SHM_UNLOCK`.
#[napi(catch_unwind)]
pub fn sysv_lock(env: Env, id: i32, locked: bool) -> Result<()> {
    let command = if locked { sysv_shm::BareCommand::Lock } else { sysv_shm::BareCommand::Unlock };
    sysv_shm::control(id, command).called("shmctl").map_err(|error| error.on(Subject::Id(id))).or_throw(&env)
}

/// `ftok(3)`.
#[napi(catch_unwind)]
pub fn ftok(env: Env, path: String, project_id: i32) -> Result<i32> {
    sysv_shm::ftok(&path, project_id)
        .called("ftok")
        .map_err(|error| error.on(Subject::Path(path)))
        .or_throw(&env)
}
