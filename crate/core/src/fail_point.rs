//! Named places at which a test stops a process, to kill it there. In an ordinary build they are nothing.
//!
//! With the feature `fail-points`, `SHMEM_FAIL_POINT=lock.marked@3` stops the process when it comes to that place for the third
//! time: it says `at lock.marked` on standard output, and sleeps until it is killed. [`KNOWN`] lists all, so that a harness misses none.

/// Every place, in the order of the algorithms.
pub const KNOWN: &[&str] = &[
    "join.byte_locked",
    "join.claimed",
    "join.woken",
    "join.present",
    "join.linked",
    "join.active",
    "leave.begun",
    "leave.freed",
    "leave.unlinked",
    "leave.absent",
    "lock.pending",
    "lock.taken",
    "lock.owner_dead",
    "lock.dead_taken",
    "lock.dead_told",
    "lock.marked",
    "lock.woken",
    "lock.giving_up",
    "lock.gave_up",
    "lock.reset",
    "unlock.pending",
    "unlock.freed",
    "unlock.released",
    "unlock.woken",
    "unlock.cleared",
    "unlock.abandoned",
    "read.marked",
    "read.withdrawn",
    "read.writer_marked",
    "read.writer_told",
    "read.woken",
    "write.taken",
    "write.reader_marked",
    "write.reader_cleared",
    "write.draining",
    "write.released",
    "permit.taken",
    "permit.returned",
    "permit.giving_up",
    "event.set",
    "event.woken",
    "event.marked",
    "event.consumed",
    "event.giving_up",
    "gate.closed",
    "gate.woken",
    "gate.found",
    "gate.opened",
    "object.allocated",
    "object.published",
    "heap.parted",
    "heap.freed",
    "heap.merged",
    "allocate.taken",
    "allocate.unlocked",
    "allocate.lent",
    "free.freed",
    "list.begun",
    "list.taken",
    "list.filled",
    "list.prepared",
    "list.linked",
    "list.linked_back",
    "list.unlinked",
    "list.retired",
    "list.noted",
    "list.promised",
    "list.copied",
    "list.redone",
    "list.rebuilt",
    "list.cleared",
    "list.ended",
    "condition.told",
    "condition.released",
    "condition.slept",
    "barrier.seated",
    "barrier.arrived",
    "barrier.freed",
    "barrier.ended",
    "ring.end_taken",
    "ring.recovered",
    "ring.giving",
    "ring.ended",
    "ring.claimed",
    "ring.written",
    "ring.published",
    "ring.taken",
    "ring.read",
    "ring.released",
    "ring.waiting",
    "many.seated",
    "many.claimed",
    "many.moved",
    "many.taken",
    "many.passed",
    "many.looked",
    "many.announced",
    "many.changed",
    "many.skipped",
    "many.found_dead",
    "many.dead_passed",
    "many.recovered",
    "many.armed",
    "many.opened",
    "many.written",
    "many.read",
    "many.giving_up",
    "many.ended",
    "many.end_taken",
    "seat.taken",
    "seat.recovered",
    "seat.ended",
    "seat.left",
    "news.got",
    "news.giving_up",
    "latest.registered",
    "latest.emptied",
    "latest.cleared",
    "latest.held",
    "latest.helped",
    "latest.chosen",
    "latest.filled",
    "latest.published",
    "broadcast.claimed",
    "broadcast.filled",
    "broadcast.committed",
    "broadcast.counted",
    "broadcast.copied",
    "map.locked",
    "map.taken",
    "map.written",
    "map.published",
    "map.unlinked",
    "map.counted",
    "map.freed",
    "map.evicted",
    "map.emptied",
    "map.cleared",
    "map.repairing",
    "map.swept",
    "map.repaired",
    "map.done",
];

/// The place of that name.
#[cfg(feature = "fail-points")]
pub fn reach(name: &str) {
    use std::io::Write;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WISH: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    debug_assert!(KNOWN.contains(&name), "an unlisted fail point: {name}");
    let wish = WISH.get_or_init(|| {
        let text = std::env::var("SHMEM_FAIL_POINT").ok()?;
        let (name, count) = text.split_once('@').unwrap_or((&text, "1"));
        Some((name.to_owned(), count.parse().ok()?))
    });
    let Some((wished, nth)) = wish else { return };
    if wished == name && COUNT.fetch_add(1, Ordering::Relaxed) + 1 == *nth {
        let mut out = std::io::stdout();
        let _ = writeln!(out, "at {name}");
        let _ = out.flush();
        loop {
            std::thread::park();
        }
    }
}

/// The place of that name: nothing, in an ordinary build.
#[cfg(not(feature = "fail-points"))]
#[inline(always)]
pub const fn reach(_name: &str) {}
