//! NUMA: mbind(2), set_mempolicy(2), get_mempolicy(2), move_pages(2), as system calls, since libnuma is not everywhere.
//!
//! Node masks are 1,024 bits here, as many as any kernel has nodes.

#![expect(unsafe_code, reason = "this floor calls C")]

use super::SysResult;
use super::conv::ret_long;
use crate::error::Errno;

/// Words of `linux/mempolicy.h`; the libc crate lacks the last ones.
pub mod flags {
    pub use libc::{
        MPOL_BIND, MPOL_DEFAULT, MPOL_F_NUMA_BALANCING, MPOL_F_RELATIVE_NODES, MPOL_F_STATIC_NODES,
        MPOL_INTERLEAVE, MPOL_LOCAL, MPOL_PREFERRED,
    };
    /// Linux 5.15.
    pub const MPOL_PREFERRED_MANY: i32 = 5;
    /// Linux 6.9.
    pub const MPOL_WEIGHTED_INTERLEAVE: i32 = 6;
    /// get_mempolicy(2) answers the node of a page, or the next one of an interleaving thread.
    pub const MPOL_F_NODE: i32 = 1;
    /// get_mempolicy(2) looks at an address, not at the thread.
    pub const MPOL_F_ADDR: i32 = 1 << 1;
    /// get_mempolicy(2) answers which nodes this thread may use.
    pub const MPOL_F_MEMS_ALLOWED: i32 = 1 << 2;
    /// Pages that lie elsewhere are `EIO`.
    pub const MPOL_MF_STRICT: i32 = 1;
    /// Pages that only this process maps are moved.
    pub const MPOL_MF_MOVE: i32 = 1 << 1;
    /// All pages are moved; `CAP_SYS_NICE`.
    pub const MPOL_MF_MOVE_ALL: i32 = 1 << 2;
}

const WORDS: usize = 16;
const NODES: u32 = 1024;
/// The kernel takes one off.
const MAX_NODE: libc::c_ulong = NODES as libc::c_ulong + 1;

/// A policy as get_mempolicy(2) tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `MPOL_…`, or a node number with `MPOL_F_NODE`.
    pub mode: i32,
    /// Its nodes, in rising order.
    pub nodes: Vec<u32>,
}

fn mask(nodes: &[u32]) -> SysResult<[u64; WORDS]> {
    let mut words = [0; WORDS];
    for node in nodes {
        let word = usize::try_from(node / 64).ok().and_then(|index| words.get_mut(index));
        *word.ok_or(Errno::EINVAL)? |= 1_u64 << (node % 64);
    }
    Ok(words)
}

/// `mbind(2)`.
///
/// # Errors
/// EFAULT EINVAL EIO ENOMEM ENOSYS EPERM.
pub fn mbind(address: usize, length_bytes: usize, mode: i32, nodes: &[u32], flags: u32) -> SysResult<()> {
    let words = mask(nodes)?;
    let (pointer, bits) = mask_argument(&words, nodes);
    // SAFETY: the kernel reads `bits` bits of `words`, which lives for the call; no contents change, and an unmapped range is EFAULT.
    ret_long(unsafe { libc::syscall(libc::SYS_mbind, address, length_bytes, mode, pointer, bits, flags) })
        .map(drop)
}

/// `set_mempolicy(2)`, for the calling thread.
///
/// # Errors
/// EINVAL ENOMEM ENOSYS EPERM.
pub fn set_mempolicy(mode: i32, nodes: &[u32]) -> SysResult<()> {
    let words = mask(nodes)?;
    let (pointer, bits) = mask_argument(&words, nodes);
    // SAFETY: the kernel reads `bits` bits of `words`, which lives for the call.
    ret_long(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, pointer, bits) }).map(drop)
}

/// Some policies want no mask at all, so that an empty one goes as none.
fn mask_argument(words: &[u64; WORDS], nodes: &[u32]) -> (*const u64, libc::c_ulong) {
    if nodes.is_empty() { (std::ptr::null(), 0) } else { (words.as_ptr(), MAX_NODE) }
}

/// `get_mempolicy(2)`. The address counts with `MPOL_F_ADDR` only. The kernel reads no contents there, but with `MPOL_F_NODE`
/// it brings the page in.
///
/// # Errors
/// EFAULT EINVAL ENOSYS EPERM.
pub fn get_mempolicy(address: usize, flags: i32) -> SysResult<Policy> {
    let mut mode: libc::c_int = 0;
    let mut words = [0_u64; WORDS];
    // SAFETY: the kernel writes one int to `mode` and NODES bits to `words`, which are theirs for the call.
    let status = unsafe {
        libc::syscall(
            libc::SYS_get_mempolicy,
            &raw mut mode,
            words.as_mut_ptr(),
            MAX_NODE,
            address,
            libc::c_long::from(flags),
        )
    };
    ret_long(status)?;
    let is_set = |node: &u32| words[(node / 64) as usize] & 1 << (node % 64) != 0;
    Ok(Policy { mode, nodes: (0..NODES).filter(is_set).collect() })
}

/// `move_pages(2)` on pages of this process. Without `nodes` it moves nothing and tells where each page is; `status` gets, for
/// each page, a node or a negative errno.
///
/// # Errors
/// E2BIG EACCES EFAULT EINVAL ENODEV ENOENT ENOMEM ENOSYS EPERM; lengths that differ are EINVAL of ours.
pub fn move_pages(pages: &[usize], nodes: Option<&[i32]>, status: &mut [i32], flags: i32) -> SysResult<()> {
    if status.len() != pages.len() || nodes.is_some_and(|nodes| nodes.len() != pages.len()) {
        return Err(Errno::EINVAL);
    }
    // SAFETY: the kernel reads as many addresses and nodes as it is told, and writes as many ints: all three slices have that many
    // (just checked). It checks every address; contents stay as they are.
    ret_long(unsafe {
        libc::syscall(
            libc::SYS_move_pages,
            0,
            pages.len(),
            pages.as_ptr(),
            nodes.map_or(std::ptr::null(), <[i32]>::as_ptr),
            status.as_mut_ptr(),
            flags,
        )
    })
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_beyond_every_kernel_is_refused() {
        assert_eq!(mask(&[0, 65, 1023]).unwrap()[..2], [1, 2]);
        assert_eq!(mask(&[1024]), Err(Errno::EINVAL));
    }

    #[test]
    fn lengths_that_differ_are_refused_before_the_kernel_sees_them() {
        assert_eq!(move_pages(&[0, 4096], None, &mut [0], 0), Err(Errno::EINVAL));
        assert_eq!(move_pages(&[0], Some(&[]), &mut [0], 0), Err(Errno::EINVAL));
    }
}
