//! What callers may ask for, in one place. Defaults are those of the public API.

use crate::error::{Errno, Error, Result};
use crate::sys::mman::flags;
use crate::sys::process;

/// How a segment's bytes may be touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Access {
    /// Reads only; a write is caught by the guard.
    Read,
    /// Reads and writes, seen by everybody.
    #[default]
    Write,
    /// Reads and writes; what is written stays in this mapping (`MAP_PRIVATE`).
    CopyOnWrite,
}

impl Access {
    /// The protection word of mmap(2).
    #[must_use]
    pub const fn protection(self) -> i32 {
        match self {
            Self::Read => flags::PROT_READ,
            Self::Write | Self::CopyOnWrite => flags::PROT_READ | flags::PROT_WRITE,
        }
    }
}

/// Whether huge pages are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HugeWish {
    /// Base pages.
    #[default]
    No,
    /// Huge pages where the pool has them, base pages otherwise.
    Prefer {
        /// Bytes of one huge page, a power of two.
        page_size_bytes: usize,
    },
    /// Huge pages or an error.
    Require {
        /// Bytes of one huge page, a power of two.
        page_size_bytes: usize,
    },
}

impl HugeWish {
    /// Makes something with huge pages of that many bytes, or with base pages (`None`), as the wish has it.
    pub(super) fn attempt<T>(self, mut make: impl FnMut(Option<usize>) -> Result<T>) -> Result<T> {
        match self {
            Self::No => make(None),
            Self::Require { page_size_bytes } => make(Some(page_size_bytes)),
            Self::Prefer { page_size_bytes } => match make(Some(page_size_bytes)) {
                Err(error) if error.errno().is_some_and(|errno| NO_HUGE_PAGES.contains(&errno)) => make(None),
                other => other,
            },
        }
    }
}

/// No pool, no such page size, no permission, no such thing in this kernel.
const NO_HUGE_PAGES: [Errno; 6] =
    [Errno::ENOMEM, Errno::EINVAL, Errno::ENODEV, Errno::ENOENT, Errno::EPERM, Errno::ENOSYS];

/// How an object is mapped.
#[derive(Clone, Copy, Debug)]
pub struct MapOptions {
    /// Default: reads and writes.
    pub access: Access,
    /// First byte of the object to map, a multiple of the page size. Default 0.
    pub offset: u64,
    /// Bytes to map; `None` means to the object's end.
    pub length_bytes: Option<u64>,
    /// Whether faults are caught (default) or kill the process.
    pub guard: bool,
    /// Whether the descriptor stays open after mapping. Default: closed.
    pub keep_fd: bool,
    /// Whether an existing object of another user is refused. Default: taken.
    pub own_only: bool,
}

impl MapOptions {
    /// Called with the owner of what was opened, never of what a name leads to: in between it may be another.
    ///
    /// # Errors
    /// `ERR_SHM_FOREIGN_OWNER`.
    pub(super) fn refuse_foreign(&self, owner: u32) -> Result<()> {
        let own = process::effective_uid();
        if !self.own_only || owner == own {
            return Ok(());
        }
        Err(Error::own(
            "ERR_SHM_FOREIGN_OWNER",
            format!(
                "the object is user {owner}'s, and this process is user {own}'s: somebody else may have made it"
            ),
        ))
    }
}

impl Default for MapOptions {
    fn default() -> Self {
        Self {
            access: Access::Write,
            offset: 0,
            length_bytes: None,
            guard: true,
            keep_fd: false,
            own_only: false,
        }
    }
}

/// How an object is created.
#[derive(Clone, Copy, Debug)]
pub struct CreateOptions {
    /// Bytes; at least 1.
    pub size_bytes: u64,
    /// Permission bits, exact: the umask does not apply.
    pub mode: u32,
    /// Whether memory (or disk) is reserved at once, so that a later touch cannot fail. `None`: as the kind does by
    /// default, which is yes where the kernel can refuse early (POSIX, memfd, files) and no for System V.
    pub reserve: Option<bool>,
    /// Huge pages, for System V and memfd.
    pub huge: HugeWish,
    /// System V with `IPC_PRIVATE` only: removed as soon as it is attached, so that the kernel frees it with the last detach.
    pub remove_on_last_detach: bool,
    /// How it is mapped.
    pub map: MapOptions,
}

impl CreateOptions {
    /// The defaults of the public API for an object of that size.
    #[must_use]
    pub fn new(size_bytes: u64) -> Self {
        Self {
            size_bytes,
            mode: 0o600,
            reserve: None,
            huge: HugeWish::No,
            remove_on_last_detach: false,
            map: MapOptions::default(),
        }
    }
}

/// The two ways to come by a named object that may have to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must not exist (`EEXIST`).
    Create,
    /// It is taken if it exists, else made.
    OpenOrCreate,
}

/// Racing with others who create and remove the same name, open-or-create gives up after so many rounds.
pub const ROUNDS_MAX: u32 = 64;

/// Bytes as an address-space size.
///
/// # Errors
/// `EFBIG` in our words where this machine cannot address them.
pub(super) fn to_usize(bytes: u64) -> Result<usize> {
    usize::try_from(bytes).ok().filter(|bytes| isize::try_from(*bytes).is_ok()).ok_or_else(|| {
        Error::own("ERR_OUT_OF_RANGE", format!("{bytes} bytes are more than this machine can address"))
    })
}

/// `bytes` rounded up to a multiple of `page_size_bytes`, a power of two.
///
/// # Errors
/// As [`to_usize`].
pub(super) fn round_up(bytes: usize, page_size_bytes: usize) -> Result<usize> {
    bytes.checked_next_multiple_of(page_size_bytes).ok_or_else(|| {
        Error::own("ERR_OUT_OF_RANGE", format!("{bytes} bytes are more than this machine can address"))
    })
}
