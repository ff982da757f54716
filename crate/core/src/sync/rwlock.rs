//! A reader-writer lock whose readers share no cache line, and whose dead block nobody.
//!
//! One word for the writer, as drawn in [`super::mutex`]; one cell a member for its reading, on a line of its own ("big reader lock",
//! Ingo Molnar's brlock, with tokens in place of flags).
//!
//! | cell | means | who changes it |
//! |---|---|---|
//! | 0 | its member does not read | its member |
//! | token | it reads; or it is about to look whether it may | its member; a writer who finds it dead, to 0 |
//! | token + bit 31 | and a writer sleeps until it is done | the same |
//!
//! A reader stores its cell, then reads the writer's word; a writer takes its word, then reads the cells (Dekker): one of them sees the other. A
//! writer that is there keeps new readers out, so writers do not starve.
//!
//! A writer that died in the middle is told to readers too, for as long as no other writer repaired what it left: they hold the lock, and know.

use super::mutex::{self, Lock, LockOptions, State, WAITERS, deadlock, not_recoverable, scribbled, state_of};
use super::wait::{Answer, Step, Wait};
use crate::error::{Error, Result};
use crate::fail_point;
use crate::membership::{Platform, Sleep, Token};

/// Waiting to read.
#[derive(Debug)]
pub struct ReadLock<W> {
    writer: W,
    cell: W,
    token: Token,
    options: LockOptions,
    slept: bool,
}

impl<W> ReadLock<W> {
    /// Waits until no writer is at work. `cell` is that of the token's slot, and the member does not read yet.
    pub const fn new(writer: W, cell: W, token: Token, options: LockOptions) -> Self {
        Self { writer, cell, token, options, slept: false }
    }
}

impl<P: Platform> Wait<P> for ReadLock<P::Word> {
    fn step(&mut self, platform: &P, recheck: bool) -> Result<Step<P::Word>> {
        loop {
            // SYNC: the cell before the writer's word; a writer does the reverse.
            platform.store(self.cell, self.token.word());
            fail_point::reach("read.marked");
            let value = platform.load(self.writer);
            let writer = match state_of(value) {
                State::Free => return Ok(self.done(platform, Answer::Done)),
                State::Held(writer) => writer,
                State::NotRecoverable => {
                    withdraw(platform, self.cell, self.token);
                    return Err(not_recoverable());
                }
                State::Scribbled => {
                    withdraw(platform, self.cell, self.token);
                    return Err(scribbled(value));
                }
            };
            if recheck {
                platform.recheck(writer);
            }
            let Some(life) = platform.look_at(writer) else {
                withdraw(platform, self.cell, self.token);
                return Err(scribbled(value));
            };
            if !life.is_alive {
                if self.slept {
                    // The kernel woke one of those who sleep on this death.
                    platform.wake(life.presence.0, u32::MAX);
                }
                return Ok(self.done(platform, Answer::OwnerDied));
            }
            withdraw(platform, self.cell, self.token);
            fail_point::reach("read.withdrawn");
            if self.options.blocks_owner && platform.is_own(writer) {
                return Err(deadlock());
            }
            if value & WAITERS == 0 && platform.compare_exchange(self.writer, value, value | WAITERS).is_err()
            {
                continue;
            }
            self.slept = true;
            let mut sleep = Sleep::new().on(self.writer, value | WAITERS);
            sleep.watch_life(&life);
            return Ok(Step::Asleep(sleep));
        }
    }

    fn give_up(&mut self, platform: &P) -> Option<Answer> {
        if self.slept {
            platform.wake(self.writer, u32::MAX);
        }
        None
    }

    fn busy_word(&self) -> Option<P::Word> {
        Some(self.writer)
    }
}

impl<W: Copy> ReadLock<W> {
    /// A writer wakes everybody; but one that died woke one sleeper, and that one wakes the others.
    fn done<P: Platform<Word = W>>(&self, platform: &P, answer: Answer) -> Step<W> {
        if self.slept {
            platform.wake(self.writer, u32::MAX);
            fail_point::reach("read.woken");
        }
        Step::Answered(answer)
    }
}

/// Ends reading.
///
/// # Errors
/// `ERR_SHM_NOT_OWNER`.
pub fn read_unlock<P: Platform>(platform: &P, cell: P::Word, token: Token) -> Result<()> {
    if platform.load(cell) & !WAITERS != token.word() {
        return Err(Error::own("ERR_SHM_NOT_OWNER", "this member does not hold the lock for reading"));
    }
    withdraw(platform, cell, token);
    Ok(())
}

/// Clears one's own cell, and wakes the writer that waits for it.
fn withdraw<P: Platform>(platform: &P, cell: P::Word, token: Token) {
    if platform.compare_exchange(cell, token.word(), 0).is_ok() {
        return;
    }
    platform.set_pending(Some(cell));
    platform.store(cell, 0);
    platform.wake(cell, u32::MAX);
    platform.set_pending(None);
}

/// Waiting to write.
#[derive(Debug)]
pub struct WriteLock<W, C> {
    lock: Lock<W>,
    writer: W,
    /// The cells of all slots.
    cells: C,
    slots: u32,
    token: Token,
    options: LockOptions,
    /// How the writer's word was got, once it is.
    taken: Option<Answer>,
}

impl<W: Copy, C: Fn(u32) -> W> WriteLock<W, C> {
    /// Waits for the writer's word, then for the readers.
    pub const fn new(writer: W, cells: C, slots: u32, token: Token, options: LockOptions) -> Self {
        Self { lock: Lock::new(writer, token, options), writer, cells, slots, token, options, taken: None }
    }
}

impl<P: Platform, C: Fn(u32) -> P::Word> Wait<P> for WriteLock<P::Word, C> {
    fn step(&mut self, platform: &P, recheck: bool) -> Result<Step<P::Word>> {
        let answer = match self.taken {
            Some(answer) => answer,
            None => match self.lock.step(platform, recheck)? {
                Step::Answered(answer) => {
                    fail_point::reach("write.taken");
                    self.taken = Some(answer);
                    answer
                }
                asleep @ Step::Asleep(_) => return Ok(asleep),
            },
        };
        let readers = self.readers(platform, recheck);
        if matches!(readers, Err(_) | Ok(None)) {
            fail_point::reach("write.draining");
        }
        match readers {
            Ok(Some(sleep)) => Ok(Step::Asleep(sleep)),
            Ok(None) => Ok(Step::Answered(answer)),
            Err(error) => {
                self.taken = None;
                unlock_after(platform, self.writer, self.token, answer)?;
                Err(error)
            }
        }
    }

    fn give_up(&mut self, platform: &P) -> Option<Answer> {
        match self.taken.take() {
            // Not got after all: what a dead writer left is the next one's to repair.
            Some(answer) => {
                let _ = unlock_after(platform, self.writer, self.token, answer);
                None
            }
            None => self.lock.give_up(platform),
        }
    }

    fn busy_word(&self) -> Option<P::Word> {
        Some(self.writer)
    }
}

impl<W: Copy, C: Fn(u32) -> W> WriteLock<W, C> {
    /// What to sleep on until the readers are done; `None` when they are.
    fn readers<P: Platform<Word = W>>(&self, platform: &P, recheck: bool) -> Result<Option<Sleep<W>>> {
        let mut sleep = None;
        let mut slot = 0;
        while slot < self.slots {
            let cell = (self.cells)(slot);
            let value = platform.load(cell);
            let life = Token::from_word(value & !WAITERS).and_then(|reader| {
                if recheck {
                    platform.recheck(reader);
                }
                platform.look_at(reader).map(|life| (reader, life))
            });
            match life {
                None if value == 0 => {}
                Some((reader, life)) if life.is_alive => {
                    if self.options.blocks_owner && platform.is_own(reader) {
                        return Err(deadlock());
                    }
                    let marked = value | WAITERS;
                    if value != marked && platform.compare_exchange(cell, value, marked).is_err() {
                        continue;
                    }
                    let sleep = sleep.get_or_insert_with(Sleep::new);
                    sleep.watch(cell, marked);
                    sleep.watch_life(&life);
                }
                // A dead reader's, or scribbled: nobody reads.
                _ => {
                    if platform.compare_exchange(cell, value, 0).is_err() {
                        continue;
                    }
                }
            }
            slot += 1;
        }
        Ok(sleep)
    }
}

/// Ends writing.
///
/// # Errors
/// `ERR_SHM_NOT_OWNER`.
pub fn write_unlock<P: Platform>(platform: &P, writer: P::Word, token: Token) -> Result<()> {
    // Everybody: readers and writers sleep on the one word.
    mutex::release(platform, writer, token, u32::MAX)
}

fn unlock_after<P: Platform>(platform: &P, writer: P::Word, token: Token, got: Answer) -> Result<()> {
    match got {
        Answer::OwnerDied => mutex::abandon(platform, writer, token),
        _ => write_unlock(platform, writer, token),
    }
}
