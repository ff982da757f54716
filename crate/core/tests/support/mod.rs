//! Names of our own, and bytes of a mapping, for the integration tests.

#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(unsafe_code, reason = "touches mappings as a user would")]

use shmem_core::memory::Mapping;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// A POSIX name that no other process and no other test uses.
pub(crate) fn unique_name(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("/shmem-core-test-{what}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// One byte of a mapping, read as another process might be writing it.
pub(crate) fn get(mapping: &Mapping, offset: usize) -> u8 {
    byte(mapping, offset).load(Ordering::Relaxed)
}

/// Writes one byte of a mapping.
pub(crate) fn set(mapping: &Mapping, offset: usize, value: u8) {
    byte(mapping, offset).store(value, Ordering::Relaxed);
}

fn byte(mapping: &Mapping, offset: usize) -> &AtomicU8 {
    assert!(offset < mapping.length_bytes());
    // SAFETY: inside the range of the mapping; a byte is aligned; access is atomic. What is not accessible is the guard's to repair.
    unsafe { AtomicU8::from_ptr((mapping.address() + offset) as *mut u8) }
}

/// How many of the kernel's mappings begin inside a range of ours.
pub(crate) fn kernel_mappings_within(mapping: &Mapping) -> usize {
    let range = mapping.address()..mapping.address() + mapping.length_bytes();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let starts = maps.lines().filter_map(|line| usize::from_str_radix(line.split('-').next()?, 16).ok());
    starts.filter(|start| range.contains(start)).count()
}
