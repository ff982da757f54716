//! The lock word: a mutex whose owner may be killed anywhere.
//!
//! Futexes by Drepper ("Futexes Are Tricky", 2011, mutex 2), the released-with-waiters state and the wake-up rules from an exhaustive model
//! (`crate/core/tests/lock_model.rs`), the sign of life from membership.
//!
//! | word | means | who changes it |
//! |---|---|---|
//! | 0 | free, nobody sleeps | a locker, to its token |
//! | token | held, nobody sleeps | the owner, to 0; a waiter, to token + bit 31; whoever finds the owner dead |
//! | token + bit 31 | held, somebody may sleep | the owner, to bit 31; whoever finds the owner dead |
//! | bit 31 | released, somebody may still sleep | a locker, to its token + bit 31; the releaser, to 0, if it woke nobody |
//! | [`NOT_RECOVERABLE`] | a dead owner's data was not repaired | [`reset`] |
//!
//! Why no sleeper is forgotten, without a look of its own, when processes are killed:
//! - a release with waiters wakes [`WAKES`]: of one alone, the sleepers behind it would go on watching a former owner, and sleep when the new one is
//!   killed; each more allows for one kill more at the same time;
//! - who slept takes even a free word with the mark: a releaser that woke nobody may clear the mark of a later one's waiters;
//! - who returns from sleep and finds the owner that it watched dead wakes all who watch it, whoever has the lock by then
//!   ([`Sleep::pass_on_deaths`]).

use super::wait::{Answer, Step, Wait};
use crate::error::{Error, Result};
use crate::fail_point;
use crate::membership::{Platform, Sleep, Token};

/// Somebody may sleep on the word.
pub const WAITERS: u32 = 1 << 31;

/// See the module's table. Not a token (bit 29 is clear), and as the kernel sees it somebody's, but no thread's: ids end below 2^22. With the id of one, that
/// thread's death at the lock would make the word another: number 1 dies in every container.
pub const NOT_RECOVERABLE: u32 = 1 << 28;

/// Sleepers that one release wakes: two kills at once are survived without anybody's look.
pub const WAKES: u32 = 3;

/// What a lock's word says besides "free" and "held by a token".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Free,
    Held(Token),
    NotRecoverable,
    Scribbled,
}

pub(super) const fn state_of(word: u32) -> State {
    match word & !WAITERS {
        0 => State::Free,
        NOT_RECOVERABLE => State::NotRecoverable,
        other => match Token::from_word(other) {
            Some(owner) => State::Held(owner),
            None => State::Scribbled,
        },
    }
}

/// How a lock is taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct LockOptions {
    /// Waits until every thread of a dead owner's process has left the kernel, too: a read of it into the segment may still be under way.
    pub strict: bool,
    /// The waiting thread cannot unlock meanwhile, so that a lock of its own is a deadlock.
    pub blocks_owner: bool,
}

/// Waiting for the lock.
#[derive(Debug)]
pub struct Lock<W> {
    word: W,
    token: Token,
    options: LockOptions,
    slept: bool,
    /// The dead owner it got the lock from.
    inherited_from: Option<Token>,
}

impl<W> Lock<W> {
    /// Waits for the lock of `word`, on behalf of `token`.
    pub const fn new(word: W, token: Token, options: LockOptions) -> Self {
        Self { word, token, options, slept: false, inherited_from: None }
    }
}

impl<W: Copy> Lock<W> {
    /// The dead owner it got the lock from, if it did.
    pub(super) const fn inherited_from(&self) -> Option<Token> {
        self.inherited_from
    }
}

impl<P: Platform> Wait<P> for Lock<P::Word> {
    fn step(&mut self, platform: &P, recheck: bool) -> Result<Step<P::Word>> {
        fail_point::reach(if self.slept { "lock.woken" } else { "lock.pending" });
        let mine = self.token.word();
        // Who slept leaves the mark, whatever stands there: a releaser of long ago may just have cleared that of others.
        let mark = if self.slept { WAITERS } else { 0 };
        loop {
            let value = platform.load(self.word);
            let owner = match state_of(value) {
                State::Free => {
                    // SYNC: takes over what the releaser wrote. The waiters' mark stays: others may still sleep.
                    if platform.compare_exchange(self.word, value, value | mark | mine).is_ok() {
                        fail_point::reach("lock.taken");
                        return Ok(Step::Answered(Answer::Done));
                    }
                    continue;
                }
                State::Held(owner) => owner,
                State::NotRecoverable => {
                    if self.slept {
                        // Whoever made it so may have been killed before it woke the others.
                        platform.wake(self.word, u32::MAX);
                    }
                    return Err(not_recoverable());
                }
                State::Scribbled => return Err(scribbled(value)),
            };
            if self.options.blocks_owner && platform.is_own(owner) {
                return Err(deadlock());
            }
            if recheck {
                platform.recheck(owner);
            }
            let Some(life) = platform.look_at(owner) else { return Err(scribbled(value)) };
            if !life.is_alive {
                if self.options.strict && life.is_active && !platform.has_left_kernel(owner) {
                    let mut sleep = Sleep::new();
                    sleep.poll = true;
                    return Ok(Step::Asleep(sleep.on(life.claim.0, life.claim.1)));
                }
                fail_point::reach("lock.owner_dead");
                // Before it is taken, so that this thread's own death loses no wake. The kernel woke one. All who sleep on this death are
                // concerned, whichever lock they wait for; and of those who sleep on this lock, watching an owner of before, one has to
                // come and watch the next.
                platform.wake(life.presence.0, u32::MAX);
                platform.wake(self.word, 1);
                fail_point::reach("lock.dead_told");
                if platform.compare_exchange(self.word, value, mine | WAITERS).is_err() {
                    continue;
                }
                fail_point::reach("lock.dead_taken");
                self.inherited_from = Some(owner);
                return Ok(Step::Answered(Answer::OwnerDied));
            }
            if value & WAITERS == 0 && platform.compare_exchange(self.word, value, value | WAITERS).is_err() {
                continue;
            }
            fail_point::reach("lock.marked");
            self.slept = true;
            // The lock first: a wake on it is swallowed by nobody who then sleeps on something else.
            let sleep = Sleep::new().on(self.word, value | WAITERS);
            return Ok(Step::Asleep(sleep.on_life(&life)));
        }
    }

    /// It may have swallowed a wake: the next sleeper gets one instead, and the owner is told that somebody may sleep.
    fn give_up(&mut self, platform: &P) -> Option<Answer> {
        if !self.slept {
            return None;
        }
        fail_point::reach("lock.giving_up");
        loop {
            let value = platform.load(self.word);
            let held = matches!(state_of(value), State::Held(_));
            if !held
                || value & WAITERS != 0
                || platform.compare_exchange(self.word, value, value | WAITERS).is_ok()
            {
                break;
            }
        }
        fail_point::reach("lock.gave_up");
        platform.wake(self.word, 1);
        None
    }

    fn give_back(&mut self, platform: &P, answer: Answer) {
        match self.inherited_from.filter(|_| answer == Answer::OwnerDied) {
            // Nobody repaired what the dead one left: its name stands there again, for the next.
            Some(dead) => hand_on(platform, self.word, self.token, dead),
            None => {
                let _ = unlock(platform, self.word, self.token);
            }
        }
    }

    fn busy_word(&self) -> Option<P::Word> {
        Some(self.word)
    }
}

/// Takes the lock if it is free and nobody may sleep for it: all that most locks need. Else [`Lock`] does it.
pub fn take_free<P: Platform>(platform: &P, word: P::Word, token: Token) -> bool {
    let is_taken = platform.compare_exchange(word, 0, token.word()).is_ok();
    if is_taken {
        fail_point::reach("lock.taken");
    }
    is_taken
}

/// Gives the lock back if nobody may sleep for it. Else [`unlock`] does it.
pub fn give_unwaited<P: Platform>(platform: &P, word: P::Word, token: Token) -> bool {
    let is_given = platform.compare_exchange(word, token.word(), 0).is_ok();
    if is_given {
        fail_point::reach("unlock.freed");
    }
    is_given
}

/// Gives the lock back.
///
/// # Errors
/// `ERR_SHM_NOT_OWNER`.
pub fn unlock<P: Platform>(platform: &P, word: P::Word, token: Token) -> Result<()> {
    release(platform, word, token, WAKES)
}

/// As [`unlock`], waking so many sleepers.
pub(super) fn release<P: Platform>(platform: &P, word: P::Word, token: Token, wakes: u32) -> Result<()> {
    platform.set_pending(Some(word));
    let released = release_pending(platform, word, token, wakes);
    platform.set_pending(None);
    released
}

fn release_pending<P: Platform>(platform: &P, word: P::Word, token: Token, wakes: u32) -> Result<()> {
    fail_point::reach("unlock.pending");
    let mine = token.word();
    loop {
        // SYNC: releases what the owner wrote to the next locker.
        match platform.compare_exchange(word, mine, 0) {
            Ok(()) => {
                fail_point::reach("unlock.freed");
                return Ok(());
            }
            Err(value) if value != mine | WAITERS => return Err(not_owner(value)),
            Err(_) => {}
        }
        // Never a store: if the word is not this owner's any more, it is somebody else's.
        if platform.compare_exchange(word, mine | WAITERS, WAITERS).is_ok() {
            break;
        }
    }
    fail_point::reach("unlock.released");
    let woken = platform.wake(word, wakes);
    fail_point::reach("unlock.woken");
    if woken == 0 {
        let _ = platform.compare_exchange(word, WAITERS, 0);
        fail_point::reach("unlock.cleared");
    }
    Ok(())
}

/// Gives back a lock that was got from a dead owner, without having repaired what it guards: nobody gets it any more.
///
/// # Errors
/// `ERR_SHM_NOT_OWNER`.
pub fn abandon<P: Platform>(platform: &P, word: P::Word, token: Token) -> Result<()> {
    let mine = token.word();
    loop {
        let value = platform.load(word);
        if value & !WAITERS != mine {
            return Err(not_owner(value));
        }
        if platform.compare_exchange(word, value, NOT_RECOVERABLE).is_ok() {
            fail_point::reach("unlock.abandoned");
            platform.wake(word, u32::MAX);
            return Ok(());
        }
    }
}

/// Puts a dead owner's token back, so that the next locker learns of the death too.
pub fn hand_on<P: Platform>(platform: &P, word: P::Word, token: Token, dead: Token) {
    platform.set_pending(Some(word));
    loop {
        let value = platform.load(word);
        if value & !WAITERS != token.word()
            || platform.compare_exchange(word, value, dead.word() | WAITERS).is_ok()
        {
            break;
        }
    }
    platform.wake(word, u32::MAX);
    platform.set_pending(None);
}

/// Makes a lock that is not recoverable, or whose word was scribbled, free again. Answers whether it was one.
pub fn reset<P: Platform>(platform: &P, word: P::Word) -> bool {
    loop {
        let value = platform.load(word);
        let broken = match state_of(value) {
            State::NotRecoverable | State::Scribbled => true,
            State::Held(owner) => platform.look_at(owner).is_none(),
            State::Free => false,
        };
        if !broken {
            return false;
        }
        if platform.compare_exchange(word, value, 0).is_ok() {
            fail_point::reach("lock.reset");
            platform.wake(word, u32::MAX);
            return true;
        }
    }
}

pub(super) fn deadlock() -> Error {
    deadlock_of("the lock already")
}

pub(super) fn deadlock_of(what: &str) -> Error {
    Error::own("ERR_SHM_DEADLOCK", format!("this thread holds {what}, and would wait for itself"))
}

pub(super) fn not_recoverable() -> Error {
    Error::own(
        "ERR_SHM_NOT_RECOVERABLE",
        "an owner died, and the next one unlocked without markConsistent(): reset() makes it usable again",
    )
}

pub(super) fn scribbled(value: u32) -> Error {
    Error::own(
        "ERR_SHM_POSSIBLY_CORRUPT",
        format!("its word is 0x{value:08x}, which no member of this segment wrote"),
    )
}

fn not_owner(value: u32) -> Error {
    let who = match state_of(value) {
        State::Free => "nobody holds it".to_owned(),
        State::NotRecoverable => "it is not recoverable".to_owned(),
        _ => "another member holds it".to_owned(),
    };
    Error::own("ERR_SHM_NOT_OWNER", format!("this member does not hold the lock: {who}"))
}
