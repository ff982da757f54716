//! What the dead leave in a ring of many, and how the living know of a death: seats, ends, and claims that are taken over.

use super::super::End;
use super::{CLAIMED, FULL, Many, Part, READING, SKIPPED};
use crate::error::Result;
use crate::fail_point;
use crate::membership::ownership::{self, Heir, Occupied};
use crate::membership::{Life, Platform, Sleep, Token};

impl<W: Copy, C: Fn(Part) -> W> Many<W, C> {
    /// Sits down as a consumer, before the first message is taken; each end on a seat of its own.
    pub fn sit<P: Platform<Word = W>>(&self, platform: &P, token: Token) {
        let has_seat = [false, true].into_iter().any(|asks| {
            let heir = Heir { asks, writes: false };
            self.all_seats().any(|seat| ownership::take(platform, seat, token, heir).is_ok())
        });
        if !has_seat {
            platform.add(self.standing, 1);
        }
        fail_point::reach("many.seated");
        platform.add(self.room.sequence, 1);
        self.tell(platform, End::Producer);
    }

    /// Stands up as a consumer that has nothing in hand. Of a member with several, whichever seat.
    pub fn stand_up<P: Platform<Word = W>>(&self, platform: &P, token: Token) {
        let is_up = self.all_seats().any(|seat| platform.compare_exchange(seat, token.word(), 0).is_ok());
        // Who stood and died is never taken off: then producers look more often than they need to.
        if !is_up && platform.load(self.standing) != 0 {
            platform.add(self.standing, u32::MAX);
        }
    }

    fn all_seats(&self) -> impl Iterator<Item = W> {
        (0..self.seats).map(|index| (self.part)(Part::Seat(index)))
    }

    /// Takes the end of which there is one, from nobody or from a dead owner. That one's claims are recovered by whoever they are in the way of.
    ///
    /// # Errors
    /// See [`Occupied`].
    pub fn take_end<P: Platform<Word = W>>(
        &self,
        platform: &P,
        owner: W,
        token: Token,
    ) -> std::result::Result<(), Occupied> {
        let before = ownership::take(platform, owner, token, Heir { asks: true, writes: false })?;
        fail_point::reach("many.end_taken");
        if before != 0 {
            platform.add(self.recovered, 1);
        }
        Ok(())
    }

    /// Watches all who sit.
    pub(super) fn watch_seats<P: Platform<Word = W>>(&self, platform: &P, sleep: &mut Sleep<W>) {
        for seat in self.all_seats() {
            let seat = platform.load(seat);
            let life = Token::from_word(seat).and_then(|token| platform.look_at(token));
            if let Some(life) = life.filter(|life| life.is_alive) {
                sleep.watch_life(&life);
            }
        }
        sleep.poll |= platform.load(self.standing) != 0;
    }

    /// Takes a claim that is in the way from its claimant, if that is dead. Answers its life if not; also if it is dead, but a system call of its process may
    /// still write into the slot: then nothing tells when it is over, and one looks again soon.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`: nobody can have claimed so.
    pub fn unblock<P: Platform<Word = W>>(
        &self,
        platform: &P,
        near: u32,
        claim: u32,
        recheck: bool,
    ) -> Result<Option<Life<W>>> {
        let token = Token::from_word(claim & !READING).ok_or_else(|| self.strange(near, claim))?;
        if recheck {
            platform.recheck(token);
        }
        // Nobody of this table: then nobody will end that claim.
        let life = platform.look_at(token);
        if let Some(life) = life.filter(|life| life.is_alive) {
            return Ok(Some(life));
        }
        // A consumer only reads.
        if let Some(life) = life.filter(|_| claim & READING == 0 && !platform.has_stopped(token)) {
            return Ok(Some(life));
        }
        fail_point::reach("many.found_dead");
        let word = self.word(near);
        let index = self.index(near);
        let is_reading = claim & READING != 0;
        let bound = platform.load(if is_reading { self.tail } else { self.head });
        // The dead claim nothing. If it stands by now, it has stood since before that look, and the look tells its position.
        if platform.load(word) != claim {
            return Ok(None);
        }
        let is_taken = if is_reading {
            let last = bound.wrapping_sub(1);
            let position = last.wrapping_sub(self.index(last.wrapping_sub(index)));
            self.pass_head(platform, position);
            fail_point::reach("many.dead_passed");
            platform.compare_exchange(word, claim, self.lap(position.wrapping_add(self.slots))).is_ok()
        } else {
            let position = bound.wrapping_add(self.index(index.wrapping_sub(bound)));
            self.pass_tail(platform, position);
            fail_point::reach("many.dead_passed");
            platform.compare_exchange(word, claim, SKIPPED | self.lap(position)).is_ok()
        };
        if is_taken {
            fail_point::reach("many.recovered");
            platform.add(self.recovered, 1);
            platform.add(if is_reading { self.lost } else { self.skipped }, 1);
            self.open(platform, &[self.items, self.room]);
        }
        Ok(None)
    }

    /// Takes from a dead consumer what it reads in the slot of the head, beside an empty ring that has ended: nobody writes any more, so nobody else
    /// would find that in the way.
    ///
    /// # Errors
    /// As [`Self::unblock`].
    pub fn bury<P: Platform<Word = W>>(&self, platform: &P, position: u32, recheck: bool) -> Result<()> {
        let word = platform.load(self.word(position));
        if word & CLAIMED != 0 && word & READING != 0 {
            self.unblock(platform, position, word, recheck)?;
        }
        Ok(())
    }

    /// Whether a position had passed a slot that nobody claimed (see "words that come back"), and the slot is skipped now.
    pub(super) fn mend<P: Platform<Word = W>>(&self, platform: &P, end: End, position: u32) -> bool {
        let (passed, position, wrong) = match end {
            End::Consumer => (self.tail, position, self.lap(position)),
            End::Producer => {
                let before = position.wrapping_sub(self.slots);
                (self.head, before, FULL | self.lap(before))
            }
        };
        let ahead = platform.load(passed).wrapping_sub(position);
        // SYNC: the position first. A claim comes before it moves, so the word cannot be one from before that claim.
        if !(1..=self.slots).contains(&ahead) || platform.load(self.word(position)) != wrong {
            return false;
        }
        let skipped = SKIPPED | self.lap(position);
        let is_mended = platform.compare_exchange(self.word(position), wrong, skipped).is_ok();
        if is_mended {
            platform.add(if end == End::Producer { self.lost } else { self.skipped }, 1);
        }
        is_mended
    }
}
