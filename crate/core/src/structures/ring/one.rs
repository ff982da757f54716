//! A ring of one producer and one consumer, whose ends survive whoever has them.
//!
//! Leslie Lamport's bounded buffer ("Specifying Concurrent Program Modules", 1983) with positions that count on, each side keeping a copy of the
//! other's (FastForward, MCRingBuffer; Lee, Bu, Chandranmenon 2010). Added are: ends with owners, a position that says which messages were ever taken,
//! and sleeps that a death ends.
//!
//! | word | means | who writes it |
//! |---|---|---|
//! | producer, consumer | 0 nobody has this end; token: who has it, alive or dead | who takes the end, from 0 or from a dead one's token; who has it, to 0 |
//! | tail | messages sent, wrapping | the producer, when the slots' bytes and lengths are written |
//! | taken | messages that anybody ever looked at, wrapping | the consumer, before it reads the first byte of each |
//! | head | messages whose slots are the producer's again, wrapping | the consumer, when it needs them no more; its successor, to taken |
//! | state | bit 0: the producer has ended; bit 1: the consumer has | each its own, once |
//! | told | the dead owner of the other end of which this one was told; 0 none | who waits at this end; 0 by who takes it |
//!
//! `head <= taken <= tail <= head + slots`, in wrapping arithmetic, at every moment. So a SIGKILL leaves:
//!
//! | killed | leaves | the next one |
//! |---|---|---|
//! | the producer, before it stores the tail | a slot that is half written and nobody's | begins at the tail, over it, once the dead write no more: nothing torn is ever seen |
//! | the producer, between that and its wake | a message, and a consumer that perhaps sleeps | the kernel wakes who sleeps on the producer's life |
//! | the consumer, after taken, before head | one message in its hands, some read and not given back | begins at taken: nothing comes twice, and at most that one is lost |
//! | either, taking an end | an end with a dead owner | takes it again |
//!
//! The tail and the head are the sequences of the gates on which the other side sleeps: condition and sequence change in one store. Who publishes
//! does not name the gate as pending, as the sleeper watches its life; who takes an end or ends it does, as nobody may watch yet.

use super::End;
use crate::error::{Error, Result};
use crate::fail_point;
use crate::managed::geometry::ring as at;
use crate::membership::ownership::{self, Heir, Occupied};
use crate::membership::{Platform, Token};
use crate::sync::gate::Gate;
use crate::sync::wait::{Answer, Step, Wait};

/// The words of a ring, but for the slots'.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "see the module, and `geometry::ring`")]
pub struct OneRing<W> {
    pub slots: u32,
    pub state: W,
    pub recovered: W,
    pub lost: W,
    pub tail: W,
    pub items_gate: W,
    pub producer: W,
    pub producer_told: W,
    pub producer_laps: W,
    pub full: W,
    pub head: W,
    pub room_gate: W,
    pub consumer: W,
    pub consumer_told: W,
    pub consumer_laps: W,
    pub taken: W,
}

/// Why an end cannot be had.
#[derive(Debug)]
pub enum Refused {
    /// Another has it.
    Occupied(Occupied),
    /// The positions contradict each other.
    Corrupt(Error),
}

/// Where an end's owner goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// The producer's next position is the tail, the consumer's is what was taken: this one's own.
    pub position: u32,
    /// The other side's, as it was.
    pub limit: u32,
}

impl<W: Copy> OneRing<W> {
    /// By where each word is: offsets of `geometry::ring`.
    ///
    /// # Errors
    /// What `word` answers.
    pub fn of(slots: u32, word: impl Fn(u64) -> Result<W>) -> Result<Self> {
        Ok(Self {
            slots,
            state: word(at::STATE)?,
            recovered: word(at::RECOVERED)?,
            lost: word(at::LOST)?,
            tail: word(at::TAIL)?,
            items_gate: word(at::ITEMS_GATE)?,
            producer: word(at::PRODUCER)?,
            producer_told: word(at::PRODUCER_TOLD)?,
            producer_laps: word(at::PRODUCER_LAPS)?,
            full: word(at::FULL)?,
            head: word(at::HEAD)?,
            room_gate: word(at::ROOM_GATE)?,
            consumer: word(at::CONSUMER)?,
            consumer_told: word(at::CONSUMER_TOLD)?,
            consumer_laps: word(at::CONSUMER_LAPS)?,
            taken: word(at::TAKEN)?,
        })
    }

    /// The word that says whose an end is.
    pub const fn owner(&self, end: End) -> W {
        match end {
            End::Producer => self.producer,
            End::Consumer => self.consumer,
        }
    }

    /// The gate at which that end's owner sleeps, and its sequence: the other's position.
    #[inline]
    const fn gate(&self, end: End) -> Gate<W> {
        match end {
            End::Producer => Gate { gate: self.room_gate, sequence: self.head },
            End::Consumer => Gate { gate: self.items_gate, sequence: self.tail },
        }
    }

    const fn told(&self, end: End) -> W {
        match end {
            End::Producer => self.producer_told,
            End::Consumer => self.consumer_told,
        }
    }

    /// Takes an end that nobody has, or whose owner is dead, and goes on where that one was.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn take<P: Platform<Word = W>>(
        &self,
        platform: &P,
        end: End,
        token: Token,
    ) -> std::result::Result<Begin, Refused> {
        let other = self.gate(end.other());
        // Who sleeps at the other end may watch nobody's life yet.
        platform.set_pending(Some(other.gate));
        let taken = self.take_pending(platform, end, token);
        if taken.is_ok() {
            other.open(platform, u32::MAX);
        }
        platform.set_pending(None);
        taken
    }

    fn take_pending<P: Platform<Word = W>>(
        &self,
        platform: &P,
        end: End,
        token: Token,
    ) -> std::result::Result<Begin, Refused> {
        let owner = self.owner(end);
        // A consumer only reads.
        let heir = Heir { asks: true, writes: end == End::Producer };
        let before = ownership::take(platform, owner, token, heir).map_err(Refused::Occupied)?;
        fail_point::reach("ring.end_taken");
        let begin = self.begin(platform, end).map_err(|error| {
            let _ = platform.compare_exchange(owner, token.word(), 0);
            Refused::Corrupt(error)
        })?;
        platform.store(self.told(end), 0);
        if before != 0 {
            platform.add(self.recovered, 1);
        }
        Ok(begin)
    }

    fn begin<P: Platform<Word = W>>(&self, platform: &P, end: End) -> Result<Begin> {
        let (head, taken) = (platform.load(self.head), platform.load(self.taken));
        // Last: the positions behind it only come nearer to it.
        let tail = platform.load(self.tail);
        match end {
            End::Producer => {
                self.used(tail, head)?;
                settle(platform, self.producer_laps, tail);
                Ok(Begin { position: tail, limit: head })
            }
            End::Consumer => {
                self.used(taken, head)?;
                self.used(tail, taken)?;
                settle(platform, self.consumer_laps, taken);
                if taken != head {
                    // Of what was taken and not given back, all but the last was read, as the next is taken only then.
                    platform.store(self.head, taken);
                    fail_point::reach("ring.recovered");
                    platform.add(self.lost, 1);
                }
                Ok(Begin { position: taken, limit: tail })
            }
        }
    }

    /// Slots between two positions.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`: more than there are.
    #[inline]
    pub fn used(&self, ahead: u32, behind: u32) -> Result<u32> {
        let used = ahead.wrapping_sub(behind);
        if used <= self.slots { Ok(used) } else { Err(contradiction(ahead, behind)) }
    }

    /// Gives an end back. Answers whether it was this member's.
    pub fn give<P: Platform<Word = W>>(&self, platform: &P, end: End, token: Token) -> bool {
        if platform.load(self.owner(end)) != token.word() {
            return false;
        }
        let other = self.gate(end.other());
        platform.set_pending(Some(other.gate));
        if end == End::Consumer {
            platform.store(self.head, platform.load(self.taken));
        }
        fail_point::reach("ring.giving");
        // SYNC: releases the positions to who takes the end next.
        let is_given = platform.compare_exchange(self.owner(end), token.word(), 0).is_ok();
        other.open(platform, u32::MAX);
        platform.set_pending(None);
        is_given
    }

    /// Ends one side for good.
    pub fn end<P: Platform<Word = W>>(&self, platform: &P, end: End) {
        let other = self.gate(end.other());
        platform.set_pending(Some(other.gate));
        platform.set_bits(self.state, end.bit());
        fail_point::reach("ring.ended");
        other.open(platform, u32::MAX);
        // Who waits there is of the same member: what kills the one kills the other, and nobody is left asleep.
        self.gate(end).open(platform, u32::MAX);
        platform.set_pending(None);
    }

    /// Publishes: messages up to the new tail are the consumer's.
    #[inline]
    pub fn publish<P: Platform<Word = W>>(&self, platform: &P, tail: u32) {
        // SYNC: releases the slots' bytes and lengths to the consumer, and comes before the look at its gate (Dekker).
        platform.store(self.tail, tail);
        fail_point::reach("ring.published");
        self.gate(End::Consumer).open(platform, u32::MAX);
    }

    /// Marks messages up to that position as taken, before the first byte of them is read.
    #[inline]
    pub fn mark_taken<P: Platform<Word = W>>(&self, platform: &P, taken: u32) {
        // SYNC: in the program's order, as a kill leaves what the program did so far. Nobody but a successor looks at it to go by it.
        platform.store_in_order(self.taken, taken);
        fail_point::reach("ring.taken");
    }

    /// Gives the slots of messages up to the new head back.
    #[inline]
    pub fn release<P: Platform<Word = W>>(&self, platform: &P, head: u32) {
        // SYNC: after the last look at the slots; comes before the look at the producer's gate (Dekker).
        platform.store(self.head, head);
        fail_point::reach("ring.released");
        self.gate(End::Producer).open(platform, u32::MAX);
    }

    /// Wakes who waits at that end.
    pub fn wake<P: Platform<Word = W>>(&self, platform: &P, end: End) {
        self.gate(end).open(platform, u32::MAX);
    }
}

/// Brings the count of quarters up to a position that passed one since. Both say how many messages there ever were (see [`total`]).
pub fn settle<P: Platform>(platform: &P, laps: P::Word, position: u32) {
    let counted = platform.load(laps);
    if (position >> 30).wrapping_sub(counted) & 3 == 1 {
        platform.store(laps, counted.wrapping_add(1));
    }
}

/// Messages in all, from a position that wraps and its count of quarters, which may be one behind.
#[must_use]
pub const fn total(laps: u32, position: u32) -> u64 {
    let ahead = (position >> 30).wrapping_sub(laps) & 3;
    // Three ahead is one behind: the position was read before the count.
    let quarters = if ahead == 3 { (laps as u64).saturating_sub(1) } else { laps as u64 + ahead as u64 };
    (quarters << 30) + (position & ((1 << 30) - 1)) as u64
}

#[cold]
fn contradiction(ahead: u32, behind: u32) -> Error {
    Error::own(
        "ERR_SHM_POSSIBLY_CORRUPT",
        format!(
            "its positions {behind:#x} and {ahead:#x} contradict each other: no member of this segment wrote them"
        ),
    )
}

/// A wait at one end: for a message, or for room. `Done` also when either side has ended: look again. `PartyDied`, once for each death, when the
/// other end's owner died and left nothing to do.
#[derive(Debug)]
pub struct OneWait<W> {
    ring: OneRing<W>,
    end: End,
    /// The own position: of the next message to take, or to send.
    position: u32,
}

impl<W: Copy> OneWait<W> {
    /// Waits at that end, whose owner is at that position.
    pub const fn new(ring: OneRing<W>, end: End, position: u32) -> Self {
        Self { ring, end, position }
    }

    /// Whether to look again. Where the end's owner went on while this waits in another thread, the position is an old one, and the other's may be any number
    /// of messages ahead of it: that is no contradiction, and the look tells what is.
    const fn is_ready(&self, sequence: u32) -> bool {
        match self.end {
            End::Consumer => sequence != self.position,
            End::Producer => self.position.wrapping_sub(sequence) != self.ring.slots,
        }
    }
}

impl<P: Platform> Wait<P> for OneWait<P::Word> {
    fn step(&mut self, platform: &P, recheck: bool) -> Result<Step<P::Word>> {
        let (ring, gate) = (self.ring, self.ring.gate(self.end));
        let sequence = gate.arm(platform);
        if self.is_ready(sequence) {
            return Ok(Step::Answered(Answer::Done));
        }
        let state = platform.load(ring.state);
        let (owner, told) = (ring.owner(self.end.other()), ring.told(self.end));
        let peer = platform.load(owner);
        let mut sleep = gate.sleep(sequence).on(ring.state, state).on(owner, peer);
        if state != 0 {
            return Ok(Step::Answered(Answer::Done));
        }
        if let Some(token) = Token::from_word(peer).filter(|_| platform.load(told) != peer) {
            if recheck {
                platform.recheck(token);
            }
            match platform.look_at(token) {
                Some(life) if life.is_alive => sleep.watch_life(&life),
                // What it did last came before its death.
                _ if self.is_ready(platform.load(gate.sequence)) => {
                    return Ok(Step::Answered(Answer::Done));
                }
                _ => {
                    platform.store(told, peer);
                    return Ok(Step::Answered(Answer::PartyDied));
                }
            }
        }
        fail_point::reach("ring.waiting");
        Ok(Step::Asleep(sleep))
    }

    fn give_up(&mut self, _platform: &P) -> Option<Answer> {
        None
    }

    /// Who is told of a death and never hears it is told again.
    fn give_back(&mut self, platform: &P, answer: Answer) {
        if answer == Answer::PartyDied {
            platform.store(self.ring.told(self.end), 0);
        }
    }

    fn busy_word(&self) -> Option<P::Word> {
        None
    }

    fn word_count(&self) -> usize {
        6
    }
}
