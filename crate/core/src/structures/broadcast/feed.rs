//! The words of a Broadcast: which message a slot holds, and whether it is whole.
//!
//! A ring that overwrites, each slot guarded by a sequence lock of its own (Christoph Lameter, "Effective Synchronization on Linux/NUMA Systems",
//! 2005; `seqcount_t` of the Linux kernel), where the sequence is the message's position in the whole stream. So a reader knows not only that a
//! slot changed under it, but by how much it was overtaken. Readers write nothing, and the writer knows nothing of them.
//!
//! | stamp and lap of a slot | means | who changes them |
//! |---|---|---|
//! | 0, 0 | nothing yet | the writer |
//! | 2 × low, lap | the message of position lap × 2^31 + low is being written; what was there is gone | the writer: stamp, then lap, then the bytes |
//! | 2 × low + 1, lap | that message is whole: it counts as sent from this store on | the writer |
//!
//! | head | means | who changes it |
//! |---|---|---|
//! | a position | messages before it were sent, and perhaps the one at it | the writer, behind the stamp; the next writer, where one died between the two |
//!
//! | a kill | leaves | who mends it |
//! |---|---|---|
//! | after the stamp says "being written" | a message that nobody sees: the next writer's first message has its position and its slot | the next message |
//! | after the stamp says "whole" | a sent message, and a head that is one behind | the next writer, as it takes the seat |
//!
//! A stamp is read before and after the lap, so that both are of one message; positions have 53 bits, as JavaScript's numbers have.

use crate::fail_point;
use crate::membership::Platform;
use std::sync::atomic::{Ordering, fence};

const LOW_BITS: u32 = 31;
const LOW: u64 = (1 << LOW_BITS) - 1;
/// The end of all positions.
pub const POSITION_MAX: u64 = 1 << 53;
/// So often a reader that is overtaken while it reads begins anew in one call.
pub const OVERTAKEN_MAX: u32 = 1000;

/// The stamp of a message that is being written.
#[must_use]
pub const fn writing(position: u64) -> u32 {
    ((position & LOW) as u32) << 1
}

/// The stamp of a message that is whole.
#[must_use]
pub const fn whole(position: u64) -> u32 {
    writing(position) | 1
}

/// The higher bits of a position.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "positions have 53 bits")]
pub const fn lap(position: u64) -> u32 {
    (position >> LOW_BITS) as u32
}

const fn position_of(stamp: u32, lap: u32) -> u64 {
    (lap as u64) << LOW_BITS | (stamp >> 1) as u64
}

/// Where the head is kept: more than a word.
pub trait Head<P> {
    /// The position.
    fn load(&self, platform: &P) -> u64;
    /// Writes the position, in one store.
    fn store(&self, platform: &P, position: u64);
}

/// The words.
#[derive(Clone, Copy, Debug)]
pub struct Feed<H, S> {
    /// See the module.
    pub head: H,
    /// Stamp and lap of a slot.
    pub slots: S,
    /// A power of two.
    pub count: u32,
}

/// What a reader found at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The message, and it was still whole when it had been copied.
    Message,
    /// It is not sent yet.
    NotYet,
    /// It was overwritten; reading goes on at this position.
    Overtaken(u64),
}

impl<H, S> Feed<H, S> {
    /// The slot of a position.
    #[expect(clippy::cast_possible_truncation, reason = "below `count`")]
    pub const fn slot(&self, position: u64) -> u32 {
        (position & (self.count as u64 - 1)) as u32
    }

    /// Begins the message of that position: what its slot held is gone.
    pub fn begin<P: Platform>(&self, platform: &P, position: u64)
    where
        S: Fn(u32) -> (P::Word, P::Word),
    {
        let (stamp, high) = (self.slots)(self.slot(position));
        platform.store(stamp, writing(position));
        fail_point::reach("broadcast.claimed");
        // SYNC: who reads one of the bytes that are written now sees the stamp before them (smp_wmb in Linux).
        fence(Ordering::Release);
        platform.store(high, lap(position));
    }

    /// Sends it.
    pub fn commit<P: Platform>(&self, platform: &P, position: u64)
    where
        H: Head<P>,
        S: Fn(u32) -> (P::Word, P::Word),
    {
        let (stamp, _) = (self.slots)(self.slot(position));
        // SYNC: releases the bytes to `read`.
        platform.store(stamp, whole(position));
        fail_point::reach("broadcast.committed");
        self.head.store(platform, position + 1);
        fail_point::reach("broadcast.counted");
    }

    /// Where the next message goes. The caller has the writer's seat.
    pub fn recover<P: Platform>(&self, platform: &P) -> u64
    where
        H: Head<P>,
        S: Fn(u32) -> (P::Word, P::Word),
    {
        let head = self.head.load(platform).min(POSITION_MAX);
        let (stamp, high) = (self.slots)(self.slot(head));
        if platform.load(stamp) == whole(head) && platform.load(high) == lap(head) {
            self.head.store(platform, head + 1);
            return head + 1;
        }
        head
    }

    /// Looks for the message of that position; `copy` copies its bytes out, which are good only where the answer says so.
    pub fn read<P: Platform>(&self, platform: &P, position: u64, copy: impl FnOnce()) -> Found
    where
        H: Head<P>,
        S: Fn(u32) -> (P::Word, P::Word),
    {
        let (stamp, high) = (self.slots)(self.slot(position));
        // SYNC: acquires the bytes that `commit` released.
        if platform.load(stamp) == whole(position) && platform.load(high) == lap(position) {
            copy();
            fail_point::reach("broadcast.copied");
            // SYNC: the bytes are read before the stamp is looked at again.
            fence(Ordering::Acquire);
            if platform.load(stamp) == whole(position) && platform.load(high) == lap(position) {
                return Found::Message;
            }
        }
        self.overtaken(platform, position).map_or(Found::NotYet, Found::Overtaken)
    }

    /// Where to go on, if the message of that position was overwritten: not at the very oldest, which is overwritten next.
    fn overtaken<P: Platform>(&self, platform: &P, position: u64) -> Option<u64>
    where
        H: Head<P>,
        S: Fn(u32) -> (P::Word, P::Word),
    {
        let (stamp, high) = (self.slots)(self.slot(position));
        let count = u64::from(self.count);
        let there = (0..OVERTAKEN_MAX).find_map(|_| {
            let first = platform.load(stamp);
            let lap = platform.load(high);
            (platform.load(stamp) == first).then(|| position_of(first, lap))
        })?;
        if there <= position || there >= POSITION_MAX {
            return None;
        }
        let head = self.head.load(platform).min(POSITION_MAX);
        let oldest = head.saturating_sub(count).max((there + 1).saturating_sub(count));
        Some((oldest + count / 8).max(position + 1))
    }
}
