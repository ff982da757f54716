//! A few threads that wait for many: each job is tried for a slice of time, then the next one in the queue is.
//!
//! For waits that the kernel offers only one a thread, as those of semaphores. Threads start as jobs come, up to a limit, and end
//! after some idle seconds. Beyond the limit the jobs take turns, so that none starves behind others that wait for long.

use crate::error::{Errno, Error, Result};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The longest turn: how long a thread may stay with a job that nobody wants any more.
pub(crate) const SLICE: Duration = Duration::from_millis(100);
/// The shortest turn: below it, threads that take turns would do nothing else.
const SHORTEST_SLICE: Duration = Duration::from_millis(2);
/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(5);

/// Whether a job wants another turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It goes to the end of the queue.
    Again,
    /// It is dropped.
    Done,
}

/// What a thread does for somebody.
pub(crate) trait Job: Send {
    /// Tries, for `slice` at most.
    fn turn(&mut self, slice: Duration) -> Turn;
}

/// See the module. Made once, as a static.
#[derive(Debug)]
pub(crate) struct HelperThreads {
    name: &'static str,
    most: usize,
    state: Mutex<State>,
    work: Condvar,
}

struct State {
    queue: VecDeque<Box<dyn Job>>,
    threads: usize,
    idle: usize,
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { queue, threads, idle } = self;
        write!(formatter, "{} jobs wait, {threads} threads, {idle} of them idle", queue.len())
    }
}

impl HelperThreads {
    /// Threads of this name (15 bytes are shown), at most so many, none yet.
    #[must_use]
    pub(crate) const fn new(name: &'static str, most: usize) -> Self {
        let state = State { queue: VecDeque::new(), threads: 0, idle: 0 };
        Self { name, most, state: Mutex::new(state), work: Condvar::new() }
    }

    /// Hands over a job.
    ///
    /// # Errors
    /// `EAGAIN` of pthread_create(3), where there is no thread at all that could do it. The job is dropped then.
    pub(crate) fn submit(&'static self, job: Box<dyn Job>) -> Result<()> {
        let mut state = self.state();
        state.queue.push_back(job);
        if state.idle >= state.queue.len() {
            self.work.notify_one();
            return Ok(());
        }
        if state.threads == self.most {
            return Ok(());
        }
        let thread = std::thread::Builder::new().name(self.name.to_owned());
        match thread.spawn(move || self.serve()) {
            Ok(_) => state.threads += 1,
            Err(error) if state.threads == 0 => {
                let orphan = state.queue.pop_back();
                drop(state);
                drop(orphan);
                let errno = Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EAGAIN.raw()));
                return Err(Error::system("pthread_create", errno));
            }
            // Those that are there do it.
            Err(_) => self.work.notify_one(),
        }
        Ok(())
    }

    fn serve(&self) {
        let mut state = self.state();
        loop {
            let Some(mut job) = state.queue.pop_front() else {
                state.idle += 1;
                let (awake, waited) =
                    self.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
                state = awake;
                state.idle -= 1;
                if waited.timed_out() && state.queue.is_empty() {
                    state.threads -= 1;
                    return;
                }
                continue;
            };
            let slice = self.slice(state.queue.len());
            drop(state);
            // A job that panics is over; the thread is not, since it is counted.
            let turn = catch_unwind(AssertUnwindSafe(|| job.turn(slice))).unwrap_or(Turn::Done);
            let ended = match turn {
                Turn::Again => {
                    state = self.state();
                    state.queue.push_back(job);
                    continue;
                }
                Turn::Done => job,
            };
            // Outside the lock: what a job owns may take long to go.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(ended)));
            state = self.state();
        }
    }

    /// The more jobs stand behind the threads, the shorter a turn, so that each has its turn every 100 ms.
    fn slice(&self, waiting: usize) -> Duration {
        let threads = u32::try_from(self.most).unwrap_or(u32::MAX);
        let jobs = u32::try_from(self.most + waiting).unwrap_or(u32::MAX);
        SLICE.saturating_mul(threads).checked_div(jobs).unwrap_or(SLICE).max(SHORTEST_SLICE)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Waits out its turns until a number was counted, then counts itself.
    struct Until {
        counted: Arc<AtomicUsize>,
        at_least: usize,
    }

    impl Job for Until {
        fn turn(&mut self, slice: Duration) -> Turn {
            if self.counted.load(Ordering::SeqCst) >= self.at_least {
                self.counted.fetch_add(1, Ordering::SeqCst);
                return Turn::Done;
            }
            std::thread::sleep(slice);
            Turn::Again
        }
    }

    fn until(holds: impl Fn() -> bool) {
        while !holds() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_job_behind_others_that_wait_for_it_has_its_turn() {
        static THREADS: HelperThreads = HelperThreads::new("test-turns", 2);
        let counted = Arc::new(AtomicUsize::new(0));
        for at_least in (0..40).rev() {
            THREADS.submit(Box::new(Until { counted: Arc::clone(&counted), at_least })).unwrap();
        }
        // Each waits for the one that was submitted after it: without turns the first two would hold both threads for ever.
        until(|| counted.load(Ordering::SeqCst) == 40);
        assert!(THREADS.state().threads <= 2);
    }

    struct Panics;

    impl Job for Panics {
        fn turn(&mut self, _: Duration) -> Turn {
            // Unwinds as a panic does, without the report of one.
            std::panic::resume_unwind(Box::new("a job's own fault"))
        }
    }

    #[test]
    fn a_job_that_panics_takes_no_thread_with_it() {
        static THREADS: HelperThreads = HelperThreads::new("test-panics", 1);
        let counted = Arc::new(AtomicUsize::new(0));
        THREADS.submit(Box::new(Panics)).unwrap();
        THREADS.submit(Box::new(Until { counted: Arc::clone(&counted), at_least: 0 })).unwrap();
        until(|| counted.load(Ordering::SeqCst) == 1);
        assert_eq!(THREADS.state().threads, 1);
    }

    #[test]
    fn turns_become_shorter_as_jobs_queue_up() {
        let threads = HelperThreads::new("test-slices", 16);
        assert_eq!(threads.slice(0), SLICE);
        assert_eq!(threads.slice(16), SLICE / 2);
        assert_eq!(threads.slice(1_000_000), SHORTEST_SLICE);
    }
}
