//! A condition variable: a `gate` whose sequence is the condition itself.
//!
//! A waiter reads the sequence while it holds the mutex that guards what it waits for, gives the mutex back, and waits for another sequence. As
//! everywhere, it may wake for no reason, and looks again in a loop.

use super::gate::Gate;
use super::wait::{Answer, Step, Wait};
use crate::error::Result;
use crate::fail_point;
use crate::membership::Platform;

/// Waiting to be notified.
#[derive(Debug)]
pub struct Notified<W> {
    gate: Gate<W>,
    from: u32,
    slept: bool,
}

impl<W: Copy> Notified<W> {
    /// The wait begins here; the caller still holds the mutex, and gives it back before the first step.
    pub fn begin<P: Platform<Word = W>>(platform: &P, gate: W, sequence: W) -> Self {
        let gate = Gate { gate, sequence };
        Self { gate, from: gate.arm(platform), slept: false }
    }

    /// The wait that began when the sequence was `from`.
    pub const fn since(gate: W, sequence: W, from: u32) -> Self {
        Self { gate: Gate { gate, sequence }, from, slept: false }
    }

    /// Where it began.
    pub const fn from(&self) -> u32 {
        self.from
    }
}

impl<P: Platform> Wait<P> for Notified<P::Word> {
    fn step(&mut self, platform: &P, _recheck: bool) -> Result<Step<P::Word>> {
        fail_point::reach(if self.slept { "condition.slept" } else { "condition.released" });
        if self.gate.arm(platform) != self.from {
            self.gate.pass(platform, self.slept);
            return Ok(Step::Answered(Answer::Done));
        }
        self.slept = true;
        Ok(Step::Asleep(self.gate.sleep(self.from)))
    }

    fn give_up(&mut self, platform: &P) -> Option<Answer> {
        self.gate.pass(platform, self.slept);
        (platform.load(self.gate.sequence) != self.from).then_some(Answer::Done)
    }

    /// The notification goes to another.
    fn give_back(&mut self, platform: &P, _answer: Answer) {
        notify(platform, self.gate.gate, self.gate.sequence, 1);
    }

    fn busy_word(&self) -> Option<P::Word> {
        Some(self.gate.gate)
    }

    fn word_count(&self) -> usize {
        2
    }
}

/// Wakes up to `count` waiters.
pub fn notify<P: Platform>(platform: &P, gate: P::Word, sequence: P::Word, count: u32) {
    platform.set_pending(Some(gate));
    platform.add(sequence, 1);
    fail_point::reach("condition.told");
    Gate { gate, sequence }.open(platform, count);
    platform.set_pending(None);
}
