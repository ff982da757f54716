//! A gate: where those sleep whose condition is not one word of the kernel's liking.
//!
//! | word | values | who changes it |
//! |---|---|---|
//! | gate | 0, or bit 31: somebody may sleep | a waiter sets the bit; a notifier clears it before it wakes |
//! | sequence | counts | a notifier that found the bit |
//!
//! A waiter sets the bit, reads the sequence, looks at its condition, and sleeps on both words. A notifier changes the condition, then looks at the
//! gate. So either the waiter sees the new condition, or the notifier sees the bit (Dekker). The gate never has an owner as the kernel
//! sees it (its bits below 30 are clear), so that a thread that dies with the gate pending passes a wake on.

use crate::fail_point;
use crate::membership::{Platform, Sleep};

use super::mutex::WAITERS;

/// The two words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate<W> {
    pub(super) gate: W,
    pub(super) sequence: W,
}

impl<W: Copy> Gate<W> {
    /// Says that somebody may sleep, also when a waiter that slept goes: others may sleep on, of whom a killed notifier could not tell. Answers the sequence to sleep on. The caller looks at its condition after this.
    pub(super) fn arm<P: Platform<Word = W>>(self, platform: &P) -> u32 {
        platform.set_bits(self.gate, WAITERS);
        fail_point::reach("gate.closed");
        platform.load(self.sequence)
    }

    /// The sleep of a waiter that armed the gate and found its condition wanting.
    pub(super) fn sleep(self, sequence: u32) -> Sleep<W> {
        Sleep::new().on(self.gate, WAITERS).on(self.sequence, sequence)
    }

    /// Wakes up to `count` sleepers. The caller changed the condition before, with the gate pending.
    pub(super) fn open<P: Platform<Word = W>>(self, platform: &P, count: u32) {
        if platform.load(self.gate) & WAITERS == 0 {
            return;
        }
        platform.add(self.sequence, 1);
        fail_point::reach("gate.counted");
        platform.store(self.gate, 0);
        fail_point::reach("gate.opened");
        let woken = platform.wake(self.gate, count);
        fail_point::reach("gate.woken");
        if woken == count {
            // There may be more.
            platform.set_bits(self.gate, WAITERS);
        }
    }
}
