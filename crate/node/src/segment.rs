//! The segment as JavaScript holds it: a mapping, its object, and its views.

use crate::convert::{size, whole};
use crate::error::OrThrow;
use crate::options::extent;
use crate::{convert, shared_view, view};
use napi::Result;
use napi::bindgen_prelude::{Env, Object, Uint8Array, Unknown};
use napi_derive::napi;
use shmem_core::memory::{Access, Backing, Reservation, Segment};
use shmem_core::sys::{file, memfd};
use std::os::fd::{AsFd, AsRawFd};

/// A segment, until it is closed.
#[napi]
#[derive(Debug)]
pub struct NativeSegment {
    pub(crate) segment: Segment,
}

/// How often the segment was touched badly.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "see shmem_core::memory::FaultCounts")]
pub struct NativeFaults {
    pub read_only: u32,
    pub truncated: u32,
    pub hole: u32,
}

/// `fstat(2)`, as far as memory cares.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "the names are stat(2)'s own")]
pub struct NativeObjectStat {
    pub device: f64,
    pub inode: f64,
    pub size: f64,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub links: f64,
    pub allocated_bytes: f64,
}

impl From<file::Stat> for NativeObjectStat {
    fn from(stat: file::Stat) -> Self {
        Self {
            device: convert::number(stat.device),
            inode: convert::number(stat.inode),
            size: convert::number(stat.size_bytes),
            mode: stat.mode,
            uid: stat.uid,
            gid: stat.gid,
            links: convert::number(stat.links),
            allocated_bytes: convert::number(stat.allocated_bytes),
        }
    }
}

impl From<Segment> for NativeSegment {
    fn from(segment: Segment) -> Self {
        Self { segment }
    }
}

#[napi]
impl NativeSegment {
    /// Bytes of the view.
    #[napi(catch_unwind, getter)]
    pub fn size(&self) -> f64 {
        size(self.segment.mapping.size_bytes())
    }

    /// Bytes of whole pages that are mapped.
    #[napi(catch_unwind, getter)]
    pub fn mapped_bytes(&self) -> f64 {
        size(self.segment.mapping.length_bytes())
    }

    /// Bytes of one page.
    #[napi(catch_unwind, getter)]
    pub fn page_size(&self) -> f64 {
        size(self.segment.mapping.page_size_bytes())
    }

    /// First address; below 2^53 on Linux.
    #[napi(catch_unwind, getter)]
    pub fn address(&self) -> f64 {
        size(self.segment.mapping.address())
    }

    /// Whether this opening made the object.
    #[napi(catch_unwind, getter)]
    pub fn created(&self) -> bool {
        self.segment.created
    }

    /// `done`, `none`, `unsupported`.
    #[napi(catch_unwind, getter)]
    pub fn reservation(&self) -> String {
        match self.segment.reservation {
            Reservation::Done => "done",
            Reservation::None => "none",
            Reservation::Unsupported => "unsupported",
        }
        .to_owned()
    }

    /// The System V identifier.
    #[napi(catch_unwind, getter)]
    pub fn id(&self) -> Option<i32> {
        match self.segment.backing {
            Backing::Sysv { id } => Some(id),
            _ => None,
        }
    }

    /// The kept descriptor.
    #[napi(catch_unwind, getter)]
    pub fn fd(&self) -> Option<i32> {
        match &self.segment.backing {
            Backing::Object { fd: Some(fd), .. } => Some(fd.as_raw_fd()),
            _ => None,
        }
    }

    /// Device and inode of the object.
    #[napi(catch_unwind, getter)]
    pub fn identity(&self) -> Option<Vec<f64>> {
        match self.segment.backing {
            Backing::Object { device, inode, .. } => {
                Some(vec![convert::number(device), convert::number(inode)])
            }
            _ => None,
        }
    }

    /// Bad touches so far.
    #[napi(catch_unwind)]
    pub fn faults(&self) -> NativeFaults {
        let counts = self.segment.mapping.faults();
        NativeFaults { read_only: counts.read_only, truncated: counts.truncated, hole: counts.hole }
    }

    /// A new `ArrayBuffer` over the memory; the facade keeps one.
    #[napi(catch_unwind, ts_return_type = "ArrayBuffer")]
    pub fn array_buffer<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        view::array_buffer(env, &self.segment.mapping)
    }

    /// A `SharedArrayBuffer` over the same bytes, with a mapping of its own.
    #[napi(catch_unwind, ts_return_type = "SharedArrayBuffer")]
    pub fn shared_array_buffer<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        shared_view::shared_array_buffer(env, &self.segment.mapping, self.segment.access.protection())
    }

    /// Throws where a lock in it is held.
    #[napi(catch_unwind)]
    pub fn refuse_if_held(&self, env: Env) -> Result<()> {
        self.segment.mapping.refuse_if_held().map_err(|error| self.blamed(error)).or_throw(&env)
    }

    /// Detaches the buffer and unmaps; what `transfer()` took lives on. Closes the kept descriptor.
    #[napi(catch_unwind)]
    pub fn close(&mut self, env: Env, buffer: Option<Object<'_>>) -> Result<()> {
        self.segment.mapping.refuse_if_held().or_throw(&env)?;
        let ours = release_view(&env, buffer.as_ref())?;
        if ours {
            self.segment.mapping.release();
        }
        self.segment.drop_fd();
        Ok(())
    }

    /// Copies bytes out into `target`, a `Uint8Array`.
    #[napi(catch_unwind)]
    pub fn read(
        &self,
        env: Env,
        offset: f64,
        #[napi(ts_arg_type = "Uint8Array")] target: Object<'_>,
    ) -> Result<()> {
        view::copy_out(&env, &self.segment.mapping, whole(offset)?, &target)?.or_throw(&env)
    }

    /// Copies bytes in from `source`, a `Uint8Array`.
    #[napi(catch_unwind)]
    pub fn write(
        &self,
        env: Env,
        offset: f64,
        #[napi(ts_arg_type = "Uint8Array")] source: Object<'_>,
    ) -> Result<()> {
        view::copy_in(&env, &self.segment.mapping, whole(offset)?, &source)?.or_throw(&env)
    }

    /// `mprotect(2)`, with the `PROT_…` word.
    #[napi(catch_unwind)]
    pub fn protect(&self, env: Env, offset: f64, length: f64, protection: i32) -> Result<()> {
        self.segment
            .mapping
            .protect(extent(offset, length)?, protection)
            .map_err(|error| self.blamed(error))
            .or_throw(&env)
    }

    /// `madvise(2)`, with the `MADV_…` word.
    #[napi(catch_unwind)]
    pub fn advise(&self, env: Env, offset: f64, length: f64, advice: i32) -> Result<()> {
        self.segment
            .mapping
            .advise(extent(offset, length)?, advice)
            .map_err(|error| self.blamed(error))
            .or_throw(&env)
    }

    /// `msync(2)`, with the `MS_…` word.
    #[napi(catch_unwind)]
    pub fn flush(&self, env: Env, offset: f64, length: f64, flags: i32) -> Result<()> {
        self.segment
            .mapping
            .flush(extent(offset, length)?, flags)
            .map_err(|error| self.blamed(error))
            .or_throw(&env)
    }

    /// `mlock2(2)`.
    #[napi(catch_unwind)]
    pub fn lock(&self, env: Env, offset: f64, length: f64, flags: i32) -> Result<()> {
        self.segment
            .mapping
            .lock(extent(offset, length)?, flags)
            .map_err(|error| self.blamed(error))
            .or_throw(&env)
    }

    /// `munlock(2)`.
    #[napi(catch_unwind)]
    pub fn unlock(&self, env: Env, offset: f64, length: f64) -> Result<()> {
        self.segment
            .mapping
            .unlock(extent(offset, length)?)
            .map_err(|error| self.blamed(error))
            .or_throw(&env)
    }

    /// `mincore(2)`.
    #[napi(catch_unwind)]
    pub fn residency(&self, env: Env, offset: f64, length: f64) -> Result<Uint8Array> {
        let pages = self
            .segment
            .mapping
            .residency(extent(offset, length)?)
            .map_err(|error| self.blamed(error))
            .or_throw(&env)?;
        Ok(Uint8Array::new(pages))
    }

    /// Unmaps whole pages; a hole stays.
    #[napi(catch_unwind)]
    pub fn unmap_part(&self, env: Env, offset: f64, length: f64) -> Result<()> {
        self.segment
            .mapping
            .unmap_part(extent(offset, length)?)
            .map_err(|error| self.blamed(error))
            .or_throw(&env)
    }

    /// Changes the object's size and maps it anew; the old buffer is detached.
    #[napi(catch_unwind)]
    pub fn resize(&mut self, env: Env, new_size: f64, buffer: Option<Object<'_>>) -> Result<()> {
        let old = self.segment.resize(whole(new_size)?).map_err(|error| self.blamed(error)).or_throw(&env)?;
        retire(&env, &old, buffer.as_ref())
    }

    /// Maps the object anew if its size changed; then the old buffer is detached.
    #[napi(catch_unwind)]
    pub fn refresh(&mut self, env: Env, buffer: Option<Object<'_>>) -> Result<bool> {
        let old = self.segment.refresh().map_err(|error| self.blamed(error)).or_throw(&env)?;
        if let Some(old) = &old {
            retire(&env, old, buffer.as_ref())?;
        }
        Ok(old.is_some())
    }

    /// `fstat(2)` of the object.
    #[napi(catch_unwind)]
    pub fn object_stat(&self, env: Env) -> Result<NativeObjectStat> {
        Ok(self.segment.object_stat().map_err(|error| self.blamed(error)).or_throw(&env)?.into())
    }

    /// `fchmod(2)` and `fchown(2)` of the object.
    #[napi(catch_unwind)]
    pub fn set_owner(&self, env: Env, mode: Option<u32>, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        self.segment.set_owner(mode, uid, gid).map_err(|error| self.blamed(error)).or_throw(&env)
    }

    /// The seals of a memfd.
    #[napi(catch_unwind)]
    pub fn seals(&self, env: Env) -> Result<i32> {
        use shmem_core::error::Named;
        self.segment
            .with_fd(Access::Read, |fd| memfd::seals(fd).called("fcntl"))
            .map_err(|error| self.blamed(error))
            .or_throw(&env)
    }

    /// Adds seals to a memfd.
    #[napi(catch_unwind)]
    pub fn add_seals(&self, env: Env, seals: i32) -> Result<()> {
        use shmem_core::error::Named;
        self.segment
            .with_fd(Access::Read, |fd| memfd::add_seals(fd.as_fd(), seals).called("fcntl"))
            .map_err(|error| self.blamed(error))
            .or_throw(&env)
    }
}

impl NativeSegment {
    /// An error about this segment says so.
    pub(crate) fn blamed(&self, error: shmem_core::Error) -> shmem_core::Error {
        error.or_on(|| self.segment.subject())
    }
}

/// Whether the mapping under the buffer is ours to unmap: there is no buffer, or it could be detached.
fn release_view(env: &Env, buffer: Option<&Object<'_>>) -> Result<bool> {
    buffer.map_or(Ok(true), |buffer| view::detach(env, buffer))
}

fn retire(env: &Env, old: &shmem_core::memory::Mapping, buffer: Option<&Object<'_>>) -> Result<()> {
    if release_view(env, buffer)? {
        old.release();
    }
    Ok(())
}
