//! The structures that the kernel fills for shmctl(2) and semctl(2), in its own 64-bit layouts.
//!
//! The libc crate's differ by C library: other field names and widths on musl, no `semid_ds` at all. Both libraries hand
//! the pointer to the kernel as it is.

/// `struct ipc64_perm` of asm-generic/ipcbuf.h.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Permissions {
    pub(super) key: i32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) creator_uid: u32,
    pub(super) creator_gid: u32,
    pub(super) mode: u32,
    pub(super) sequence: u16,
    padding: [u16; 3],
    unused: [u64; 2],
}

/// `struct shmid64_ds` of asm-generic/shmbuf.h.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct RawShmidDs {
    pub(super) permissions: Permissions,
    pub(super) size_bytes: u64,
    pub(super) attach_time: i64,
    pub(super) detach_time: i64,
    pub(super) change_time: i64,
    pub(super) creator_pid: i32,
    pub(super) last_pid: i32,
    pub(super) attach_count: u64,
    unused: [u64; 2],
}

/// `struct semid64_ds` of asm/sembuf.h, which on x86 leaves a word free behind each time.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct RawSemidDs {
    pub(super) permissions: Permissions,
    pub(super) operation_time: i64,
    #[cfg(target_arch = "x86_64")]
    unused_behind_operation_time: u64,
    pub(super) change_time: i64,
    #[cfg(target_arch = "x86_64")]
    unused_behind_change_time: u64,
    pub(super) count: u64,
    unused: [u64; 2],
}

#[cfg(not(all(target_pointer_width = "64", target_endian = "little")))]
compile_error!("these are the layouts of x86_64 and aarch64");

const _: () = assert!(size_of::<Permissions>() == size_of::<libc::ipc_perm>());
const _: () = assert!(size_of::<RawShmidDs>() == size_of::<libc::shmid_ds>());
#[cfg(target_env = "gnu")]
const _: () = assert!(size_of::<RawSemidDs>() == size_of::<libc::semid_ds>());
