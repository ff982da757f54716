//! A member's sign of life: a word that holds its thread id, and that the kernel itself marks when the thread ends, in whatever way.
//!
//! It works as a robust pthread mutex does that its owner never unlocks, without libc's mutex: only the kernel's part of the
//! protocol is used (Documentation/locking/robust-futex-ABI.rst). Why: libc follows pointers that lie in the mutex, in memory that a hostile peer
//! can write. Here the pointers lie in a private page behind the word (see [`super::layout`]).

#![expect(unsafe_code, reason = "maps a page beside the word, and links it for the kernel")]

use super::claim::{self, Ending};
use super::layout::{ENTRY_OFFSET, SlotLayout, WITNESS_OFFSET};
use super::table::MemberTable;
use super::word::Word;
use crate::error::{Error, Named, Result};
use crate::memory::guard::WatchedRange;
use crate::sys::mman::{self, flags};
use crate::sys::process;
use crate::sys::robust_list::RobustList;
use std::os::fd::{AsFd, BorrowedFd};

/// `_m_type` of musl's mutex: it is shared between processes.
pub(crate) const MUSL_SHARED: u32 = 128;

/// See the module. Stays on the thread that took it.
#[derive(Debug)]
pub(super) struct Presence {
    /// Two pages: the slot's, and the private one with the entry.
    alias: usize,
    page_size_bytes: usize,
    list: RobustList,
    /// Somebody may make the object shorter: a touch of the slot's page is then the guard's.
    watch: WatchedRange,
    /// This process, where the kernel cannot wipe the private page in a child (before Linux 4.14, gVisor).
    process: Option<u32>,
}

impl Presence {
    /// Where in a slot's page this thread's presence word has to be, in bytes.
    ///
    /// # Errors
    /// `ERR_SHM_UNSUPPORTED`: no robust futexes here, or a libc that lays them out otherwise.
    pub(super) fn offset(page_size_bytes: usize) -> Result<u32> {
        let list = robust_list()?;
        let offset = list.futex_offset();
        if !(-32..=-20).contains(&offset) || offset % 4 != 0 {
            return Err(unsupported("an unknown C library"));
        }
        let offset = (page_size_bytes + ENTRY_OFFSET).wrapping_add_signed(offset);
        u32::try_from(offset).map_err(|_| unsupported("a page of 4 GiB"))
    }

    /// Takes the presence of a slot that this thread claimed.
    ///
    /// # Errors
    /// ENOMEM; `ERR_SHM_UNSUPPORTED`.
    pub(super) fn take(table: &MemberTable, file_offset: u64) -> Result<Self> {
        let page_size_bytes = table.page_size_bytes();
        let list = robust_list()?;
        let (alias, is_wiped) = map_alias(table.fd.as_fd(), file_offset, page_size_bytes)?;
        // SAFETY: the slot's page, in which no Rust object lies; `end` drops the watch before it unmaps the page.
        let watch = match unsafe { WatchedRange::new(alias, page_size_bytes) } {
            Ok(watch) => watch,
            Err(error) => {
                unmap(alias, 2 * page_size_bytes);
                return Err(error);
            }
        };
        let process = (!is_wiped).then(process::pid);
        let presence = Self { alias, page_size_bytes, list, watch, process };
        presence.witness().store(1);
        // musl's pthread_exit(3) clears the words of the list itself, and wakes other processes only if this bit of a mutex's type is set.
        presence.word().before().store(MUSL_SHARED);
        claim::appear(table, presence.word(), process::tid(), || {
            // SAFETY: the entry and what lies before it are in the private page, which is unmapped only after `unlink`.
            unsafe { list.link(presence.entry()) };
        });
        Ok(presence)
    }

    /// Whether this process is a child of the one that took it (fork(2)): it is not this thread's, and its first page is not here.
    pub(super) fn is_inherited(&self) -> bool {
        self.process.map_or_else(|| self.witness().load() == 0, |process| process != process::pid())
    }

    /// Forgets what was inherited: nothing of it is the segment's.
    pub(super) fn forget(self) {
        drop(self.watch);
        unmap(self.alias + self.page_size_bytes, self.page_size_bytes);
    }

    /// Gives it up.
    pub(super) fn end(self, table: &MemberTable, ending: Ending) {
        claim::disappear(table, self.word(), ending, || {
            // SAFETY: linked by `take`, on this thread, as `Member` never leaves it.
            unsafe { self.list.unlink(self.entry()) };
        });
        drop(self.watch);
        unmap(self.alias, 2 * self.page_size_bytes);
    }

    /// A word of the private page: 0 in a child.
    fn witness(&self) -> Word {
        // SAFETY: in the second page, which a child has too; a multiple of 4; mapped until `end` or `forget`.
        unsafe { Word::at(self.alias + self.page_size_bytes + WITNESS_OFFSET) }
    }

    fn entry(&self) -> usize {
        self.alias + self.page_size_bytes + ENTRY_OFFSET
    }

    /// The presence word, as the kernel finds it from the entry: reachable even when the segment's own mapping is gone.
    fn word(&self) -> Word {
        let address = self.entry().wrapping_add_signed(self.list.futex_offset());
        // SAFETY: in the alias's first page, as `offset` checked; a multiple of 4; mapped until `end`.
        unsafe { Word::at(address) }
    }

    /// The claim word of the same slot, by the same page.
    pub(super) fn claim(&self) -> Word {
        // SAFETY: the start of the alias's first page, mapped until `end`.
        unsafe { Word::at(self.alias + std::mem::offset_of!(SlotLayout, claim)) }
    }
}

fn robust_list() -> Result<RobustList> {
    RobustList::ask().map_err(|_| unsupported("no robust futexes (get_robust_list)"))
}

fn unsupported(why: &str) -> Error {
    Error::own("ERR_SHM_UNSUPPORTED", format!("members cannot be told dead from alive here: {why}"))
}

/// The slot's page, and behind it a private one. Answers whether a child finds zeroes there.
fn map_alias(fd: BorrowedFd<'_>, file_offset: u64, page_size_bytes: usize) -> Result<(usize, bool)> {
    let offset = i64::try_from(file_offset).map_err(|_| unsupported("an offset beyond 2^63"))?;
    let protection = flags::PROT_READ | flags::PROT_WRITE;
    let private = flags::MAP_PRIVATE | flags::MAP_ANONYMOUS;
    // SAFETY: no MAP_FIXED.
    let alias = unsafe { mman::mmap(0, 2 * page_size_bytes, protection, private, None, 0) }.called("mmap")?;
    let shared = flags::MAP_SHARED | flags::MAP_FIXED;
    // SAFETY: replaces the first of the two pages just made.
    let mapped = unsafe { mman::mmap(alias, page_size_bytes, protection, shared, Some(fd), offset) };
    // A forked child has no slot's page, with the description whose byte lock says that this process lives.
    // SAFETY: our page; the advice discards nothing.
    let _ = unsafe { mman::madvise(alias, page_size_bytes, flags::MADV_DONTFORK) };
    // And of the private one zeroes, by which it knows that it is no member.
    // SAFETY: our page; the advice discards nothing here.
    let wiped = unsafe { mman::madvise(alias + page_size_bytes, page_size_bytes, flags::MADV_WIPEONFORK) };
    if let Err(errno) = mapped {
        unmap(alias, 2 * page_size_bytes);
        return Err(Error::system("mmap", errno));
    }
    Ok((alias, wiped.is_ok()))
}

fn unmap(address: usize, length_bytes: usize) {
    // SAFETY: pages made by `map_alias`; callers know that nothing leads there any more.
    let _ = unsafe { mman::munmap(address, length_bytes) };
}
