//! The waits and wakes of named objects, made from an object's place: one row an operation.

#![expect(unsafe_code, reason = "a seqlock's record is an address")]

use super::directory::Found;
use super::kind::{Kind, Shape};
use super::layout::{self, PARTS};
use super::segment::ManagedSegment;
use crate::error::{Error, Result};
use crate::membership::{MemberTable, Token, Word};
use crate::sync::barrier::{Arrive, ArriveWish, Barrier};
use crate::sync::condition::{self, Notified};
use crate::sync::event::{self, EventWait, Reset};
use crate::sync::mutex::{self, Lock, LockOptions};
use crate::sync::permits::{Acquire, Permits};
use crate::sync::rwlock::{self, ReadLock, WriteLock};
use crate::sync::seqlock::SeqLock;
use crate::sync::wait::{Answer, Wait, Waited};
use crate::sync::word::WordWait;

/// What is waited for, on which object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A mutex, or the lock of a once or seqlock.
    Lock(LockWish),
    /// A reader-writer lock, to read.
    Read(LockWish),
    /// The same, to write.
    Write(LockWish),
    /// A permit.
    Acquire {
        /// See [`LockOptions::blocks_owner`].
        blocks_owner: bool,
    },
    /// An event.
    Event,
    /// A barrier.
    Arrive(ArriveWish),
    /// A condition's notification since it counted so much.
    Notified(u32),
    /// A word's notification, if it has this value.
    Word(u32),
}

/// As [`LockOptions`], comparable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LockWish {
    /// See [`LockOptions::strict`].
    pub strict: bool,
    /// See [`LockOptions::blocks_owner`].
    pub blocks_owner: bool,
}

impl From<LockWish> for LockOptions {
    fn from(wish: LockWish) -> Self {
        Self { strict: wish.strict, blocks_owner: wish.blocks_owner }
    }
}

/// A named object in a segment, with its words in reach.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    managed: &'a ManagedSegment,
    offset: u64,
    shape: Shape,
}

/// What those see who look on. Counted on slow paths only; they wrap.
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    waits: Word,
    owner_deaths: Word,
    timeouts: Word,
}

impl Counters {
    /// Counts what a wait came to.
    pub fn count(&self, waited: Waited) {
        if waited.slept {
            self.waits.fetch_add(1);
        }
        match waited.answer {
            Some(Answer::OwnerDied | Answer::PartyDied) => drop(self.owner_deaths.fetch_add(1)),
            None if waited.slept => drop(self.timeouts.fetch_add(1)),
            _ => {}
        }
    }
}

type BoxedWait = Box<dyn Wait<MemberTable> + Send>;

impl<'a> Place<'a> {
    /// The object that the directory found.
    #[must_use]
    pub const fn of(managed: &'a ManagedSegment, found: Found, shape: Shape) -> Self {
        Self { managed, offset: found.offset, shape }
    }

    /// The object at an offset that the directory gave out earlier.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: it does not fit in there.
    pub fn at(managed: &'a ManagedSegment, offset: u64, shape: Shape) -> Result<Self> {
        let bytes = shape.bytes(managed.geometry().slots)?;
        let last = offset.saturating_add(bytes - 4);
        managed.word(last)?;
        Ok(Self { managed, offset, shape })
    }

    /// The segment it is in.
    #[must_use]
    pub const fn managed(&self) -> &'a ManagedSegment {
        self.managed
    }

    /// Kind and geometry.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// First byte in the segment.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The wait for `operation`, on behalf of `token`.
    ///
    /// # Errors
    /// `ERR_SHM_TYPE_MISMATCH`: this kind of object has no such operation.
    pub fn wait(&self, operation: Operation, token: Token) -> Result<BoxedWait> {
        Ok(match (operation, self.shape.kind) {
            (Operation::Lock(wish), Kind::Mutex | Kind::Once | Kind::SeqLock) => {
                Box::new(Lock::new(self.word(layout::WORD)?, token, wish.into()))
            }
            (Operation::Read(wish), Kind::RwLock) => {
                Box::new(ReadLock::new(self.word(layout::WORD)?, self.cell(token)?, token, wish.into()))
            }
            (Operation::Write(wish), Kind::RwLock) => {
                let slots = self.managed.geometry().slots;
                let cells = self.parts(layout::READER_STRIDE, slots)?;
                Box::new(WriteLock::new(self.word(layout::WORD)?, cells, slots, token, wish.into()))
            }
            (Operation::Acquire { blocks_owner }, Kind::Semaphore) => {
                Box::new(Acquire::new(self.permits()?, token, blocks_owner))
            }
            (Operation::Event, Kind::Event) => {
                Box::new(EventWait::new(self.word(layout::WORD)?, self.reset_mode()))
            }
            (Operation::Arrive(wish), Kind::Barrier) => Box::new(Arrive::new(self.barrier()?, token, wish)),
            (Operation::Notified(from), Kind::Condition) => {
                Box::new(Notified::since(self.word(layout::WORD)?, self.word(layout::SEQUENCE)?, from))
            }
            (Operation::Word(expected), Kind::Word) => {
                Box::new(WordWait::new(self.word(layout::WORD)?, expected))
            }
            _ => {
                return Err(Error::own(
                    "ERR_SHM_TYPE_MISMATCH",
                    format!("a {} does not know {operation:?}", self.shape.words()),
                ));
            }
        })
    }

    /// The words in which the object's waits are counted.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn counters(&self) -> Result<Counters> {
        Ok(Counters {
            waits: self.word(layout::WAITS)?,
            owner_deaths: self.word(layout::OWNER_DEATHS)?,
            timeouts: self.word(layout::TIMEOUTS)?,
        })
    }

    /// Unlocks a mutex; with `consistent` false, so that nobody gets it any more.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_OWNER`.
    pub fn unlock(&self, table: &MemberTable, token: Token, consistent: bool) -> Result<()> {
        let word = self.word(layout::WORD)?;
        match (self.shape.kind, consistent) {
            (_, false) => mutex::abandon(table, word, token),
            (Kind::RwLock, true) => rwlock::write_unlock(table, word, token),
            (_, true) => mutex::unlock(table, word, token),
        }
    }

    /// Gives back a lock that was got from a dead owner as it was: the next one learns of the death too.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn hand_on(&self, table: &MemberTable, token: Token) -> Result<()> {
        let (slot, generation) = table.shape().parts(token);
        // Whoever had this member's slot before is dead for certain: generations begin with 1.
        let dead = table.shape().token(slot, generation.saturating_sub(1));
        mutex::hand_on(table, self.word(layout::WORD)?, token, dead);
        Ok(())
    }

    /// Ends reading.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_OWNER`.
    pub fn read_unlock(&self, table: &MemberTable, token: Token) -> Result<()> {
        rwlock::read_unlock(table, self.cell(token)?, token)
    }

    /// Makes a lock that nobody can get any more free again. Answers whether it was one.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn reset_lock(&self, table: &MemberTable) -> Result<bool> {
        Ok(mutex::reset(table, self.word(layout::WORD)?))
    }

    /// Gives a permit back.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_OWNER`.
    pub fn release(&self, table: &MemberTable, token: Token) -> Result<()> {
        self.permits()?.release(table, token)
    }

    /// Tells those who wait that a permit was given back by a fast path.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn returned(&self, table: &MemberTable) -> Result<()> {
        self.permits()?.returned(table);
        Ok(())
    }

    /// Permits that can be had; stale the moment it returns.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn available(&self, table: &MemberTable) -> Result<u32> {
        Ok(self.permits()?.available(table))
    }

    /// Sets an event.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn set_event(&self, table: &MemberTable) -> Result<bool> {
        Ok(event::set(table, self.word(layout::WORD)?, self.reset_mode()))
    }

    /// Resets an event.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn reset_event(&self, table: &MemberTable) -> Result<bool> {
        Ok(event::reset(table, self.word(layout::WORD)?))
    }

    /// Begins a wait for a condition; answers what to wait from. The caller holds the mutex.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn begin_notified(&self, table: &MemberTable) -> Result<u32> {
        Ok(Notified::begin(table, self.word(layout::WORD)?, self.word(layout::SEQUENCE)?).from())
    }

    /// Notifies up to `count` waiters of a condition.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn notify(&self, table: &MemberTable, count: u32) -> Result<()> {
        condition::notify(table, self.word(layout::WORD)?, self.word(layout::SEQUENCE)?, count);
        Ok(())
    }

    /// Leaves a barrier.
    ///
    /// # Errors
    /// `ERR_SHM_NOT_OWNER`.
    pub fn leave_barrier(&self, table: &MemberTable, token: Token) -> Result<()> {
        self.barrier()?.leave(table, token)
    }

    /// Whose a lock's word says it is.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn owner(&self) -> Result<Option<Token>> {
        Ok(Token::from_word(self.word(layout::WORD)?.load() & !mutex::WAITERS))
    }

    /// A word of the object.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn word(&self, offset: u64) -> Result<Word> {
        self.managed.word(self.offset.saturating_add(offset))
    }

    /// The record of a seqlock.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`.
    pub fn record(&self) -> Result<SeqLock> {
        let bytes = self.shape.number() as usize;
        let copies = self.word(PARTS)?;
        self.word(PARTS + 2 * (bytes as u64).next_multiple_of(layout::COPY_ALIGN) - 4)?;
        // SAFETY: both copies are inside the segment, as just checked, at a multiple of 4; the segment is borrowed.
        Ok(unsafe { SeqLock::at(self.word(layout::VERSION)?, copies.address(), bytes) })
    }

    fn reset_mode(&self) -> Reset {
        if self.shape.number() == 1 { Reset::Auto } else { Reset::Manual }
    }

    fn cell(&self, token: Token) -> Result<Word> {
        let (slot, _) = self.managed.table().shape().parts(token);
        self.word(PARTS + layout::READER_STRIDE * u64::from(slot))
    }

    fn permits(&self) -> Result<Permits<Word, impl Fn(u32) -> Word + Send + use<>>> {
        Ok(Permits {
            gate: self.word(layout::WORD)?,
            sequence: self.word(layout::SEQUENCE)?,
            cells: self.parts(layout::PERMIT_STRIDE, self.shape.number())?,
            count: self.shape.number(),
        })
    }

    fn barrier(&self) -> Result<Barrier<Word, impl Fn(u32) -> (Word, Word) + Send + use<>>> {
        let tokens = self.parts(layout::SEAT_STRIDE, self.shape.number())?;
        Ok(Barrier {
            lock: self.word(layout::WORD)?,
            gate: self.word(layout::BARRIER_GATE)?,
            phase: self.word(layout::BARRIER_PHASE)?,
            seats: move |index| {
                let token = tokens(index);
                (token, token.next())
            },
            parties: self.shape.number(),
        })
    }

    /// The words of `count` equal parts behind the object's first lines, by index.
    fn parts(&self, stride: u64, count: u32) -> Result<impl Fn(u32) -> Word + Send + use<>> {
        let first = self.word(PARTS)?;
        // The last one lies inside; so do all before it.
        self.word(PARTS + stride * u64::from(count.saturating_sub(1)))?;
        let stride = usize::try_from(stride).unwrap_or(0);
        Ok(move |index: u32| first.forward(stride * (index.min(count.saturating_sub(1)) as usize)))
    }
}
