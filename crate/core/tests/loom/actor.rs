//! A thread of a model: its calls of the algorithms, where it is killed or gives up, and what the kernel does for it then.

use super::mutant::Mutant;
use super::world::{Event, GENERATION, Index, OWNER_DIED, THREAD_ID, TID, WAITERS, World};
use loom::sync::atomic::Ordering::SeqCst;
use shmem_core::membership::claim::active_claim;
use shmem_core::membership::{Platform, Sleep, Token};
use shmem_core::sync::wait::{Answer, Step, Wait};
use std::cell::Cell;
use std::panic::resume_unwind;
use std::sync::Arc;

/// What a thread unwinds with when it is killed.
pub(crate) struct Killed;

/// How an actor gives up a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivesUp {
    /// Before it sleeps.
    Awake,
    /// Out of its sleep, woken or not, without another look.
    Asleep,
    /// Out of its sleep, after another look.
    Looking,
}

/// What happens to an actor in one exploration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    /// It is killed before its step of this number, the first being 1.
    pub(crate) killed_at: Option<u32>,
    /// It gives up when a step sends it to sleep for the time of this number, the first being 1.
    pub(crate) gives_up: Option<(u32, GivesUp)>,
}

/// One thread of a model, and its member.
pub(crate) struct Actor {
    pub(crate) world: Arc<World>,
    pub(crate) index: usize,
    pub(crate) token: Cell<Token>,
    pub(crate) fate: Fate,
    steps: Cell<u32>,
    sleeps: Cell<u32>,
    gave_up: Cell<bool>,
    spared: Cell<bool>,
    spared_when_answered: Cell<bool>,
    pending: Cell<Option<Index>>,
    /// The slot whose presence word hangs in the thread's robust list.
    pub(crate) linked: Cell<Option<usize>>,
    /// The word that stands for the byte lock it holds.
    pub(crate) byte: Cell<Option<Index>>,
    /// A store on its way to memory: of `store_in_order`, or of a mutant.
    buffered: Cell<Option<(Index, u32)>>,
}

impl Actor {
    pub(crate) fn new(world: &Arc<World>, index: usize, fate: Fate) -> Self {
        let slot = if world.setup.joining { 0 } else { index };
        let token = world.shape().token(u32::try_from(slot).unwrap(), GENERATION);
        Self {
            world: Arc::clone(world),
            index,
            token: Cell::new(token),
            fate,
            steps: Cell::new(0),
            sleeps: Cell::new(0),
            gave_up: Cell::new(false),
            spared: Cell::new(false),
            spared_when_answered: Cell::new(false),
            pending: Cell::new(None),
            linked: Cell::new((!world.setup.joining).then_some(index)),
            byte: Cell::new(None),
            buffered: Cell::new(None),
        }
    }

    /// The object's word of that number.
    pub(crate) fn word(&self, number: usize) -> Index {
        self.world.word(number)
    }

    pub(crate) fn token(&self) -> Token {
        self.token.get()
    }

    /// Whether a wait of it was given up.
    pub(crate) fn gave_up(&self) -> bool {
        self.gave_up.get()
    }

    /// From here on it may be killed, until a wait is answered.
    pub(crate) fn expose(&self) {
        self.spared.set(false);
        self.spared_when_answered.set(true);
    }

    /// A moment in which it may be killed.
    pub(crate) fn pause(&self) {
        self.load(World::presence(self.index));
    }

    /// What a thread does alone, so that two at once are seen: it reads, and then writes what it read and one more.
    pub(crate) fn count_alone(&self, word: Index) {
        let value = self.load(word);
        self.store(word, value + 1);
    }

    /// Something for the trace.
    pub(crate) fn note(&self, what: &'static str) {
        self.tell(what, None, [None; 3]);
    }

    /// A place where the thread may be killed.
    pub(crate) fn reach(&self) {
        if self.is_killed_now() {
            self.flush();
            resume_unwind(Box::new(Killed));
        }
    }

    fn is_killed_now(&self) -> bool {
        if self.spared.get() {
            return false;
        }
        self.steps.set(self.steps.get() + 1);
        self.fate.killed_at == Some(self.steps.get())
    }

    /// As [`Self::wait`], but does not give up.
    pub(crate) fn wait_patiently<T: Wait<Self>>(&self, wait: &mut T) -> shmem_core::Result<Answer> {
        self.set_pending(wait.busy_word());
        let answer = loop {
            match wait.step(self, false) {
                Err(error) => break Err(error),
                Ok(Step::Answered(answer)) => break Ok(answer),
                Ok(Step::Asleep(sleep)) => {
                    self.futex_waitv(&sleep, false);
                    sleep.pass_on_deaths(self);
                }
            }
        };
        self.set_pending(None);
        answer
    }

    /// Steps and sleeps without any limit of time, as [`shmem_core::sync::wait::wait_until`] does.
    ///
    /// # Errors
    /// What the wait's steps answer.
    pub(crate) fn wait<T: Wait<Self>>(&self, wait: &mut T) -> shmem_core::Result<Option<Answer>> {
        self.set_pending(wait.busy_word());
        let answer = self.drive(wait);
        self.set_pending(None);
        answer
    }

    fn drive<T: Wait<Self>>(&self, wait: &mut T) -> shmem_core::Result<Option<Answer>> {
        let mut is_over = false;
        loop {
            let sleep = match wait.step(self, false)? {
                Step::Answered(answer) => {
                    self.spared.set(self.spared.get() || self.spared_when_answered.get());
                    return Ok(Some(answer));
                }
                Step::Asleep(sleep) => sleep,
            };
            self.sleeps.set(self.sleeps.get() + 1);
            let gives_up =
                self.fate.gives_up.filter(|(time, _)| *time == self.sleeps.get()).map(|(_, how)| how);
            is_over |= gives_up == Some(GivesUp::Awake);
            if !is_over {
                self.futex_waitv(&sleep, gives_up.is_some());
                sleep.pass_on_deaths(self);
                is_over = gives_up == Some(GivesUp::Looking);
            }
            if is_over && gives_up != Some(GivesUp::Looking) || gives_up == Some(GivesUp::Asleep) {
                self.gave_up.set(true);
                self.tell("gives up", None, [None; 3]);
                return Ok(wait.give_up(self));
            }
        }
    }

    /// futex_waitv(2): word by word, each compared and queued in one step; then sleep; then out of all queues.
    /// A wake may come to one word while the next is not yet queued, and others while the thread still is in their queues.
    fn futex_waitv(&self, sleep: &Sleep<Index>, times_out: bool) {
        self.reach();
        self.flush();
        self.world.begin_sleep(self.index);
        for (word, expected) in sleep.words() {
            if let Err(value) = self.world.enqueue(word, expected, self.index) {
                self.tell("is refused", Some(word), [Some(expected), Some(value), None]);
                sleep
                    .words()
                    .take_while(|(queued, _)| *queued != word)
                    .for_each(|(queued, _)| self.unqueue(queued));
                return;
            }
            self.tell("queues", Some(word), [Some(expected), None, None]);
        }
        // Killed in its sleep: at whatever moment loom goes on with it.
        let is_killed = self.is_killed_now();
        if !is_killed && !times_out {
            self.world.park(self.index);
        }
        sleep.words().for_each(|(word, _)| self.unqueue(word));
        self.tell("awake", None, [None; 3]);
        if is_killed {
            resume_unwind(Box::new(Killed));
        }
    }

    fn unqueue(&self, word: Index) {
        if self.world.moves(word) {
            self.world.dequeue(word, self.index);
        }
    }

    /// What the kernel does for a thread that ends (exit_robust_list in kernel/futex/core.c): the list, then the pending word.
    pub(crate) fn die(&self) {
        self.tell("is killed", None, [None; 3]);
        let pending = self.pending.get();
        let linked = self.linked.get().map(World::presence).filter(|presence| pending != Some(*presence));
        if let Some(presence) = linked {
            self.bury(presence);
        }
        if let Some(word) = pending {
            let owner = self.world.load(word) & TID;
            if owner == THREAD_ID {
                self.bury(word);
            } else if owner == 0 {
                let woken = self.world.wake(word, 1);
                self.tell("kernel wakes", Some(word), [Some(1), Some(woken), None]);
            }
        }
        self.world.set_dead(self.index);
        // Its descriptors are closed after that (do_exit in kernel/exit.c).
        if let Some(byte) = self.byte.take() {
            self.world.moving(byte).swap(0, SeqCst);
            self.tell("kernel unlocks", Some(byte), [None; 3]);
        }
    }

    fn bury(&self, word: Index) {
        let memory = self.world.moving(word);
        let mut value = self.world.load(word);
        while value & TID == THREAD_ID {
            match memory.compare_exchange(value, value & WAITERS | OWNER_DIED, SeqCst, SeqCst) {
                Ok(_) => {
                    self.world.set_dead(self.index);
                    self.tell("kernel marks", Some(word), [None; 3]);
                    if value & WAITERS != 0 && self.world.setup.mutant != Mutant::KernelWakesNobody {
                        let woken = self.world.wake(word, 1);
                        self.tell("kernel wakes", Some(word), [Some(1), Some(woken), None]);
                    }
                    return;
                }
                Err(now) => value = now,
            }
        }
    }

    fn flush(&self) {
        if let Some((word, value)) = self.buffered.take() {
            self.world.moving(word).swap(value, SeqCst);
            self.tell("stored late", Some(word), [Some(value), None, None]);
        }
    }

    fn tell(&self, what: &'static str, word: Option<Index>, values: [Option<u32>; 3]) {
        self.world.trace.lock().unwrap().push(Event { actor: self.index, what, word, values });
    }

    fn mutant(&self) -> Mutant {
        self.world.setup.mutant
    }
}

impl Platform for Actor {
    type Word = Index;

    fn load(&self, word: Index) -> u32 {
        if !self.world.moves(word) {
            return self.world.load(word);
        }
        self.reach();
        if self.buffered.get().is_some_and(|(buffered, _)| buffered == word) {
            self.flush();
        }
        let value = self.world.load(word);
        self.tell("loads", Some(word), [Some(value), None, None]);
        self.flush();
        value
    }

    fn store(&self, word: Index, value: u32) {
        self.reach();
        self.flush();
        if self.mutant() == Mutant::StoreIsBuffered {
            self.buffered.set(Some((word, value)));
            return;
        }
        self.world.moving(word).swap(value, SeqCst);
        self.tell("stores", Some(word), [Some(value), None, None]);
    }

    /// Comes to memory after the load that follows it; and where its thread is killed.
    fn store_in_order(&self, word: Index, value: u32) {
        self.reach();
        self.flush();
        self.buffered.set(Some((word, value)));
    }

    fn compare_exchange(&self, word: Index, from: u32, to: u32) -> Result<(), u32> {
        self.reach();
        self.flush();
        let memory = self.world.moving(word);
        let exchanged = if self.mutant() == Mutant::ExchangeIsNotAtomic {
            let value = memory.load(SeqCst);
            if value == from {
                memory.swap(to, SeqCst);
            }
            if value == from { Ok(()) } else { Err(value) }
        } else {
            memory.compare_exchange(from, to, SeqCst, SeqCst).map(drop)
        };
        let (what, found) = match exchanged {
            Ok(()) => ("exchanges", from),
            Err(value) => ("fails to exchange", value),
        };
        self.tell(what, Some(word), [Some(from), Some(to), Some(found)]);
        exchanged
    }

    fn set_bits(&self, word: Index, bits: u32) -> u32 {
        self.reach();
        self.flush();
        let before = self.world.moving(word).fetch_or(bits, SeqCst);
        self.tell("sets bits", Some(word), [Some(bits), Some(before), None]);
        before
    }

    fn add(&self, word: Index, count: u32) -> u32 {
        self.reach();
        self.flush();
        let before = self.world.moving(word).fetch_add(count, SeqCst);
        self.tell("adds", Some(word), [Some(count), Some(before), None]);
        before
    }

    fn wake(&self, word: Index, count: u32) -> u32 {
        if !self.world.moves(word) {
            return 0;
        }
        self.reach();
        self.flush();
        let count = match self.mutant() {
            Mutant::WakesNobody => 0,
            Mutant::WakesOne => count.min(1),
            Mutant::DeathIsNotPassedOn if self.world.is_presence(word) => 0,
            _ => count,
        };
        let woken = self.world.wake(word, count);
        self.tell("wakes", Some(word), [Some(count), Some(woken), None]);
        woken
    }

    fn set_pending(&self, word: Option<Index>) {
        self.reach();
        self.flush();
        if self.mutant() != Mutant::NothingIsPending {
            self.pending.set(word);
            self.tell("pending", word, [None; 3]);
        }
    }

    fn life_words(&self, token: Token) -> Option<(Index, Index)> {
        let slot = self.world.shape().parts(token).0 as usize;
        (slot < self.world.setup.slots).then(|| (World::claim(slot), World::presence(slot)))
    }

    fn active_claim(&self, token: Token) -> u32 {
        active_claim(self.world.shape().parts(token).1)
    }

    fn has_left_kernel(&self, _token: Token) -> bool {
        true
    }

    /// No death here goes unmarked.
    fn recheck(&self, _token: Token) {}

    fn is_own(&self, token: Token) -> bool {
        !self.world.setup.joining && token == self.token()
    }
}
