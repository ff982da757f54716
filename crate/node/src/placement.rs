//! Where the pages of a segment are: locked, huge, brought in, on which NUMA node.

use crate::convert::{number, size, whole};
use crate::error::{ErrorFacts, OrThrow, facts};
use crate::options::extent;
use crate::segment::NativeSegment;
use napi::bindgen_prelude::{Env, Int32Array, PromiseRaw};
use napi::{Result, Task};
use napi_derive::napi;
use shmem_core::error::{Errno, Named};
use shmem_core::memory::{Access, Extent, Locking, Pinned};
use shmem_core::sys::machine;
use shmem_core::sys::numa::{self, Policy};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the kernel keeps of the pages, in bytes.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "see shmem_core::memory::PageFacts")]
pub struct NativePageFacts {
    pub resident: f64,
    pub proportional: f64,
    pub swapped: f64,
    pub locked: f64,
    pub hugetlb: f64,
    pub transparent: f64,
    pub undumped: f64,
}

/// A policy of get_mempolicy(2).
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "see shmem_core::sys::numa::Policy")]
pub struct NativePolicy {
    pub mode: i32,
    pub nodes: Vec<u32>,
}

impl From<Policy> for NativePolicy {
    fn from(policy: Policy) -> Self {
        Self { mode: policy.mode, nodes: policy.nodes }
    }
}

/// On which nodes pages are: nodes and their numbers of pages, in the same order.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "see shmem_core::memory::NodePages")]
pub struct NativeNodePages {
    pub nodes: Vec<u32>,
    pub pages: Vec<f64>,
    pub absent: f64,
    pub page_size: f64,
}

/// How bringing pages in ended.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct NativePopulated {
    /// Page faults it took.
    pub page_faults: f64,
    /// What ended it.
    pub error: Option<ErrorFacts>,
}

/// Pages brought in, and made huge where that is asked, on a thread of the pool, which keeps the mapping meanwhile.
pub struct Populate {
    pinned: Pinned,
    extent: Extent,
    for_writing: bool,
    collapses: bool,
}

impl std::fmt::Debug for Populate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Populate").field("extent", &self.extent).finish_non_exhaustive()
    }
}

impl Task for Populate {
    type Output = shmem_core::Result<u64>;
    type JsValue = NativePopulated;

    fn compute(&mut self) -> Result<Self::Output> {
        let work = || {
            let before = machine::thread_page_faults();
            self.pinned.mapping().populate(self.extent, self.for_writing)?;
            if self.collapses {
                self.pinned.mapping().collapse(self.extent)?;
            }
            Ok(machine::thread_page_faults().saturating_sub(before))
        };
        // A panic must not cross into the pool's C.
        catch_unwind(AssertUnwindSafe(work))
            .map_err(|_| napi::Error::from_reason("bringing pages in panicked"))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(match output {
            Ok(page_faults) => NativePopulated { page_faults: number(page_faults), error: None },
            Err(error) => NativePopulated { page_faults: 0.0, error: Some(facts(&error)) },
        })
    }
}

#[napi]
impl NativeSegment {
    /// `mlock2(2)` of all of it; a failure leaves it as it was.
    #[napi(catch_unwind)]
    pub fn lock_whole(&self, env: Env, on_fault: bool) -> Result<()> {
        let how = if on_fault { Locking::OnFault } else { Locking::Now };
        if how == Locking::Now {
            // A lock brings every page in.
            self.segment
                .refuse_more_than_memory(Extent::default())
                .map_err(|error| self.blamed(error))
                .or_throw(&env)?;
        }
        self.segment.mapping.lock_whole(how).map_err(|error| self.blamed(error)).or_throw(&env)
    }

    /// `munlock(2)` of all of it.
    #[napi(catch_unwind)]
    pub fn unlock_whole(&self, env: Env) -> Result<()> {
        self.segment.mapping.unlock_whole().map_err(|error| self.blamed(error)).or_throw(&env)
    }

    /// `/proc/self/smaps` of the mapping.
    #[napi(catch_unwind)]
    pub fn page_facts(&self, env: Env) -> Result<NativePageFacts> {
        let facts = self.segment.mapping.page_facts().map_err(|error| self.blamed(error)).or_throw(&env)?;
        Ok(NativePageFacts {
            resident: number(facts.resident),
            proportional: number(facts.proportional),
            swapped: number(facts.swapped),
            locked: number(facts.locked),
            hugetlb: number(facts.hugetlb),
            transparent: number(facts.transparent),
            undumped: number(facts.undumped),
        })
    }

    /// Refuses what there is no memory for.
    #[napi(catch_unwind)]
    pub fn refuse_more_than_memory(&self, env: Env, offset: f64, length: f64) -> Result<()> {
        let extent = extent(offset, length)?;
        self.segment.refuse_more_than_memory(extent).map_err(|error| self.blamed(error)).or_throw(&env)
    }

    /// Brings every page in. Answers the page faults it took.
    #[napi(catch_unwind)]
    pub fn populate(&self, env: Env, offset: f64, length: f64) -> Result<f64> {
        let extent = extent(offset, length)?;
        self.segment.populate(extent).map_err(|error| self.blamed(error)).or_throw(&env).map(number)
    }

    /// As `populate`, on a thread of the pool. Spawned here, not returned as a task, which would keep this object borrowed, and
    /// `close` away, until it ends.
    #[napi(catch_unwind, ts_return_type = "Promise<NativePopulated>")]
    pub fn populate_beside<'env>(
        &self,
        env: &'env Env,
        offset: f64,
        length: f64,
        collapses: bool,
    ) -> Result<PromiseRaw<'env, NativePopulated>> {
        let extent = extent(offset, length)?;
        let pinned = self.segment.mapping.pin().map_err(|error| self.blamed(error)).or_throw(env)?;
        let for_writing = self.segment.access != Access::Read;
        Ok(env.spawn(Populate { pinned, extent, for_writing, collapses })?.promise_object())
    }

    /// Makes transparent huge pages.
    #[napi(catch_unwind)]
    pub fn collapse(&self, env: Env, offset: f64, length: f64) -> Result<()> {
        let extent = extent(offset, length)?;
        self.segment.collapse(extent).map_err(|error| self.blamed(error)).or_throw(&env)
    }

    /// `mbind(2)`.
    #[napi(catch_unwind)]
    pub fn bind_to_nodes(
        &self,
        env: Env,
        offset: f64,
        length: f64,
        mode: i32,
        nodes: Vec<u32>,
        move_flags: u32,
    ) -> Result<()> {
        let extent = extent(offset, length)?;
        self.segment
            .mapping
            .bind_to_nodes(extent, mode, &nodes, move_flags)
            .map_err(|error| self.blamed(error))
            .or_throw(&env)
    }

    /// `get_mempolicy(2)` with `MPOL_F_ADDR`.
    #[napi(catch_unwind)]
    pub fn node_policy(&self, env: Env, offset: f64, extra_flags: i32) -> Result<NativePolicy> {
        let offset = whole(offset)?;
        let policy = self.segment.mapping.node_policy(offset, extra_flags);
        policy.map_err(|error| self.blamed(error)).or_throw(&env).map(Into::into)
    }

    /// On which nodes pages are.
    #[napi(catch_unwind)]
    pub fn pages_by_node(&self, env: Env, offset: f64, length: f64) -> Result<NativeNodePages> {
        let extent = extent(offset, length)?;
        let report =
            self.segment.mapping.pages_by_node(extent).map_err(|error| self.blamed(error)).or_throw(&env)?;
        Ok(NativeNodePages {
            nodes: report.by_node.iter().map(|(node, _)| *node).collect(),
            pages: report.by_node.iter().map(|(_, pages)| number(*pages)).collect(),
            absent: number(report.absent),
            page_size: size(report.page_size_bytes),
        })
    }

    /// `move_pages(2)`.
    #[napi(catch_unwind)]
    pub fn move_pages(
        &self,
        env: Env,
        offsets: Vec<f64>,
        nodes: Option<Vec<i32>>,
        move_flags: i32,
    ) -> Result<Int32Array> {
        let offsets = offsets.into_iter().map(whole).collect::<Result<Vec<u64>>>()?;
        self.segment
            .mapping
            .move_pages(&offsets, nodes.as_deref(), move_flags)
            .map_err(|error| self.blamed(error))
            .or_throw(&env)
            .map(Int32Array::new)
    }
}

/// `set_mempolicy(2)`, for this thread.
#[napi(catch_unwind)]
pub fn set_mempolicy(env: Env, mode: i32, nodes: Vec<u32>) -> Result<()> {
    numa::set_mempolicy(mode, &nodes).called("set_mempolicy").or_throw(&env)
}

/// `get_mempolicy(2)` of this thread.
#[napi(catch_unwind)]
pub fn get_mempolicy(env: Env, policy_flags: i32) -> Result<NativePolicy> {
    let by_address = policy_flags & numa::flags::MPOL_F_ADDR != 0;
    let policy = if by_address { Err(Errno::EINVAL) } else { numa::get_mempolicy(0, policy_flags) };
    policy.called("get_mempolicy").or_throw(&env).map(Into::into)
}

/// Bytes of a transparent huge page; 0 where the kernel has none.
#[napi(catch_unwind)]
pub fn transparent_page_size() -> f64 {
    machine::transparent_page_size_bytes().map_or(0.0, size)
}
