//! The words of pthread objects that must be looked at before a call: by the layouts of glibc (2.25 and later) and musl (1.1 and later)
//! on 64 bits. Both libraries trust them: glibc ends the process where they make no sense to it, or waits for ever.

#![expect(unsafe_code, reason = "a word is an address")]

use super::pthread_place::corrupt;
use crate::error::Result;
use std::sync::atomic::{AtomicU32, Ordering};

/// The owner in a lock word.
pub(super) const OWNER: u32 = 0x3fff_ffff;
/// The kernel's mark that the owner died.
pub(super) const OWNER_DIED: u32 = 0x4000_0000;

/// glibc's `__owner` of a mutex that was unlocked after its owner's death, without repair.
#[cfg(target_env = "gnu")]
pub(super) const NOT_RECOVERABLE: u32 = 0x7fff_fffe;

/// What a mutex is, and who holds it.
#[derive(Debug, Clone, Copy)]
pub(super) struct MutexWords {
    pub(super) recursive: bool,
    pub(super) robust: bool,
    pub(super) inherits: bool,
    /// The thread that holds it; 0 where nobody does, or the library does not say.
    pub(super) owner: i32,
    pub(super) locked: bool,
    pub(super) owner_died: bool,
    /// Somebody unlocked it after an owner's death, without repair.
    pub(super) irrecoverable: bool,
}

/// A word of shared memory.
///
/// # Safety
/// The four bytes at `address + offset` must be aligned, mapped and writable while the answer is used.
pub(super) unsafe fn word<'bytes>(address: usize, offset: usize) -> &'bytes AtomicU32 {
    // SAFETY: the caller's word; other processes access it too, so atomically.
    unsafe { AtomicU32::from_ptr((address + offset) as *mut u32) }
}

/// # Safety
/// As [`word`].
pub(super) unsafe fn read(address: usize, offset: usize) -> u32 {
    // SAFETY: the caller's word.
    unsafe { word(address, offset) }.load(Ordering::Relaxed) // Relaxed: a look that may be stale.
}

/// glibc's `__pthread_mutex_s`: `__lock` at 0, `__owner` at 8, `__kind` at 16.
///
/// # Safety
/// A `pthread_mutex_t` must have room at `address`, mapped and writable.
#[cfg(target_env = "gnu")]
pub(super) unsafe fn mutex(address: usize) -> Result<MutexWords> {
    const RECURSIVE: u32 = 1;
    const TYPE: u32 = 3;
    const ROBUST: u32 = 16;
    const INHERITS: u32 = 32;
    const CEILING: u32 = 64;
    const SHARED: u32 = 128;
    const ELISION: u32 = 256 | 512;
    // SAFETY: the caller's word: 16 is inside of it.
    let kind = unsafe { read(address, 16) };
    if kind & !(TYPE | ROBUST | INHERITS | CEILING | SHARED | ELISION) != 0 || kind & SHARED == 0 {
        return Err(corrupt("mutex", &format!("its kind is 0x{kind:x}")));
    }
    if kind & CEILING != 0 {
        return Err(crate::error::Error::own(
            "ERR_SHM_UNSUPPORTED",
            "mutexes with a priority ceiling (PTHREAD_PRIO_PROTECT) are not supported",
        ));
    }
    // SAFETY: as above.
    let lock = unsafe { read(address, 0) };
    // SAFETY: as above.
    let owner = unsafe { read(address, 8) };
    let irrecoverable = kind & ROBUST != 0 && owner == NOT_RECOVERABLE;
    let (robust, inherits) = (kind & ROBUST != 0, kind & INHERITS != 0);
    // The others keep 0, 1 or 2 in the lock word, and the owner apart.
    let owner = if robust || inherits { lock & OWNER } else { owner };
    Ok(MutexWords {
        recursive: kind & TYPE == RECURSIVE,
        robust,
        inherits,
        owner: if lock == 0 { 0 } else { owner.cast_signed() },
        locked: lock & !OWNER_DIED != 0,
        owner_died: (robust || inherits) && lock & OWNER_DIED != 0,
        irrecoverable,
    })
}

/// musl's `pthread_mutex_t`: `_m_type` at 0, `_m_lock` at 4.
///
/// # Safety
/// A `pthread_mutex_t` must have room at `address`, mapped and writable.
#[cfg(not(target_env = "gnu"))]
pub(super) unsafe fn mutex(address: usize) -> Result<MutexWords> {
    const TYPE: u32 = 3;
    const ROBUST: u32 = 4;
    const INHERITS: u32 = 8;
    const SHARED: u32 = 128;
    // SAFETY: the caller's word.
    let kind = unsafe { read(address, 0) };
    if kind & !(TYPE | ROBUST | INHERITS | SHARED) != 0 || kind & SHARED == 0 || kind & TYPE == TYPE {
        return Err(corrupt("mutex", &format!("its type is 0x{kind:x}")));
    }
    // SAFETY: the caller's word: 4 is inside of it.
    let lock = unsafe { read(address, 4) };
    // A normal one keeps EBUSY in its word, and no owner.
    let owner = if kind & (TYPE | ROBUST | INHERITS) == 0 { 0 } else { lock & OWNER };
    Ok(MutexWords {
        recursive: kind & TYPE == 1,
        robust: kind & ROBUST != 0,
        inherits: kind & INHERITS != 0,
        owner: owner.cast_signed(),
        locked: lock & OWNER != 0,
        owner_died: lock & OWNER_DIED != 0,
        // The library's own calls say so, and leave it as it is.
        irrecoverable: false,
    })
}

/// glibc's lock: `__cur_writer` at 24, `__shared` at 28, `__flags` at 48. musl's: 128 at 8 where it is shared. Answers the writer, 0 where
/// there is none or the library does not say.
///
/// # Safety
/// A `pthread_rwlock_t` must have room at `address`, mapped and writable.
pub(super) unsafe fn rwlock(address: usize) -> Result<i32> {
    let (at, shared) = if cfg!(target_env = "gnu") { (28, 1) } else { (8, 128) };
    // SAFETY: the caller's word: both are inside of it.
    let word = unsafe { read(address, at) };
    // SAFETY: as above.
    let flags = if cfg!(target_env = "gnu") { unsafe { read(address, 48) } } else { 0 };
    if word & 0xff != shared || flags > 2 {
        return Err(corrupt("read-write lock", "it is private, or never initialised"));
    }
    // SAFETY: as above: 24 is inside of it.
    Ok(if cfg!(target_env = "gnu") { unsafe { read(address, 24) }.cast_signed() } else { 0 })
}

/// Whether anybody has the lock or waits for it: glibc's `__readers` at 0 and `__writers` at 4, musl's count at 0.
///
/// # Safety
/// As [`rwlock`].
pub(super) unsafe fn rwlock_is_used(address: usize) -> bool {
    // SAFETY: the caller's word.
    let first = unsafe { read(address, 0) };
    // SAFETY: the caller's word: 4 is inside of it.
    let second = unsafe { read(address, 4) };
    // The lowest bit of glibc's first word is its phase, which stays after the last writer.
    if cfg!(target_env = "gnu") { first & !1 != 0 || second != 0 } else { first != 0 }
}
