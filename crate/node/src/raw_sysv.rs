//! `shmget(2)`, `shmat(2)`, `shmctl(2)` as they are, for `shmem/sysv`.

use crate::convert::{number, whole};
use crate::error::OrThrow;
use crate::segment::NativeSegment;
use crate::sysv_segment::NativeShmidDs;
use napi::bindgen_prelude::Env;
use napi::{Error, Result, Status};
use napi_derive::napi;
use shmem_core::error::{Named, Subject};
use shmem_core::memory::{Access, MapOptions, Place, sysv};
use shmem_core::sys::sysv_shm::{self, flags};

/// `shmget(2)`.
#[napi(catch_unwind)]
pub fn shmget(env: Env, key: i32, size: f64, flags: i32) -> Result<i32> {
    let size = usize::try_from(whole(size)?).map_err(|_| Error::new(Status::InvalidArg, "size"))?;
    sysv_shm::shmget(key, size, flags)
        .called("shmget")
        .map_err(|error| error.on(Subject::Key(key)))
        .or_throw(&env)
}

/// `shmat(2)`; an address is a whole number, 0 for none.
#[napi(catch_unwind)]
pub fn shmat(env: Env, id: i32, address: f64, raw_flags: i32) -> Result<NativeSegment> {
    let address = usize::try_from(whole(address)?).map_err(|_| Error::new(Status::InvalidArg, "address"))?;
    let place = match address {
        0 => Place::Anywhere,
        address if raw_flags & flags::SHM_REMAP != 0 => Place::Replacing(address),
        address => Place::Exactly(address),
    };
    let access = if raw_flags & flags::SHM_RDONLY != 0 { Access::Read } else { Access::Write };
    let options = MapOptions { access, ..MapOptions::default() };
    let extra = raw_flags & !(flags::SHM_REMAP | flags::SHM_RDONLY);
    sysv::attach_at(id, &options, place, extra).or_throw(&env).map(Into::into)
}

/// `shmctl(2)` with `SHM_STAT` or `SHM_STAT_ANY`, by kernel index.
#[napi(catch_unwind)]
pub fn shm_stat_by_index(env: Env, index: i32, any: bool) -> Result<NativeShmidDs> {
    let command = if any { sysv_shm::SHM_STAT_ANY } else { sysv_shm::SHM_STAT };
    let (id, ds) = sysv_shm::stat_by_index(index, command).called("shmctl").or_throw(&env)?;
    Ok(NativeShmidDs::new(id, &ds))
}

/// `shmctl(2)` with `IPC_INFO`: shmmax, shmmin, shmmni, shmseg, shmall, highest used index.
#[napi(catch_unwind)]
pub fn shm_limits(env: Env) -> Result<Vec<f64>> {
    let limits = sysv_shm::limits().called("shmctl").or_throw(&env)?;
    Ok(vec![
        number(limits.max_bytes),
        number(limits.min_bytes),
        number(limits.max_segments),
        number(limits.max_segments_per_process),
        number(limits.max_pages),
        f64::from(limits.max_index),
    ])
}

/// `shmctl(2)` with `SHM_INFO`: used_ids, shm_tot, shm_rss, shm_swp, swap_attempts, swap_successes, highest used index.
#[napi(catch_unwind)]
pub fn shm_usage(env: Env) -> Result<Vec<f64>> {
    let usage = sysv_shm::usage().called("shmctl").or_throw(&env)?;
    Ok(vec![
        f64::from(usage.used_ids),
        number(usage.total_pages),
        number(usage.resident_pages),
        number(usage.swapped_pages),
        number(usage.swap_attempts),
        number(usage.swap_successes),
        f64::from(usage.max_index),
    ])
}
