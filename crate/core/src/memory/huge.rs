//! Which page size a mapping has, where its maker does not say; and where a mapping must lie to have transparent huge ones.

#![expect(unsafe_code, reason = "asks by madvise, looks for a place by mmap")]

use crate::sys::{SysResult, file, machine, mman};
use std::os::fd::BorrowedFd;

/// Bytes of a huge page where the object lies on hugetlbfs, whose block is its page; `None` elsewhere.
pub(super) fn page_size_of_object(fd: BorrowedFd<'_>) -> SysResult<Option<usize>> {
    if file::file_system(fd)? != file::FileSystem::Hugetlbfs {
        return Ok(None);
    }
    Ok(usize::try_from(file::stat(fd)?.block_size_bytes).ok())
}

/// Bytes of a huge page where the flags of mmap(2) ask for one; `None` elsewhere.
pub(super) fn page_size_of_flags(raw_flags: i32) -> Option<usize> {
    if raw_flags & mman::flags::MAP_HUGETLB == 0 {
        return None;
    }
    match (raw_flags >> mman::flags::MAP_HUGE_SHIFT) & mman::flags::MAP_HUGE_MASK {
        0 => Some(machine::huge_page_size_bytes()),
        log2 => 1_usize.checked_shl(log2.cast_unsigned()),
    }
}

/// A free place for `length_bytes` of an object from `offset` on, where its huge pages can be mapped as such: address and offset
/// begin alike within a transparent huge page. Kernels choose so by themselves for some lengths only. It is a hint: another thread may
/// take the place. `None` where no such page fits in, or none is possible.
pub(super) fn transparent_place(length_bytes: usize, offset: u64) -> Option<usize> {
    let huge = machine::transparent_page_size_bytes().filter(|huge| *huge <= length_bytes)?;
    let room = length_bytes.checked_add(huge)?;
    let how = mman::flags::MAP_PRIVATE | mman::flags::MAP_ANONYMOUS | mman::flags::MAP_NORESERVE;
    // SAFETY: without MAP_FIXED no existing mapping is touched.
    let found = unsafe { mman::mmap(0, room, mman::flags::PROT_NONE, how, None, 0) }.ok()?;
    // SAFETY: the range was just mapped, nobody else knows of it, and nobody uses it again.
    let _ = unsafe { mman::munmap(found, room) };
    let inside = usize::try_from(offset % huge as u64).ok()?;
    let place = found.checked_sub(inside)?.checked_next_multiple_of(huge)? + inside;
    // Rounding up went at most one huge page further, which `room` has.
    (place >= found).then_some(place)
}

/// Bytes of a page of the mapping that starts at `start`. Only a System V segment made elsewhere needs this: its creator
/// alone knows whether it asked for huge pages.
///
/// The true answer, /proc/self/smaps, walks every page of the process (milliseconds in Node), so two cheap signs come first:
/// huge mappings start at a multiple of their page, and `MADV_COLD` (Linux 5.4) is `EINVAL` on them, and harmless elsewhere.
pub(super) fn attached_page_size(start: usize) -> usize {
    let base = machine::page_size_bytes();
    if !start.is_multiple_of(machine::huge_page_size_bytes().min(2 << 20)) || takes_cold_advice(start, base) {
        return base;
    }
    kernel_page_size(start).unwrap_or(base)
}

fn takes_cold_advice(start: usize, page_size_bytes: usize) -> bool {
    // SAFETY: the first page of a mapping that was just made, with no Rust object in it; the advice discards nothing.
    unsafe { mman::madvise(start, page_size_bytes, mman::flags::MADV_COLD) }.is_ok()
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
