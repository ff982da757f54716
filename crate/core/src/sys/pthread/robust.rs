//! The calling thread's list of robust mutexes, as the kernel and glibc keep it (get_robust_list(2), struct robust_list_head), and the
//! kernel's side of priority-inheriting mutexes (futex(2), FUTEX_LOCK_PI).
//!
//! ```text
//! head:   list ──► next word of the mutex locked last (bit 0: priority-inheriting) ──► … ──► head
//!         futex_offset
//!         list_op_pending: the mutex whose lock or unlock is under way, or 0
//! ```

use super::deadline;
use crate::error::Errno;
use crate::sys::SysResult;
use crate::sys::conv::ret_long;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering, compiler_fence};
use std::time::Duration;

const PENDING_AT: usize = 16;
const PRIORITY_INHERITING: usize = 1;
const WORD: usize = size_of::<usize>();

/// The head of the calling thread's list.
#[derive(Debug)]
pub(crate) struct List {
    head: usize,
    /// It is this thread's, and nobody else's.
    not_send: PhantomData<*const ()>,
}

impl List {
    /// Asks the kernel.
    ///
    /// # Errors
    /// ENOSYS where there are no robust lists (qemu-user).
    pub(crate) fn of_this_thread() -> SysResult<Self> {
        let (mut head, mut size) = (0usize, 0usize);
        // SAFETY: 0 is the calling thread; both results are live.
        let status = unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut size) };
        ret_long(status)?;
        if head == 0 { Err(Errno::ENOSYS) } else { Ok(Self { head, not_send: PhantomData }) }
    }

    /// Says that the lock of a priority-inheriting mutex is under way, whose list word lies at `entry`.
    pub(crate) fn begin(&self, entry: usize) {
        self.pending().store(entry | PRIORITY_INHERITING, Ordering::Relaxed); // Relaxed: this thread's own; see `compiler_fence`.
        compiler_fence(Ordering::SeqCst);
    }

    /// Says that nothing is under way.
    pub(crate) fn end(&self) {
        compiler_fence(Ordering::SeqCst);
        self.pending().store(0, Ordering::Relaxed); // Relaxed: as in `begin`.
    }

    /// Puts a priority-inheriting mutex first, whose list word lies at `entry`, behind the word for the way back.
    ///
    /// # Safety
    /// `entry` must be the list word of a glibc mutex that this thread just locked, which stays mapped until it is unlocked.
    pub(crate) unsafe fn push(&self, entry: usize) {
        let first = self.word(0).load(Ordering::Relaxed); // Relaxed: this thread's own.
        // SAFETY: the entry that is first lies in a mutex that this thread holds, or is the head, before which glibc has a word.
        let back_of_first = unsafe { at((first & !PRIORITY_INHERITING) - WORD) };
        back_of_first.store(entry, Ordering::Relaxed); // Relaxed: only this thread goes back.
        // SAFETY: the caller's word.
        let next = unsafe { at(entry) };
        next.store(first, Ordering::Relaxed); // Relaxed: the kernel reads it when this thread has ended.
        // SAFETY: the caller's word: glibc's `__prev` lies before `__next`.
        let back = unsafe { at(entry - WORD) };
        back.store(self.head, Ordering::Relaxed); // Relaxed: only this thread goes back.
        // The entry must be whole before the list leads to it: this thread can die between any two instructions.
        compiler_fence(Ordering::SeqCst);
        self.word(0).store(entry | PRIORITY_INHERITING, Ordering::Relaxed); // Relaxed: as above.
    }

    fn pending(&self) -> &AtomicUsize {
        self.word(PENDING_AT)
    }

    fn word(&self, offset: usize) -> &AtomicUsize {
        // SAFETY: the head lies in this thread's control block, which lives as long as it; `List` is not `Send`.
        unsafe { at(self.head + offset) }
    }
}

/// # Safety
/// `address` must be a word, aligned, that stays mapped and writable while the answer is used.
unsafe fn at<'word>(address: usize) -> &'word AtomicUsize {
    // SAFETY: the caller's word; atomically, as the kernel reads it too.
    unsafe { AtomicUsize::from_ptr(address as *mut usize) }
}

/// `FUTEX_LOCK_PI` on the shared word at `address`, for `timeout` at most.
///
/// # Errors
/// EAGAIN (the owner is dying; ask again) EDEADLK (a circle of waits) EFAULT EINVAL (the word and the kernel's state disagree) ENOMEM
/// EPERM ESRCH (no such thread in this PID namespace) ETIMEDOUT.
pub(crate) fn lock_inheriting(address: usize, timeout: Duration) -> SysResult<()> {
    let limit = deadline(libc::CLOCK_REALTIME, timeout)?;
    // SAFETY: the kernel checks the address; the deadline is live.
    let status = unsafe { libc::syscall(libc::SYS_futex, address, libc::FUTEX_LOCK_PI, 0, &raw const limit) };
    ret_long(status).map(drop)
}

/// `FUTEX_UNLOCK_PI` on the shared word at `address`.
///
/// # Errors
/// EAGAIN EFAULT EINVAL EPERM.
pub(crate) fn unlock_inheriting(address: usize) -> SysResult<()> {
    // SAFETY: the kernel checks the address.
    ret_long(unsafe { libc::syscall(libc::SYS_futex, address, libc::FUTEX_UNLOCK_PI) }).map(drop)
}
