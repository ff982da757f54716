//! How everything here waits: an algorithm says whether it is done, or which words keep it from going on; somebody else sleeps.
//!
//! So each algorithm is written once, as steps that never block, and is driven by [`wait_until`] on a thread of its own, by
//! [`super::waiter`] together with many others, or by a model that tries every order of steps.

use super::fallback;
use crate::error::{Errno, Error, Result};
use crate::membership::{Platform, Sleep, Word};
use crate::sys::futex::{self, Watched};
use std::time::Duration;

/// What a wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What was waited for.
    Done,
    /// The same; but the one before died with it in hand.
    OwnerDied,
    /// One of those who were waited for died.
    PartyDied,
    /// A word had another value from the beginning.
    NotEqual,
}

/// One step's result.
#[derive(Debug)]
pub enum Step<W> {
    /// The wait is over.
    Answered(Answer),
    /// Nothing can be done before one of these words changes.
    Asleep(Sleep<W>),
}

/// A wait, as steps. Between two steps its thread may sleep, and may be killed anywhere.
pub trait Wait<P: Platform> {
    /// Tries. `recheck`: it was not woken, and shall also look for deaths that the kernel could not mark.
    ///
    /// # Errors
    /// What ends the wait for good.
    fn step(&mut self, platform: &P, recheck: bool) -> Result<Step<P::Word>>;

    /// The wait ends (a timeout, an abort). It may have slept, and so swallowed a wake that another needs. Answers what it was too late to
    /// give up.
    fn give_up(&mut self, platform: &P) -> Option<Answer>;

    /// Undoes an answer that nobody wants any more: what was got is given back, as it was.
    fn give_back(&mut self, platform: &P, answer: Answer);

    /// The word on which the kernel shall wake another when this thread dies in the middle.
    fn busy_word(&self) -> Option<P::Word>;

    /// About how many words it sleeps on, so that a thread takes no more waits than futex_waitv(2) takes words.
    fn word_count(&self) -> usize {
        3
    }
}

/// How a wait with a limit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waited {
    /// `None`: the time was over.
    pub answer: Option<Answer>,
    /// Whether it had to sleep.
    pub slept: bool,
}

/// A sleeper that nobody woke looks by itself after this time, then after twice the time with each further look.
pub const RECHECK_FIRST: Duration = Duration::from_millis(10);

/// The longest time between two looks.
pub const RECHECK_LAST: Duration = Duration::from_secs(1);

/// Steps and sleeps until there is an answer, or until that time of CLOCK_MONOTONIC; `None` waits for ever.
///
/// # Errors
/// What the wait's steps answer; EFAULT where the words were truncated away.
pub fn wait_until<P: Platform<Word = Word>>(
    platform: &P,
    wait: &mut dyn Wait<P>,
    until: Option<Duration>,
) -> Result<Waited> {
    platform.set_pending(wait.busy_word());
    let waited = drive(platform, wait, until);
    platform.set_pending(None);
    waited
}

fn drive<P: Platform<Word = Word>>(
    platform: &P,
    wait: &mut dyn Wait<P>,
    until: Option<Duration>,
) -> Result<Waited> {
    let mut interval = RECHECK_FIRST;
    let mut recheck = false;
    let mut slept = false;
    loop {
        let sleep = match wait.step(platform, recheck)? {
            Step::Answered(answer) => return Ok(Waited { answer: Some(answer), slept }),
            Step::Asleep(sleep) => sleep,
        };
        if is_over(until) {
            return Ok(Waited { answer: wait.give_up(platform), slept });
        }
        slept = true;
        let woke = sleep_on(&sleep, until, interval);
        sleep.pass_on_deaths(platform);
        recheck = woke? == Woke::ByTime;
        if recheck {
            interval = (interval * 2).min(RECHECK_LAST);
        }
    }
}

/// Whether a time has come.
pub(super) fn is_over(until: Option<Duration>) -> bool {
    until.is_some_and(|until| futex::now() >= until)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Woke {
    ByWord,
    ByTime,
}

fn sleep_on(sleep: &Sleep<Word>, until: Option<Duration>, interval: Duration) -> Result<Woke> {
    let mut watched = [Watched::default(); crate::membership::WATCHED_MAX];
    let mut count = 0;
    for (place, (word, expected)) in watched.iter_mut().zip(sleep.words()) {
        *place = Watched::new(word.address(), expected);
        count += 1;
    }
    let interval = if sleep.poll { RECHECK_FIRST } else { interval };
    let next_look = (sleep.poll || rechecks()).then(|| futex::now() + interval);
    let limit = match (until, next_look) {
        (Some(until), Some(look)) => Some(until.min(look)),
        (until, look) => until.or(look),
    };
    let slept = if count == 0 {
        std::thread::sleep(limit.map_or(interval, |limit| limit.saturating_sub(futex::now())));
        Err(Errno::ETIMEDOUT)
    } else if fallback::is_needed() {
        fallback::wait_any(sleep, limit)
    } else {
        futex::wait_any(&watched[..count], limit).map(drop)
    };
    match slept {
        Ok(()) | Err(Errno::EAGAIN) => Ok(Woke::ByWord),
        Err(Errno::ETIMEDOUT | Errno::EINTR) => Ok(Woke::ByTime),
        // A container's profile forbids what the kernel could do (DECISIONS 31).
        Err(Errno::ENOSYS | Errno::EPERM) => {
            fallback::need();
            Ok(Woke::ByTime)
        }
        Err(errno) => Err(Error::system("futex_waitv", errno)),
    }
}

/// Whether sleepers look by themselves. Tests of the fail-points build switch it off, to prove that no wake is lost.
pub(super) fn rechecks() -> bool {
    #[cfg(feature = "fail-points")]
    {
        static OFF: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        if *OFF.get_or_init(|| std::env::var_os("SHMEM_NO_RECHECK").is_some()) {
            return false;
        }
    }
    true
}
