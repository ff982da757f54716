//! A gate: where those sleep whose condition the kernel cannot read.
//!
//! | word | values | who changes it |
//! |---|---|---|
//! | gate | 0, or bit 31: somebody may sleep | a waiter sets the bit; a notifier clears it before it wakes, and sets it again when there may be more |
//! | sequence | counts, or is the condition itself | every notifier, before it looks at the gate |
//!
//! A waiter sets the bit, reads the sequence, looks at its condition, and sleeps on both words. A notifier changes the condition and with it the
//! sequence, then looks at the gate. So either the waiter sees the change, or the notifier sees the bit (Dekker), or the kernel sees
//! another sequence. The gate never has an owner as the kernel sees it (its bits below 30 are clear), so that a thread that dies with the gate
//! pending passes a wake on; who slept and passes wakes one more, as the kernel wakes but one.
//!
//! Checked exhaustively (`crate/core/tests/wait_model.rs`), also that it fails where condition and sequence do not change in one step: there something
//! else must wake who sleeps when a notifier is killed in between (see [`super::permits`]).

use crate::fail_point;
use crate::membership::{Platform, Sleep};

use super::mutex::WAITERS;

/// Sets the bit. Of a word that somebody scribbled over the other bits go: the kernel would refuse each sleep on it, and the waiter never rest.
pub(crate) fn close<P: Platform>(platform: &P, gate: P::Word) {
    let before = platform.set_bits(gate, WAITERS);
    if before & !WAITERS != 0 {
        let _ = platform.compare_exchange(gate, before | WAITERS, WAITERS);
    }
}

/// The two words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate<W> {
    /// See the module.
    pub gate: W,
    /// See the module.
    pub sequence: W,
}

impl<W: Copy> Gate<W> {
    /// Says that somebody may sleep; answers the sequence to sleep on. The caller looks at its condition after this.
    pub(crate) fn arm<P: Platform<Word = W>>(self, platform: &P) -> u32 {
        close(platform, self.gate);
        fail_point::reach("gate.closed");
        platform.load(self.sequence)
    }

    /// The sleep of a waiter that armed the gate and found its condition wanting.
    pub(crate) fn sleep(self, sequence: u32) -> Sleep<W> {
        Sleep::new().on(self.gate, WAITERS).on(self.sequence, sequence)
    }

    /// Wakes up to `count` sleepers. The caller changed the condition and the sequence before, with the gate pending.
    #[inline]
    pub(crate) fn open<P: Platform<Word = W>>(self, platform: &P, count: u32) {
        if platform.load(self.gate) & WAITERS != 0 {
            self.open_armed(platform, count);
        }
    }

    #[cold]
    fn open_armed<P: Platform<Word = W>>(self, platform: &P, count: u32) {
        fail_point::reach("gate.found");
        platform.store(self.gate, 0);
        fail_point::reach("gate.opened");
        let woken = platform.wake(self.gate, count);
        fail_point::reach("gate.woken");
        if woken == count {
            // There may be more.
            platform.set_bits(self.gate, WAITERS);
        }
    }

    /// A waiter passes, or gives up. If it slept, it may have been woken in place of others.
    pub(crate) fn pass<P: Platform<Word = W>>(self, platform: &P, slept: bool) {
        if slept {
            platform.wake(self.gate, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(unsafe_code, reason = "words are addresses")]

    use super::*;
    use crate::membership::{Bare, Word};

    #[test]
    fn a_waiter_sleeps_at_a_gate_that_somebody_scribbled_over() {
        for scribble in [0, 1, WAITERS, WAITERS | 7, u32::MAX] {
            let words = [std::sync::atomic::AtomicU32::new(scribble), std::sync::atomic::AtomicU32::new(3)];
            // SAFETY: a live word.
            let gate = unsafe { Word::at(words[0].as_ptr() as usize) };
            let gate = Gate { gate, sequence: gate.next() };
            let sequence = gate.arm(&Bare);
            assert!(
                gate.sleep(sequence).words().all(|(word, expected)| word.load() == expected),
                "{scribble:#x}"
            );
        }
    }
}
