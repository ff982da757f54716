//! A barrier that notices a dead party.
//!
//! A party takes a seat with its first arrival and keeps it until it leaves or dies. All seats taken and all arrived ends the phase; a seat
//! whose party is dead ends it too, as broken, and is free again. All words change under one mutex; between any two stores they make sense.
//!
//! | word | means |
//! |---|---|
//! | lock | the mutex, as drawn in [`super::mutex`] |
//! | gate, sequence | where parties sleep ([`super::gate`]) |
//! | phase | number of the phase, times 2; lowest bit: the one before was broken |
//! | seat: token | 0 free, or whose it is |
//! | seat: arrived | number of the phase it arrived in, plus 1 |

use super::gate::Gate;
use super::mutex::{Lock, LockOptions, unlock};
use super::wait::{Answer, Step, Wait};
use crate::error::{Error, Result};
use crate::membership::{Platform, Sleep, Token};

/// The words of a barrier.
#[derive(Clone, Copy, Debug)]
pub struct Barrier<W, S> {
    /// See the module.
    pub lock: W,
    /// See the module.
    pub gate: W,
    /// See the module.
    pub sequence: W,
    /// See the module.
    pub phase: W,
    /// The two words of a seat, by its index.
    pub seats: S,
    /// How many seats.
    pub parties: u32,
}

/// Waiting for the others.
#[derive(Debug)]
pub struct Arrive<W, S> {
    barrier: Barrier<W, S>,
    token: Token,
    lock: Lock<W>,
    /// The phase it arrived in.
    phase: Option<u32>,
}

impl<W: Copy, S: Fn(u32) -> (W, W)> Barrier<W, S> {
    fn as_gate(&self) -> Gate<W> {
        Gate { gate: self.gate, sequence: self.sequence }
    }

    /// Ends the phase; the caller holds the lock.
    fn end_phase<P: Platform<Word = W>>(&self, platform: &P, phase: u32, broken: bool) {
        let next = (phase >> 1).wrapping_add(1) << 1 | u32::from(broken);
        platform.store(self.phase, next);
        self.as_gate().open(platform, u32::MAX);
    }

    /// Gives the seats of the dead away, and answers whether there were any; what keeps the phase from ending goes into `sleep`.
    fn look<P: Platform<Word = W>>(
        &self,
        platform: &P,
        phase: u32,
        recheck: bool,
        sleep: &mut Sleep<W>,
    ) -> Look {
        let (mut arrived, mut dead) = (0, false);
        for index in 0..self.parties {
            let (seat, arrival) = (self.seats)(index);
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
                    arrived += u32::from(platform.load(arrival) == (phase >> 1).wrapping_add(1));
                }
                None => {
                    platform.store(arrival, 0);
                    platform.store(seat, 0);
                    dead = true;
                }
            }
        }
        match (dead, arrived == self.parties) {
            (true, _) => Look::Broken,
            (false, true) => Look::Complete,
            (false, false) => Look::Waiting,
        }
    }

    /// Leaves: the seat is free for another. The phase goes on, and waits for whoever takes it.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_OWNER`: it has no seat.
    pub fn leave<P: Platform<Word = W>>(&self, platform: &P, token: Token) -> Result<()> {
        for index in 0..self.parties {
            let (seat, _) = (self.seats)(index);
            if platform.compare_exchange(seat, token.word(), 0).is_ok() {
                return Ok(());
            }
        }
        Err(Error::own("ERR_SHM_NOT_OWNER", "this member has no seat at the barrier"))
    }
}

#[derive(PartialEq, Eq)]
enum Look {
    Waiting,
    Complete,
    Broken,
}

impl<W: Copy, S: Fn(u32) -> (W, W)> Arrive<W, S> {
    /// Arrives, and waits for the others.
    pub const fn new(barrier: Barrier<W, S>, token: Token) -> Self {
        let lock = Lock::new(barrier.lock, token, LockOptions { strict: false, blocks_owner: true });
        Self { barrier, token, lock, phase: None }
    }

    /// Takes a seat if it has none, and says that it arrived; the lock is held.
    fn arrive<P: Platform<Word = W>>(&self, platform: &P, phase: u32) -> Result<()> {
        let mine = self.token.word();
        let seats = || (0..self.barrier.parties).map(|index| (self.barrier.seats)(index));
        if let Some((_, arrival)) = seats().find(|(seat, _)| platform.load(*seat) == mine) {
            platform.store(arrival, (phase >> 1).wrapping_add(1));
            return Ok(());
        }
        // Those who looked before do not watch this party yet: who is about to sleep must look again, also if it is killed right here.
        platform.add(self.barrier.sequence, 1);
        let seat = seats().find(|(seat, _)| platform.compare_exchange(*seat, 0, mine).is_ok());
        let Some((_, arrival)) = seat else {
            return Err(Error::own(
                "ERR_SHM_BARRIER_FULL",
                format!("all {} seats are taken by other parties", self.barrier.parties),
            ));
        };
        platform.store(arrival, (phase >> 1).wrapping_add(1));
        self.barrier.as_gate().open(platform, u32::MAX);
        Ok(())
    }

    /// One look with the lock held.
    fn turn<P: Platform<Word = W>>(&mut self, platform: &P, recheck: bool) -> Result<Step<W>> {
        let gate = self.barrier.as_gate();
        let mut sequence = gate.arm(platform);
        let phase = platform.load(self.barrier.phase);
        match self.phase {
            Some(arrived) if arrived >> 1 != phase >> 1 => {
                let broken = phase & 1 != 0;
                return Ok(Step::Answered(if broken { Answer::PartyDied } else { Answer::Done }));
            }
            Some(_) => {}
            None => {
                // The dead of before free their seats first, without breaking a phase that nobody waits in.
                self.barrier.look(platform, phase, recheck, &mut Sleep::new());
                self.arrive(platform, phase)?;
                self.phase = Some(phase);
                sequence = gate.arm(platform);
            }
        }
        let mut sleep = gate.sleep(sequence).on(self.barrier.phase, phase);
        match self.barrier.look(platform, phase, recheck, &mut sleep) {
            Look::Waiting => Ok(Step::Asleep(sleep)),
            look => {
                let broken = look == Look::Broken;
                self.barrier.end_phase(platform, phase, broken);
                Ok(Step::Answered(if broken { Answer::PartyDied } else { Answer::Done }))
            }
        }
    }
}

impl<P: Platform, S: Fn(u32) -> (P::Word, P::Word)> Wait<P> for Arrive<P::Word, S> {
    fn step(&mut self, platform: &P, recheck: bool) -> Result<Step<P::Word>> {
        match self.lock.step(platform, recheck)? {
            Step::Answered(_) => {}
            asleep @ Step::Asleep(_) => return Ok(asleep),
        }
        let turn = self.turn(platform, recheck);
        unlock(platform, self.barrier.lock, self.token)?;
        platform.set_pending(Some(self.barrier.gate));
        turn
    }

    /// The arrival is taken back. The lock is held for moments only, and never by one who waits.
    fn give_up(&mut self, platform: &P) -> Option<Answer> {
        let Some(phase) = self.phase else { return self.lock.give_up(platform) };
        let seats = (0..self.barrier.parties).map(|index| (self.barrier.seats)(index));
        for (seat, arrival) in seats {
            if platform.load(seat) == self.token.word() {
                let _ = platform.compare_exchange(arrival, (phase >> 1).wrapping_add(1), 0);
            }
        }
        self.barrier.as_gate().arm(platform);
        let ended = platform.load(self.barrier.phase);
        match (ended >> 1 == phase >> 1, ended & 1) {
            (true, _) => None,
            (false, 0) => Some(Answer::Done),
            (false, _) => Some(Answer::PartyDied),
        }
    }

    fn busy_word(&self) -> Option<P::Word> {
        Some(self.barrier.gate)
    }
}
