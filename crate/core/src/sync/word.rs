//! Sleeping until a word of shared memory is notified: what `Atomics.wait` and `Atomics.notify` are inside one process.

use super::wait::{Answer, Step, Wait};
use crate::error::Result;
use crate::membership::{Platform, Sleep};

/// Waiting on a word.
#[derive(Debug)]
pub struct WordWait<W> {
    word: W,
    expected: u32,
    slept: bool,
}

impl<W> WordWait<W> {
    /// Waits until the word is notified, if it is `expected` now.
    pub const fn new(word: W, expected: u32) -> Self {
        Self { word, expected, slept: false }
    }
}

impl<P: Platform> Wait<P> for WordWait<P::Word> {
    fn step(&mut self, platform: &P, recheck: bool) -> Result<Step<P::Word>> {
        let changed = platform.load(self.word) != self.expected;
        if self.slept && (changed || !recheck) {
            return Ok(Step::Answered(Answer::Done));
        }
        if changed {
            return Ok(Step::Answered(Answer::NotEqual));
        }
        self.slept = true;
        Ok(Step::Asleep(Sleep::new().on(self.word, self.expected)))
    }

    fn give_up(&mut self, platform: &P) -> Option<Answer> {
        (self.slept && platform.load(self.word) != self.expected).then_some(Answer::Done)
    }

    fn give_back(&mut self, platform: &P, answer: Answer) {
        if answer == Answer::Done {
            platform.wake(self.word, 1);
        }
    }

    fn busy_word(&self) -> Option<P::Word> {
        None
    }
}
