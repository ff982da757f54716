//! A barrier that notices a dead party.
//!
//! A party takes a seat with its first arrival and keeps it until it leaves or dies. All seats taken and all arrived ends the phase; a seat
//! whose party is dead ends it too, as broken, and is free again. Seats change under one mutex; between any two stores they make sense.
//! A party that gives up has no mutex: it takes its arrival back, then counts that in the phase word, which ends a phase only as it was when the
//! seats were looked at. So either the phase waits for that party again, or the party learns that the phase has ended with it.
//!
//! | word | means |
//! |---|---|
//! | lock | the mutex, as drawn in [`super::mutex`] |
//! | gate | where parties sleep (`gate`); its sequence is the phase |
//! | phase | bit 0: the one before was broken; bits 1 to 12: seats taken and arrivals taken back, wrapping; bits 13 to 31: number of the phase, wrapping |
//! | seat: token | 0 free, or whose it is |
//! | seat: arrived | number of the phase it arrived in, plus 1; 0 once its party knows how that ended |

use super::gate::Gate;
use super::mutex::{Lock, LockOptions, unlock};
use super::wait::{Answer, Step, Wait};
use crate::error::{Error, Result};
use crate::fail_point;
use crate::membership::{Platform, Sleep, Token};

/// The words of a barrier.
#[derive(Clone, Copy, Debug)]
pub struct Barrier<W, S> {
    /// See the module.
    pub lock: W,
    /// See the module.
    pub gate: W,
    /// See the module.
    pub phase: W,
    /// The two words of a seat, by its index.
    pub seats: S,
    /// How many seats.
    pub parties: u32,
}

/// How a wait at a barrier begins and ends, for waits that are cut into slices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArriveWish {
    /// It arrived in an earlier slice, and wants to know of the phase in which it did.
    pub resumes: bool,
    /// Giving up leaves the arrival as it is: another slice follows.
    pub keeps: bool,
}

/// Waiting for the others.
#[derive(Debug)]
pub struct Arrive<W, S> {
    barrier: Barrier<W, S>,
    token: Token,
    wish: ArriveWish,
    lock: Lock<W>,
    /// Number of the phase it arrived in.
    phase: Option<u32>,
}

/// What the seats said.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    /// Parties that live and have arrived.
    arrived: u32,
    /// Whether a seat was a dead one's.
    dead: bool,
}

impl<W: Copy, S: Fn(u32) -> (W, W)> Barrier<W, S> {
    fn as_gate(&self) -> Gate<W> {
        Gate { gate: self.gate, sequence: self.phase }
    }

    /// Ends the phase as complete, if nobody took an arrival back since its word was `seen`; the caller holds the lock.
    fn complete<P: Platform<Word = W>>(&self, platform: &P, seen: u32) -> bool {
        let ended = platform.compare_exchange(self.phase, seen, next_phase(seen, false)).is_ok();
        if ended {
            fail_point::reach("barrier.ended");
            self.as_gate().open(platform, u32::MAX);
        }
        ended
    }

    /// Ends the phase as broken, then gives the seats of the dead away; the caller holds the lock. Killed in between, it leaves the death to the
    /// next, who tells of it once more.
    fn breaks<P: Platform<Word = W>>(&self, platform: &P) {
        loop {
            let seen = platform.load(self.phase);
            if platform.compare_exchange(self.phase, seen, next_phase(seen, true)).is_ok() {
                break;
            }
        }
        self.as_gate().open(platform, u32::MAX);
        self.bury(platform);
    }

    /// Frees the seats of the dead; the caller holds the lock.
    fn bury<P: Platform<Word = W>>(&self, platform: &P) {
        for (seat, arrival) in (0..self.parties).map(|index| (self.seats)(index)) {
            let value = platform.load(seat);
            let life = Token::from_word(value).and_then(|party| platform.look_at(party));
            if value != 0 && life.is_none_or(|life| !life.is_alive) {
                platform.store(arrival, 0);
                fail_point::reach("barrier.freed");
                platform.store(seat, 0);
            }
        }
    }

    /// Counts the arrivals, and the dead; whose death would matter goes into `sleep`. The caller holds the lock.
    fn look<P: Platform<Word = W>>(
        &self,
        platform: &P,
        phase: u32,
        recheck: bool,
        sleep: &mut Sleep<W>,
    ) -> Look {
        let mut look = Look::default();
        for (seat, arrival) in (0..self.parties).map(|index| (self.seats)(index)) {
            let value = platform.load(seat);
            if value == 0 {
                continue;
            }
            let party = Token::from_word(value);
            if let Some(party) = party.filter(|_| recheck) {
                platform.recheck(party);
            }
            match party.and_then(|party| platform.look_at(party)).filter(|life| life.is_alive) {
                Some(life) => {
                    sleep.watch_life(&life);
                    look.arrived += u32::from(platform.load(arrival) == arrival_in(phase));
                }
                None => look.dead = true,
            }
        }
        look
    }

    /// The seat of a party: its two words.
    fn seat_of<P: Platform<Word = W>>(&self, platform: &P, token: Token) -> Option<(W, W)> {
        (0..self.parties)
            .map(|index| (self.seats)(index))
            .find(|(seat, _)| platform.load(*seat) == token.word())
    }

    /// Gives a free seat to a party, if there is one; the caller holds the lock. Those who looked before do not watch that party yet: who is about
    /// to sleep must look again, and who sleeps is woken, also if the party is killed right here.
    fn seat<P: Platform<Word = W>>(&self, platform: &P, token: Token) -> Option<(W, W)> {
        loop {
            let seen = platform.load(self.phase);
            if platform.compare_exchange(self.phase, seen, changed(seen)).is_ok() {
                break;
            }
        }
        let seat = (0..self.parties)
            .map(|index| (self.seats)(index))
            .find(|(seat, _)| platform.compare_exchange(*seat, 0, token.word()).is_ok());
        self.as_gate().open(platform, u32::MAX);
        seat
    }

    /// Leaves: the seat is free for another. The phase goes on, and waits for whoever takes it.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_OWNER`: it has no seat.
    pub fn leave<P: Platform<Word = W>>(&self, platform: &P, token: Token) -> Result<()> {
        match self.seat_of(platform, token) {
            Some((seat, _)) if platform.compare_exchange(seat, token.word(), 0).is_ok() => Ok(()),
            _ => Err(Error::own("ERR_SHM_NOT_OWNER", "this member has no seat at the barrier")),
        }
    }
}

const BROKEN: u32 = 1;
const CHANGE: u32 = 2;
const CHANGES: u32 = 0x1ffe;
const NUMBER_SHIFT: u32 = 13;

/// The phase word with one more change among the seats.
const fn changed(phase: u32) -> u32 {
    phase & !CHANGES | phase.wrapping_add(CHANGE) & CHANGES
}

const fn number_of(phase: u32) -> u32 {
    phase >> NUMBER_SHIFT
}

/// What a seat says that arrived in the phase of that word.
const fn arrival_in(phase: u32) -> u32 {
    number_of(phase) + 1
}

const fn next_phase(seen: u32, broken: bool) -> u32 {
    // The number wraps by falling out at the top.
    (number_of(seen) + 1) << NUMBER_SHIFT | seen & CHANGES | if broken { BROKEN } else { 0 }
}

const fn answer_of(phase: u32) -> Answer {
    if phase & BROKEN == 0 { Answer::Done } else { Answer::PartyDied }
}

impl<W: Copy, S: Fn(u32) -> (W, W)> Arrive<W, S> {
    /// Arrives, and waits for the others.
    pub const fn new(barrier: Barrier<W, S>, token: Token, wish: ArriveWish) -> Self {
        let lock = Lock::new(barrier.lock, token, LockOptions { strict: false, blocks_owner: true });
        Self { barrier, token, wish, lock, phase: None }
    }

    /// Takes a seat if it has none, and says that it arrived; the lock is held.
    fn arrive<P: Platform<Word = W>>(&mut self, platform: &P, phase: u32) -> Result<()> {
        let seat =
            self.barrier.seat_of(platform, self.token).or_else(|| self.barrier.seat(platform, self.token));
        let Some((_, arrival)) = seat else {
            return Err(Error::own(
                "ERR_SHM_BARRIER_FULL",
                format!("all {} seats are taken by other parties", self.barrier.parties),
            ));
        };
        fail_point::reach("barrier.seated");
        platform.store(arrival, arrival_in(phase));
        fail_point::reach("barrier.arrived");
        self.phase = Some(number_of(phase));
        Ok(())
    }

    /// Number of the phase it arrived in, now or in an earlier slice.
    fn arrived_in<P: Platform<Word = W>>(&mut self, platform: &P) -> Option<u32> {
        if self.phase.is_none() && self.wish.resumes {
            let arrival =
                self.barrier.seat_of(platform, self.token).map(|(_, arrival)| platform.load(arrival));
            self.phase = arrival.and_then(|arrival| arrival.checked_sub(1));
        }
        self.phase
    }

    /// Its party knows how the phase ended: nobody takes it for arrived in that one again.
    fn settle<P: Platform<Word = W>>(&self, platform: &P, answer: Answer) -> Answer {
        if let Some((_, arrival)) = self.barrier.seat_of(platform, self.token) {
            platform.store(arrival, 0);
        }
        answer
    }

    /// One look with the lock held.
    fn turn<P: Platform<Word = W>>(&mut self, platform: &P, recheck: bool) -> Result<Step<W>> {
        let gate = self.barrier.as_gate();
        loop {
            let phase = gate.arm(platform);
            match self.arrived_in(platform) {
                Some(arrived) if arrived != number_of(phase) => {
                    gate.pass(platform, true);
                    return Ok(Step::Answered(self.settle(platform, answer_of(phase))));
                }
                Some(_) => {}
                None => {
                    // A death is for those who wait already. Where nobody does, it only makes a seat free.
                    let look = self.barrier.look(platform, phase, recheck, &mut Sleep::new());
                    match look {
                        Look { dead: true, arrived: 0 } => self.barrier.bury(platform),
                        Look { dead: true, .. } => {
                            self.barrier.breaks(platform);
                            continue;
                        }
                        Look { dead: false, .. } => {}
                    }
                    self.arrive(platform, phase)?;
                    // A new seat changed the phase word.
                    continue;
                }
            }
            let mut sleep = gate.sleep(phase);
            let look = self.barrier.look(platform, phase, recheck, &mut sleep);
            if look.dead {
                self.barrier.breaks(platform);
                return Ok(Step::Answered(self.settle(platform, Answer::PartyDied)));
            }
            if look.arrived < self.barrier.parties {
                return Ok(Step::Asleep(sleep));
            }
            // Otherwise somebody gave up meanwhile.
            if self.barrier.complete(platform, phase) {
                return Ok(Step::Answered(self.settle(platform, Answer::Done)));
            }
        }
    }
}

impl<P: Platform, S: Fn(u32) -> (P::Word, P::Word)> Wait<P> for Arrive<P::Word, S> {
    fn step(&mut self, platform: &P, recheck: bool) -> Result<Step<P::Word>> {
        platform.set_pending(Some(self.barrier.lock));
        match self.lock.step(platform, recheck)? {
            Step::Answered(_) => platform.set_pending(Some(self.barrier.gate)),
            asleep @ Step::Asleep(_) => return Ok(asleep),
        }
        let turn = self.turn(platform, recheck);
        unlock(platform, self.barrier.lock, self.token)?;
        platform.set_pending(Some(self.barrier.gate));
        turn
    }

    /// The arrival is taken back, unless another slice follows. See the module.
    fn give_up(&mut self, platform: &P) -> Option<Answer> {
        let _ = self.lock.give_up(platform);
        let arrived = self.arrived_in(platform)?;
        let mut phase = platform.load(self.barrier.phase);
        if arrived == number_of(phase) && !self.wish.keeps {
            if let Some((_, arrival)) = self.barrier.seat_of(platform, self.token) {
                let _ = platform.compare_exchange(arrival, arrived + 1, 0);
            }
            loop {
                phase = platform.load(self.barrier.phase);
                if arrived != number_of(phase)
                    || platform.compare_exchange(self.barrier.phase, phase, changed(phase)).is_ok()
                {
                    break;
                }
            }
        }
        self.barrier.as_gate().pass(platform, true);
        (arrived != number_of(phase)).then(|| self.settle(platform, answer_of(phase)))
    }

    /// The phase has ended for all.
    fn give_back(&mut self, _platform: &P, _answer: Answer) {}

    fn busy_word(&self) -> Option<P::Word> {
        Some(self.barrier.gate)
    }
}
