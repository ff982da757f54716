//! Waits that go on beside their owner's thread, on `HelperThreads`: begun, called off, and their outcomes fetched by the owner.
//!
//! | a wait is | and becomes |
//! |---|---|
//! | pending | in a turn, when a thread tries it; gone, when it is called off |
//! | in a turn | pending; settled, when it was granted, timed out or failed; gone, when it is called off |
//! | settled | fetched by [`PendingWaits::fetch`]; gone, when it is called off |
//!
//! Each step is under one lock, so that a wait is either fetched or gone. What one that is gone was granted is given back. Some
//! things cannot be given back for certain (what was put elsewhere in the same step may be taken by then): such a wait is called
//! off only between its turns; in a turn or granted it is not, and its owner learns from [`PendingWaits::fetch`] how it ended.

use super::helper_threads::{HelperThreads, Job, Turn};
use super::outcome::Outcome;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// As many semaphores as can be waited for at once without taking turns.
pub const THREADS_MAX: usize = 16;

static THREADS: HelperThreads = HelperThreads::new("shmem-wait", THREADS_MAX);

/// What is waited for.
pub trait Attempt: Send {
    /// Tries to take it, for `slice` at most.
    ///
    /// # Errors
    /// What ends the wait.
    fn attempt(&mut self, slice: Duration) -> Result<Outcome>;

    /// Undoes a success, as far as that is possible.
    fn give_back(&mut self);

    /// Whether [`Attempt::give_back`] always can.
    fn can_give_back(&self) -> bool;
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It has what it waited for.
    Granted,
    /// It has nothing: the time is over, or it was called off in a turn.
    TimedOut,
    /// It has nothing.
    Failed(Error),
}

/// The waits of one owner. See the module.
pub struct PendingWaits {
    inner: Mutex<Inner>,
    /// Tells the owner, on a thread of ours, that there is something to fetch.
    tell: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Inner {
    last_id: u32,
    waits: HashMap<u32, Wait>,
    settled: Vec<Settled>,
    closed: bool,
}

struct Wait {
    can_give_back: bool,
    in_turn: bool,
    called_off: bool,
}

struct Settled {
    id: u32,
    ending: Ending,
    attempt: Box<dyn Attempt>,
}

impl std::fmt::Debug for PendingWaits {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} pending waits", self.inner().waits.len())
    }
}

impl PendingWaits {
    /// None yet. `tell` is called on another thread, once for all that settled since the last [`PendingWaits::fetch`].
    #[must_use]
    pub fn new(tell: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), tell: Box::new(tell) })
    }

    /// Begins a wait; without a timeout it ends as it ends. Answers its id.
    ///
    /// # Errors
    /// `EAGAIN` (no thread could be started); `ERR_SHM_CLOSED` after [`PendingWaits::close`].
    pub fn begin(self: &Arc<Self>, attempt: Box<dyn Attempt>, timeout: Option<Duration>) -> Result<u32> {
        // A time beyond what the clock can say is none.
        let deadline = timeout.and_then(|time| Instant::now().checked_add(time));
        let mut inner = self.inner();
        if inner.closed {
            return Err(Error::own("ERR_SHM_CLOSED", "the environment ends"));
        }
        loop {
            inner.last_id = inner.last_id.wrapping_add(1);
            if !inner.waits.contains_key(&inner.last_id) {
                break;
            }
        }
        let id = inner.last_id;
        let wait = Wait { can_give_back: attempt.can_give_back(), in_turn: false, called_off: false };
        inner.waits.insert(id, wait);
        drop(inner);
        let job = WaitJob { waits: Arc::clone(self), id, deadline, attempt: Some(attempt) };
        THREADS.submit(Box::new(job)).inspect_err(|_| {
            self.inner().waits.remove(&id);
        })?;
        Ok(id)
    }

    /// Calls a wait off. `false`: not yet, its ending will be fetched (or has been).
    pub fn call_off(&self, id: u32) -> bool {
        let mut inner = self.inner();
        if let Some(wait) = inner.waits.get_mut(&id) {
            if wait.in_turn && !wait.can_give_back {
                wait.called_off = true;
                return false;
            }
            inner.waits.remove(&id);
            return true;
        }
        let Some(at) = inner.settled.iter().position(|settled| settled.id == id) else { return false };
        let Settled { ending, attempt, .. } = &inner.settled[at];
        let granted = *ending == Ending::Granted;
        if granted && !attempt.can_give_back() {
            return false;
        }
        let mut settled = inner.settled.swap_remove(at);
        drop(inner);
        if granted {
            settled.attempt.give_back();
        }
        true
    }

    /// What settled since the last call: ids and endings, in order.
    pub fn fetch(&self) -> Vec<(u32, Ending)> {
        let settled = std::mem::take(&mut self.inner().settled);
        settled.into_iter().map(|settled| (settled.id, settled.ending)).collect()
    }

    /// The owner ends: all waits are called off, and what was granted and not fetched is given back. Idempotent.
    pub fn close(&self) {
        let mut inner = self.inner();
        inner.closed = true;
        inner.waits.clear();
        let settled = std::mem::take(&mut inner.settled);
        drop(inner);
        for mut settled in settled.into_iter().filter(|settled| settled.ending == Ending::Granted) {
            settled.attempt.give_back();
        }
    }

    /// Whether the wait is still wanted; then it is in its turn.
    fn begin_turn(&self, id: u32) -> bool {
        match self.inner().waits.get_mut(&id) {
            Some(wait) => {
                wait.in_turn = true;
                true
            }
            None => false,
        }
    }

    /// Whether the wait is still wanted.
    fn end_turn(&self, id: u32) -> bool {
        match self.inner().waits.get_mut(&id) {
            Some(wait) => {
                wait.in_turn = false;
                !wait.called_off
            }
            None => false,
        }
    }

    fn settle(&self, id: u32, ending: Ending, mut attempt: Box<dyn Attempt>) {
        let mut inner = self.inner();
        if inner.waits.remove(&id).is_none() {
            drop(inner);
            if ending == Ending::Granted {
                attempt.give_back();
            }
            return;
        }
        inner.settled.push(Settled { id, ending, attempt });
        let first = inner.settled.len() == 1;
        drop(inner);
        if first {
            (self.tell)();
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct WaitJob {
    waits: Arc<PendingWaits>,
    id: u32,
    deadline: Option<Instant>,
    /// Until it is settled.
    attempt: Option<Box<dyn Attempt>>,
}

impl Job for WaitJob {
    fn turn(&mut self, slice: Duration) -> Turn {
        let Some(mut attempt) = self.attempt.take() else { return Turn::Done };
        if !self.waits.begin_turn(self.id) {
            return Turn::Done;
        }
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let ending = match attempt.attempt(left.map_or(slice, |left| left.min(slice))) {
            Ok(Outcome::Acquired) => Ending::Granted,
            Ok(Outcome::NotNow | Outcome::Interrupted) => {
                let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
                if !late && self.waits.end_turn(self.id) {
                    self.attempt = Some(attempt);
                    return Turn::Again;
                }
                Ending::TimedOut
            }
            Err(error) => Ending::Failed(error),
        };
        self.waits.settle(self.id, ending, attempt);
        Turn::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

    /// A counter of this process; `sticky` as one whose takers cannot give back.
    struct Take {
        value: Arc<AtomicI32>,
        in_turn: Arc<AtomicUsize>,
        sticky: bool,
    }

    impl Attempt for Take {
        fn attempt(&mut self, slice: Duration) -> Result<Outcome> {
            self.in_turn.fetch_add(1, Ordering::SeqCst);
            let end = Instant::now() + slice;
            loop {
                let taken = self.value.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |value| {
                    (value > 0).then_some(value - 1)
                });
                if taken.is_ok() || Instant::now() >= end {
                    self.in_turn.fetch_sub(1, Ordering::SeqCst);
                    return Ok(if taken.is_ok() { Outcome::Acquired } else { Outcome::NotNow });
                }
                std::thread::sleep(Duration::from_micros(50));
            }
        }

        fn give_back(&mut self) {
            self.value.fetch_add(1, Ordering::SeqCst);
        }

        fn can_give_back(&self) -> bool {
            !self.sticky
        }
    }

    struct Counter {
        value: Arc<AtomicI32>,
        in_turn: Arc<AtomicUsize>,
    }

    impl Counter {
        fn new(value: i32) -> Self {
            Self { value: Arc::new(AtomicI32::new(value)), in_turn: Arc::default() }
        }

        fn take(&self, sticky: bool) -> Box<dyn Attempt> {
            Box::new(Take { value: Arc::clone(&self.value), in_turn: Arc::clone(&self.in_turn), sticky })
        }

        fn value(&self) -> i32 {
            self.value.load(Ordering::SeqCst)
        }

        fn nobody_tries(&self) -> bool {
            self.in_turn.load(Ordering::SeqCst) == 0
        }
    }

    fn until(holds: impl Fn() -> bool) {
        while !holds() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn fetch_one(waits: &PendingWaits) -> (u32, Ending) {
        until(|| !waits.inner().settled.is_empty());
        waits.fetch().remove(0)
    }

    #[test]
    fn a_wait_ends_granted_or_timed_out_and_tells() {
        let told = Arc::new(AtomicUsize::new(0));
        let waits = PendingWaits::new({
            let told = Arc::clone(&told);
            move || {
                told.fetch_add(1, Ordering::SeqCst);
            }
        });
        let counter = Counter::new(0);
        let late = waits.begin(counter.take(false), Some(Duration::from_millis(5))).unwrap();
        assert_eq!(fetch_one(&waits), (late, Ending::TimedOut));
        let patient = waits.begin(counter.take(false), None).unwrap();
        counter.value.store(1, Ordering::SeqCst);
        assert_eq!(fetch_one(&waits), (patient, Ending::Granted));
        until(|| told.load(Ordering::SeqCst) == 2);
        assert_eq!(counter.value(), 0);
    }

    #[test]
    fn whatever_the_moment_a_wait_is_fetched_or_gone_and_nothing_is_lost() {
        let counter = Counter::new(0);
        let waits = PendingWaits::new(|| {});
        for round in 0..300 {
            let id = waits.begin(counter.take(false), None).unwrap();
            counter.give(round);
            let gone = waits.call_off(id);
            if gone {
                until(|| counter.nobody_tries());
                until(|| counter.value() == 1);
                assert!(waits.fetch().iter().all(|(fetched, _)| *fetched != id));
                counter.value.store(0, Ordering::SeqCst);
            } else {
                assert!(waits.fetch().contains(&(id, Ending::Granted)));
                assert_eq!(counter.value(), 0);
            }
        }
    }

    impl Counter {
        /// Early or late, as the round is.
        fn give(&self, round: u64) {
            std::thread::sleep(Duration::from_micros(round % 7 * 30));
            self.value.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_micros(round % 5 * 40));
        }
    }

    #[test]
    fn what_cannot_be_given_back_is_called_off_between_turns_or_granted() {
        let counter = Counter::new(0);
        let waits = PendingWaits::new(|| {});
        let id = waits.begin(counter.take(true), None).unwrap();
        until(|| !counter.nobody_tries());
        if !waits.call_off(id) {
            assert_eq!(fetch_one(&waits), (id, Ending::TimedOut));
        }
        let id = waits.begin(counter.take(true), None).unwrap();
        counter.value.store(1, Ordering::SeqCst);
        until(|| !waits.inner().settled.is_empty());
        assert!(!waits.call_off(id), "it has what it waited for");
        assert_eq!(waits.fetch(), [(id, Ending::Granted)]);
        assert_eq!(counter.value(), 0);
    }

    #[test]
    fn an_owner_that_ends_leaves_nothing_taken() {
        for round in 0..50 {
            let counter = Counter::new(0);
            let waits = PendingWaits::new(|| {});
            for _ in 0..5 {
                waits.begin(counter.take(false), None).unwrap();
            }
            counter.value.store(3, Ordering::SeqCst);
            std::thread::sleep(Duration::from_micros(round * 20));
            waits.close();
            until(|| Arc::strong_count(&waits) == 1);
            assert_eq!(counter.value(), 3);
            assert_eq!(waits.begin(counter.take(false), None).unwrap_err().code(), "ERR_SHM_CLOSED");
        }
    }
}
