//! The facade's options as the core has them. They cross as plain numbers, since each property of an object would cost
//! a look-up by name: what may be asked yes or no is one word of `WISH_…` bits, and a number of 0 means "not given".

use crate::convert::whole;
use napi::{Error, Result, Status};
use napi_derive::napi;
use shmem_core::memory::{Access, CreateOptions, Extent, HugeWish, MapOptions};

/// Reads only. Without this and [`WISH_COPY_ON_WRITE`]: reads and writes.
#[napi]
pub const WISH_READ_ONLY: u32 = 1;
/// Writes stay private.
#[napi]
pub const WISH_COPY_ON_WRITE: u32 = 1 << 1;
/// Faults kill, as without us.
#[napi]
pub const WISH_NO_GUARD: u32 = 1 << 2;
/// The descriptor stays open.
#[napi]
pub const WISH_KEEP_FD: u32 = 1 << 3;
/// Reserved at once. Without this and [`WISH_NO_RESERVE`]: as the kind does by default.
#[napi]
pub const WISH_RESERVE: u32 = 1 << 4;
/// Not reserved.
#[napi]
pub const WISH_NO_RESERVE: u32 = 1 << 5;
/// Huge pages if there are.
#[napi]
pub const WISH_PREFER_HUGE: u32 = 1 << 6;
/// Huge pages or an error.
#[napi]
pub const WISH_REQUIRE_HUGE: u32 = 1 << 7;

/// Another user's object is refused.
#[napi]
pub const WISH_OWN_ONLY: u32 = 1 << 9;
/// Removed once attached.
#[napi]
pub const WISH_REMOVE_ON_LAST_DETACH: u32 = 1 << 8;

/// How an object is mapped: `offset` and `length` in bytes, a length of 0 for all.
pub(crate) fn map_options(wishes: u32, offset: f64, length: f64) -> Result<MapOptions> {
    let has = |wish| wishes & wish != 0;
    Ok(MapOptions {
        access: match (has(WISH_READ_ONLY), has(WISH_COPY_ON_WRITE)) {
            (true, _) => Access::Read,
            (_, true) => Access::CopyOnWrite,
            _ => Access::Write,
        },
        offset: whole(offset)?,
        length_bytes: Some(whole(length)?).filter(|length| *length > 0),
        guard: !has(WISH_NO_GUARD),
        keep_fd: has(WISH_KEEP_FD),
        own_only: has(WISH_OWN_ONLY),
    })
}

/// How an object is created: `size` in bytes, a huge page size of 0 for the machine's default.
pub(crate) fn create_options(
    wishes: u32,
    offset: f64,
    length: f64,
    size: f64,
    mode: u32,
    huge_page_size: f64,
) -> Result<CreateOptions> {
    let has = |wish| wishes & wish != 0;
    Ok(CreateOptions {
        size_bytes: whole(size)?,
        mode,
        reserve: match (has(WISH_RESERVE), has(WISH_NO_RESERVE)) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        },
        huge: match (has(WISH_REQUIRE_HUGE), has(WISH_PREFER_HUGE)) {
            (true, _) => HugeWish::Require { page_size_bytes: page_size(huge_page_size)? },
            (_, true) => HugeWish::Prefer { page_size_bytes: page_size(huge_page_size)? },
            _ => HugeWish::No,
        },
        remove_on_last_detach: has(WISH_REMOVE_ON_LAST_DETACH),
        map: map_options(wishes, offset, length)?,
    })
}

fn page_size(bytes: f64) -> Result<usize> {
    match usize::try_from(whole(bytes)?) {
        Ok(0) => Ok(shmem_core::sys::machine::huge_page_size_bytes()),
        Ok(bytes) if bytes.is_power_of_two() => Ok(bytes),
        _ => Err(Error::new(Status::InvalidArg, format!("a huge page of {bytes} bytes"))),
    }
}

/// A part of a segment: a length of 0 means to the end.
pub(crate) fn extent(offset: f64, length: f64) -> Result<Extent> {
    Ok(Extent { offset: whole(offset)?, length_bytes: Some(whole(length)?).filter(|length| *length > 0) })
}
