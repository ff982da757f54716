//! Facts of the machine: page size, free memory, cgroup limit.

#![expect(unsafe_code, reason = "this floor calls C")]

use std::sync::OnceLock;

/// Bytes of a base page (`sysconf(3)`, `_SC_PAGESIZE`).
#[must_use]
pub fn page_size_bytes() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| {
        nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
            .ok()
            .flatten()
            .and_then(|size| usize::try_from(size).ok())
            .unwrap_or(4096)
    })
}

/// Bytes of the default huge page, from `/proc/meminfo`; 2 MiB where that is silent.
#[must_use]
pub fn huge_page_size_bytes() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| {
        meminfo_bytes("Hugepagesize:").and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(2 << 20)
    })
}

/// Bytes that can be had before this machine, or this control group, runs out; `None` where neither says.
#[must_use]
pub fn available_memory_bytes() -> Option<u64> {
    match (meminfo_bytes("MemAvailable:"), cgroup_headroom_bytes()) {
        (Some(machine), Some(group)) => Some(machine.min(group)),
        (machine, group) => machine.or(group),
    }
}

fn meminfo_bytes(label: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with(label))?;
    let kibibytes: u64 = line[label.len()..].trim().trim_end_matches(" kB").trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The tightest `memory.max - memory.current` from our control group up to the root (cgroup v2), or the
/// v1 pair `memory.limit_in_bytes`, `memory.usage_in_bytes`. Pages of files that nobody used lately count as left, as they go first.
fn cgroup_headroom_bytes() -> Option<u64> {
    let membership = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let mut tightest: Option<u64> = None;
    for line in membership.lines() {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let (root, limit, usage, unused) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file "),
            "memory" => (
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file ",
            ),
            _ => continue,
        };
        let mut folder = std::path::PathBuf::from(format!("{root}{path}"));
        loop {
            let read =
                |file: &str| std::fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok();
            if let (Some(limit), Some(used)) = (read(limit), read(usage)) {
                let stat = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
                let unused = stat.lines().find_map(|line| line.strip_prefix(unused)?.parse::<u64>().ok());
                let headroom = limit.saturating_sub(used.saturating_sub(unused.unwrap_or(0)));
                tightest = Some(tightest.map_or(headroom, |so_far| so_far.min(headroom)));
            }
            if folder.as_os_str() == root || !folder.pop() || !folder.starts_with(root) {
                break;
            }
        }
    }
    tightest
}

/// Bytes of a transparent huge page, from sysfs; `None` where the kernel has none.
#[must_use]
pub fn transparent_page_size_bytes() -> Option<usize> {
    static SIZE: OnceLock<Option<usize>> = OnceLock::new();
    *SIZE.get_or_init(|| {
        let text = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size").ok()?;
        text.trim().parse().ok().filter(|bytes: &usize| bytes.is_power_of_two())
    })
}

/// Page faults of this thread so far: minor and major (`getrusage(2)`).
#[must_use]
pub fn thread_page_faults() -> u64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: getrusage writes one rusage, and `usage` has room for it.
    let status = unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
    if status != 0 {
        return 0;
    }
    // SAFETY: zeroed above and written by the call; every bit pattern is valid.
    let usage = unsafe { usage.assume_init() };
    (usage.ru_minflt + usage.ru_majflt).cast_unsigned()
}

/// Address of a symbol of the running program, by name (`dlsym(3)`, `RTLD_DEFAULT`).
#[must_use]
pub fn symbol(name: &std::ffi::CStr) -> Option<std::ptr::NonNull<std::ffi::c_void>> {
    // SAFETY: `name` is NUL-terminated and outlives the call; RTLD_DEFAULT is always valid.
    std::ptr::NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_says_how_much_memory_it_has() {
        assert!(page_size_bytes().is_power_of_two());
        assert!(huge_page_size_bytes() > page_size_bytes());
        assert!(available_memory_bytes().unwrap() > 1 << 20);
    }
}
