//! System V shared memory: shmget(2), shmat(2), shmctl(2), and ftok(3).
//!
//! Detaching is not here: `memory` replaces an attached range in one step, which detaches it.

#![expect(unsafe_code, reason = "this floor calls C")]

use super::SysResult;
use super::conv::{last, ret, ret_unit};
use super::ipc::RawShmidDs;
use std::mem::MaybeUninit;

/// `linux/shm.h`; absent from the libc crate.
pub const SHM_STAT: i32 = 13;
/// `linux/shm.h`.
pub const SHM_INFO: i32 = 14;
/// `linux/shm.h`, since Linux 4.17.
pub const SHM_STAT_ANY: i32 = 15;
/// Mode bit: removal is pending until the last detach.
pub const SHM_DEST: u32 = 0o1000;
/// Mode bit: locked in memory.
pub const SHM_LOCKED: u32 = 0o2000;
/// Where the log2 of the huge page size stands in `shmflg`.
pub const SHM_HUGE_SHIFT: i32 = 26;

/// The flag words of shmget(2) and shmat(2), for the floors above.
pub mod flags {
    pub use libc::{
        IPC_CREAT, IPC_EXCL, IPC_PRIVATE, SHM_HUGETLB, SHM_NORESERVE, SHM_RDONLY, SHM_REMAP, SHM_RND,
    };
}

/// `struct shmid_ds` in our own words (times in seconds since the epoch, 0 for never).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are shmctl(2)'s own")]
pub struct ShmidDs {
    pub key: i32,
    pub uid: u32,
    pub gid: u32,
    pub creator_uid: u32,
    pub creator_gid: u32,
    /// Permission bits with [`SHM_DEST`] and [`SHM_LOCKED`].
    pub mode: u32,
    pub sequence: u32,
    pub size_bytes: u64,
    pub attach_time: i64,
    pub detach_time: i64,
    pub change_time: i64,
    pub creator_pid: i32,
    pub last_pid: i32,
    pub attach_count: u64,
}

/// `struct shminfo`: the limits of this IPC namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are shmctl(2)'s own")]
pub struct ShmLimits {
    pub max_bytes: u64,
    pub min_bytes: u64,
    pub max_segments: u64,
    pub max_segments_per_process: u64,
    pub max_pages: u64,
    /// Highest used index of the kernel's array.
    pub max_index: i32,
}

/// `struct shm_info`: what this IPC namespace uses (pages).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are shmctl(2)'s own")]
pub struct ShmUsage {
    pub used_ids: i32,
    pub total_pages: u64,
    pub resident_pages: u64,
    pub swapped_pages: u64,
    pub swap_attempts: u64,
    pub swap_successes: u64,
    /// Highest used index of the kernel's array.
    pub max_index: i32,
}

// asm-generic/shmbuf.h; the libc crate lacks both on some targets.
#[repr(C)]
struct RawShminfo {
    shmmax: libc::c_ulong,
    shmmin: libc::c_ulong,
    shmmni: libc::c_ulong,
    shmseg: libc::c_ulong,
    shmall: libc::c_ulong,
    unused: [libc::c_ulong; 4],
}

#[repr(C)]
struct RawShmInfo {
    used_ids: libc::c_int,
    shm_tot: libc::c_ulong,
    shm_rss: libc::c_ulong,
    shm_swp: libc::c_ulong,
    swap_attempts: libc::c_ulong,
    swap_successes: libc::c_ulong,
}

/// `shmget(2)`.
///
/// # Errors
/// EACCES EEXIST EINVAL ENFILE ENOENT ENOMEM ENOSPC EPERM.
pub fn shmget(key: i32, size_bytes: usize, flags: i32) -> SysResult<i32> {
    // SAFETY: shmget takes numbers only and touches no memory of ours.
    ret(unsafe { libc::shmget(key, size_bytes, flags) })
}

/// `shmat(2)`. Answers the address of the attachment.
///
/// # Safety
/// With `SHM_REMAP`, every page of the target range must belong to the caller, with no Rust object in it.
///
/// # Errors
/// EACCES EIDRM EINVAL ENOMEM.
pub unsafe fn shmat(id: i32, address: usize, flags: i32) -> SysResult<usize> {
    // SAFETY: without SHM_REMAP the kernel refuses occupied ranges; with it the caller answers for the range.
    let attached = unsafe { libc::shmat(id, address as *const libc::c_void, flags) };
    if attached as isize == -1 { Err(last()) } else { Ok(attached as usize) }
}

/// `shmctl(2)` with `IPC_STAT`.
///
/// # Errors
/// EACCES EIDRM EINVAL EOVERFLOW.
pub fn stat(id: i32) -> SysResult<ShmidDs> {
    stat_by(id, libc::IPC_STAT).map(|(_, ds)| ds)
}

/// `shmctl(2)` with `SHM_STAT`, or `SHM_STAT_ANY` when `any` is meant: by kernel index; answers the id too.
///
/// # Errors
/// EACCES EINVAL (no such index).
pub fn stat_by_index(index: i32, command: i32) -> SysResult<(i32, ShmidDs)> {
    stat_by(index, command)
}

fn stat_by(id_or_index: i32, command: i32) -> SysResult<(i32, ShmidDs)> {
    let mut raw = MaybeUninit::<RawShmidDs>::zeroed();
    // SAFETY: for the three STAT commands the kernel writes one shmid64_ds, and `raw` has room for it.
    let id = ret(unsafe { libc::shmctl(id_or_index, command, raw.as_mut_ptr().cast()) })?;
    // SAFETY: zeroed above, and every bit pattern is a valid shmid_ds (plain numbers).
    let raw = unsafe { raw.assume_init() };
    let ds = ShmidDs {
        key: raw.permissions.key,
        uid: raw.permissions.uid,
        gid: raw.permissions.gid,
        creator_uid: raw.permissions.creator_uid,
        creator_gid: raw.permissions.creator_gid,
        mode: raw.permissions.mode,
        sequence: u32::from(raw.permissions.sequence),
        size_bytes: raw.size_bytes,
        attach_time: raw.attach_time,
        detach_time: raw.detach_time,
        change_time: raw.change_time,
        creator_pid: raw.creator_pid,
        last_pid: raw.last_pid,
        attach_count: raw.attach_count,
    };
    Ok((id, ds))
}

/// `shmctl(2)` with `IPC_SET`.
///
/// # Errors
/// EIDRM EINVAL EPERM.
pub fn set(id: i32, uid: u32, gid: u32, mode: u16) -> SysResult<()> {
    let mut raw = MaybeUninit::<RawShmidDs>::zeroed();
    // SAFETY: zeroed above, and every bit pattern is a valid shmid_ds.
    let ds = unsafe { raw.assume_init_mut() };
    ds.permissions.uid = uid;
    ds.permissions.gid = gid;
    ds.permissions.mode = mode.into();
    // SAFETY: IPC_SET reads uid, gid and mode of the shmid_ds, all set above.
    ret_unit(unsafe { libc::shmctl(id, libc::IPC_SET, std::ptr::from_mut(ds).cast()) })
}

/// `shmctl(2)` with a command that takes no buffer: `IPC_RMID`, `SHM_LOCK`, `SHM_UNLOCK`.
///
/// # Errors
/// EACCES EIDRM EINVAL ENOMEM EPERM.
pub fn control(id: i32, command: BareCommand) -> SysResult<()> {
    let command = match command {
        BareCommand::Remove => libc::IPC_RMID,
        BareCommand::Lock => libc::SHM_LOCK,
        BareCommand::Unlock => libc::SHM_UNLOCK,
    };
    // SAFETY: these commands ignore the buffer.
    ret_unit(unsafe { libc::shmctl(id, command, std::ptr::null_mut()) })
}

/// The commands of [`control`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BareCommand {
    /// `IPC_RMID`.
    Remove,
    /// `SHM_LOCK`.
    Lock,
    /// `SHM_UNLOCK`.
    Unlock,
}

/// `shmctl(2)` with `IPC_INFO`.
///
/// # Errors
/// None are documented.
pub fn limits() -> SysResult<ShmLimits> {
    let mut raw = MaybeUninit::<RawShminfo>::zeroed();
    // SAFETY: IPC_INFO writes one struct shminfo; the cast is the interface shmctl(2) documents.
    let max_index = ret(unsafe { libc::shmctl(0, libc::IPC_INFO, raw.as_mut_ptr().cast()) })?;
    // SAFETY: zeroed above, and every bit pattern is valid.
    let raw = unsafe { raw.assume_init() };
    let _ = raw.unused;
    Ok(ShmLimits {
        max_bytes: raw.shmmax,
        min_bytes: raw.shmmin,
        max_segments: raw.shmmni,
        max_segments_per_process: raw.shmseg,
        max_pages: raw.shmall,
        max_index,
    })
}

/// `shmctl(2)` with `SHM_INFO`.
///
/// # Errors
/// None are documented.
pub fn usage() -> SysResult<ShmUsage> {
    let mut raw = MaybeUninit::<RawShmInfo>::zeroed();
    // SAFETY: SHM_INFO writes one struct shm_info; the cast is the interface shmctl(2) documents.
    let max_index = ret(unsafe { libc::shmctl(0, SHM_INFO, raw.as_mut_ptr().cast()) })?;
    // SAFETY: zeroed above, and every bit pattern is valid.
    let raw = unsafe { raw.assume_init() };
    Ok(ShmUsage {
        used_ids: raw.used_ids,
        total_pages: raw.shm_tot,
        resident_pages: raw.shm_rss,
        swapped_pages: raw.shm_swp,
        swap_attempts: raw.swap_attempts,
        swap_successes: raw.swap_successes,
        max_index,
    })
}

/// `ftok(3)`, by libc itself, so that it is bit-exact with C.
///
/// # Errors
/// Those of stat(2): ENOENT EACCES ENOTDIR ELOOP.
pub fn ftok(path: &str, project_id: i32) -> SysResult<i32> {
    let path = super::conv::c_string(path)?;
    // SAFETY: `path` is a NUL-terminated string that outlives the call.
    ret(unsafe { libc::ftok(path.as_ptr(), project_id) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Errno;

    #[test]
    fn ftok_is_eight_bits_of_project_eight_of_device_sixteen_of_inode() {
        use std::os::unix::fs::MetadataExt;
        let about = std::fs::metadata("/etc/hosts").unwrap();
        let wanted = (0x5a_u64 << 24) | ((about.dev() & 0xff) << 16) | (about.ino() & 0xffff);
        assert_eq!(u64::from(ftok("/etc/hosts", 0x15a).unwrap().cast_unsigned()), wanted);
        assert_eq!(ftok("/no/such/file", 1), Err(Errno::ENOENT));
    }

    #[test]
    fn a_removed_id_is_gone() {
        let id = shmget(flags::IPC_PRIVATE, 4096, flags::IPC_CREAT | 0o600).unwrap();
        assert_eq!(stat(id).unwrap().size_bytes, 4096);
        control(id, BareCommand::Remove).unwrap();
        assert_eq!(stat(id).unwrap_err(), Errno::EINVAL);
    }

    #[test]
    fn limits_and_usage_answer() {
        assert!(limits().unwrap().max_segments > 0);
        assert!(usage().unwrap().used_ids >= 0);
    }
}
