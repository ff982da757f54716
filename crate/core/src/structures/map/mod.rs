//! A map from keys to values that processes share: readers take no lock, and a member that is killed anywhere leaves a map that all others go on using.

// Its parts, and where they come from:
// - Keys are spread over *shards* by their hash. In a shard the writers keep each other out by a robust `crate::sync::mutex`; a bucket is a list of
//   entries, an entry a chain of equal chunks, so that nothing fragments.
// - An entry never changes while it can be found. A set writes a whole new one into free chunks and then swings *one* word, the link that leads to it:
//   that is when it happened. Read-copy-update (McKenney and Slingwine 1998), with the grace period of a sequence count (the seqlock of Linux;
//   MemC3, Fan, Andersen and Kaminsky 2013, has a count per key, too): between the swing and the reuse of the old chunks the shard's version counts up. A
//   reader that finds the version unchanged after its copy read chunks that nobody had used again. So nobody waits for a writer that was killed or stopped, not
//   even in the middle: there is no "odd" version.
// - What goes where there is no room is found by a clock's hand over the buckets (CLOCK: Corbató 1968, "A Paging Experiment with the Multics System").
// - After a death the next who locks makes one pass over the shard (mark and sweep): what the buckets lead to is kept, all else is free.
//
// The steps of a set, each in one store, and what a kill after it leaves:
//
// | after | readers see | the next who locks finds |
// |---|---|---|
// | lock taken | the old value | nothing to mend but the lock |
// | chunks taken, written | the old value | chunks that nothing leads to: swept |
// | **link swung** | the new value | the old entry's chunks, which nothing leads to: swept, after the version counted up |
// | version counted up | the new value | the same |
// | old chunks on the free list | the new value | counts that are made anew |
// | lock released | the new value | nothing |
//
// A delete is a set whose link leads past the entry; an eviction is a delete. A repair that is killed is done again: it first counts the version up, then
// makes the free list from nothing. Readers write one word, `RECENT`, and may come late with it: so every chunk keeps
// that word for it. Models: `crate/core/tests/loom/map.rs`.
//
// Numbers read from the map are hostile. A chunk's number is bounded once (`shard::Shard`), every walk ends after as many steps as there are chunks, and
// what makes no sense to a writer is repaired as after a death: what is cut off by that is lost, as whoever scribbled wished.

mod cells;
mod change;
mod handle;
mod key;
mod object;
mod read;
mod repair;
mod shard;
mod value;

pub use crate::managed::geometry::map::{Eviction, MapOptions, Values};
pub use change::{Condition, Outcome};
pub use handle::{MapStatistics, SharedMap};
pub use key::Key;
pub use read::{Entry, Found};

#[doc(hidden)]
pub use {
    cells::{Cells, Region},
    change::Write,
    handle::{check_value, no_space},
    key::{KEY_WORDS_MAX, Seed},
    object::MapObject,
    read::Reading,
    shard::{Broken, Shard},
    value::{RawBytes, Source},
};
