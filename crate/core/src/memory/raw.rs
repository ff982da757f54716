//! The raw mmap(2): C's arguments, our ownership. For interop and for what the classes do not offer.

use super::backing::Backing;
use super::huge;
use super::mapping::{MapRequest, Mapping, Place};
use super::options::Access;
use super::reserve::Reservation;
use super::segment::Segment;
use crate::error::{Errno, Error, Result};
use crate::sys::mman::flags;
use crate::sys::{file, machine};
use std::os::fd::BorrowedFd;

/// The arguments of mmap(2).
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the names are mmap(2)'s own")]
pub struct MmapArguments {
    /// 0 for none.
    pub address: usize,
    pub length_bytes: u64,
    pub protection: i32,
    pub flags: i32,
    /// Ignored with `MAP_ANONYMOUS`.
    pub fd: i32,
    pub offset: u64,
}

/// `mmap(2)`. An address is a hint, or with `MAP_FIXED_NOREPLACE` a demand; with `MAP_FIXED` it replaces a part of a mapping of ours.
///
/// # Errors
/// Those of mmap(2); EINVAL for `MAP_GROWSDOWN`, which would grow over addresses that are not ours; `ERR_SHM_NOT_OURS`.
pub fn mmap(arguments: &MmapArguments) -> Result<Segment> {
    if arguments.flags & flags::MAP_GROWSDOWN != 0 {
        return Err(Error::system("mmap", Errno::EINVAL).detail("MAP_GROWSDOWN is not supported"));
    }
    let mapping = if arguments.flags & flags::MAP_ANONYMOUS != 0 {
        map(arguments, None, huge::page_size_of_flags(arguments.flags))?
    } else {
        let mut mapped = Err(Error::system("mmap", Errno::EBADF));
        let _ = file::with_borrowed(arguments.fd, |fd| {
            mapped = map(arguments, Some(fd), huge::page_size_of_object(fd).unwrap_or(None));
            Ok(())
        });
        mapped?
    };
    Ok(Segment {
        mapping,
        access: if arguments.protection & flags::PROT_WRITE == 0 { Access::Read } else { Access::Write },
        offset: arguments.offset,
        length_bytes: None,
        created: false,
        reservation: Reservation::None,
        guard: true,
        backing: Backing::None,
    })
}

fn map(
    arguments: &MmapArguments,
    fd: Option<BorrowedFd<'_>>,
    huge_page_bytes: Option<usize>,
) -> Result<std::sync::Arc<Mapping>> {
    Mapping::map(&MapRequest {
        place: place(arguments),
        size_bytes: arguments.length_bytes,
        page_size_bytes: huge_page_bytes.unwrap_or_else(machine::page_size_bytes),
        protection: arguments.protection,
        flags: arguments.flags & !(flags::MAP_FIXED | flags::MAP_FIXED_NOREPLACE),
        fd,
        offset: arguments.offset,
        guard: true,
    })
}

fn place(arguments: &MmapArguments) -> Place {
    let has = |flag| arguments.flags & flag == flag;
    match arguments.address {
        address if has(flags::MAP_FIXED) => Place::Replacing(address),
        address if has(flags::MAP_FIXED_NOREPLACE) => Place::Exactly(address),
        0 => Place::Anywhere,
        address => Place::Hint(address),
    }
}
