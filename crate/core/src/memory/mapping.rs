//! A range of our address space with shared memory in it: made once, released once.
//!
//! A `Mapping` is held by `Arc`: by the segment, and by every JavaScript buffer over it. [`Mapping::release`] unmaps
//! at once and is idempotent; dropping the last `Arc` releases too. Nothing here hands out a Rust reference to the bytes.

#![expect(unsafe_code, reason = "maps, changes and unmaps its own range")]

use super::guard::{self, FaultCounts};
use super::holds::Holds;
use super::huge::transparent_place;
use super::locking::Locking;
use super::options::{round_up, to_usize};
use super::{quarantine, ranges};
use crate::error::{Errno, Error, Named, Result};
use crate::sys::{machine, mman, sysv_shm};
use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Where a mapping goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Place {
    /// Where the kernel likes.
    #[default]
    Anywhere,
    /// There if it is free, else where the kernel likes.
    Hint(usize),
    /// There, or `EEXIST` (`EINVAL` for shmat(2)) when something is there.
    Exactly(usize),
    /// There, in place of what is there, which must be a mapping of ours: else `ERR_SHM_NOT_OURS`.
    Replacing(usize),
}

/// What to map.
#[derive(Debug)]
pub struct MapRequest<'fd> {
    /// Where.
    pub place: Place,
    /// Bytes the user sees.
    pub size_bytes: u64,
    /// Bytes of a page: the base page, or the huge page that `flags` ask for.
    pub page_size_bytes: usize,
    /// `PROT_…`.
    pub protection: i32,
    /// `MAP_…`, without those that `place` decides.
    pub flags: i32,
    /// The object; `None` with `MAP_ANONYMOUS`.
    pub fd: Option<BorrowedFd<'fd>>,
    /// First byte of the object, a multiple of the page size.
    pub offset: u64,
    /// Whether faults are caught.
    pub guard: bool,
}

/// A range of our address space with shared memory in it: made once, released once, held by whoever uses it.
#[derive(Debug)]
pub struct Mapping {
    start: usize,
    length_bytes: usize,
    size_bytes: usize,
    page_size_bytes: usize,
    slot: Option<ranges::Slot>,
    /// The mapping whose range this one replaced a part of.
    parent: Option<Arc<Mapping>>,
    life: Mutex<Life>,
}

#[derive(Debug, Default)]
pub(super) struct Life {
    /// Someone asked for release; it may wait for children.
    closed: bool,
    /// The range is no longer this mapping's.
    released: bool,
    /// Mappings that replaced a part of this one and live.
    children: usize,
    /// Calls of [`Mapping::with_pinned_bytes`] under way, and holders of a [`super::Pinned`].
    pub(super) pins: usize,
    /// Locks in it that are held through it.
    pub(super) holds: Holds,
    /// Whether it is locked in RAM as a whole.
    pub(super) locking: Option<Locking>,
}

/// All mappings by start address, to find the owner of an address.
static OWNERS: Mutex<BTreeMap<usize, Weak<Mapping>>> = Mutex::new(BTreeMap::new());

impl Mapping {
    /// `mmap(2)`.
    ///
    /// # Errors
    /// Those of mmap(2); `ERR_SHM_NOT_OURS`; `ERR_SHM_TOO_MANY_MAPPINGS`.
    #[doc(hidden)]
    pub fn map(request: &MapRequest<'_>) -> Result<Arc<Self>> {
        let size_bytes = to_usize(request.size_bytes)?;
        let length_bytes = round_up(size_bytes, request.page_size_bytes)?;
        let offset = i64::try_from(request.offset).map_err(|_| Error::system("mmap", Errno::EOVERFLOW))?;
        if length_bytes == 0 {
            return Err(Error::system("mmap", Errno::EINVAL));
        }
        if matches!(request.place, Place::Replacing(_)) {
            // First elsewhere: where the kernel refuses, some have taken away the old pages already (before Linux 6.12).
            drop(Self::map(&MapRequest { place: Place::Anywhere, ..*request })?);
        }
        let place = match request.place {
            Place::Anywhere if request.page_size_bytes == machine::page_size_bytes() => {
                transparent_place(length_bytes, request.offset).map_or(Place::Anywhere, Place::Hint)
            }
            place => place,
        };
        Self::place(
            place,
            size_bytes,
            length_bytes,
            request.page_size_bytes,
            request.guard,
            |address, how| {
                let flags = request.flags
                    | match how {
                        How::Free => 0,
                        How::Exactly => mman::flags::MAP_FIXED_NOREPLACE,
                        How::Replace => mman::flags::MAP_FIXED,
                    };
                // SAFETY: MAP_FIXED only with `How::Replace`, for a range that `place` found to be ours.
                unsafe { mman::mmap(address, length_bytes, request.protection, flags, request.fd, offset) }
                    .called("mmap")
            },
        )
    }

    /// `shmat(2)`.
    ///
    /// # Errors
    /// Those of shmat(2); `ERR_SHM_NOT_OURS`; `ERR_SHM_TOO_MANY_MAPPINGS`.
    #[doc(hidden)]
    pub fn attach(id: i32, place: Place, flags: i32, request_bytes: u64, guard: bool) -> Result<Arc<Self>> {
        let size_bytes = to_usize(request_bytes)?;
        // SHM_RND rounds the address down to SHMLBA, a page on x86-64 and four on arm64's ABI; the kernel answers the result.
        let base_page = machine::page_size_bytes();
        let length_bytes = match place {
            // First elsewhere, for two reasons: the kernel attaches whole huge pages, so it must be known how much it would replace;
            // and where it refuses, some kernels have taken away the old pages already (before Linux 6.12).
            Place::Replacing(_) => {
                Self::attach(id, Place::Anywhere, flags, request_bytes, guard)?.length_bytes
            }
            _ => round_up(size_bytes, base_page)?,
        };
        let attach = |address, how: How| {
            let flags = if how == How::Replace { flags | sysv_shm::flags::SHM_REMAP } else { flags };
            // SAFETY: SHM_REMAP only with `How::Replace`, for a range that `place` found to be ours.
            unsafe { sysv_shm::shmat(id, address, flags) }.called("shmat")
        };
        let attach_at = |place| {
            Self::place_with(place, size_bytes, length_bytes, base_page, guard, attach, |start| {
                super::huge::attached_page_size(start)
            })
        };
        match (place, transparent_place(length_bytes, 0)) {
            (Place::Anywhere, Some(free)) => match attach_at(Place::Exactly(free)) {
                // Another thread took it, or the segment has huge pages that want another place.
                Err(error) if error.errno() == Some(Errno::EINVAL) => attach_at(Place::Anywhere),
                other => other,
            },
            _ => attach_at(place),
        }
    }

    fn place(
        place: Place,
        size_bytes: usize,
        length_bytes: usize,
        page_size_bytes: usize,
        guard: bool,
        make: impl Fn(usize, How) -> Result<usize>,
    ) -> Result<Arc<Self>> {
        Self::place_with(place, size_bytes, length_bytes, page_size_bytes, guard, make, |_| page_size_bytes)
    }

    fn place_with(
        place: Place,
        size_bytes: usize,
        length_bytes: usize,
        page_size_bytes: usize,
        guard: bool,
        make: impl Fn(usize, How) -> Result<usize>,
        page_size_at: impl FnOnce(usize) -> usize,
    ) -> Result<Arc<Self>> {
        if guard {
            guard::install()?;
        }
        let make = |address, how| match make(address, how) {
            // Closed ranges count against RLIMIT_AS and vm.max_map_count: they go before anybody is refused.
            Err(error) if error.errno() == Some(Errno::ENOMEM) && quarantine::give_all_back() => {
                make(address, how)
            }
            other => other,
        };
        let (start, parent) = match place {
            Place::Anywhere => (make(0, How::Free)?, None),
            Place::Hint(address) => (make(address, How::Free)?, None),
            Place::Exactly(address) => {
                quarantine::make_room(address, length_bytes);
                (make(address, How::Exactly)?, None)
            }
            Place::Replacing(address) => {
                let parent = Self::adopt_child(address, length_bytes)?;
                match make(address, How::Replace) {
                    Ok(start) => (start, Some(parent)),
                    Err(error) => {
                        parent.child_gone();
                        return Err(error);
                    }
                }
            }
        };
        let page_size_bytes = page_size_at(start).max(page_size_bytes);
        let length_bytes = round_up(size_bytes, page_size_bytes)?;
        let mut mapping = Self {
            start,
            length_bytes,
            size_bytes,
            page_size_bytes,
            slot: None,
            parent,
            life: Mutex::new(Life::default()),
        };
        // A child lies in its parent's range, which the guard knows already. An error here drops, and so unmaps.
        if guard && mapping.parent.is_none() {
            let enter = || ranges::enter(start, length_bytes, page_size_bytes);
            // A full table may be full of closed ranges.
            mapping.slot =
                Some(enter().or_else(|full| if quarantine::give_all_back() { enter() } else { Err(full) })?);
        }
        let mapping = Arc::new(mapping);
        if mapping.parent.is_none() {
            owners().insert(start, Arc::downgrade(&mapping));
        }
        Ok(mapping)
    }

    /// Finds the mapping that owns the whole range, and counts a child in it.
    fn adopt_child(address: usize, length_bytes: usize) -> Result<Arc<Self>> {
        let not_ours = || not_ours(address, length_bytes);
        let owner = Self::owner(address).ok_or_else(not_ours)?;
        let inside = address - owner.start;
        if !inside.is_multiple_of(owner.page_size_bytes)
            || inside.checked_add(length_bytes).is_none_or(|end| end > owner.length_bytes)
        {
            return Err(not_ours());
        }
        let mut life = owner.living().map_err(|_| not_ours())?;
        life.holds.refuse_in(inside, inside + length_bytes)?;
        life.children += 1;
        drop(life);
        Ok(owner)
    }

    /// First address.
    #[must_use]
    pub fn address(&self) -> usize {
        self.start
    }

    /// Bytes the user sees; the rest of the last page is not shown.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Bytes of whole pages.
    #[must_use]
    pub fn length_bytes(&self) -> usize {
        self.length_bytes
    }

    /// Bytes of one page.
    #[must_use]
    pub fn page_size_bytes(&self) -> usize {
        self.page_size_bytes
    }

    /// Whether faults are caught.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.guard_slot().is_some()
    }

    /// Whether [`Mapping::release`] was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.life().closed
    }

    /// Bad touches so far. A mapping that replaced a part of another reports the other's.
    #[must_use]
    pub fn faults(&self) -> FaultCounts {
        let Some(slot) = self.guard_slot() else { return FaultCounts::default() };
        if self.life().released {
            return FaultCounts::default();
        }
        let entry = slot.entry();
        FaultCounts {
            read_only: entry.read_only.load(Ordering::Relaxed), // Relaxed: counters.
            truncated: entry.truncated.load(Ordering::Relaxed),
            hole: entry.hole.load(Ordering::Relaxed),
        }
    }

    fn guard_slot(&self) -> Option<ranges::Slot> {
        self.slot.or_else(|| self.parent.as_ref().and_then(|parent| parent.guard_slot()))
    }

    /// A second mapping of the same shared bytes, with a life of its own, and one protection all over: what the first page of
    /// this one forbids by now is no matter.
    ///
    /// # Errors
    /// EINVAL (not shared) ENOMEM; `ERR_SHM_UNSUPPORTED`; `ERR_SHM_CLOSED`.
    pub fn duplicate(&self, protection: i32) -> Result<Arc<Self>> {
        if self.living()?.children > 0 {
            return Err(Error::own(
                "ERR_SHM_UNSUPPORTED",
                "a part of the mapping was replaced: it is not one object any more",
            ));
        }
        let own = Self::place(
            Place::Anywhere,
            self.size_bytes,
            self.length_bytes,
            self.page_size_bytes,
            self.is_guarded(),
            |_, _| mman::map_again(self.start, self.length_bytes).called("mremap"),
        )?;
        // SAFETY: the whole range of a mapping that nobody else has yet.
        unsafe { mman::mprotect(own.start, own.length_bytes, protection) }.called("mprotect")?;
        Ok(own)
    }

    /// The mapping that begins last at or before an address.
    pub(super) fn owner(address: usize) -> Option<Arc<Self>> {
        owners().range(..=address).next_back().and_then(|(_, owner)| owner.upgrade())
    }

    /// Unmaps at once; idempotent. Where other mappings replaced parts of this one, or it is pinned, the last of them does it.
    /// Where a lock in it is held, it stays mapped for ever: ask [`Mapping::refuse_if_held`] before.
    pub fn release(&self) {
        let mut life = self.life();
        life.closed = true;
        self.unmap_if_unused(life);
    }

    fn child_gone(&self) {
        let mut life = self.life();
        life.children -= 1;
        self.unmap_if_unused(life);
    }

    pub(super) fn unmap_if_unused(&self, mut life: MutexGuard<'_, Life>) {
        if life.closed && !life.released && life.children == 0 && life.pins == 0 && life.holds.is_empty() {
            life.released = true;
            drop(life);
            self.unmap();
        }
    }

    fn unmap(&self) {
        if let Some(parent) = &self.parent {
            // SAFETY: the range is ours inside the parent's, and `released` says that nobody uses it again.
            let _ = unsafe { quarantine::blank(self.start, self.length_bytes) };
            return parent.child_gone();
        }
        // First the name of the range, then the range: a new mapping may come to lie there at once.
        owners().remove(&self.start);
        match self.slot {
            // SAFETY: the range is ours, whole mappings of it, and `released` says that nobody uses it again.
            Some(slot) => unsafe { quarantine::retire(self.start, self.length_bytes, slot) },
            None => {
                // SAFETY: as above; the user opted out of the guard, and with it of the quarantine.
                let _ = unsafe { mman::munmap(self.start, self.length_bytes) };
            }
        }
    }

    pub(super) fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The range cannot go while the answer is held.
    pub(super) fn living(&self) -> Result<MutexGuard<'_, Life>> {
        let life = self.life();
        if life.closed {
            Err(Error::own("ERR_SHM_CLOSED", "it is closed, or was mapped anew by resize() or refresh()"))
        } else {
            Ok(life)
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.release();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Free,
    Exactly,
    Replace,
}

pub(super) fn not_ours(address: usize, length_bytes: usize) -> Error {
    Error::own(
        "ERR_SHM_NOT_OURS",
        format!(
            "the range of {length_bytes} bytes at 0x{address:x} is not inside a mapping made by this library"
        ),
    )
}

fn owners() -> MutexGuard<'static, BTreeMap<usize, Weak<Mapping>>> {
    OWNERS.lock().unwrap_or_else(PoisonError::into_inner)
}
