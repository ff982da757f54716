//! The C constants that the raw calls take, by their C names, for whoever binds us to another language.
//!
//! The numbers are libc's for the target we are built for; no number is written twice.

/// Name and value of one C constant.
pub type Constant = (&'static str, i64);

macro_rules! constants {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), libc::$name as i64)),*]
    };
}

/// `sys/ipc.h`, `sys/shm.h`, `sys/sem.h`.
pub const SYSV: &[Constant] = constants![
    IPC_PRIVATE,
    IPC_CREAT,
    IPC_EXCL,
    IPC_NOWAIT,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    IPC_INFO,
    SHM_RDONLY,
    SHM_RND,
    SHM_REMAP,
    SHM_EXEC,
    SHM_LOCK,
    SHM_UNLOCK,
    SHM_HUGETLB,
    SHM_NORESERVE,
    SHM_R,
    SHM_W,
    SEM_UNDO,
    SETVAL,
    GETVAL,
    SETALL,
    GETALL,
    GETPID,
    GETNCNT,
    GETZCNT,
    SEM_STAT,
    SEM_INFO,
];

/// Constants of `linux/shm.h` and `linux/sem.h` that the libc crate does not have.
pub const SYSV_LINUX: &[Constant] = &[
    ("SHM_STAT", super::sysv_shm::SHM_STAT as i64),
    ("SHM_INFO", super::sysv_shm::SHM_INFO as i64),
    ("SHM_STAT_ANY", super::sysv_shm::SHM_STAT_ANY as i64),
    ("SHM_DEST", super::sysv_shm::SHM_DEST as i64),
    ("SHM_LOCKED", super::sysv_shm::SHM_LOCKED as i64),
    ("SHM_HUGE_SHIFT", super::sysv_shm::SHM_HUGE_SHIFT as i64),
    ("SHM_HUGE_2MB", 21 << super::sysv_shm::SHM_HUGE_SHIFT),
    ("SHM_HUGE_1GB", 30 << super::sysv_shm::SHM_HUGE_SHIFT),
    ("SEM_STAT_ANY", super::sysv_sem::SEM_STAT_ANY as i64),
];

/// `sys/mman.h`, `fcntl.h`, `sys/stat.h`.
pub const POSIX: &[Constant] = constants![
    O_RDONLY,
    O_RDWR,
    O_CREAT,
    O_EXCL,
    O_TRUNC,
    O_CLOEXEC,
    O_NOFOLLOW,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
    PROT_EXEC,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MAP_PRIVATE,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_ANONYMOUS,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_LOCKED,
    MAP_HUGETLB,
    MAP_HUGE_SHIFT,
    MAP_HUGE_2MB,
    MAP_HUGE_1GB,
    MAP_SYNC,
    MAP_NONBLOCK,
    MAP_STACK,
    MS_ASYNC,
    MS_SYNC,
    MS_INVALIDATE,
    MLOCK_ONFAULT,
    MADV_NORMAL,
    MADV_RANDOM,
    MADV_SEQUENTIAL,
    MADV_WILLNEED,
    MADV_DONTNEED,
    MADV_FREE,
    MADV_REMOVE,
    MADV_DONTFORK,
    MADV_DOFORK,
    MADV_MERGEABLE,
    MADV_UNMERGEABLE,
    MADV_HUGEPAGE,
    MADV_NOHUGEPAGE,
    MADV_DONTDUMP,
    MADV_DODUMP,
    MADV_COLD,
    MADV_PAGEOUT,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MPOL_DEFAULT,
    MPOL_PREFERRED,
    MPOL_BIND,
    MPOL_INTERLEAVE,
    MPOL_LOCAL,
    MPOL_F_STATIC_NODES,
    MPOL_F_RELATIVE_NODES,
    MPOL_F_NUMA_BALANCING,
    MFD_CLOEXEC,
    MFD_ALLOW_SEALING,
    MFD_HUGETLB,
    MFD_HUGE_2MB,
    MFD_HUGE_1GB,
    F_SEAL_SEAL,
    F_SEAL_SHRINK,
    F_SEAL_GROW,
    F_SEAL_WRITE,
    F_SEAL_FUTURE_WRITE,
];

/// Constants of newer kernels that the libc crate does not have.
pub const POSIX_LINUX: &[Constant] = &[
    ("MADV_COLLAPSE", super::mman::MADV_COLLAPSE as i64),
    ("MPOL_PREFERRED_MANY", super::numa::flags::MPOL_PREFERRED_MANY as i64),
    ("MPOL_WEIGHTED_INTERLEAVE", super::numa::flags::MPOL_WEIGHTED_INTERLEAVE as i64),
    ("MPOL_F_NODE", super::numa::flags::MPOL_F_NODE as i64),
    ("MPOL_F_ADDR", super::numa::flags::MPOL_F_ADDR as i64),
    ("MPOL_F_MEMS_ALLOWED", super::numa::flags::MPOL_F_MEMS_ALLOWED as i64),
    ("MPOL_MF_STRICT", super::numa::flags::MPOL_MF_STRICT as i64),
    ("MPOL_MF_MOVE", super::numa::flags::MPOL_MF_MOVE as i64),
    ("MPOL_MF_MOVE_ALL", super::numa::flags::MPOL_MF_MOVE_ALL as i64),
];
