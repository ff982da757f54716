//! The calling thread's robust futex list (get_robust_list(2), Documentation/locking/robust-futexes.rst): what the kernel does
//! for a thread that ends.
//!
//! libc owns the list: it registers the head and links its own robust mutexes into it. We link entries of our own, by the rule
//! that glibc (nptl/descr.h) and musl (src/thread/pthread_mutex_trylock.c) share: an entry is the address of its `next` pointer, and its
//! `prev` pointer lies just before. Nothing here calls `set_robust_list`.
//!
//! ```text
//! entry − 8   prev     of libc's and our own dequeuing; the kernel does not look at it
//! entry       next
//! entry + futex_offset: the word, anywhere: −32 with glibc, −28 with musl
//! ```

#![expect(unsafe_code, reason = "follows the pointers of libc's list")]

use super::SysResult;
use super::conv::ret_long;
use crate::error::Errno;
use std::cell::Cell;
use std::mem::{MaybeUninit, offset_of};

/// `struct robust_list_head` of linux/futex.h.
#[repr(C)]
struct Head {
    first: usize,
    futex_offset: isize,
    list_op_pending: usize,
}

/// The head of one thread's list; stays on that thread.
#[derive(Clone, Copy, Debug)]
pub struct RobustList {
    /// Address of libc's [`Head`], in this thread's own memory, registered with the kernel, and there as long as the thread lives.
    head: *mut Head,
}

thread_local! { static KNOWN: Cell<Option<RobustList>> = const { Cell::new(None) }; }

impl RobustList {
    /// The calling thread's.
    ///
    /// # Errors
    /// ENOSYS where there are no robust futexes (qemu-user).
    pub fn of_this_thread() -> SysResult<Self> {
        KNOWN.get().map_or_else(Self::ask, Ok)
    }

    /// As [`Self::of_this_thread`], asked anew: in a child of fork(2) what the parent's thread knew is void, until libc registers a list again.
    ///
    /// # Errors
    /// As [`Self::of_this_thread`].
    pub fn ask() -> SysResult<Self> {
        make_libc_register();
        let (mut head, mut length_bytes) = (std::ptr::null_mut::<Head>(), 0_usize);
        // SAFETY: both out parameters are live; pid 0 is the calling thread.
        ret_long(unsafe {
            libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut length_bytes)
        })?;
        let list = Self { head };
        if head.is_null() || length_bytes != size_of::<Head>() || !(-64..=64).contains(&list.futex_offset()) {
            return Err(Errno::ENOSYS);
        }
        KNOWN.set(Some(list));
        Ok(list)
    }

    /// From an entry to its word, in bytes.
    #[must_use]
    pub fn futex_offset(self) -> isize {
        // SAFETY: see `head`.
        unsafe { self.field(offset_of!(Head, futex_offset)).cast::<isize>().read_volatile() }
    }

    /// Links an entry in as the first.
    ///
    /// # Safety
    /// `entry − 8 .. entry + 8` must be writable memory of this process alone, and stay so until [`RobustList::unlink`], or until the
    /// thread has ended; the entry is in no list.
    pub unsafe fn link(self, entry: usize) {
        let first = self.first();
        // SAFETY: both pointers of the entry are ours to write, by the contract.
        unsafe { (entry as *mut usize).write_volatile(first) };
        // SAFETY: as above.
        unsafe { ((entry - 8) as *mut usize).write_volatile(self.head as usize) };
        if first & !1 != self.head as usize {
            // SAFETY: the present first entry is a live one of libc's or ours, and its `prev` lies before it.
            unsafe { (((first & !1) - 8) as *mut usize).write_volatile(entry) };
        }
        // SAFETY: see `head`. Last, so that the kernel never follows a half-made entry.
        unsafe { self.field(offset_of!(Head, first)).write_volatile(entry) };
    }

    /// Takes an entry out.
    ///
    /// # Safety
    /// The entry was linked into this list by [`RobustList::link`], on this thread, and is still.
    pub unsafe fn unlink(self, entry: usize) {
        // SAFETY: a live entry: its pointers are readable.
        let next = unsafe { (entry as *const usize).read_volatile() };
        // SAFETY: as above.
        let before = unsafe { ((entry - 8) as *const usize).read_volatile() };
        // SAFETY: `before` is the head or a live entry's `next`: both are one pointer.
        unsafe { ((before & !1) as *mut usize).write_volatile(next) };
        if next & !1 != self.head as usize {
            // SAFETY: a live entry has its `prev` before it.
            unsafe { (((next & !1) - 8) as *mut usize).write_volatile(before) };
        }
    }

    /// Says which word this thread is about to lock, unlock or wake, or that it is done (`None`). When the thread dies meanwhile, the
    /// kernel wakes one sleeper on a word without an owner (all bits below bit 30 clear: Linux 6.2; earlier: 0).
    pub fn set_pending(self, word: Option<usize>) {
        let entry = word.map_or(0, |address| address.wrapping_add_signed(-self.futex_offset()));
        // SAFETY: see `head`; the kernel checks the address when it follows it.
        unsafe { self.field(offset_of!(Head, list_op_pending)).write_volatile(entry) };
    }

    fn first(self) -> usize {
        // SAFETY: see `head`.
        unsafe { self.field(offset_of!(Head, first)).read_volatile() }
    }

    const fn field(self, offset: usize) -> *mut usize {
        self.head.wrapping_byte_add(offset).cast()
    }
}

/// musl registers a thread's list with its first robust lock. glibc did already; once a thread costs nothing.
fn make_libc_register() {
    let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
    let mut mutex = MaybeUninit::<libc::pthread_mutex_t>::uninit();
    // SAFETY: room for attributes.
    if unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) } != 0 {
        return;
    }
    // SAFETY: initialised above.
    unsafe { libc::pthread_mutexattr_setrobust(attributes.as_mut_ptr(), libc::PTHREAD_MUTEX_ROBUST) };
    // musl looks at this bit, not at the robust one.
    // SAFETY: initialised above.
    unsafe { libc::pthread_mutexattr_setpshared(attributes.as_mut_ptr(), libc::PTHREAD_PROCESS_SHARED) };
    // SAFETY: room for a mutex, and initialised attributes.
    if unsafe { libc::pthread_mutex_init(mutex.as_mut_ptr(), attributes.as_ptr()) } != 0 {
        return;
    }
    // SAFETY: initialised, and nobody else knows it.
    unsafe { libc::pthread_mutex_lock(mutex.as_mut_ptr()) };
    // SAFETY: locked by this thread.
    unsafe { libc::pthread_mutex_unlock(mutex.as_mut_ptr()) };
    // SAFETY: unlocked, and nobody else knows it.
    unsafe { libc::pthread_mutex_destroy(mutex.as_mut_ptr()) };
    // SAFETY: initialised above, and not used again.
    unsafe { libc::pthread_mutexattr_destroy(attributes.as_mut_ptr()) };
}
