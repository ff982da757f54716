//! What a role works with: the segment it joined, the book, its row in it, and chance.

use crate::book::{Book, Count, Row};
use shmem_core::Result;
use shmem_core::managed::geometry::ring::{MANY_CONSUMERS, MANY_PRODUCERS};
use shmem_core::managed::header::IfBlank;
use shmem_core::managed::{Kind, LockWish, ManagedOptions, ManagedSegment, Operation, Place, Shape};
use shmem_core::membership::{JoinOptions, Member, MemberTable, Token};
use shmem_core::memory::{MapOptions, posix};
use shmem_core::sync::wait::{Answer, wait_until};
use shmem_core::sys::futex;
use std::cell::Cell;
use std::time::Duration;

/// What the command line says, as `key=value`.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) position: usize,
    /// Turns before it leaves; 0: until the book says stop.
    pub(crate) rounds: u32,
    pub(crate) seed: u64,
    /// Members, locks, permits, parties that there are.
    pub(crate) slots: u32,
    pub(crate) objects: u32,
    pub(crate) locks: u32,
    pub(crate) permits: u32,
    pub(crate) parties: u32,
    /// Event: 1 auto reset, 0 manual.
    pub(crate) auto: u32,
    /// A quiet round: it begins when the book says go, waits without a limit, and lingers with what it got.
    pub(crate) quiet: bool,
    pub(crate) kills: u32,
    /// A ring's.
    pub(crate) ring_slots: u32,
    pub(crate) flags: u32,
}

impl Options {
    pub(crate) fn parse(words: &[String]) -> std::result::Result<Self, String> {
        let mut options = Self {
            position: 0,
            rounds: 0,
            seed: 1,
            slots: 64,
            objects: 32,
            locks: 4,
            permits: 3,
            parties: 3,
            auto: 1,
            quiet: false,
            kills: 1,
            ring_slots: 4,
            flags: MANY_PRODUCERS | MANY_CONSUMERS,
        };
        for word in words {
            let (key, value) = word.split_once('=').ok_or_else(|| format!("not key=value: {word}"))?;
            let number: u64 = value.parse().map_err(|_| format!("not a number: {word}"))?;
            let small = u32::try_from(number).unwrap_or(u32::MAX);
            match key {
                "position" => options.position = small as usize,
                "rounds" => options.rounds = small,
                "seed" => options.seed = number,
                "slots" => options.slots = small,
                "objects" => options.objects = small,
                "locks" => options.locks = small,
                "permits" => options.permits = small,
                "parties" => options.parties = small,
                "auto" => options.auto = small,
                "quiet" => options.quiet = small != 0,
                "kills" => options.kills = small,
                "ring_slots" => options.ring_slots = small,
                "flags" => options.flags = small,
                _ => return Err(format!("no such option: {key}")),
            }
        }
        Ok(options)
    }
}

/// See the module.
pub(crate) struct Room {
    pub(crate) managed: ManagedSegment,
    pub(crate) member: Member,
    pub(crate) book: Book,
    pub(crate) book_name: String,
    pub(crate) row: Row,
    pub(crate) random: Random,
    pub(crate) options: Options,
    turns: Cell<u32>,
}

impl Room {
    /// Opens the segment, which it makes a managed one if nobody did, and joins.
    pub(crate) fn enter(managed: &str, book: &str, options: Options) -> Result<Self> {
        let book_name = book.to_owned();
        let book = Book::open(book)?;
        let managed = open(managed, &options)?;
        let member = managed.join(&JoinOptions { name: format!("position {}", options.position) })?;
        let row = book.row(options.position);
        let random = Random::new(options.seed);
        Ok(Self { managed, member, book, book_name, row, random, options, turns: Cell::new(0) })
    }

    /// Says that it is ready, and in a quiet round waits for the others.
    pub(crate) fn begin(&self) {
        self.row.word(Count::Ready).store(1);
        while self.options.quiet && self.book.go().load() == 0 {
            let _ = futex::wait(self.book.go().address(), 0, Duration::from_secs(1), false);
        }
    }

    /// Whether there is another turn; counts them.
    pub(crate) fn goes_on(&self) -> bool {
        let turn = self.turns.replace(self.turns.get().wrapping_add(1));
        !self.is_stopped() && (self.options.rounds == 0 || turn < self.options.rounds)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.book.stop().load() != 0
    }

    pub(crate) fn table(&self) -> &MemberTable {
        self.member.table()
    }

    pub(crate) fn token(&self) -> Token {
        self.member.token()
    }

    /// Whether a mark in the book is of a member that lives.
    pub(crate) fn is_alive(&self, mark: u32) -> bool {
        Token::from_word(mark).is_some_and(|token| self.table().is_alive(token))
    }

    pub(crate) fn place(&self, name: &str, kind: Kind, number: u32) -> Result<Place<'_>> {
        let shape = Shape::numbered(kind, number);
        Ok(Place::of(&self.managed, self.managed.object(&self.member, name, shape)?, shape))
    }

    /// Waits, sometimes for moments only. `None`: the time was over.
    pub(crate) fn wait(&self, place: &Place<'_>, operation: Operation) -> Result<Option<Answer>> {
        let impatient = !self.options.quiet && self.random.one_in(4);
        let until = impatient.then(|| futex::now() + Duration::from_micros(self.random.below(2000)));
        self.wait_until(place, operation, until)
    }

    pub(crate) fn wait_until(
        &self,
        place: &Place<'_>,
        operation: Operation,
        until: Option<Duration>,
    ) -> Result<Option<Answer>> {
        self.row.word(Count::Waiting).store(1);
        let mut wait = place.wait(operation, self.token())?;
        let waited = wait_until(self.table(), &mut *wait, until);
        self.row.word(Count::Waiting).store(0);
        let answer = waited?.answer;
        match answer {
            None => self.row.count(Count::Timeouts),
            Some(Answer::OwnerDied | Answer::PartyDied) => {
                self.row.count(Count::OwnerDeaths);
                self.row.count(Count::Got);
            }
            Some(_) => self.row.count(Count::Got),
        }
        Ok(answer)
    }

    pub(crate) fn lock_wish(&self) -> LockWish {
        LockWish { strict: !self.options.quiet && self.random.one_in(8), blocks_owner: true }
    }

    /// Keeps what it got for a while, so that others come to sleep.
    pub(crate) fn linger(&self) {
        let sleeps = if self.options.quiet { 7 } else { 2 };
        match self.random.below(8) {
            dice if dice < sleeps => std::thread::sleep(Duration::from_micros(self.random.below(250))),
            7 => {}
            _ => (0..self.random.below(2000)).for_each(|_| std::hint::spin_loop()),
        }
    }
}

/// The segment, made a managed one if nobody did.
fn open(name: &str, options: &Options) -> Result<ManagedSegment> {
    let segment = posix::open(name, &MapOptions::default())?;
    let if_blank = IfBlank::Make { slots: options.slots, objects: options.objects };
    ManagedSegment::open(&segment, ManagedOptions { if_blank })
}

/// splitmix64 (Vigna 2015).
pub(crate) struct Random {
    state: Cell<u64>,
}

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { state: Cell::new(seed) }
    }

    pub(crate) fn next(&self) -> u64 {
        self.state.set(self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut mixed = self.state.get();
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// An index below `count`.
    pub(crate) fn index(&self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).unwrap_or(0)
    }

    pub(crate) fn one_in(&self, count: u64) -> bool {
        self.below(count) == 0
    }
}
