//! A semaphore whose permits come back when their holder dies: each permit is a cell that holds a token, never a counter, since a count and
//! its owner cannot change in one step.
//!
//! | cell | means | who changes it |
//! |---|---|---|
//! | 0 | free | an acquirer, to its token |
//! | token | held | its holder, to 0; an acquirer who finds the holder dead, to its own token |
//!
//! Who finds none sleeps on a [`super::gate`], and on the presence of the holders it saw.

use super::gate::Gate;
use super::wait::{Answer, Step, Wait};
use crate::error::{Error, Result};
use crate::fail_point;
use crate::membership::{Platform, Sleep, Token};

/// Sleepers that one returned permit wakes: one takes it, and the other watches the new holder.
const WAKES: u32 = 2;

/// The words of a semaphore.
#[derive(Clone, Copy, Debug)]
pub struct Permits<W, C> {
    /// See [`super::gate`].
    pub gate: W,
    /// See [`super::gate`].
    pub sequence: W,
    /// The cell of a permit, by its index.
    pub cells: C,
    /// How many permits there are.
    pub count: u32,
}

impl<W: Copy, C: Fn(u32) -> W> Permits<W, C> {
    /// How many are free, or held by the dead; stale the moment it returns.
    pub fn available<P: Platform<Word = W>>(&self, platform: &P) -> u32 {
        let is_held = |index: &u32| {
            Token::from_word(platform.load((self.cells)(*index)))
                .is_some_and(|holder| platform.is_alive(holder))
        };
        self.count - u32::try_from((0..self.count).filter(is_held).count()).unwrap_or(0)
    }

    /// Gives a permit of this member back.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_OWNER`: it holds none.
    pub fn release<P: Platform<Word = W>>(&self, platform: &P, token: Token) -> Result<()> {
        platform.set_pending(Some(self.gate));
        let is_returned = (0..self.count)
            .any(|index| platform.compare_exchange((self.cells)(index), token.word(), 0).is_ok());
        if is_returned {
            fail_point::reach("permit.returned");
            // Who saw the permit held watches the presence of this member: a kill between these two steps wakes it.
            platform.add(self.sequence, 1);
            self.as_gate().open(platform, WAKES);
        }
        platform.set_pending(None);
        if is_returned {
            return Ok(());
        }
        Err(Error::own("ERR_SHM_NOT_OWNER", "this member holds no permit"))
    }

    /// Wakes those who wait for a permit: what [`Permits::release`] does after it, for who freed a cell by its own hand.
    pub fn returned<P: Platform<Word = W>>(&self, platform: &P) {
        platform.set_pending(Some(self.gate));
        self.as_gate().open(platform, WAKES);
        platform.set_pending(None);
    }

    fn as_gate(&self) -> Gate<W> {
        Gate { gate: self.gate, sequence: self.sequence }
    }
}

/// Waiting for a permit.
#[derive(Debug)]
pub struct Acquire<W, C> {
    permits: Permits<W, C>,
    token: Token,
    blocks_owner: bool,
    slept: bool,
}

impl<W: Copy, C: Fn(u32) -> W> Acquire<W, C> {
    /// Waits for one of the permits, on behalf of `token`. `blocks_owner`: the waiting thread cannot give one back meanwhile, so that it is a deadlock
    /// where it holds all of them.
    pub const fn new(permits: Permits<W, C>, token: Token, blocks_owner: bool) -> Self {
        Self { permits, token, blocks_owner, slept: false }
    }

    /// Whether this very thread holds all of them, by whichever of its memberships.
    fn are_all_own<P: Platform<Word = W>>(&self, platform: &P) -> bool {
        let mut known = None;
        (0..self.permits.count).all(|index| {
            let holder = Token::from_word(platform.load((self.permits.cells)(index)));
            let is_own = holder.is_some_and(|holder| known == Some(holder) || platform.is_own(holder));
            known = holder;
            is_own
        })
    }

    /// Takes a free permit, or a dead holder's. What it saw of the living goes into `sleep`.
    fn take<P: Platform<Word = W>>(&self, platform: &P, recheck: bool, sleep: &mut Sleep<W>) -> bool {
        let mut seen: [Option<Token>; 8] = [None; 8];
        for index in 0..self.permits.count {
            let cell = (self.permits.cells)(index);
            loop {
                let value = platform.load(cell);
                let holder = Token::from_word(value).filter(|_| value != 0);
                if let Some(holder) = holder.filter(|_| recheck) {
                    platform.recheck(holder);
                }
                let life = holder.and_then(|holder| platform.look_at(holder).map(|life| (holder, life)));
                match life {
                    Some((holder, life)) if life.is_alive => {
                        // One holder's presence is watched once, however many permits it has.
                        if !seen.contains(&Some(holder)) {
                            sleep.watch_life(&life);
                            if let Some(place) = seen.iter_mut().find(|place| place.is_none()) {
                                *place = Some(holder);
                            }
                        }
                        break;
                    }
                    dead => {
                        if let Some((_, life)) = dead {
                            // As in the lock: all who sleep on this death, and one who watches none of the holders there are.
                            platform.wake(life.presence.0, u32::MAX);
                            self.permits.as_gate().open(platform, 1);
                        }
                        if platform.compare_exchange(cell, value, self.token.word()).is_ok() {
                            fail_point::reach("permit.taken");
                            return true;
                        }
                    }
                }
            }
        }
        false
    }
}

impl<P: Platform, C: Fn(u32) -> P::Word> Wait<P> for Acquire<P::Word, C> {
    fn step(&mut self, platform: &P, recheck: bool) -> Result<Step<P::Word>> {
        let gate = self.permits.as_gate();
        if !self.slept && self.take(platform, recheck, &mut Sleep::new()) {
            return Ok(Step::Answered(Answer::Done));
        }
        let sequence = gate.arm(platform);
        let mut sleep = gate.sleep(sequence);
        if self.take(platform, recheck, &mut sleep) {
            gate.pass(platform, self.slept);
            return Ok(Step::Answered(Answer::Done));
        }
        if self.blocks_owner && self.are_all_own(platform) {
            gate.pass(platform, self.slept);
            return Err(super::mutex::deadlock_of("all its permits"));
        }
        self.slept = true;
        Ok(Step::Asleep(sleep))
    }

    /// It may have swallowed a wake.
    fn give_up(&mut self, platform: &P) -> Option<Answer> {
        fail_point::reach("permit.giving_up");
        self.permits.as_gate().pass(platform, self.slept);
        None
    }

    fn give_back(&mut self, platform: &P, _answer: Answer) {
        let _ = self.permits.release(platform, self.token);
    }

    fn busy_word(&self) -> Option<P::Word> {
        Some(self.permits.gate)
    }
}
