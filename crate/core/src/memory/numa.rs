//! Where the pages of a mapping lie: policies by mbind(2), and on which NUMA node each page is.
//!
//! A policy set on shared memory of tmpfs (System V, POSIX, memfd) belongs to the object: who maps it later gets it too.

use super::mapping::Mapping;
use super::pages::Extent;
use crate::error::{Errno, Error, Named, Result};
use crate::sys::numa::{self, Policy, flags};

/// Pages asked about in one call: enough to make the call cheap, few enough to live on the heap unnoticed.
const BATCH: usize = 4096;

/// On which nodes pages are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodePages {
    /// Node and number of pages there, in rising order of nodes.
    pub by_node: Vec<(u32, u64)>,
    /// Pages that this process has not touched yet, whether or not others have.
    pub absent: u64,
    /// Bytes of one page.
    pub page_size_bytes: usize,
}

impl Mapping {
    /// `mbind(2)` of the pages the extent touches.
    ///
    /// # Errors
    /// EFAULT EINVAL EIO ENOMEM ENOSYS EPERM; `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`.
    pub fn bind_to_nodes(&self, extent: Extent, mode: i32, nodes: &[u32], flags: u32) -> Result<()> {
        let _alive = self.living()?;
        let (start, length) = self.touched_pages(extent)?;
        numa::mbind(start, length, mode, nodes, flags).called("mbind")
    }

    /// `get_mempolicy(2)` of the byte at `offset`; `MPOL_F_ADDR` is added.
    ///
    /// # Errors
    /// EFAULT EINVAL ENOSYS EPERM; `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`.
    pub fn node_policy(&self, offset: u64, extra_flags: i32) -> Result<Policy> {
        let _alive = self.living()?;
        let (start, _) = self.touched_pages(Extent { offset, length_bytes: Some(1) })?;
        numa::get_mempolicy(start, extra_flags | flags::MPOL_F_ADDR).called("get_mempolicy")
    }

    /// `move_pages(2)` of the pages at those offsets: to those nodes, or a report only. Answers a node or a negative errno for each.
    ///
    /// # Errors
    /// Those of move_pages(2); `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`.
    pub fn move_pages(&self, offsets: &[u64], nodes: Option<&[i32]>, move_flags: i32) -> Result<Vec<i32>> {
        let no_memory = |_| Error::system("move_pages", Errno::ENOMEM);
        let _alive = self.living()?;
        let mut pages = Vec::new();
        pages.try_reserve_exact(offsets.len()).map_err(no_memory)?;
        for offset in offsets {
            pages.push(self.touched_pages(Extent { offset: *offset, length_bytes: Some(1) })?.0);
        }
        let mut status = Vec::new();
        status.try_reserve_exact(offsets.len()).map_err(no_memory)?;
        status.resize(offsets.len(), 0);
        numa::move_pages(&pages, nodes, &mut status, move_flags).called("move_pages")?;
        Ok(status)
    }

    /// On which nodes the pages of the extent are.
    ///
    /// # Errors
    /// ENOMEM ENOSYS EPERM; `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`.
    pub fn pages_by_node(&self, extent: Extent) -> Result<NodePages> {
        let _alive = self.living()?;
        let (start, length) = self.touched_pages(extent)?;
        let step = self.page_size_bytes();
        let mut report = NodePages { page_size_bytes: step, ..NodePages::default() };
        let mut counts = std::collections::BTreeMap::new();
        let mut status = [0_i32; BATCH];
        let mut pages = Vec::with_capacity(BATCH);
        let mut next = start;
        while next < start + length {
            pages.clear();
            pages.extend((next..start + length).step_by(step).take(BATCH));
            next = pages.last().map_or(start + length, |last| last + step);
            let Some(status) = status.get_mut(..pages.len()) else { break };
            numa::move_pages(&pages, None, status, 0).called("move_pages")?;
            for one in status {
                match u32::try_from(*one) {
                    Ok(node) => *counts.entry(node).or_insert(0) += 1,
                    Err(_) => report.absent += 1,
                }
            }
        }
        report.by_node = counts.into_iter().collect();
        Ok(report)
    }
}
