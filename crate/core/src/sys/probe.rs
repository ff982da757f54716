//! Which system calls this kernel and its container profile let through: each is tried in a form that changes nothing.

#![expect(unsafe_code, reason = "this floor calls C")]

use super::SysResult;
use super::conv::ret_long;
use super::mman::MADV_COLLAPSE;
use crate::error::Errno;

/// A call that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Under its man-page name; an advice of madvise(2) under its own.
    pub name: &'static str,
    /// ENOSYS, EPERM, … where it cannot be used.
    pub refusal: Option<Errno>,
}

/// An impossible value, which a call that is there answers with `EINVAL` and does nothing.
const IMPOSSIBLE: libc::c_long = -1;

/// Tries what some kernels and some containers lack.
#[must_use]
pub fn probe_all() -> Vec<Probe> {
    let calls: [(&'static str, libc::c_long, [libc::c_long; 6]); 7] = [
        // No words at all; no range; no such policy; no nodes; no pages; no such flags; no such descriptors.
        ("futex_waitv", 449, [0, 0, 0, 0, 0, 0]),
        ("mbind", libc::SYS_mbind, [0, 0, 0, 0, 0, 0]),
        ("set_mempolicy", libc::SYS_set_mempolicy, [IMPOSSIBLE, 0, 0, 0, 0, 0]),
        ("get_mempolicy", libc::SYS_get_mempolicy, [0, 0, 0, 0, IMPOSSIBLE, 0]),
        ("move_pages", libc::SYS_move_pages, [0, 0, 0, 0, 0, IMPOSSIBLE]),
        ("memfd_create", libc::SYS_memfd_create, [0, IMPOSSIBLE, 0, 0, 0, 0]),
        ("pidfd_getfd", libc::SYS_pidfd_getfd, [IMPOSSIBLE, IMPOSSIBLE, IMPOSSIBLE, 0, 0, 0]),
    ];
    let mut probes: Vec<Probe> =
        calls.iter().map(|(name, number, arguments)| probe(name, call(*number, arguments))).collect();
    for (name, advice) in
        [("MADV_POPULATE_WRITE", libc::MADV_POPULATE_WRITE), ("MADV_COLLAPSE", MADV_COLLAPSE)]
    {
        // An empty range: an unknown advice is EINVAL all the same.
        let answer = call(libc::SYS_madvise, &[0, 0, advice.into(), 0, 0, 0]);
        let refusal = answer.err().map(|errno| if errno == Errno::EINVAL { Errno::ENOSYS } else { errno });
        probes.push(Probe { name, refusal });
    }
    probes
}

/// Only these two mean that it cannot be used: any other errno came from the call itself.
fn probe(name: &'static str, answer: SysResult<libc::c_long>) -> Probe {
    let refusal = answer.err().filter(|errno| matches!(*errno, Errno::ENOSYS | Errno::EPERM));
    Probe { name, refusal }
}

fn call(number: libc::c_long, arguments: &[libc::c_long; 6]) -> SysResult<libc::c_long> {
    let [a, b, c, d, e, f] = *arguments;
    // SAFETY: only calls of the lists above, with null pointers, lengths of 0 and impossible values: the kernel reads and writes
    // nothing of ours, and changes no state.
    ret_long(unsafe { libc::syscall(number, a, b, c, d, e, f) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_is_found_to_have_what_it_has() {
        let probes = probe_all();
        assert_eq!(probes.len(), 9);
        let memfd = probes.iter().find(|probe| probe.name == "memfd_create").unwrap();
        assert_eq!(memfd.refusal, None);
        assert_eq!(probe("none", call(100_000, &[0; 6])).refusal, Some(Errno::ENOSYS));
    }
}
