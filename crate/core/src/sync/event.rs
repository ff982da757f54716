//! The event word: set or not, and a wake for whoever waits for it. The lock word's mirror image: *set* takes the place of *free*.
//!
//! | word | means | who changes it |
//! |---|---|---|
//! | 0 | not set, nobody sleeps | a setter; a waiter, to bit 31 |
//! | bit 31 | not set, somebody may sleep | a setter |
//! | bit 30 | set, nobody sleeps | whoever consumes or resets it |
//! | bits 30 and 31 | set, somebody may still sleep | whoever consumes or resets it, to bit 31; the setter, to bit 30, once it woke nobody (auto) or all (manual) |
//!
//! The bits are above those in which the kernel looks for an owner, so that a setter or waiter that dies passes its wake on. Who slept
//! leaves bit 31 behind when it consumes an event (see [`super::mutex`]), and wakes one more when it passes one that stays set: of a setter that was
//! killed, the kernel wakes but one. All this was checked exhaustively (`crate/core/tests/wait_model.rs`).

use super::mutex::{WAITERS, scribbled};
use super::wait::{Answer, Step, Wait};
use crate::error::Result;
use crate::fail_point;
use crate::membership::{Platform, Sleep};

/// The event is set.
pub const SET: u32 = 1 << 30;

/// What ends "set".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// The first waiter that gets through.
    Auto,
    /// [`reset`] alone.
    Manual,
}

/// Waiting until it is set.
#[derive(Debug)]
pub struct EventWait<W> {
    word: W,
    reset: Reset,
    slept: bool,
}

impl<W> EventWait<W> {
    /// Waits for the event of `word`.
    pub const fn new(word: W, reset: Reset) -> Self {
        Self { word, reset, slept: false }
    }
}

impl<P: Platform> Wait<P> for EventWait<P::Word> {
    fn step(&mut self, platform: &P, _recheck: bool) -> Result<Step<P::Word>> {
        loop {
            let value = platform.load(self.word);
            if value & !(SET | WAITERS) != 0 {
                return Err(scribbled(value));
            }
            if value & SET != 0 {
                let left = if self.slept { WAITERS } else { value & WAITERS };
                match self.reset {
                    Reset::Auto if platform.compare_exchange(self.word, value, left).is_err() => continue,
                    Reset::Manual if self.slept => {
                        platform.wake(self.word, 1);
                    }
                    _ => {}
                }
                fail_point::reach("event.consumed");
                return Ok(Step::Answered(Answer::Done));
            }
            if value == 0 && platform.compare_exchange(self.word, 0, WAITERS).is_err() {
                continue;
            }
            fail_point::reach("event.marked");
            self.slept = true;
            return Ok(Step::Asleep(Sleep::new().on(self.word, WAITERS)));
        }
    }

    /// It may have swallowed a wake.
    fn give_up(&mut self, platform: &P) -> Option<Answer> {
        if self.slept {
            fail_point::reach("event.giving_up");
            let _ = platform.compare_exchange(self.word, 0, WAITERS);
            platform.wake(self.word, 1);
        }
        None
    }

    fn give_back(&mut self, platform: &P, _answer: Answer) {
        if self.reset == Reset::Auto {
            set(platform, self.word, self.reset);
        }
    }

    fn busy_word(&self) -> Option<P::Word> {
        Some(self.word)
    }
}

/// Sets it. Answers whether it was not set before.
pub fn set<P: Platform>(platform: &P, word: P::Word, reset: Reset) -> bool {
    platform.set_pending(Some(word));
    let changed = set_pending(platform, word, reset);
    platform.set_pending(None);
    changed
}

fn set_pending<P: Platform>(platform: &P, word: P::Word, reset: Reset) -> bool {
    loop {
        let value = platform.load(word);
        if value & SET != 0 {
            // SYNC: an exchange, not a look. Who takes the event or resets it before this exchange makes it fail; who does so after it sees what
            // this setter wrote. A load could come before that writing, and the setter's news would be nobody's.
            if platform.compare_exchange(word, value, value).is_err() {
                continue;
            }
            return false;
        }
        // SYNC: releases what the setter wrote to who gets through.
        if platform.compare_exchange(word, value, value | SET).is_err() {
            continue;
        }
        fail_point::reach("event.set");
        if value & WAITERS != 0 {
            let woken = platform.wake(word, if reset == Reset::Auto { 1 } else { u32::MAX });
            fail_point::reach("event.woken");
            if woken == 0 || reset == Reset::Manual {
                let _ = platform.compare_exchange(word, SET | WAITERS, SET);
            }
        }
        return true;
    }
}

/// Makes it not set. Answers whether it was set.
pub fn reset<P: Platform>(platform: &P, word: P::Word) -> bool {
    loop {
        let value = platform.load(word);
        if value & SET == 0 {
            return false;
        }
        if platform.compare_exchange(word, value, value & WAITERS).is_ok() {
            return true;
        }
    }
}
