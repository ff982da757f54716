//! The ring of many: any number of producers and consumers over slots whose claims carry their claimant.
//!
//! A slot has one control word. Laps count how often the positions went around the ring.
//!
//! | control word | means | who changes it |
//! |---|---|---|
//! | empty, lap | free for the message of that lap; all bytes 0 are lap 0 | a producer, to its token |
//! | token | a producer writes here | the producer, to full (commit) or skipped (abort); who finds it dead and writing no more, to skipped |
//! | full, lap | a message lies here | a consumer, to its token, reading; who drops the oldest, likewise |
//! | token, reading | a consumer reads here | the consumer, to empty of the next lap; who finds it dead, likewise |
//! | skipped, lap | no message came of that claim | whoever meets it, to empty of the next lap, when the head has passed it |
//!
//! The slot is claimed first and the position moved behind it, by whoever sees it. So who dies between the two leaves a claim with its name, and
//! neither a gap nor a position of which nobody knows whose it is. Vyukov's bounded queue moves the position first, and a producer that dies
//! behind that stops all others for ever. Claiming the slot first, with helping, is from Tsigas and Zhang ("A simple, fast and
//! scalable non-blocking concurrent FIFO queue", SPAA 2001) and Colvin and Groves (2005); laps in the words are Vyukov's.
//!
//! Two things hold always: **before a slot becomes full or skipped, the tail has passed it; before it becomes empty of the next lap, the head
//! has.** So nothing but the claim needs to say where a claimed slot is: a writing claim is the one position of its slot in `head .. head + slots`,
//! a reading one that in `tail - slots .. tail`. Both moves are facts that stay true (the slot *was* claimed), so that anybody may
//! make them, and late ones fail.
//!
//! | a kill here leaves | what follows |
//! |---|---|
//! | a producer's claim, tail before or behind it | skipped: nobody had the message. Those behind it are kept |
//! | full, and nobody woken | see below |
//! | a consumer's claim, head before or behind it | empty: the message was in the dead one's hands, and is lost. Nobody gets it twice |
//!
//! # Sleeping
//!
//! Consumers sleep on the items gate, producers on the room gate, and both on the life of the claimant that stands in their way. Who commits or
//! gives back looks at the gate *between its claim and that*. Whoever armed it before that look is woken by the kernel if it dies, since the
//! gate is its pending word and the sequence has changed; whoever armed it after that look finds the claim, and watches the
//! claimant's life. A second look behind the change finds those who came in between. All are woken, not one: a wait takes no message, so whoever
//! is woken may die with nothing in hand.
//!
//! Between its claim and its look a consumer may die, too, and leave those asleep who found a message there. So consumers sit on seats, and
//! producers watch the lives of all of them. With more consumers than seats, producers that sleep look again every few milliseconds.
//!
//! # Words that come back
//!
//! Laps have 29 bits and positions 32. A compare-and-swap that comes late by a whole number of their ranges (2^32 messages, and 2^29 times the slots
//! where there are fewer than eight) can succeed: a thread must stand still between two instructions while exactly so many messages, not one more or
//! less, go by. A claim that succeeds so is sound nevertheless (see `look_at_tail`, which goes past slots that are ahead of the tail); a move
//! that does passes a slot that nobody claimed, and whoever comes to sleep at that slot mends it (see `mend`).

mod look;
mod recover;
mod wait;

pub use wait::EndWait;

use super::End;
use super::one::settle;
use crate::error::{Error, Result};
use crate::fail_point;
use crate::membership::{Platform, Token};

/// The word is somebody's claim.
pub const CLAIMED: u32 = 1 << 29;
/// The claim is a consumer's.
pub const READING: u32 = 1 << 30;
/// A message lies there.
pub const FULL: u32 = 1 << 30;
/// No message came of a claim.
pub const SKIPPED: u32 = 1 << 31;
/// The rest of an unclaimed word; with no other bit it is empty.
pub const LAP: u32 = CLAIMED - 1;

/// As often as one looks again because others went on meanwhile. Each time somebody else got something done, unless the words are not ours.
pub(super) const LOOKS_MAX: u32 = 1 << 16;

/// Where one side sleeps.
#[derive(Clone, Copy, Debug)]
pub struct Gate<W> {
    /// 0, or bit 31: somebody may sleep.
    pub word: W,
    /// Changes before the commit of whoever found the gate armed, and whenever the gate is opened.
    pub sequence: W,
}

/// What one looks for at an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A slot that can be had: its position.
    Ready(u32),
    /// For a producer: the ring is full. For a consumer: it is empty. The position that would be next.
    Wanting(u32),
    /// Somebody's claim stands there: the position of the slot one needs, and its word.
    Claimed(u32, u32),
}

/// One of a ring's many words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The control word of a slot, by its index.
    Control(u32),
    /// A consumer's seat, by its index: its token, or 0.
    Seat(u32),
}

/// The words of a ring.
#[derive(Clone, Copy, Debug)]
pub struct Many<W, C> {
    /// Which sides have ended, by [`End::bit`].
    pub state: W,
    /// Position of the next message.
    pub tail: W,
    /// Position of the oldest message that nobody has taken.
    pub head: W,
    /// Where consumers sleep.
    pub items: Gate<W>,
    /// Where producers sleep.
    pub room: Gate<W>,
    /// Control words and seats.
    pub part: C,
    /// How many seats.
    pub seats: u32,
    /// How many slots, a power of two.
    pub slots: u32,
    /// Whether producers that find it full take the oldest message away.
    pub drops: bool,
    /// How many consumers found no seat, and have not closed.
    pub standing: W,
    /// Counts the claims that were taken from the dead.
    pub recovered: W,
    /// Counts messages that nobody gets: dropped, or in the hands of the dead.
    pub lost: W,
    /// Counts claims of which no message came.
    pub skipped: W,
    /// Counts those of them that the head has passed: it passed so many more than were ever taken.
    pub cleared: W,
    /// Count the quarters that tail and head have passed (see [`settle`]).
    pub laps: [W; 2],
}

impl<W: Copy, C: Fn(Part) -> W> Many<W, C> {
    /// The lap of a position.
    const fn lap(&self, position: u32) -> u32 {
        position >> self.slots.trailing_zeros() & LAP
    }

    const fn index(&self, position: u32) -> u32 {
        position & (self.slots - 1)
    }

    fn word(&self, position: u32) -> W {
        (self.part)(Part::Control(self.index(position)))
    }

    /// Claims a slot to write in, if there is one. Where the oldest is dropped, a message that is in the way is taken away and counted as lost;
    /// not one that somebody writes or reads.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn claim<P: Platform<Word = W>>(&self, platform: &P, token: Token) -> Result<Seen> {
        for _ in 0..LOOKS_MAX {
            match self.look_at_tail(platform)? {
                Seen::Ready(position) => {
                    let word = self.word(position);
                    if platform.compare_exchange(word, self.lap(position), token.word()).is_ok() {
                        fail_point::reach("many.claimed");
                        self.pass_tail(platform, position);
                        fail_point::reach("many.moved");
                        self.settle(platform, 0, position);
                        return Ok(Seen::Ready(position));
                    }
                }
                Seen::Wanting(position) if self.drops => {
                    let oldest = position.wrapping_sub(self.slots);
                    if self.take_at(platform, token, oldest) {
                        self.release(platform, token, oldest)?;
                        // Behind that: who takes the claim from a dead one counts the message itself.
                        platform.add(self.lost, 1);
                    }
                }
                seen => return Ok(seen),
            }
        }
        Err(corrupt("its tail does not come to rest"))
    }

    /// Takes the oldest message, if there is one: claims its slot to read in.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn take<P: Platform<Word = W>>(&self, platform: &P, token: Token) -> Result<Seen> {
        for _ in 0..LOOKS_MAX {
            let seen = self.look_at_head(platform)?;
            let Seen::Ready(position) = seen else { return Ok(seen) };
            if self.take_at(platform, token, position) {
                self.settle(platform, 1, position);
                return Ok(seen);
            }
        }
        Err(corrupt("its head does not come to rest"))
    }

    fn take_at<P: Platform<Word = W>>(&self, platform: &P, token: Token, position: u32) -> bool {
        let full = FULL | self.lap(position);
        let is_taken = platform.compare_exchange(self.word(position), full, token.word() | READING).is_ok();
        if is_taken {
            fail_point::reach("many.taken");
            self.pass_head(platform, position);
            fail_point::reach("many.passed");
        }
        is_taken
    }

    /// Makes the message in a claimed slot everybody's.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`: the slot is not claimed by that token.
    pub fn commit<P: Platform<Word = W>>(&self, platform: &P, token: Token, position: u32) -> Result<()> {
        let full = FULL | self.lap(position);
        // Who drops the oldest may wait for a message to be whole.
        let gates = [self.items, self.room];
        self.change(platform, position, token.word(), full, if self.drops { &gates } else { &gates[..1] })
    }

    /// Gives a claimed slot up: no message will come of it.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`: the slot is not claimed by that token.
    pub fn abort<P: Platform<Word = W>>(&self, platform: &P, token: Token, position: u32) -> Result<()> {
        let skipped = SKIPPED | self.lap(position);
        self.change(platform, position, token.word(), skipped, &[self.items, self.room])?;
        platform.add(self.skipped, 1);
        Ok(())
    }

    /// Gives the slot of a message back that was taken.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`: the slot is not claimed by that token.
    pub fn release<P: Platform<Word = W>>(&self, platform: &P, token: Token, position: u32) -> Result<()> {
        let empty = self.lap(position.wrapping_add(self.slots));
        self.change(platform, position, token.word() | READING, empty, &[self.room])
    }

    /// Ends one side for good.
    pub fn end<P: Platform<Word = W>>(&self, platform: &P, end: End) {
        platform.set_pending(Some(self.gate(end.other()).word));
        platform.set_bits(self.state, end.bit());
        fail_point::reach("many.ended");
        self.open(platform, &[self.gate(end.other()), self.gate(end)]);
    }

    /// Four looks a quarter: whoever should have counted it may have died.
    fn settle<P: Platform<Word = W>>(&self, platform: &P, side: usize, position: u32) {
        if position.trailing_zeros() >= 28 {
            settle(platform, self.laps[side], position);
        }
    }

    /// From a claim to what follows it, and wakes who waits for that.
    fn change<P: Platform<Word = W>>(
        &self,
        platform: &P,
        position: u32,
        from: u32,
        to: u32,
        gates: &[Gate<W>],
    ) -> Result<()> {
        let is_armed = gates.iter().any(|gate| gate.is_armed(platform));
        fail_point::reach("many.looked");
        if is_armed {
            platform.set_pending(Some(gates[0].word));
            // Before the change: who looked before the claim, and is not asleep yet, shall not fall asleep any more.
            for gate in gates {
                platform.add(gate.sequence, 1);
            }
            fail_point::reach("many.announced");
        }
        let is_changed = platform.compare_exchange(self.word(position), from, to).is_ok();
        fail_point::reach("many.changed");
        // Whoever armed a gate since.
        let is_opened = is_changed && gates.iter().filter(|gate| gate.open(platform)).count() > 0;
        if is_armed || is_opened {
            platform.set_pending(None);
        }
        if is_changed { Ok(()) } else { Err(self.strange(position, platform.load(self.word(position)))) }
    }

    /// Wakes who sleeps at a gate: what follows a change that was made by a fast path.
    pub fn tell<P: Platform<Word = W>>(&self, platform: &P, end: End) {
        self.open(platform, &[self.gate(end)]);
    }

    fn open<P: Platform<Word = W>>(&self, platform: &P, gates: &[Gate<W>]) {
        for gate in gates {
            gate.open(platform);
        }
        platform.set_pending(None);
    }

    const fn gate(&self, end: End) -> Gate<W> {
        match end {
            End::Producer => self.room,
            End::Consumer => self.items,
        }
    }

    fn strange(&self, position: u32, word: u32) -> Error {
        let index = self.index(position);
        corrupt(&format!("slot {index} has {word:#x} at position {position}"))
    }
}

pub(super) fn corrupt(what: &str) -> Error {
    Error::own("ERR_SHM_POSSIBLY_CORRUPT", format!("no ring: {what}"))
}
