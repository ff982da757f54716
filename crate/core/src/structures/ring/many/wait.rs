//! Sleeping at an end of a ring of many.

use super::super::End;
use super::{Gate, LOOKS_MAX, Many, Part, Seen, corrupt};
use crate::error::Result;
use crate::fail_point;
use crate::membership::{Life, Platform, Sleep};
use crate::sync::gate;
use crate::sync::mutex::WAITERS;
use crate::sync::wait::{Answer, Step, Wait};

impl<W: Copy> Gate<W> {
    pub(super) fn is_armed<P: Platform<Word = W>>(self, platform: &P) -> bool {
        platform.load(self.word) & WAITERS != 0
    }

    pub(super) fn arm<P: Platform<Word = W>>(self, platform: &P) -> Sleep<W> {
        gate::close(platform, self.word);
        fail_point::reach("many.armed");
        Sleep::new().on(self.word, WAITERS).on(self.sequence, platform.load(self.sequence))
    }

    /// Wakes all who sleep here. Answers whether anybody may; then this gate is the pending word.
    pub(super) fn open<P: Platform<Word = W>>(self, platform: &P) -> bool {
        if !self.is_armed(platform) {
            return false;
        }
        // While the bit is away nobody else wakes them: it is this gate that the kernel has to know of, whatever else is opened besides.
        platform.set_pending(Some(self.word));
        platform.store(self.word, 0);
        // Another may arm it again at once, and who looked long before would fall asleep.
        platform.add(self.sequence, 1);
        fail_point::reach("many.opened");
        platform.wake(self.word, u32::MAX);
        true
    }
}

/// Waiting until there may be something at an end. It claims nothing: whoever waited tries again.
#[derive(Debug)]
pub struct EndWait<W, C> {
    ring: Many<W, C>,
    end: End,
    slept: bool,
}

impl<W: Copy, C: Fn(Part) -> W> EndWait<W, C> {
    /// Waits for room or for items.
    pub const fn new(ring: Many<W, C>, end: End) -> Self {
        Self { ring, end, slept: false }
    }

    /// As the ring's, which may have other gates pending on its way.
    fn unblock<P: Platform<Word = W>>(
        &self,
        platform: &P,
        position: u32,
        claim: u32,
        recheck: bool,
    ) -> Result<Option<Life<W>>> {
        let life = self.ring.unblock(platform, position, claim, recheck)?;
        if life.is_none() {
            platform.set_pending(Some(self.ring.gate(self.end).word));
        }
        Ok(life)
    }

    /// In this order: who sits down later changes the sequence, and what the seated did before they were looked at is seen after it.
    fn arm<P: Platform<Word = W>>(&self, platform: &P) -> Sleep<W> {
        let mut sleep = self.ring.gate(self.end).arm(platform);
        if self.end == End::Producer {
            self.ring.watch_seats(platform, &mut sleep);
        }
        sleep
    }

    /// Whether the state leaves nothing to wait for. A claim that stands at the head may still become a message.
    fn is_over(&self, seen: Seen, state: u32) -> bool {
        state != 0 && (self.end == End::Producer || matches!(seen, Seen::Wanting(_)))
    }

    /// Who slept and passes wakes one more: of a publisher that was killed, the kernel wakes but one.
    fn pass<P: Platform<Word = W>>(&self, platform: &P) {
        if self.slept {
            platform.wake(self.ring.gate(self.end).word, 1);
        }
    }
}

impl<P: Platform, C: Fn(Part) -> P::Word> Wait<P> for EndWait<P::Word, C> {
    fn step(&mut self, platform: &P, recheck: bool) -> Result<Step<P::Word>> {
        for _ in 0..LOOKS_MAX {
            let sleep = self.slept.then(|| self.arm(platform));
            // The state first: what was sent before the end is there by now.
            let state = platform.load(self.ring.state);
            let seen = self.ring.look_at(platform, self.end)?;
            match (seen, sleep) {
                (_, _) if self.is_over(seen, state) => {
                    // Of who ended it and was killed at it, the kernel wakes one.
                    platform.wake(self.ring.items.word, 1);
                    platform.wake(self.ring.room.word, 1);
                    return Ok(Step::Answered(Answer::Done));
                }
                (Seen::Ready(_), _) => {
                    self.pass(platform);
                    return Ok(Step::Answered(Answer::Done));
                }
                (Seen::Wanting(position), _) if self.ring.mend(platform, self.end, position) => {}
                (_, None) => self.slept = true,
                (Seen::Wanting(_), Some(sleep)) => return Ok(Step::Asleep(sleep.on(self.ring.state, state))),
                (Seen::Claimed(position, claim), Some(mut sleep)) => {
                    if let Some(life) = self.unblock(platform, position, claim, recheck)? {
                        if life.is_alive {
                            sleep.watch_life(&life);
                        } else {
                            sleep.poll = true;
                        }
                        return Ok(Step::Asleep(sleep.on(self.ring.state, state)));
                    }
                }
            }
        }
        Err(corrupt("the claims in the way do not end"))
    }

    /// It may have swallowed a wake.
    fn give_up(&mut self, platform: &P) -> Option<Answer> {
        fail_point::reach("many.giving_up");
        self.pass(platform);
        None
    }

    /// The message is still there, for others.
    fn give_back(&mut self, platform: &P, _answer: Answer) {
        platform.wake(self.ring.gate(self.end).word, 1);
    }

    fn busy_word(&self) -> Option<P::Word> {
        Some(self.ring.gate(self.end).word)
    }

    fn word_count(&self) -> usize {
        if self.end == End::Producer { 5 + 2 * self.ring.seats as usize } else { 5 }
    }
}
