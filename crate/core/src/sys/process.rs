//! Who a process is: pid, thread, PID namespace, start time. Together they outlive the reuse of pids.

#![expect(unsafe_code, reason = "this floor calls C")]

use std::os::unix::fs::MetadataExt;

/// `getpid(2)`.
#[must_use]
pub fn pid() -> u32 {
    std::process::id()
}

/// `geteuid(2)`.
#[must_use]
pub fn effective_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// `gettid(2)`: the calling thread, as its own PID namespace numbers it.
#[must_use]
pub fn tid() -> u32 {
    // SAFETY: takes nothing, cannot fail.
    let tid = unsafe { libc::syscall(libc::SYS_gettid) };
    u32::try_from(tid).unwrap_or(0)
}

/// Inode of this process's PID namespace (pid_namespaces(7)); 0 where /proc does not tell.
#[must_use]
pub fn pid_namespace() -> u64 {
    std::fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino())
}

/// When a process of our PID namespace started, in clock ticks since the boot (field 22 of proc_pid_stat(5)); `None` where
/// there is none, or /proc does not tell.
#[must_use]
pub fn start_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in parentheses, which may itself hold spaces and parentheses.
    let behind_name = &stat[stat.rfind(')')? + 1..];
    behind_name.split_whitespace().nth(19)?.parse().ok()
}

/// The kernel's name for this boot (random(4)); zeroes where /proc does not tell.
#[must_use]
pub fn boot_id() -> [u8; 16] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
    let mut id = [0; 16];
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    id
}

/// Milliseconds since 1970, by this machine's clock.
#[must_use]
pub fn unix_time_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_told_from_others() {
        assert!(tid() > 0);
        assert!(pid_namespace() > 0);
        assert!(start_ticks(pid()).unwrap() > 0);
        assert_ne!(boot_id(), [0; 16]);
        assert_eq!(boot_id(), boot_id());
        assert_eq!(start_ticks(u32::MAX), None);
    }
}
