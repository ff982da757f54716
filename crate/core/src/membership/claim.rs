//! Joining and leaving, as steps over a [`Platform`]: in which order a slot's claim and its presence change.
//!
//! A token lives only while its claim is active and its presence has a thread id. So the presence stands before the claim turns active, and
//! the claim is another generation's before the next presence stands.

use super::platform::{OWNER_DIED, Platform, TID, WAITERS};
use crate::fail_point;

pub(crate) const FREE: u32 = 0;
pub(crate) const JOINING: u32 = 1;
pub(crate) const ACTIVE: u32 = 2;
pub(super) const STATE: u32 = 3;

/// A claim whose member is active.
#[must_use]
pub const fn active_claim(generation: u32) -> u32 {
    generation << 2 | ACTIVE
}

/// Claims a slot for its next generation, and answers which. The caller holds the slot's byte lock: whoever had it is gone, and no other joiner is
/// here. `None`: its generations are used up, as an old token must never come to life.
pub fn claim<P: Platform>(
    platform: &P,
    claim: P::Word,
    presence: P::Word,
    generation_max: u32,
) -> Option<u32> {
    let generation = (platform.load(claim) >> 2).saturating_add(1);
    if generation > generation_max {
        return None;
    }
    platform.store(claim, generation << 2 | JOINING);
    fail_point::reach("join.claimed");
    // Whoever sleeps on the predecessor's death learns of it now, if the kernel could not tell.
    bury(platform, presence);
    platform.wake(claim, u32::MAX);
    fail_point::reach("join.woken");
    Some(generation)
}

/// Does what the kernel does at a death: clears the thread id, sets the mark, and wakes; all, as everybody is concerned.
pub fn bury<P: Platform>(platform: &P, presence: P::Word) {
    let mut word = platform.load(presence);
    while word & TID != 0 {
        match platform.compare_exchange(presence, word, word & WAITERS | OWNER_DIED) {
            Ok(()) => break,
            Err(now) => word = now,
        }
    }
    platform.wake(presence, u32::MAX);
}

/// Lets the presence stand. `link` hangs it into the thread's robust list; a death before that finds it pending.
pub fn appear<P: Platform>(platform: &P, presence: P::Word, thread_id: u32, link: impl FnOnce()) {
    platform.set_pending(Some(presence));
    platform.store(presence, thread_id | WAITERS);
    fail_point::reach("join.present");
    link();
    fail_point::reach("join.linked");
    platform.set_pending(None);
}

/// The claim turns active, once its presence stands. Answers whether it was still this joiner's.
pub fn activate<P: Platform>(platform: &P, claim: P::Word, generation: u32) -> bool {
    platform.compare_exchange(claim, generation << 2 | JOINING, active_claim(generation)).is_ok()
}

/// Frees the claim of one who leaves, before its presence goes.
pub fn free<P: Platform>(platform: &P, claim: P::Word, generation: u32) {
    let _ = platform.compare_exchange(claim, active_claim(generation), generation << 2 | FREE);
    platform.wake(claim, u32::MAX);
    fail_point::reach("leave.freed");
}

/// How a presence goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As one who leaves, and holds nothing.
    Leaves,
    /// As one who died, and may hold something.
    Dies,
}

/// Takes the presence away, by oneself. `unlink` takes it out of the thread's robust list; a death after that finds it pending.
pub fn disappear<P: Platform>(platform: &P, presence: P::Word, ending: Ending, unlink: impl FnOnce()) {
    platform.set_pending(Some(presence));
    unlink();
    fail_point::reach("leave.unlinked");
    platform.store(presence, if ending == Ending::Leaves { 0 } else { OWNER_DIED | WAITERS });
    fail_point::reach("leave.absent");
    platform.wake(presence, u32::MAX);
    platform.set_pending(None);
}

const _: () = assert!(OWNER_DIED != WAITERS && JOINING != ACTIVE);
