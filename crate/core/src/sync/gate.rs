//! A gate: where those sleep whose condition is not one word of the kernel's liking.
//!
//! | word | values | who changes it |
//! |---|---|---|
//! | gate | bit 31: somebody may sleep | a waiter sets it; a notifier who found nobody asleep clears it |
//! | gate | bit 30: all who sleep are being woken | that notifier sets it, and clears it when they are; or a waiter who finds it, and wakes all in its place |
//! | sequence | counts | every notifier |
//!
//! A waiter sets bit 31, reads the sequence, looks at its condition, and sleeps on both words. A notifier changes the condition and the sequence,
//! then looks at the gate. So either the waiter sees the new condition, or the notifier sees the bit (Dekker), or the waiter does not fall asleep. The
//! gate is 0 only when nobody sleeps: while bit 31 is being cleared, bit 30 stands in for it. It never has an owner as the kernel
//! sees it (its bits below 30 are clear), so that a thread that dies with the gate pending passes a wake on.

use crate::fail_point;
use crate::membership::{Platform, Sleep};

use super::mutex::WAITERS;

/// All who sleep are being woken.
const WAKING: u32 = 1 << 30;

/// The two words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate<W> {
    pub(super) gate: W,
    pub(super) sequence: W,
}

impl<W: Copy> Gate<W> {
    /// Says that somebody may sleep. Answers the sequence to sleep on. The caller looks at its condition after this.
    pub(super) fn arm<P: Platform<Word = W>>(self, platform: &P) -> u32 {
        let before = platform.set_bits(self.gate, WAITERS);
        fail_point::reach("gate.closed");
        if before & WAKING != 0 {
            // Whoever was waking may have been killed, and this one alone was woken.
            platform.wake(self.gate, u32::MAX);
            let _ = platform.compare_exchange(self.gate, WAITERS | WAKING, WAITERS);
        }
        platform.load(self.sequence)
    }

    /// The sleep of a waiter that armed the gate and found its condition wanting.
    pub(super) fn sleep(self, sequence: u32) -> Sleep<W> {
        Sleep::new().on(self.gate, WAITERS).on(self.sequence, sequence)
    }

    /// Wakes up to `count` sleepers. The caller changed the condition before, with the gate pending.
    pub(super) fn open<P: Platform<Word = W>>(self, platform: &P, count: u32) {
        // SYNC: the sequence before the gate; a waiter does the reverse.
        platform.add(self.sequence, 1);
        fail_point::reach("gate.counted");
        if platform.load(self.gate) == 0 {
            return;
        }
        if count < u32::MAX && platform.wake(self.gate, count) == count {
            // There may be more.
            return;
        }
        platform.store(self.gate, WAKING);
        fail_point::reach("gate.opened");
        // All: some may have fallen asleep since.
        platform.wake(self.gate, u32::MAX);
        fail_point::reach("gate.woken");
        let _ = platform.compare_exchange(self.gate, WAKING, 0);
    }
}
