//! What a structure with one writer and many readers stands on: the writer's seat, and waiting for news from it.
//!
//! | word | means | who changes it |
//! |---|---|---|
//! | writer: 0 | nobody writes | who wants to, to its token |
//! | writer: token | its member writes, or died at it | its member, to 0; who finds it dead and writing no more, to its own token |
//! | ended | 1: the writer said that nothing follows | the writer; the next one, to 0 |
//! | gate | as in `sync::gate`; its sequence is the word that the writer changes as it publishes | readers, the writer |
//!
//! A reader sleeps on the gate, on the word that it watches, on the writer's word, on the end, and on the writer's life. So a writer that is killed between
//! publishing and waking wakes all by its death; and so does one that is killed with nothing published, which readers are told once.

use crate::error::Result;
use crate::fail_point;
use crate::membership::ownership::{self, Heir, Occupied};
use crate::membership::{Platform, Token};
use crate::sync::gate::Gate;
use crate::sync::wait::{Answer, Step, Wait};

/// The words.
#[derive(Clone, Copy, Debug)]
pub struct Seat<W> {
    /// Where readers sleep.
    pub gate: W,
    /// Whose the seat is.
    pub writer: W,
    /// Whether nothing follows.
    pub ended: W,
}

impl<W: Copy> Seat<W> {
    /// Sits down where nobody sits, or a dead one. `recover` makes whole what that one left, before anybody is told.
    ///
    /// # Errors
    /// See [`Occupied`].
    pub fn take<P: Platform<Word = W>>(
        &self,
        platform: &P,
        token: Token,
        recover: impl FnOnce(),
    ) -> std::result::Result<(), Occupied> {
        platform.set_pending(Some(self.gate));
        let taken = ownership::take(platform, self.writer, token, Heir { asks: true, writes: true });
        if taken.is_ok() {
            fail_point::reach("seat.taken");
            recover();
            platform.store(self.ended, 0);
            fail_point::reach("seat.recovered");
            // Who waits for the one before watches its life; from now on it watches another's.
            self.open(platform);
        }
        platform.set_pending(None);
        taken.map(drop)
    }

    /// Leaves the seat; `ends`: and says that nothing follows.
    pub fn leave<P: Platform<Word = W>>(&self, platform: &P, token: Token, ends: bool) {
        platform.set_pending(Some(self.gate));
        if platform.load(self.writer) == token.word() {
            if ends {
                platform.store(self.ended, 1);
                fail_point::reach("seat.ended");
            }
            let _ = platform.compare_exchange(self.writer, token.word(), 0);
            fail_point::reach("seat.left");
            self.open(platform);
        }
        platform.set_pending(None);
    }

    /// Wakes all who wait: something was published.
    pub fn tell<P: Platform<Word = W>>(&self, platform: &P) {
        platform.set_pending(Some(self.gate));
        self.open(platform);
        platform.set_pending(None);
    }

    /// Whose seat it is, if that member is dead.
    pub fn dead_writer<P: Platform<Word = W>>(&self, platform: &P) -> Option<Token> {
        Token::from_word(platform.load(self.writer)).filter(|writer| !platform.is_alive(*writer))
    }

    fn open<P: Platform<Word = W>>(&self, platform: &P) {
        // Nobody's condition is in the sequence here: it is the word that each reader watches.
        Gate { gate: self.gate, sequence: self.gate }.open(platform, u32::MAX);
    }
}

/// Waiting for a word that the writer changes, for the end, or for the writer's death.
#[derive(Debug)]
pub struct News<W> {
    seat: Seat<W>,
    watched: W,
    seen: u32,
    mourned: u32,
    slept: bool,
}

impl<W: Copy> News<W> {
    /// Waits while `watched` is `seen`. The death of the writer whose token is the word `mourned` was told before.
    pub const fn new(seat: Seat<W>, watched: W, seen: u32, mourned: u32) -> Self {
        Self { seat, watched, seen, mourned, slept: false }
    }

    fn is_news<P: Platform<Word = W>>(&self, platform: &P) -> bool {
        platform.load(self.watched) != self.seen || platform.load(self.seat.ended) != 0
    }

    fn gate(&self) -> Gate<W> {
        Gate { gate: self.seat.gate, sequence: self.watched }
    }
}

impl<P: Platform> Wait<P> for News<P::Word> {
    fn step(&mut self, platform: &P, recheck: bool) -> Result<Step<P::Word>> {
        if !self.slept && self.is_news(platform) {
            return Ok(Step::Answered(Answer::Done));
        }
        let gate = self.gate();
        gate.arm(platform);
        let mut sleep = gate.sleep(self.seen);
        let writer = platform.load(self.seat.writer);
        sleep.watch(self.seat.writer, writer);
        // The end is no part of what is watched: without this, who looks before the end and sleeps after its wake would sleep on.
        sleep.watch(self.seat.ended, 0);
        let mut answer = None;
        if let Some(token) = Token::from_word(writer).filter(|_| writer != self.mourned) {
            if recheck {
                platform.recheck(token);
            }
            match platform.look_at(token) {
                Some(life) if life.is_alive => sleep.watch_life(&life),
                dead => {
                    if let Some(life) = dead {
                        platform.wake(life.presence.0, u32::MAX);
                    }
                    answer = Some(Answer::OwnerDied);
                }
            }
        }
        // After the look at the writer: what it published before it died is news, its death comes behind.
        if self.is_news(platform) {
            answer = Some(Answer::Done);
        }
        let Some(answer) = answer else {
            self.slept = true;
            return Ok(Step::Asleep(sleep));
        };
        gate.pass(platform, self.slept);
        fail_point::reach("news.got");
        Ok(Step::Answered(answer))
    }

    /// It may have swallowed a wake.
    fn give_up(&mut self, platform: &P) -> Option<Answer> {
        fail_point::reach("news.giving_up");
        self.gate().pass(platform, self.slept);
        None
    }

    /// News are nobody's alone.
    fn give_back(&mut self, _platform: &P, _answer: Answer) {}

    fn busy_word(&self) -> Option<P::Word> {
        Some(self.seat.gate)
    }

    fn word_count(&self) -> usize {
        6
    }
}
