//! The machine of a model: words of memory, a kernel that puts to sleep, wakes and buries, and threads that can be killed at any step.
//!
//! Every access of the algorithms is sequentially consistent, and loom treats such loads as weaker than they are. So every write here is a
//! read-modify-write, which makes loom's loads answer the newest value: one order of all steps, as the real memory has. Which orders
//! there are is what loom enumerates.
//!
//! A loom operation on a word is a scheduling point, and what follows it up to the next is one step with it. So the kernel's queues need no lock
//! of the model: whoever changes a word's queue has just touched the word.

use super::mutant::Mutant;
use loom::sync::atomic::{AtomicU32, Ordering::SeqCst};
use shmem_core::membership::claim::active_claim;
use shmem_core::membership::{Token, TokenShape};
use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

/// linux/futex.h
pub(crate) const TID: u32 = 0x3fff_ffff;
pub(crate) const OWNER_DIED: u32 = 1 << 30;
pub(crate) const WAITERS: u32 = 1 << 31;

/// The generation of everybody who is a member from the beginning.
pub(crate) const GENERATION: u32 = 1;

/// A word, by its number: claim and presence of each slot, then those of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Index(u8);

/// What a model was caught at.
pub(crate) struct Violation(pub String);

/// Ends the exploration.
pub(crate) fn violate(what: impl Into<String>) -> ! {
    resume_unwind(Box::new(Violation(what.into())))
}

/// What a thread unwinds with that rightly sleeps for ever.
pub(crate) struct Forsaken;

/// Whether it is right that the sleepers sleep for ever, as all others have ended.
pub(crate) type MaySleep = Arc<dyn Fn(&World) -> bool + Send + Sync>;

/// One step of a thread, to show how it came to a violation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) actor: usize,
    pub(crate) what: &'static str,
    pub(crate) word: Option<Index>,
    pub(crate) values: [Option<u32>; 3],
}

pub(crate) type Trace = Arc<Mutex<Vec<Event>>>;

/// What a model's machine has.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Threads, 5 at most. Each is a member of the slot of its number, unless they join.
    pub(crate) actors: usize,
    pub(crate) slots: usize,
    /// The object's words, by their names.
    pub(crate) words: &'static [&'static str],
    /// Who may be killed. The words of all other members never change, and loom need not look at them.
    pub(crate) mortal: Option<usize>,
    /// What words of the object are at first, by their numbers; the others are 0.
    pub(crate) preset: Vec<(usize, u32)>,
    /// Members join and leave: claims change too.
    pub(crate) joining: bool,
    /// How often, in one order, a thread that could go on is interrupted, at most. With more threads there are more orders.
    pub(crate) preemptions: usize,
    pub(crate) mutant: Mutant,
}

impl Setup {
    /// So many members from the beginning, and an object of these words.
    pub(crate) fn new(actors: usize, words: &'static [&'static str], mutant: Mutant) -> Self {
        let preemptions = [0, 0, 3, 2, 1, 1][actors];
        Self {
            actors,
            slots: actors,
            words,
            mortal: None,
            preset: Vec::new(),
            joining: false,
            preemptions,
            mutant,
        }
    }
}

/// A word nobody changes in this model is no scheduling point.
enum Memory {
    Still(u32),
    Moving(AtomicU32),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Thread {
    Running,
    Asleep,
    Ended,
}

struct Kernel {
    queues: Vec<VecDeque<usize>>,
    woken: Vec<bool>,
    threads: Vec<Thread>,
    handles: Vec<Option<loom::thread::Thread>>,
    forsaken: bool,
}

/// See the module.
pub(crate) struct World {
    pub(crate) setup: Setup,
    words: Vec<Memory>,
    kernel: Mutex<Kernel>,
    /// Whose presence the kernel has cleared.
    dead: Vec<AtomicBool>,
    pub(super) trace: Trace,
    may_sleep: MaySleep,
}

impl World {
    pub(crate) fn new(setup: &Setup, trace: &Trace, may_sleep: &MaySleep) -> Self {
        let count = 2 * setup.slots + setup.words.len();
        let words = (0..count).map(|index| {
            let member = index / 2;
            let (value, moves) = match (index < 2 * setup.slots, index % 2) {
                (true, _) if setup.joining => (0, true),
                (true, 0) => (active_claim(GENERATION), false),
                (true, _) => (THREAD_ID | WAITERS, setup.mortal == Some(member)),
                (false, _) => {
                    let number = index - 2 * setup.slots;
                    (setup.preset.iter().find(|preset| preset.0 == number).map_or(0, |preset| preset.1), true)
                }
            };
            if !moves {
                return Memory::Still(value);
            }
            let word = AtomicU32::new(value);
            // So that no load can answer the first value for a later one.
            word.swap(value, SeqCst);
            Memory::Moving(word)
        });
        Self {
            setup: setup.clone(),
            words: words.collect(),
            kernel: Mutex::new(Kernel {
                queues: vec![VecDeque::new(); count],
                woken: vec![false; setup.actors],
                threads: vec![Thread::Running; setup.actors],
                handles: vec![None; setup.actors],
                forsaken: false,
            }),
            dead: (0..setup.actors).map(|_| AtomicBool::new(false)).collect(),
            trace: Arc::clone(trace),
            may_sleep: Arc::clone(may_sleep),
        }
    }

    pub(crate) fn claim(slot: usize) -> Index {
        Index(u8::try_from(2 * slot).unwrap())
    }

    pub(crate) fn presence(slot: usize) -> Index {
        Index(u8::try_from(2 * slot + 1).unwrap())
    }

    fn kernel(&self) -> MutexGuard<'_, Kernel> {
        self.kernel.lock().unwrap()
    }

    /// The object's word of that number.
    pub(crate) fn word(&self, number: usize) -> Index {
        Index(u8::try_from(2 * self.setup.slots + number).unwrap())
    }

    pub(crate) fn shape(&self) -> TokenShape {
        TokenShape::of(u32::try_from(self.setup.slots).unwrap())
    }

    /// The kernel has cleared its presence.
    pub(super) fn set_dead(&self, actor: usize) {
        self.dead[actor].store(true, Relaxed);
    }

    /// A new sleep begins.
    pub(super) fn begin_sleep(&self, actor: usize) {
        self.kernel().woken[actor] = false;
    }

    /// Whether it is the presence of a slot.
    pub(super) fn is_presence(&self, Index(index): Index) -> bool {
        index % 2 == 1 && usize::from(index) < 2 * self.setup.slots
    }

    /// Whether that thread was killed, and everybody can see it.
    pub(crate) fn is_dead(&self, actor: usize) -> bool {
        self.dead[actor].load(Relaxed)
    }

    /// Whether that thread sleeps.
    pub(crate) fn sleeps(&self, actor: usize) -> bool {
        self.kernel().threads[actor] == Thread::Asleep
    }

    /// The value, for a model's own eyes: when all threads have ended or sleep.
    pub(crate) fn at_end(&self, word: Index) -> u32 {
        self.load(word)
    }

    /// Whether the word is, waiters' mark aside, the token of somebody who lives.
    pub(crate) fn is_alive(&self, word: u32) -> bool {
        Token::from_word(word & !WAITERS)
            .is_some_and(|token| !self.is_dead(self.shape().parts(token).0 as usize))
    }

    /// The name of a word.
    pub(crate) fn name(setup: &Setup, Index(index): Index) -> String {
        let index = usize::from(index);
        match index.checked_sub(2 * setup.slots) {
            Some(number) => setup.words[number].to_owned(),
            None => format!("{}[{}]", ["claim", "presence"][index % 2], index / 2),
        }
    }

    pub(super) fn moves(&self, Index(index): Index) -> bool {
        matches!(self.words[usize::from(index)], Memory::Moving(_))
    }

    pub(super) fn load(&self, Index(index): Index) -> u32 {
        match &self.words[usize::from(index)] {
            Memory::Still(value) => *value,
            Memory::Moving(word) => word.load(SeqCst),
        }
    }

    pub(super) fn moving(&self, word: Index) -> &AtomicU32 {
        match &self.words[usize::from(word.0)] {
            Memory::Still(_) => panic!("{} was said never to change", Self::name(&self.setup, word)),
            Memory::Moving(word) => word,
        }
    }

    /// A scheduling point that orders this step with all others on the word; answers the value.
    pub(super) fn touch(&self, word: Index) -> u32 {
        match &self.words[usize::from(word.0)] {
            Memory::Still(value) => *value,
            Memory::Moving(word) => word.fetch_add(0, SeqCst),
        }
    }

    /// futex(2), FUTEX_WAKE: first come, first woken.
    pub(super) fn wake(&self, word: Index, count: u32) -> u32 {
        self.touch(word);
        let mut kernel = self.kernel();
        let mut woken = 0;
        while woken < count {
            let Some(sleeper) = kernel.queues[usize::from(word.0)].pop_front() else { break };
            kernel.woken[sleeper] = true;
            kernel.threads[sleeper] = Thread::Running;
            if let Some(handle) = &kernel.handles[sleeper] {
                handle.unpark();
            }
            woken += 1;
        }
        woken
    }

    pub(super) fn enqueue(&self, word: Index, expected: u32, actor: usize) -> Result<(), u32> {
        let value = self.touch(word);
        if value != expected {
            return Err(value);
        }
        if self.moves(word) {
            self.kernel().queues[usize::from(word.0)].push_back(actor);
        }
        Ok(())
    }

    pub(super) fn dequeue(&self, word: Index, actor: usize) {
        self.touch(word);
        self.kernel().queues[usize::from(word.0)].retain(|sleeper| *sleeper != actor);
    }

    pub(super) fn park(&self, actor: usize) {
        {
            let mut kernel = self.kernel();
            if kernel.woken[actor] {
                return;
            }
            kernel.threads[actor] = Thread::Asleep;
            kernel.handles[actor] = Some(loom::thread::current());
        }
        self.look_for_deadlock();
        while !self.kernel().woken[actor] {
            if self.kernel().forsaken {
                self.kernel().threads[actor] = Thread::Ended;
                resume_unwind(Box::new(Forsaken));
            }
            loom::thread::park();
        }
    }

    /// A thread has ended, in whatever way.
    pub(crate) fn end(&self, actor: usize) -> bool {
        self.kernel().threads[actor] = Thread::Ended;
        self.look_for_deadlock();
        self.kernel().threads.iter().all(|thread| *thread == Thread::Ended)
    }

    /// Somebody sleeps, and nobody is left to wake him: there are no time limits here.
    fn look_for_deadlock(&self) {
        let threads = self.kernel().threads.clone();
        if threads.contains(&Thread::Asleep) && !threads.contains(&Thread::Running) {
            if (self.may_sleep)(self) {
                let mut kernel = self.kernel();
                kernel.forsaken = true;
                kernel.handles.iter().flatten().for_each(loom::thread::Thread::unpark);
                return;
            }
            let asleep = (0..threads.len()).filter(|actor| threads[*actor] == Thread::Asleep);
            violate(format!("asleep for ever: {:?}", asleep.collect::<Vec<_>>()));
        }
    }
}

/// The thread id of everybody: each is in a PID namespace of its own.
pub(crate) const THREAD_ID: u32 = 7;
