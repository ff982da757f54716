//! The front of a managed segment: what it is, where its parts are, and how it comes to be.
//!
//! ```text
//! page 0     header (drawn by `Layout`)
//! page 1 …   member table, a page a slot
//! behind     directory, 128 bytes an entry
//! behind     heap, to the end
//! ```
//!
//! | ready | means | goes on to |
//! |---|---|---|
//! | 0 | blank: nobody made it yet | 1, by a creator who holds the byte lock of the header |
//! | 1 | being made by the named initialiser | 2; or, when the byte lock is free, the initialiser is dead and the next one begins anew |
//! | 2 | made | never anything else |
//!
//! The byte lock is an open-file-description lock (fcntl(2)): the kernel drops it when its holder dies, so nobody waits for a dead
//! initialiser, and no timer decides who is dead.

#![expect(unsafe_code, reason = "the header is an address")]

use super::heap::{self, Heap};
use crate::error::{Errno, Error, Named, Result};
use crate::membership::{SLOTS_MAX, Word};
use crate::sys::{file, machine, process};
use std::mem::offset_of;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// `SHMEM` and what text editors and file transfers spoil, as little-endian bytes.
pub const MAGIC: u64 = u64::from_le_bytes(*b"SHMEM\r\n\x1a");

/// Of everything drawn in this crate. Another version is refused.
pub const LAYOUT_VERSION: u32 = 2;

pub(crate) const BYTE_ORDER: u32 = 0x0102_0304;
const INITIALISING: u32 = 1;
pub(crate) const READY: u32 = 2;

/// The byte whose lock the initialiser holds: below those of the members.
pub(crate) const INITIALISER_BYTE: i64 = (1 << 40) - 1;
/// An initialiser that lives needs milliseconds; one that is stopped is named after this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Entries of the directory that one segment can have.
pub const OBJECTS_MAX: u32 = 1 << 16;
/// Bytes of one entry.
pub const ENTRY_BYTES: u64 = 128;
/// A heap smaller than this is refused.
pub(crate) const HEAP_BYTES_MIN: u64 = 4096;

/// The header's bytes. Read and written word by word, never as a whole.
#[repr(C)]
#[derive(Debug)]
#[expect(missing_docs, reason = "drawn above, and named like `Geometry`'s fields")]
pub struct Layout {
    pub magic: u64,
    pub layout_version: u32,
    pub byte_order: u32,
    /// See the module's table.
    pub ready: u32,
    pub page_size_bytes: u32,
    pub size_bytes: u64,
    pub boot_id: [u8; 16],
    pub slots: u32,
    pub objects: u32,
    pub members_offset: u64,
    pub directory_offset: u64,
    pub heap_offset: u64,
    pub heap_end: u64,
    /// Of the initialiser, for messages.
    pub initialiser_pid: u32,
    /// How often the segment outlived a reboot.
    pub boots: u32,
    pub reserved: [u8; 32],
    /// On a line of its own: changes with every join and leave.
    pub epoch: u32,
    pub epoch_pad: [u8; 124],
    /// A mutex: who makes objects or allocates holds it.
    pub directory_lock: u32,
    pub lock_pad: [u8; 124],
    /// See [`super::heap`].
    pub heap_root: [u8; HEAP_ROOT_BYTES],
}

/// [`heap::ROOT_BYTES`], as an array wants it.
const HEAP_ROOT_BYTES: usize = 256;

const _: () = {
    assert!(HEAP_ROOT_BYTES as u64 == heap::ROOT_BYTES);
    assert!(offset_of!(Layout, ready) == 16);
    assert!(offset_of!(Layout, size_bytes) == 24);
    assert!(offset_of!(Layout, boot_id) == 32);
    assert!(offset_of!(Layout, slots) == 48);
    assert!(offset_of!(Layout, members_offset) == 56);
    assert!(offset_of!(Layout, heap_end) == 80);
    assert!(offset_of!(Layout, initialiser_pid) == 88);
    assert!(offset_of!(Layout, epoch) == 128);
    assert!(offset_of!(Layout, directory_lock) == 256);
    assert!(offset_of!(Layout, heap_root) == 384);
    assert!(size_of::<Layout>() <= 4096);
};

/// Where the parts are: read once, checked, and used from this copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Of the whole segment.
    pub size_bytes: u64,
    /// Of the machine, and so of a member's slot.
    pub page_size_bytes: u64,
    /// Members at once.
    pub slots: u32,
    /// Named objects.
    pub objects: u32,
    /// First byte of the member table.
    pub members_offset: u64,
    /// First byte of the directory.
    pub directory_offset: u64,
    /// First byte of the heap.
    pub heap_offset: u64,
    /// Behind the heap's last byte.
    pub heap_end: u64,
}

impl Geometry {
    /// How a new segment is laid out.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: too many members or objects, or too few bytes for them.
    pub fn plan(size_bytes: u64, slots: u32, objects: u32) -> Result<Self> {
        if !(1..=SLOTS_MAX).contains(&slots) || !(1..=OBJECTS_MAX).contains(&objects) {
            return Err(Error::own(
                "ERR_OUT_OF_RANGE",
                format!(
                    "a segment has 1 to {SLOTS_MAX} members and 1 to {OBJECTS_MAX} objects, not {slots} and {objects}"
                ),
            ));
        }
        let page_size_bytes = machine::page_size_bytes() as u64;
        let members_offset = page_size_bytes;
        let directory_offset = members_offset + u64::from(slots) * page_size_bytes;
        let heap_offset =
            (directory_offset + u64::from(objects) * ENTRY_BYTES).next_multiple_of(page_size_bytes);
        let heap_end = size_bytes & !15;
        let needed = heap_offset + HEAP_BYTES_MIN;
        if size_bytes < needed {
            return Err(Error::own(
                "ERR_OUT_OF_RANGE",
                format!(
                    "{size_bytes} bytes are too few: {slots} members and {objects} objects need {needed} at least"
                ),
            ));
        }
        Ok(Self {
            size_bytes,
            page_size_bytes,
            slots,
            objects,
            members_offset,
            directory_offset,
            heap_offset,
            heap_end,
        })
    }
}

/// The header at an address, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    address: usize,
}

/// What may be done about a segment without a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfBlank {
    /// It is an error.
    Refuse,
    /// It is made, of so many members and objects.
    Make {
        /// Members at once.
        slots: u32,
        /// Named objects.
        objects: u32,
    },
}

impl Header {
    /// The header at `address`.
    ///
    /// # Safety
    /// `address` must be a multiple of the page size, and at least a page there must stay mapped while the header is used.
    #[must_use]
    pub const unsafe fn at(address: usize) -> Self {
        Self { address }
    }

    /// Makes the header if it may, and reads where the parts are.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_MANAGED`; `ERR_SHM_NOT_READY`; `ERR_SHM_VERSION`; `ERR_SHM_POSSIBLY_CORRUPT`; those of [`Geometry::plan`]; EBADF ENOLCK.
    pub fn settle(self, fd: BorrowedFd<'_>, size_bytes: u64, if_blank: IfBlank) -> Result<Geometry> {
        if self.word(offset_of!(Layout, ready)).load() == READY && self.is_of_this_boot() {
            return self.read(size_bytes);
        }
        self.lock_as_initialiser(fd)?;
        let settled = self.settle_locked(size_bytes, if_blank);
        let _ = file::unlock_byte(fd, INITIALISER_BYTE);
        settled
    }

    /// Reads where the parts are, of a segment that is opened for reading only.
    ///
    /// # Errors
    /// As [`Self::settle`].
    pub fn observe(self, size_bytes: u64) -> Result<Geometry> {
        match self.word(offset_of!(Layout, ready)).load() {
            READY => self.read(size_bytes),
            INITIALISING => Err(self.not_ready()),
            _ => Err(not_managed("its header is blank")),
        }
    }

    /// A word of the header, by its offset in [`Layout`].
    #[must_use]
    pub fn word(self, offset: usize) -> Word {
        debug_assert!(
            offset.is_multiple_of(4) && offset < size_of::<Layout>(),
            "callers give offsets of Layout"
        );
        // SAFETY: inside the page that the contract of `at` promises, a multiple of 4.
        unsafe { Word::at(self.address + offset) }
    }

    fn settle_locked(self, size_bytes: u64, if_blank: IfBlank) -> Result<Geometry> {
        match (self.word(offset_of!(Layout, ready)).load(), if_blank) {
            (READY, _) => {
                let geometry = self.read(size_bytes)?;
                if !self.is_of_this_boot() {
                    self.outlive_reboot(&geometry);
                }
                Ok(geometry)
            }
            // The byte lock was free: whoever began is dead.
            (INITIALISING, IfBlank::Make { slots, objects }) => self.make(size_bytes, slots, objects),
            (INITIALISING, IfBlank::Refuse) => Err(self.not_ready()),
            (0, IfBlank::Make { slots, objects }) if self.is_blank() => self.make(size_bytes, slots, objects),
            (0, IfBlank::Refuse) if self.is_blank() => Err(not_managed("its header is blank")),
            _ => Err(not_managed("something else lies where its header would be")),
        }
    }

    fn make(self, size_bytes: u64, slots: u32, objects: u32) -> Result<Geometry> {
        let geometry = Geometry::plan(size_bytes, slots, objects)?;
        self.word(offset_of!(Layout, initialiser_pid)).store(process::pid());
        self.word(offset_of!(Layout, ready)).store(INITIALISING);
        self.write_long(offset_of!(Layout, magic), MAGIC);
        self.word(offset_of!(Layout, layout_version)).store(LAYOUT_VERSION);
        self.word(offset_of!(Layout, byte_order)).store(BYTE_ORDER);
        let page = u32::try_from(geometry.page_size_bytes).unwrap_or(u32::MAX);
        self.word(offset_of!(Layout, page_size_bytes)).store(page);
        self.write_long(offset_of!(Layout, size_bytes), geometry.size_bytes);
        self.write_boot_id();
        self.word(offset_of!(Layout, slots)).store(slots);
        self.word(offset_of!(Layout, objects)).store(objects);
        self.write_long(offset_of!(Layout, members_offset), geometry.members_offset);
        self.write_long(offset_of!(Layout, directory_offset), geometry.directory_offset);
        self.write_long(offset_of!(Layout, heap_offset), geometry.heap_offset);
        self.write_long(offset_of!(Layout, heap_end), geometry.heap_end);
        for offset in (offset_of!(Layout, epoch)..size_of::<Layout>()).step_by(4) {
            self.word(offset).store(0);
        }
        self.blank_parts(&geometry);
        self.heap(&geometry)?.format()?;
        self.word(offset_of!(Layout, ready)).store(READY);
        Ok(geometry)
    }

    /// A user's own segment may have had other bytes behind a blank header, and a dead initialiser may have got far.
    fn blank_parts(self, geometry: &Geometry) {
        for slot in 0..u64::from(geometry.slots) {
            let page = geometry.members_offset + slot * geometry.page_size_bytes;
            for offset in [0, 4, geometry.page_size_bytes - 16, geometry.page_size_bytes - 12] {
                self.part_word(page + offset).store(0);
            }
        }
        let entries_end = geometry.directory_offset + u64::from(geometry.objects) * ENTRY_BYTES;
        for offset in (geometry.directory_offset..entries_end).step_by(4) {
            self.part_word(offset).store(0);
        }
    }

    /// The heap of a segment of that geometry.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn heap(self, geometry: &Geometry) -> Result<Heap> {
        let root = offset_of!(Layout, heap_root) as u64;
        // SAFETY: the geometry was planned for the mapped size, and the root lies in the header's page; the contract of `at` keeps both.
        unsafe { Heap::at(self.address, geometry.heap_offset, geometry.heap_end, root) }
    }

    fn part_word(self, offset: u64) -> Word {
        let offset = usize::try_from(offset).unwrap_or(0);
        // SAFETY: inside the segment, as `Geometry::plan` laid it out for the mapped size; multiples of 4.
        unsafe { Word::at(self.address + offset) }
    }

    fn read(self, mapped_bytes: u64) -> Result<Geometry> {
        let magic = self.long(offset_of!(Layout, magic));
        if magic != MAGIC {
            return Err(not_managed("its first bytes are not those of a managed segment"));
        }
        let version = self.word(offset_of!(Layout, layout_version)).load();
        let byte_order = self.word(offset_of!(Layout, byte_order)).load();
        if version != LAYOUT_VERSION || byte_order != BYTE_ORDER {
            return Err(Error::own(
                "ERR_SHM_VERSION",
                format!(
                    "its layout is version {version} with byte order 0x{byte_order:08x}; this library's is version {LAYOUT_VERSION} with 0x{BYTE_ORDER:08x}"
                ),
            ));
        }
        let size_bytes = self.long(offset_of!(Layout, size_bytes));
        let slots = self.word(offset_of!(Layout, slots)).load();
        let objects = self.word(offset_of!(Layout, objects)).load();
        let said = Geometry {
            size_bytes,
            page_size_bytes: u64::from(self.word(offset_of!(Layout, page_size_bytes)).load()),
            slots,
            objects,
            members_offset: self.long(offset_of!(Layout, members_offset)),
            directory_offset: self.long(offset_of!(Layout, directory_offset)),
            heap_offset: self.long(offset_of!(Layout, heap_offset)),
            heap_end: self.long(offset_of!(Layout, heap_end)),
        };
        if said.page_size_bytes != machine::page_size_bytes() as u64 {
            return Err(Error::own(
                "ERR_SHM_VERSION",
                format!("it was made on a machine with pages of {} bytes", said.page_size_bytes),
            ));
        }
        // One layout follows from three numbers: anything else was scribbled.
        let planned = Geometry::plan(size_bytes, slots, objects).map_err(|_| corrupt_header(&said))?;
        if said != planned {
            return Err(corrupt_header(&said));
        }
        if size_bytes > mapped_bytes {
            return Err(Error::own(
                "ERR_SHM_TRUNCATED",
                format!("it was made with {size_bytes} bytes, and has {mapped_bytes}"),
            ));
        }
        Ok(planned)
    }

    fn outlive_reboot(self, geometry: &Geometry) {
        // No member of an earlier boot lives, whatever its words say.
        for slot in 0..u64::from(geometry.slots) {
            let end = geometry.members_offset + (slot + 1) * geometry.page_size_bytes;
            for word in (end - 32..end).step_by(4) {
                self.part_word(word).store(0);
            }
        }
        self.word(offset_of!(Layout, boots)).fetch_add(1);
        self.write_boot_id();
    }

    fn is_of_this_boot(self) -> bool {
        let boot_id = process::boot_id();
        self.boot_id_words()
            .zip(boot_id.chunks_exact(4))
            .all(|(word, four)| word.load().to_le_bytes() == four)
    }

    fn write_boot_id(self) {
        let boot_id = process::boot_id();
        for (word, four) in self.boot_id_words().zip(boot_id.chunks_exact(4)) {
            word.store(u32::from_le_bytes([four[0], four[1], four[2], four[3]]));
        }
    }

    fn boot_id_words(self) -> impl Iterator<Item = Word> {
        (0..4).map(move |index| self.word(offset_of!(Layout, boot_id) + 4 * index))
    }

    fn is_blank(self) -> bool {
        (0..size_of::<Layout>()).step_by(4).all(|offset| self.word(offset).load() == 0)
    }

    fn lock_as_initialiser(self, fd: BorrowedFd<'_>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match file::lock_byte(fd, INITIALISER_BYTE) {
                Err(Errno::EAGAIN | Errno::EACCES) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(Errno::EAGAIN | Errno::EACCES) => return Err(self.not_ready()),
                other => return other.called("fcntl"),
            }
        }
    }

    fn not_ready(self) -> Error {
        let pid = self.word(offset_of!(Layout, initialiser_pid)).load();
        Error::own(
            "ERR_SHM_NOT_READY",
            format!("process {pid} began to make it a managed segment, and did not finish"),
        )
    }

    fn long(self, offset: usize) -> u64 {
        u64::from(self.word(offset + 4).load()) << 32 | u64::from(self.word(offset).load())
    }

    fn write_long(self, offset: usize, value: u64) {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        self.word(offset).store(u32::from_le_bytes([a, b, c, d]));
        self.word(offset + 4).store(u32::from_le_bytes([e, f, g, h]));
    }
}

fn not_managed(why: &str) -> Error {
    Error::own("ERR_SHM_NOT_MANAGED", format!("it is no managed segment: {why}"))
}

fn corrupt_header(said: &Geometry) -> Error {
    Error::own("ERR_SHM_POSSIBLY_CORRUPT", format!("its header contradicts itself: {said:?}"))
}
