//! Many waits at once, beside the thread that asked: threads that sleep in futex_waitv(2) on the words of 40 to 120 waits each, and tell
//! when one has ended. A wait costs no thread, and no thread of anybody's pool.
//!
//! A waiter thread takes a lock on behalf of the member that asked, so no wake is lost on the way; the member holds it from then on, also
//! while its own thread is busy with something else.
//!
//! A wait is in one of these states, under one lock, so that it is either fetched or gone:
//!
//! | state | on to |
//! |---|---|
//! | pending | ended, by its thread's step; gone, by [`Waiters::call_off`] |
//! | ended | fetched, by [`Waiters::fetch`]; gone, by [`Waiters::call_off`], and what it had got is given back |

mod request;

pub use request::Request;

use super::fallback;
use super::wait::{Answer, RECHECK_FIRST, RECHECK_LAST, Step, Waited, rechecks};
use crate::error::{Errno, Error, Result};
use crate::membership::{Sleep, Word};
use crate::sys::SysResult;
use crate::sys::futex::{self, Watched};
use crate::sys::robust_list::RobustList;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// As many words as one thread's waits sleep on, about: with the thread's own they are less than futex_waitv(2) takes.
const WORDS_PER_THREAD: usize = 120;

/// A thread without a wait ends after this time.
const IDLE: Duration = Duration::from_secs(5);

/// The waits of one environment.
pub struct Waiters {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Waiters {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Waiters").finish_non_exhaustive()
    }
}

struct Shared {
    book: Mutex<Book>,
    tell: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Book {
    last_id: u32,
    entries: HashMap<u32, Arc<Entry>>,
    ended: Vec<u32>,
    lanes: Vec<Arc<Lane>>,
    closed: bool,
}

struct Entry {
    id: u32,
    word_count: AtomicUsize,
    lane: Arc<Lane>,
    inside: Mutex<Inside>,
}

struct Inside {
    request: Option<Request>,
    slept: bool,
    ending: Option<Result<Answer>>,
}

/// One thread, and the way to it.
struct Lane {
    /// Changes with every message; the thread sleeps on it besides.
    control: AtomicU32,
    stop: AtomicBool,
    inbox: Mutex<Vec<Arc<Entry>>>,
    /// Words of the waits it serves, those in the inbox included. Changed under the book's lock, or by the thread.
    load: Mutex<usize>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Waiters {
    /// `tell` is called, on some thread, when there is something to fetch.
    #[must_use]
    pub fn new(tell: impl Fn() + Send + Sync + 'static) -> Self {
        Self { shared: Arc::new(Shared { book: Mutex::default(), tell: Box::new(tell) }) }
    }

    /// Begins a wait. Answers its id.
    ///
    /// # Errors
    /// `ERR_SHM_CLOSED`; EAGAIN (no thread can be made).
    pub fn begin(&self, request: Request) -> Result<u32> {
        let mut book = lock(&self.shared.book);
        if book.closed {
            return Err(Error::own("ERR_SHM_CLOSED", "the environment ends"));
        }
        let word_count = request.wait.word_count();
        let lane = lane_with_room(&self.shared, &mut book, word_count)?;
        book.last_id = book.last_id.wrapping_add(1).max(1);
        while book.entries.contains_key(&book.last_id) {
            book.last_id = book.last_id.wrapping_add(1).max(1);
        }
        let id = book.last_id;
        let inside = Inside { request: Some(request), slept: false, ending: None };
        let words = AtomicUsize::new(word_count);
        let entry =
            Arc::new(Entry { id, word_count: words, lane: Arc::clone(&lane), inside: Mutex::new(inside) });
        book.entries.insert(id, Arc::clone(&entry));
        // Before anybody can put it down.
        *lock(&lane.load) += word_count;
        lock(&lane.inbox).push(entry);
        drop(book);
        lane.knock();
        Ok(id)
    }

    /// Ends a wait that nobody fetched yet, and gives back what it may have got. When this returns, it has left nothing behind. Answers whether
    /// there was such a wait.
    pub fn call_off(&self, id: u32) -> bool {
        self.end(id).is_some()
    }

    /// As [`Waiters::call_off`]; answers what it gave back, for those who cannot: a barrier's phase that has ended, has.
    pub fn call_off_late(&self, id: u32) -> Option<Answer> {
        self.end(id).flatten()
    }

    fn end(&self, id: u32) -> Option<Option<Answer>> {
        let entry = lock(&self.shared.book).entries.remove(&id)?;
        Some(entry.call_off())
    }

    /// Which waits ended since the last call, and how.
    #[must_use]
    pub fn fetch(&self) -> Vec<(u32, Result<Answer>)> {
        let mut book = lock(&self.shared.book);
        let ended = std::mem::take(&mut book.ended);
        let fetched = ended.into_iter().filter_map(|id| {
            let entry = book.entries.remove(&id)?;
            let mut inside = lock(&entry.inside);
            inside.request = None;
            Some((id, inside.ending.take()?))
        });
        fetched.collect()
    }

    /// Calls all waits off and ends the threads; returns when they are gone. Idempotent.
    pub fn close(&self) {
        let (entries, lanes) = {
            let mut book = lock(&self.shared.book);
            book.closed = true;
            (std::mem::take(&mut book.entries), std::mem::take(&mut book.lanes))
        };
        for entry in entries.values() {
            entry.call_off();
        }
        for lane in lanes {
            lane.stop.store(true, Ordering::SeqCst);
            lane.knock();
            let thread = lock(&lane.thread).take();
            if let Some(thread) = thread {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Waiters {
    fn drop(&mut self) {
        self.close();
    }
}

fn lane_with_room(shared: &Arc<Shared>, book: &mut Book, word_count: usize) -> Result<Arc<Lane>> {
    // A thread that is about to end took its lane out of the book under the book's lock.
    if let Some(lane) = book.lanes.iter().find(|lane| *lock(&lane.load) + word_count <= WORDS_PER_THREAD) {
        return Ok(Arc::clone(lane));
    }
    let lane = Arc::new(Lane {
        control: AtomicU32::new(0),
        stop: AtomicBool::new(false),
        inbox: Mutex::default(),
        load: Mutex::new(0),
        thread: Mutex::new(None),
    });
    let (own, shared) = (Arc::clone(&lane), Arc::clone(shared));
    let thread = std::thread::Builder::new()
        .name("shmem-waiter".to_owned())
        .stack_size(256 * 1024)
        .spawn(move || own.run(&shared))
        .map_err(|error| {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EAGAIN.raw()));
            Error::system("pthread_create", errno)
        })?;
    *lock(&lane.thread) = Some(thread);
    book.lanes.push(Arc::clone(&lane));
    Ok(lane)
}

/// A wait as its thread knows it between two steps.
struct Active {
    entry: Arc<Entry>,
    sleep: Sleep<Word>,
    /// `None`: the wait cannot tell a wake by looking.
    busy: Option<Word>,
    interval: Duration,
    next_look: Duration,
    due: Due,
}

/// Whether a wait has to make a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    No,
    /// It is new, or may have been woken.
    Woken,
    /// It was not woken for long.
    Recheck,
}

impl Active {
    fn new(entry: Arc<Entry>) -> Self {
        Self {
            entry,
            sleep: Sleep::new(),
            busy: None,
            interval: RECHECK_FIRST,
            next_look: Duration::MAX,
            due: Due::Woken,
        }
    }

    /// Makes a step if one is due. Answers whether the wait goes on.
    fn go_on(&mut self, shared: &Shared) -> bool {
        let recheck = match self.due {
            Due::No => return true,
            Due::Woken => false,
            Due::Recheck => true,
        };
        let mut inside = lock(&self.entry.inside);
        let Inside { request, slept, ending } = &mut *inside;
        let Some(Request { wait, count, .. }) = request else {
            // Called off, while this thread slept for it and may have swallowed a wake after its `give_up`: another one gets it. The words may be
            // unmapped by now; the kernel then answers EFAULT.
            for (word, _) in self.sleep.words() {
                word.wake(1);
            }
            return false;
        };
        self.busy = wait.busy_word();
        let answer = match wait.step(recheck) {
            Ok(Step::Asleep(sleep)) => {
                *slept = true;
                self.interval = if recheck { (self.interval * 2).min(RECHECK_LAST) } else { self.interval };
                let interval = if sleep.poll { RECHECK_FIRST } else { self.interval };
                let looks = sleep.poll || rechecks();
                self.next_look = if looks { futex::now() + interval } else { Duration::MAX };
                self.sleep = sleep;
                self.due = Due::No;
                return true;
            }
            Ok(Step::Answered(answer)) => Ok(answer),
            Err(error) => Err(error),
        };
        count(Waited { answer: answer.as_ref().ok().copied(), slept: *slept });
        *ending = Some(answer);
        // Never the book inside an entry: elsewhere it is the other way round.
        drop(inside);
        lock(&shared.book).ended.push(self.entry.id);
        (shared.tell)();
        false
    }

    /// Whether it has to look, after a sleep that the word of that index ended, or none.
    fn look(&mut self, first_word: usize, woken: Option<usize>, now: Duration) {
        let inside = lock(&self.entry.inside);
        // While the request is there, its pin is, and so are the words.
        if let Some(request) = &inside.request {
            request.wait.pass_on_deaths(&self.sleep);
        }
        let is_concerned = inside.request.is_none()
            || woken.is_some_and(|woken| first_word <= woken)
            || self.sleep.words().any(|(word, expected)| word.load() != expected);
        self.due = match (is_concerned, now >= self.next_look) {
            (true, _) => Due::Woken,
            (false, true) => Due::Recheck,
            (false, false) => Due::No,
        };
    }
}

impl Entry {
    /// Its words are its thread's load no more: once, whoever says so first.
    fn put_down(&self) {
        let words = self.word_count.swap(0, Ordering::SeqCst);
        *lock(&self.lane.load) -= words;
    }

    /// Ends the wait, and gives back what it got, which it answers. Its pin goes with it.
    fn call_off(&self) -> Option<Answer> {
        let mut inside = lock(&self.inside);
        let Request { mut wait, count, pin } = inside.request.take()?;
        let got = match inside.ending.take() {
            Some(ending) => ending.ok(),
            None => {
                let got = wait.give_up();
                count(Waited { answer: got, slept: inside.slept });
                got
            }
        };
        if let Some(answer) = got {
            wait.give_back(answer);
        }
        drop(inside);
        drop(pin);
        // At once, though the thread sees it later: many short waits, one after the other, need no second thread.
        self.put_down();
        self.lane.knock();
        got
    }
}

impl Lane {
    fn knock(&self) {
        // SYNC: after the inbox was filled, or the entry emptied; `run` reads it before it looks at them.
        self.control.fetch_add(1, Ordering::SeqCst);
        let _ = futex::wake(self.control.as_ptr() as usize, 1, false);
    }

    fn run(&self, shared: &Shared) {
        let mut active: Vec<Active> = Vec::new();
        loop {
            let control = self.control.load(Ordering::SeqCst);
            active.extend(std::mem::take(&mut *lock(&self.inbox)).into_iter().map(Active::new));
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            active.retain_mut(|wait| {
                let goes_on = wait.go_on(shared);
                if !goes_on {
                    wait.entry.put_down();
                }
                goes_on
            });
            if !active.is_empty() {
                self.sleep(&mut active, control);
            } else if self.rest(shared, control) {
                return;
            }
        }
    }

    /// Sleeps without a wait. Answers whether the thread shall end.
    fn rest(&self, shared: &Shared, control: u32) -> bool {
        let rested = futex::wait(self.control.as_ptr() as usize, control, IDLE, false);
        if rested != Err(Errno::ETIMEDOUT) {
            return false;
        }
        // Under the book's lock nobody gives it more to do.
        let mut book = lock(&shared.book);
        if *lock(&self.load) > 0 {
            return false;
        }
        book.lanes.retain(|lane| !std::ptr::eq(Arc::as_ptr(lane), self));
        true
    }

    /// Sleeps until a word of some wait changes or is woken, a look is due, or somebody knocks; then says which waits that concerns.
    fn sleep(&self, active: &mut [Active], control: u32) {
        // Of several wakes the kernel names the last one: whatever lies before it may have been woken too. Waits that cannot tell by looking
        // come last, so that the others' wakes do not make them believe in one.
        active.sort_by_key(|wait| wait.busy.is_none());
        let mut words = Vec::with_capacity(futex::WORDS_MAX);
        let mut first_words = Vec::with_capacity(active.len());
        words.push(Watched::new(self.control.as_ptr() as usize, control));
        for wait in active.iter_mut() {
            first_words.push(words.len());
            let room = futex::WORDS_MAX - words.len();
            let watched = wait.sleep.words().map(|(word, expected)| Watched::new(word.address(), expected));
            words.extend(watched.take(room));
            if wait.sleep.words().count() > room {
                wait.next_look = wait.next_look.min(futex::now() + RECHECK_FIRST);
            }
        }
        let next_look = active.iter().map(|wait| wait.next_look).min().filter(|look| *look < Duration::MAX);
        let slept = match active {
            _ if fallback::is_needed() => self.sleep_poorly(active, control),
            // Of one wait alone, the kernel can pass the wake on when this thread is killed.
            [only] => only.with_pending(|| futex::wait_any(&words, next_look)),
            _ => futex::wait_any(&words, next_look),
        };
        if matches!(slept, Err(Errno::ENOSYS | Errno::EPERM)) {
            fallback::need();
        }
        let now = futex::now();
        for (wait, first_word) in active.iter_mut().zip(first_words) {
            // A word that is gone concerns somebody: all look.
            let woken = if slept == Err(Errno::EFAULT) { Some(usize::MAX) } else { slept.ok() };
            wait.look(first_word, woken, now);
        }
    }

    fn sleep_poorly(&self, active: &[Active], control: u32) -> SysResult<usize> {
        let is_quiet = active.iter().all(|wait| {
            let inside = lock(&wait.entry.inside);
            inside.request.is_some() && wait.sleep.words().all(|(word, expected)| word.load() == expected)
        });
        if is_quiet {
            let _ = futex::wait(self.control.as_ptr() as usize, control, fallback::SLICE, false);
        }
        Err(Errno::EAGAIN)
    }
}

impl Active {
    fn with_pending<T>(&self, act: impl FnOnce() -> T) -> T {
        let list = RobustList::of_this_thread();
        if let Ok(list) = list {
            list.set_pending(self.busy.map(Word::address));
        }
        let answer = act();
        if let Ok(list) = list {
            list.set_pending(None);
        }
        answer
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
