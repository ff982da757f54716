//! A managed segment, opened: header checked, table and directory at hand, ready to be joined.

#![expect(unsafe_code, reason = "parts of the segment are addresses")]

use super::directory::{Directory, Found, ObjectFacts, check_name};
use super::geometry::OBJECT_ALIGN_BYTES;
use super::header::{Geometry, Header, IfBlank, Layout};
use super::heap::{Heap, Reclaimed};
use super::kind::Shape;
use crate::error::{Error, Named, Result, Subject};
use crate::fail_point;
use crate::membership::{JoinOptions, Member, MemberTable, Token, Word};
use crate::memory::{Access, Extent, Mapping, Pinned, Segment};
use crate::sync::mutex::{self, Lock, LockOptions};
use crate::sync::wait::{Answer, wait_until};
use crate::sys::file::{self, FileSystem, flags};
use crate::sys::{futex, mman};
use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// Who changes the directory needs microseconds; one that is stopped meanwhile, or a word that names it by mistake, is told after this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a managed segment is opened.
#[derive(Clone, Copy, Debug)]
pub struct ManagedOptions {
    /// What to do about a segment that nobody made a managed one yet.
    pub if_blank: IfBlank,
}

impl ManagedOptions {
    /// The table's size where the maker says nothing.
    pub const SLOTS: u32 = 64;
    /// The directory's size where the maker says nothing.
    pub const OBJECTS: u32 = 256;

    /// Makes it with the default sizes if it is blank.
    #[must_use]
    pub const fn make() -> Self {
        Self { if_blank: IfBlank::Make { slots: Self::SLOTS, objects: Self::OBJECTS } }
    }
}

/// A segment in which names lead to objects, and whose members are told dead from alive. Another opening of the same memory is the same segment.
///
/// ```
/// # use shmem_core::managed::{ManagedOptions, ManagedSegment};
/// # use shmem_core::membership::JoinOptions;
/// # use shmem_core::memory::{CreateOptions, memfd};
/// # let segment = memfd::create("doc", &CreateOptions::new(1 << 20), 0)?;
/// # let managed = ManagedSegment::open(&segment, ManagedOptions::make())?;
/// # let member = managed.join(&JoinOptions::default())?;
/// use shmem_core::managed::handle::Mutex;
///
/// Mutex::open(&managed, &member, "book")?;
/// assert_eq!(managed.objects()[0].name, "book");
/// assert_eq!(managed.table().members().len(), 1);
/// # Ok::<(), shmem_core::Error>(())
/// ```
#[derive(Debug)]
pub struct ManagedSegment {
    /// Pinned, so that no address in here or in a member's table outlives its page.
    mapping: Pinned,
    subject: Subject,
    geometry: Geometry,
    /// For looking only; every member has one of its own.
    table: MemberTable,
    /// Whether it was opened for reading only.
    observes: bool,
}

impl ManagedSegment {
    /// Takes a mapped segment as a managed one, and makes it one where `options` allow. A segment that is mapped for reading is observed: nobody
    /// can join through it.
    ///
    /// # Errors
    /// `ERR_SHM_UNSUPPORTED` (System V, huge pages, a file of another machine, a part of an object, no guard); `ERR_SHM_NOT_MANAGED`;
    /// `ERR_SHM_NOT_READY`; `ERR_SHM_VERSION`; `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_REMOVED`; EBADF ENOLCK.
    pub fn open(segment: &Segment, options: ManagedOptions) -> Result<Self> {
        Self::open_unnamed(segment, options).map_err(|error| error.or_on(|| segment.subject()))
    }

    fn open_unnamed(segment: &Segment, options: ManagedOptions) -> Result<Self> {
        let observes = segment.access == Access::Read;
        if segment.access == Access::CopyOnWrite {
            return Err(unsupported("a copy-on-write mapping is nobody else's"));
        }
        if segment.offset != 0 {
            return Err(unsupported("it must be mapped from its first byte"));
        }
        if !segment.guard {
            return Err(unsupported("it needs the fault guard: leave { guard: false } out"));
        }
        let fd = own_description(segment)?;
        let mapping = &segment.mapping;
        let size_bytes = mapping.size_bytes() as u64;
        if mapping.size_bytes() < size_of::<Layout>() {
            return Err(Error::own(
                "ERR_SHM_NOT_MANAGED",
                format!("it is no managed segment: {size_bytes} bytes have no room for a header"),
            ));
        }
        // SAFETY: a mapping begins at a page, and has the bytes of a header, as just checked; `mapping` keeps it.
        let header = unsafe { Header::at(mapping.address()) };
        let geometry = if observes {
            header.observe(size_bytes)?
        } else {
            header.settle(fd.as_fd(), size_bytes, options.if_blank)?
        };
        // A core dump delays the kernel's marks until it is written; with this memory in it, for long. Refused, it is but slower.
        let _ = mapping.advise(Extent::default(), mman::flags::MADV_DONTDUMP);
        let table = table_of(mapping, &geometry, fd)?;
        let table = if observes { table.read_only() } else { table };
        Ok(Self { mapping: mapping.pin()?, subject: segment.subject(), geometry, table, observes })
    }

    /// The bytes, all of them.
    #[must_use]
    pub const fn mapping(&self) -> &Arc<Mapping> {
        self.mapping.mapping()
    }

    /// Where its parts are.
    #[doc(hidden)]
    #[must_use]
    pub const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// All members, as anybody sees them.
    #[must_use]
    pub const fn table(&self) -> &MemberTable {
        &self.table
    }

    /// Makes the calling thread a member.
    ///
    /// # Errors
    /// `ERR_SHM_MEMBERS_FULL`; `ERR_SHM_READ_ONLY`; `ERR_SHM_REMOVED`; `ERR_SHM_UNSUPPORTED`; EACCES EBADF ENOLCK ENOMEM.
    pub fn join(&self, options: &JoinOptions) -> Result<Member> {
        if self.observes {
            return Err(
                Error::own("ERR_SHM_READ_ONLY", "who only observes is no member").on(self.subject.clone())
            );
        }
        let fd = self.table.describe_again()?;
        let table = table_of(self.mapping(), &self.geometry, fd)?;
        Member::join(table, self.geometry.members_offset, options)
            .map_err(|error| error.or_on(|| self.subject.clone()))
    }

    /// The named object of that shape; made if there is none.
    ///
    /// # Errors
    /// `ERR_SHM_TYPE_MISMATCH`; `ERR_SHM_DIRECTORY_FULL`; `ERR_SHM_NO_SPACE`; `ERR_OUT_OF_RANGE`; `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn object(&self, member: &Member, name: &str, shape: Shape) -> Result<Found> {
        check_name(name)?;
        let bytes = shape.bytes(self.geometry.slots)?;
        if let Some(found) = self.directory().find(name, shape)? {
            return Ok(found);
        }
        self.with_directory_lock(member, |heap| {
            if let Some(found) = self.directory().find(name, shape)? {
                return Ok(found);
            }
            let index = self.directory().free_entry()?;
            // In this order a kill anywhere loses no object that is named, and no bytes (see `heap`).
            let offset = heap.allocate(bytes, OBJECT_ALIGN_BYTES, member.token().word())?;
            fail_point::reach("object.allocated");
            self.blank(offset, shape.zeroed_bytes(bytes))?;
            self.directory().publish(index, &ObjectFacts { name: name.to_owned(), shape, offset, bytes });
            fail_point::reach("object.published");
            heap.commit(offset)?;
            Ok(Found { offset, created: true })
        })
        .map_err(|error| error.or_on(|| Subject::Name(name.to_owned())))
    }

    /// What the directory lists.
    #[must_use]
    pub fn objects(&self) -> Vec<ObjectFacts> {
        self.directory().objects()
    }

    /// A word inside the segment.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn word(&self, offset: u64) -> Result<Word> {
        let in_range = offset.checked_add(4).is_some_and(|end| end <= self.geometry.size_bytes);
        match usize::try_from(offset) {
            Ok(offset) if in_range && offset.is_multiple_of(4) => {
                // SAFETY: inside the mapped bytes, which `geometry` does not exceed, and a multiple of 4; `mapping` is kept.
                Ok(unsafe { Word::at(self.mapping().address() + offset) })
            }
            _ => Err(Error::own("ERR_OUT_OF_RANGE", format!("no word of the segment is at offset {offset}"))),
        }
    }

    /// Runs `act` while no other member changes directory or heap.
    pub(super) fn with_directory_lock<T>(
        &self,
        member: &Member,
        act: impl FnOnce(&Heap) -> Result<T>,
    ) -> Result<T> {
        self.with_mended_directory(member, |heap, _| act(heap))
    }

    /// The same; `act` also learns what was mended before it.
    pub(super) fn with_mended_directory<T>(
        &self,
        member: &Member,
        act: impl FnOnce(&Heap, Reclaimed) -> Result<T>,
    ) -> Result<T> {
        let word = self.word(offset_of!(Layout, directory_lock) as u64)?;
        let table = member.table();
        let mut owner_died = false;
        if !mutex::take_free(table, word, member.token()) {
            let options = LockOptions { strict: false, blocks_owner: true };
            let until = futex::now() + PATIENCE;
            let waited = wait_until(table, &mut Lock::new(word, member.token(), options), Some(until))?;
            let Some(answer) = waited.answer else { return Err(busy_directory(table, word)) };
            owner_died = answer == Answer::OwnerDied;
        }
        let made = self.heap().and_then(|heap| {
            let mended = if owner_died { self.mend(&heap, table)? } else { Reclaimed::default() };
            act(&heap, mended)
        });
        if !mutex::give_unwaited(table, word, member.token()) {
            mutex::unlock(table, word, member.token())?;
        }
        made
    }

    /// What a member left that was killed while it changed directory or heap. Entries are whole by their state.
    pub(super) fn mend(&self, heap: &Heap, table: &MemberTable) -> Result<Reclaimed> {
        for facts in self.directory().objects() {
            heap.commit(facts.offset)?;
        }
        heap.recover(|token| Token::from_word(token).is_some_and(|token| table.is_alive(token)))
    }

    pub(super) fn heap(&self) -> Result<Heap> {
        // SAFETY: the header's page is mapped, as at opening; `mapping` is kept.
        unsafe { Header::at(self.mapping().address()) }.heap(&self.geometry)
    }

    fn blank(&self, offset: u64, bytes: u64) -> Result<()> {
        for offset in (offset..offset + bytes).step_by(4) {
            self.word(offset)?.store(0);
        }
        Ok(())
    }

    fn directory(&self) -> Directory {
        // SAFETY: the geometry was checked against the mapping, which is kept.
        unsafe { Directory::of(self.mapping().address(), self.geometry) }
    }
}

fn table_of(mapping: &Arc<Mapping>, geometry: &Geometry, fd: OwnedFd) -> Result<MemberTable> {
    let members = usize::try_from(geometry.members_offset).unwrap_or(0);
    let page = usize::try_from(geometry.page_size_bytes).unwrap_or(0);
    // SAFETY: the epoch's place in the header, in the mapping's first page.
    let epoch = unsafe { Word::at(mapping.address() + offset_of!(Layout, epoch)) };
    // SAFETY: `geometry` was checked against the mapping: the table lies inside, at a multiple of the page.
    unsafe { MemberTable::at(mapping.address() + members, geometry.slots, page, epoch, fd) }
}

/// A new open file description of the segment's object: byte locks belong to descriptions.
fn own_description(segment: &Segment) -> Result<OwnedFd> {
    segment.with_fd(segment.access, |fd| {
        match file::file_system(fd).called("fstatfs")? {
            FileSystem::Remote => {
                return Err(unsupported("its file system is of another machine, or served by a process"));
            }
            FileSystem::Hugetlbfs => return Err(unsupported("it is on huge pages of hugetlb")),
            FileSystem::Tmpfs | FileSystem::Other => {}
        }
        let how = if segment.access == Access::Write { flags::O_RDWR } else { flags::O_RDONLY };
        file::open(&format!("/proc/self/fd/{}", fd.as_raw_fd()), how, 0).called("open")
    })
}

fn busy_directory(table: &MemberTable, word: Word) -> Error {
    let owner = Token::from_word(word.load() & !mutex::WAITERS).and_then(|token| table.describe(token));
    let who = owner.map_or_else(String::new, |owner| format!(" by {owner}"));
    Error::own("ERR_SHM_TIMED_OUT", format!("its directory is being changed{who} for {PATIENCE:?} already"))
}

fn unsupported(why: &str) -> Error {
    Error::own("ERR_SHM_UNSUPPORTED", format!("it cannot be a managed segment: {why}"))
}
