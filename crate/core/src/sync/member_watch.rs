//! Sleeping until somebody joins a segment, leaves it, or dies: on the table's epoch and on the presence words of all who lived at the beginning.

use super::wait::{Answer, RECHECK_LAST, Step, Wait};
use crate::error::Result;
use crate::membership::{MemberTable, Platform, Sleep, Token, Word};
use crate::sys::futex;
use std::time::Duration;

/// Waiting until the list of members is another one than at its making.
#[derive(Debug)]
pub struct MemberWatch {
    epoch: (Word, u32),
    living: Vec<Living>,
    next_recheck: Duration,
}

/// Somebody who lived at the beginning.
#[derive(Clone, Copy, Debug)]
struct Living {
    token: Token,
    presence: (Word, u32),
}

impl MemberWatch {
    /// Watches from this moment on: who lists the members after this misses no change.
    #[must_use]
    pub fn new(table: &MemberTable) -> Self {
        let epoch = (table.epoch(), table.epoch().load());
        let living = table.members().into_iter().filter(|facts| facts.alive).filter_map(|facts| {
            let life = table.look_at(facts.token)?;
            life.is_alive.then_some(Living { token: facts.token, presence: life.presence })
        });
        Self { epoch, living: living.collect(), next_recheck: futex::now() + RECHECK_LAST }
    }

    /// Of a death the kernel wakes one, and that may have been this wait: all who sleep on it are concerned.
    fn pass_on(&self, platform: &MemberTable) -> bool {
        let mut any = false;
        for living in &self.living {
            let (presence, seen) = living.presence;
            if platform.load(presence) != seen {
                platform.wake(presence, u32::MAX);
                any = true;
            }
        }
        any
    }

    /// Looks for deaths that the kernel could not mark; at most once a second, as it asks the kernel of everybody.
    fn recheck(&mut self, platform: &MemberTable) -> bool {
        let now = futex::now();
        if now < self.next_recheck {
            return false;
        }
        self.next_recheck = now + RECHECK_LAST;
        self.living.iter().any(|living| {
            platform.recheck(living.token);
            // Who only observes marks nobody, but sees the same.
            platform.has_left_kernel(living.token)
        })
    }
}

impl Wait<MemberTable> for MemberWatch {
    fn step(&mut self, platform: &MemberTable, recheck: bool) -> Result<Step<Word>> {
        let found = recheck && self.recheck(platform);
        let (epoch, seen) = self.epoch;
        if self.pass_on(platform) || found || platform.load(epoch) != seen {
            return Ok(Step::Answered(Answer::Done));
        }
        let mut sleep = Sleep::new().on(epoch, seen);
        for living in &self.living {
            sleep.watch(living.presence.0, living.presence.1);
        }
        Ok(Step::Asleep(sleep))
    }

    fn give_up(&mut self, platform: &MemberTable) -> Option<Answer> {
        self.pass_on(platform);
        None
    }

    fn give_back(&mut self, _platform: &MemberTable, _answer: Answer) {}

    fn busy_word(&self) -> Option<Word> {
        None
    }
}
