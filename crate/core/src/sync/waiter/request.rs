//! A wait as it is handed to a waiter thread: bound to its platform, and with what keeps its words mapped.

use crate::error::Result;
use crate::membership::{Platform, Sleep, Word};
use crate::memory::Pinned;
use crate::sync::wait::{Answer, Step, Wait, Waited};

/// A wait with all that it needs to go on elsewhere.
pub struct Request {
    pub(super) wait: Box<dyn Bound>,
    pub(super) count: Box<dyn Fn(Waited) + Send>,
    /// Keeps the words mapped. Dropped last.
    pub(super) pin: Pinned,
}

impl Request {
    /// `count` is told what the wait came to; `pin` keeps its words mapped.
    pub fn new<P: Platform<Word = Word> + Send + 'static>(
        platform: P,
        wait: Box<dyn Wait<P> + Send>,
        count: impl Fn(Waited) + Send + 'static,
        pin: Pinned,
    ) -> Self {
        Self { wait: Box::new(On { platform, wait }), count: Box::new(count), pin }
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Request").field("pin", &self.pin).finish_non_exhaustive()
    }
}

/// A wait on the platform it is for.
pub(super) trait Bound: Send {
    fn step(&mut self, recheck: bool) -> Result<Step<Word>>;
    fn give_up(&mut self) -> Option<Answer>;
    fn give_back(&mut self, answer: Answer);
    fn busy_word(&self) -> Option<Word>;
    fn word_count(&self) -> usize;
    fn pass_on_deaths(&self, sleep: &Sleep<Word>);
}

struct On<P> {
    platform: P,
    wait: Box<dyn Wait<P> + Send>,
}

impl<P: Platform<Word = Word> + Send> Bound for On<P> {
    fn step(&mut self, recheck: bool) -> Result<Step<Word>> {
        self.platform.set_pending(self.wait.busy_word());
        let step = self.wait.step(&self.platform, recheck);
        self.platform.set_pending(None);
        step
    }

    fn give_up(&mut self) -> Option<Answer> {
        self.wait.give_up(&self.platform)
    }

    fn give_back(&mut self, answer: Answer) {
        self.wait.give_back(&self.platform, answer);
    }

    fn busy_word(&self) -> Option<Word> {
        self.wait.busy_word()
    }

    fn word_count(&self) -> usize {
        self.wait.word_count()
    }

    fn pass_on_deaths(&self, sleep: &Sleep<Word>) {
        sleep.pass_on_deaths(&self.platform);
    }
}
