//! The facade's options as the core has them. Words were checked by the facade; an unknown one is refused again.

use crate::convert::whole;
use napi::{Error, Result, Status};
use napi_derive::napi;
use shmem_core::memory::{Access, CreateOptions, Extent, HugeWish, MapOptions};

/// How an object is mapped.
#[napi(object, object_to_js = false)]
#[derive(Debug)]
pub struct NativeMapOptions {
    /// `read`, `write`, `copy-on-write`.
    pub access: String,
    /// Bytes.
    pub offset: Option<f64>,
    /// Bytes.
    pub length: Option<f64>,
    /// Whether faults are caught.
    pub guard: bool,
    /// Whether the descriptor stays open.
    pub keep_fd: bool,
}

impl NativeMapOptions {
    pub(crate) fn to_core(&self) -> Result<MapOptions> {
        Ok(MapOptions {
            access: access(&self.access)?,
            offset: self.offset.map_or(Ok(0), whole)?,
            length_bytes: self.length.map(whole).transpose()?,
            guard: self.guard,
            keep_fd: self.keep_fd,
        })
    }
}

/// How an object is created.
#[napi(object, object_to_js = false)]
#[derive(Debug)]
pub struct NativeCreateOptions {
    /// Bytes.
    pub size: f64,
    /// Permission bits.
    pub mode: u32,
    /// Absent: as the kind does by default.
    pub reserve: Option<bool>,
    /// `require`, `prefer`, or absent.
    pub huge_pages: Option<String>,
    /// Bytes; absent: the machine's default.
    pub huge_page_size: Option<f64>,
    /// See there.
    pub map: NativeMapOptions,
}

impl NativeCreateOptions {
    pub(crate) fn to_core(&self) -> Result<CreateOptions> {
        Ok(CreateOptions {
            size_bytes: whole(self.size)?,
            mode: self.mode,
            reserve: self.reserve,
            huge: self.huge()?,
            map: self.map.to_core()?,
        })
    }

    fn huge(&self) -> Result<HugeWish> {
        let page_size_bytes = match self.huge_page_size {
            Some(bytes) => usize::try_from(whole(bytes)?).ok().filter(|bytes| bytes.is_power_of_two()),
            None => Some(shmem_core::sys::machine::huge_page_size_bytes()),
        }
        .ok_or_else(|| unknown("huge page size", "a number that is no power of two"))?;
        match self.huge_pages.as_deref() {
            None => Ok(HugeWish::No),
            Some("prefer") => Ok(HugeWish::Prefer { page_size_bytes }),
            Some("require") => Ok(HugeWish::Require { page_size_bytes }),
            Some(other) => Err(unknown("hugePages", other)),
        }
    }
}

/// A part of a segment.
#[napi(object, object_to_js = false)]
#[derive(Debug)]
pub struct NativeExtent {
    /// Bytes from the segment's start.
    pub offset: f64,
    /// Bytes; absent: to the end.
    pub length: Option<f64>,
}

impl NativeExtent {
    pub(crate) fn to_core(extent: Option<&Self>) -> Result<Extent> {
        let Some(extent) = extent else { return Ok(Extent::default()) };
        Ok(Extent { offset: whole(extent.offset)?, length_bytes: extent.length.map(whole).transpose()? })
    }
}

fn access(word: &str) -> Result<Access> {
    match word {
        "read" => Ok(Access::Read),
        "write" => Ok(Access::Write),
        "copy-on-write" => Ok(Access::CopyOnWrite),
        other => Err(unknown("access", other)),
    }
}

fn unknown(what: &str, got: &str) -> Error {
    Error::new(Status::InvalidArg, format!("unknown {what}: {got}"))
}
