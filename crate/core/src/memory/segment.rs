//! A mapping with the object behind it.

use super::backing::{Backing, LIVENESS_BYTE, Origin, open_flags};
use super::mapping::{MapRequest, Mapping, Place};
use super::options::Access;
use super::reserve::{self, Reservation};
use crate::error::{Error, Named, Result, Subject};
use crate::sys::file::{self, Stat};
use crate::sys::{mman, shm};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// A mapping with the object behind it: [`posix`](super::posix), [`memfd`](super::memfd), [`file`](mod@super::file) and [`sysv`](super::sysv) make and open them.
///
/// ```
/// use shmem_core::memory::{CreateOptions, MapOptions, OpenMode, posix};
///
/// # let name = format!("/shmem-doc-segment-{}", std::process::id());
/// # let name = name.as_str();
/// let made = posix::create(name, &CreateOptions::new(4096), OpenMode::Create)?;
/// let opened = posix::open(name, &MapOptions::default())?; // In another process, most likely.
/// made.write(0, b"the same bytes")?;
/// let mut copy = [0; 14];
/// opened.read(0, &mut copy)?;
/// assert_eq!(&copy, b"the same bytes");
/// posix::remove(name)?;
/// # Ok::<(), shmem_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Segment {
    /// The bytes.
    pub mapping: Arc<Mapping>,
    /// How they may be touched.
    pub access: Access,
    /// First byte of the object in the mapping.
    pub offset: u64,
    /// Bytes that were asked for; `None` means to the object's end, wherever that is.
    pub length_bytes: Option<u64>,
    /// Whether this opening made the object.
    pub created: bool,
    /// Whether its memory is there for sure.
    pub reservation: Reservation,
    /// Whether faults are caught, for mappings made later (resize).
    pub guard: bool,
    /// The object.
    pub backing: Backing,
}

impl Segment {
    /// What errors about this segment are about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match &self.backing {
            Backing::Sysv { id } => Subject::Id(*id),
            Backing::Object { origin: Origin::Path(path), .. } => match path.strip_prefix(shm::DIRECTORY) {
                Some(name) => Subject::Name(name.to_owned()),
                None => Subject::Path(path.clone()),
            },
            _ => Subject::None,
        }
    }

    /// `fstat(2)` of the object, through the kept descriptor or by its path.
    ///
    /// # Errors
    /// `ERR_SHM_REMOVED` where the name is gone or names another object and no descriptor was kept; `ERR_SHM_UNSUPPORTED`.
    pub fn object_stat(&self) -> Result<Stat> {
        self.with_fd(Access::Read, |fd| file::stat(fd).called("fstat"))
    }

    /// `fchmod(2)` and `fchown(2)` of the object.
    ///
    /// # Errors
    /// EPERM EROFS; as [`Segment::object_stat`].
    pub fn set_owner(&self, mode: Option<u32>, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        self.with_fd(Access::Read, |fd| {
            if let Some(mode) = mode {
                file::fchmod(fd, mode).called("fchmod")?;
            }
            if uid.is_some() || gid.is_some() {
                file::fchown(fd, uid, gid).called("fchown")?;
            }
            Ok(())
        })
    }

    /// Grows or shrinks the object and maps it anew, whole. Answers the old mapping, which its last holder releases;
    /// others learn of it by [`Segment::refresh`].
    ///
    /// # Errors
    /// EFBIG EINVAL ENOMEM ENOSPC EPERM (sealed); `ERR_SHM_HELD`; as [`Segment::object_stat`].
    pub fn resize(&mut self, size_bytes: u64) -> Result<Arc<Mapping>> {
        self.mapping.refuse_if_held()?;
        let reserve = self.reservation == Reservation::Done;
        let end = self
            .offset
            .checked_add(size_bytes)
            .ok_or_else(|| Error::own("ERR_OUT_OF_RANGE", "the size is too large"))?;
        let mapping = self.with_fd(Access::Write, |fd| {
            let now = file::stat(fd).called("fstat")?.size_bytes;
            if end > now && reserve {
                reserve::size_object(fd, end, true)?;
            } else {
                file::ftruncate(fd, end).called("ftruncate")?;
            }
            self.map_anew(fd, size_bytes)
        })?;
        self.length_bytes = None;
        Ok(std::mem::replace(&mut self.mapping, mapping))
    }

    /// Maps the object anew if its size changed. Answers the old mapping then.
    ///
    /// # Errors
    /// ENOMEM; `ERR_SHM_EMPTY`; `ERR_SHM_HELD`; as [`Segment::object_stat`].
    pub fn refresh(&mut self) -> Result<Option<Arc<Mapping>>> {
        let mapping = self.with_fd(self.access, |fd| {
            let left = file::stat(fd).called("fstat")?.size_bytes.saturating_sub(self.offset);
            let size_bytes = self.length_bytes.map_or(left, |asked| asked.min(left));
            if size_bytes == 0 {
                return Err(Error::own("ERR_SHM_EMPTY", "the object has no bytes left at this offset"));
            }
            if super::options::to_usize(size_bytes)? == self.mapping.size_bytes() {
                return Ok(None);
            }
            self.mapping.refuse_if_held()?;
            self.map_anew(fd, size_bytes).map(Some)
        })?;
        Ok(mapping.map(|mapping| std::mem::replace(&mut self.mapping, mapping)))
    }

    fn map_anew(&self, fd: BorrowedFd<'_>, size_bytes: u64) -> Result<Arc<Mapping>> {
        // The new description carries the sign of life on, as the old one's ends with the old mapping.
        let _ = file::lock_byte_shared(fd, LIVENESS_BYTE);
        let sharing = if self.access == Access::CopyOnWrite {
            mman::flags::MAP_PRIVATE
        } else {
            mman::flags::MAP_SHARED
        };
        Mapping::map(&MapRequest {
            place: Place::Anywhere,
            size_bytes,
            page_size_bytes: self.mapping.page_size_bytes(),
            protection: self.access.protection(),
            flags: sharing,
            fd: Some(fd),
            offset: self.offset,
            guard: self.guard,
        })
    }

    /// Closes the kept descriptor, if there is one.
    pub fn drop_fd(&mut self) {
        if let Backing::Object { fd, .. } = &mut self.backing {
            *fd = None;
        }
    }

    /// Runs `act` with a descriptor of the object: the kept one, or one opened by path if it still leads to the
    /// same object.
    ///
    /// # Errors
    /// See [`Segment::object_stat`].
    pub fn with_fd<T>(&self, access: Access, act: impl FnOnce(BorrowedFd<'_>) -> Result<T>) -> Result<T> {
        let Backing::Object { fd, origin, device, inode, .. } = &self.backing else {
            return Err(Error::own(
                "ERR_SHM_UNSUPPORTED",
                "System V segments have no descriptor and cannot change their size",
            ));
        };
        if let Some(fd) = fd {
            return act(fd.as_fd());
        }
        let Origin::Path(path) = origin else {
            return Err(Error::own(
                "ERR_SHM_REMOVED",
                "the object has no name, and its descriptor was not kept",
            ));
        };
        let gone = || {
            Error::own(
                "ERR_SHM_REMOVED",
                "the name no longer leads to this object, and its descriptor was not kept",
            )
        };
        let fd = match file::open(path, open_flags(access), 0) {
            Ok(fd) => fd,
            Err(crate::error::Errno::ENOENT) => return Err(gone()),
            Err(errno) => return Err(Error::system("open", errno)),
        };
        let stat = file::stat(fd.as_fd()).called("fstat")?;
        if (stat.device, stat.inode) != (*device, *inode) {
            return Err(gone());
        }
        act(fd.as_fd())
    }
}
