//! Which page size an attachment has.

use crate::sys::machine;

/// Bytes of a page of the mapping that starts at `start`. Only a System V segment made elsewhere needs this: its creator
/// alone knows whether it asked for huge pages. Huge mappings start at a multiple of their page, so most need no look.
pub(super) fn attached_page_size(start: usize) -> usize {
    let base = machine::page_size_bytes();
    if !start.is_multiple_of(machine::huge_page_size_bytes().min(2 << 20)) {
        return base;
    }
    kernel_page_size(start).unwrap_or(base)
}

/// `KernelPageSize` of the mapping that starts at `start`, from `/proc/self/smaps` (proc_pid_smaps(5)).
fn kernel_page_size(start: usize) -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/smaps").ok()?;
    let header = format!("{start:x}-");
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&header));
    let line = lines.find(|line| line.starts_with("KernelPageSize:"))?;
    let kibibytes: usize =
        line["KernelPageSize:".len()..].trim().trim_end_matches(" kB").trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}
