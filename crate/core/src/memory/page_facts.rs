//! What the kernel keeps of a mapping's pages, from `/proc/self/smaps` (proc_pid_smaps(5)).
//!
//! The file walks the page tables of the whole process, milliseconds in Node, so it is read only for who asks.

use super::mapping::Mapping;
use crate::error::{Error, Result};
use std::io::{BufRead, BufReader};

/// What the kernel keeps of a mapping's pages. Bytes, as this process maps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageFacts {
    /// In RAM and mapped here, huge pages of a pool included.
    pub resident: u64,
    /// Each page divided by the number of processes that map it (`Pss`).
    pub proportional: u64,
    /// Swapped out.
    pub swapped: u64,
    /// Locked by mlock(2), as far as resident.
    pub locked: u64,
    /// Huge pages of a pool.
    pub hugetlb: u64,
    /// Transparent huge pages.
    pub transparent: u64,
    /// Kept out of core dumps (`dd`).
    pub undumped: u64,
    /// Marked for locking (`lo`), resident or not.
    pub marked_locked: u64,
}

/// One mapping as smaps tells it.
#[derive(Default)]
struct Area {
    start: usize,
    end: usize,
    facts: PageFacts,
}

impl Mapping {
    /// Reads them.
    ///
    /// # Errors
    /// Those of open(2) and read(2) on /proc; `ERR_SHM_CLOSED`.
    pub fn page_facts(&self) -> Result<PageFacts> {
        let _alive = self.living()?;
        let failed = |error: std::io::Error| {
            let errno = crate::error::Errno::from_raw(error.raw_os_error().unwrap_or(0));
            Error::system("open", errno).on(crate::error::Subject::Path("/proc/self/smaps".into()))
        };
        let file = std::fs::File::open("/proc/self/smaps").map_err(failed)?;
        let (first, end) = (self.address(), self.address() + self.length_bytes());
        let mut sum = PageFacts::default();
        let mut area = Area::default();
        for line in BufReader::with_capacity(1 << 16, file).lines() {
            let line = line.map_err(failed)?;
            if let Some((start, end_of_area)) = bounds(&line) {
                add(&mut sum, &area, first, end);
                area = Area { start, end: end_of_area, facts: PageFacts::default() };
                if start >= end {
                    return Ok(sum);
                }
            } else if area.end > first {
                note(&mut area, &line);
            }
        }
        add(&mut sum, &area, first, end);
        Ok(sum)
    }
}

/// `7f0000000000-7f0000001000 rw-s …`: the line that begins a mapping.
fn bounds(line: &str) -> Option<(usize, usize)> {
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

fn note(area: &mut Area, line: &str) {
    let Some((label, value)) = line.split_once(':') else { return };
    let length = u64::try_from(area.end - area.start).unwrap_or(0);
    if label == "VmFlags" {
        for flag in value.split_whitespace() {
            match flag {
                "dd" => area.facts.undumped = length,
                "lo" => area.facts.marked_locked = length,
                _ => {}
            }
        }
        return;
    }
    let Ok(kibibytes) = value.trim().trim_end_matches(" kB").parse::<u64>() else { return };
    let bytes = kibibytes.saturating_mul(1024);
    let facts = &mut area.facts;
    match label {
        "Rss" => facts.resident += bytes,
        "Pss" => facts.proportional += bytes,
        "Swap" => facts.swapped += bytes,
        "Locked" => facts.locked += bytes,
        // Pages of a pool are in no other sum.
        "Shared_Hugetlb" | "Private_Hugetlb" => {
            facts.hugetlb += bytes;
            facts.resident += bytes;
        }
        "AnonHugePages" | "ShmemPmdMapped" | "FilePmdMapped" => facts.transparent += bytes,
        _ => {}
    }
}

/// Neighbours of the same object may have merged with ours into one mapping; then no sum can be more than our part of it.
fn add(sum: &mut PageFacts, area: &Area, first: usize, end: usize) {
    let ours = area.end.min(end).saturating_sub(area.start.max(first));
    let most = u64::try_from(ours).unwrap_or(0);
    let parts: [(&mut u64, u64); 8] = [
        (&mut sum.resident, area.facts.resident),
        (&mut sum.proportional, area.facts.proportional),
        (&mut sum.swapped, area.facts.swapped),
        (&mut sum.locked, area.facts.locked),
        (&mut sum.hugetlb, area.facts.hugetlb),
        (&mut sum.transparent, area.facts.transparent),
        (&mut sum.undumped, area.facts.undumped),
        (&mut sum.marked_locked, area.facts.marked_locked),
    ];
    for (total, part) in parts {
        *total += part.min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_line_is_told_from_a_fact() {
        assert_eq!(bounds("7f00-7f10 rw-s 00000000 00:01 9 /memfd:x"), Some((0x7f00, 0x7f10)));
        assert_eq!(bounds("Rss:                8192 kB"), None);
        assert_eq!(bounds("VmFlags: rd wr sh"), None);
    }

    #[test]
    fn a_part_of_a_merged_mapping_has_no_more_than_its_own_bytes() {
        let mut area = Area { start: 0x1000, end: 0x5000, facts: PageFacts::default() };
        for line in ["Rss: 16 kB", "Locked: 4 kB", "ShmemPmdMapped: 8 kB", "VmFlags: rd dd lo"] {
            note(&mut area, line);
        }
        let mut sum = PageFacts::default();
        add(&mut sum, &area, 0x2000, 0x4000);
        assert_eq!((sum.resident, sum.locked, sum.transparent, sum.undumped), (8192, 4096, 8192, 8192));
        add(&mut sum, &area, 0x6000, 0x7000);
        assert_eq!(sum.resident, 8192);
    }
}
