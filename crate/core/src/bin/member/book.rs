//! What the processes of a kill test write down: a plain shared object of zeroes beside the managed segment, so that what is checked
//! does not stand on what checks it. `__test__/support/kill-book.ts` draws the same lines.
//!
//! ```text
//! line 0        0 stop · 1 go · 2 gone
//! line 1 + p    what the process at position p counts (Row) · 16 … its keys in a map: intended, told
//! line 17 + i   what lock i guards: 0 holder · 1 first · 2 second · 3 broken
//! line 25, 26   readers: a token a slot
//! line 27       a semaphore's places: a token each
//! line 28, 29   the queue: 0 head · 1 tail, and its tickets
//! ```

#![expect(unsafe_code, reason = "words of a mapping")]

use shmem_core::Result;
use shmem_core::membership::Word;
use shmem_core::memory::{MapOptions, Segment, posix};

/// Words of a line: two cache lines, since processors fetch them in pairs.
const LINE: usize = 32;
/// Positions that processes can have.
pub(crate) const POSITIONS: usize = 16;
/// Locks that can be guarded.
pub(crate) const LOCKS: usize = 8;
/// Slots whose readers can be marked.
pub(crate) const READERS: usize = 2 * LINE;
/// Permits that can be marked.
pub(crate) const PLACES: usize = LINE;
/// Tickets in the queue at once.
pub(crate) const TICKETS: u32 = 8;
/// Keys of a position in a map.
pub(crate) const KEYS: usize = 4;
/// Bytes of all of it.
pub(crate) const BYTES: u64 = 30 * LINE as u64 * 4;

/// See the module.
pub(crate) struct Book {
    segment: Segment,
}

impl Book {
    pub(crate) fn open(name: &str) -> Result<Self> {
        posix::open(name, &MapOptions::default()).map(Self::of)
    }

    pub(crate) fn of(segment: Segment) -> Self {
        assert!(segment.mapping.size_bytes() as u64 >= BYTES, "the book is too small");
        Self { segment }
    }

    pub(crate) fn clear(&self) {
        for word in 0..30 * LINE {
            self.word(word).store(0);
        }
    }

    pub(crate) fn stop(&self) -> Word {
        self.word(0)
    }

    pub(crate) fn go(&self) -> Word {
        self.word(1)
    }

    pub(crate) fn gone(&self) -> Word {
        self.word(2)
    }

    pub(crate) fn row(&self, position: usize) -> Row {
        assert!(position < POSITIONS);
        Row { first: self.word((1 + position) * LINE) }
    }

    pub(crate) fn guarded(&self, lock: usize) -> Guarded {
        assert!(lock < LOCKS);
        let word = |index: usize| self.word((17 + lock) * LINE + index);
        Guarded { holder: word(0), first: word(1), second: word(2), broken: word(3) }
    }

    pub(crate) fn reader(&self, slot: usize) -> Word {
        assert!(slot < READERS);
        self.word(25 * LINE + slot)
    }

    pub(crate) fn place(&self, index: usize) -> Word {
        assert!(index < PLACES);
        self.word(27 * LINE + index)
    }

    pub(crate) fn head(&self) -> Word {
        self.word(28 * LINE)
    }

    pub(crate) fn tail(&self) -> Word {
        self.word(28 * LINE + 1)
    }

    pub(crate) fn ticket(&self, number: u32) -> Word {
        self.word(29 * LINE + (number % TICKETS) as usize)
    }

    fn word(&self, index: usize) -> Word {
        assert!(index < 30 * LINE);
        // SAFETY: inside the mapping, whose size `of` checked, at a multiple of 4; the segment keeps it, and no word outlives the process.
        unsafe { Word::at(self.segment.mapping.address() + 4 * index) }
    }
}

/// What a lock guards: two words that its holder changes one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Guarded {
    pub(crate) holder: Word,
    pub(crate) first: Word,
    pub(crate) second: Word,
    /// A dead holder's words were given up unrepaired.
    pub(crate) broken: Word,
}

/// What one process counts.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    first: Word,
}

/// The words of a row, by their place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    /// It joined, and is about to begin.
    Ready = 0,
    /// What it waited for and got.
    Got = 1,
    OwnerDeaths = 2,
    Timeouts = 3,
    Violations = 4,
    /// The first violation's number.
    Violation = 5,
    /// Sets of an event, tickets made.
    Given = 6,
    /// Sets consumed, tickets taken.
    Taken = 7,
    /// Locks that nobody could get any more, made free.
    Resets = 8,
    /// Whether it waits.
    Waiting = 9,
    /// CLOCK_MONOTONIC when it got what it waited for, in ns: low word, high word.
    StampLow = 10,
    StampHigh = 11,
}

impl Row {
    pub(crate) fn word(self, count: Count) -> Word {
        // SAFETY: in the row's line, mapped as long as the row.
        unsafe { Word::at(self.first.address() + 4 * count as usize) }
    }

    /// Of a key in a map: the number of the state that was intended last, and of that which was told to be done.
    pub(crate) fn entry(self, key: usize) -> (Word, Word) {
        assert!(key < KEYS);
        let word = |index: usize| {
            // SAFETY: in the row's line, mapped as long as the row.
            unsafe { Word::at(self.first.address() + 4 * (16 + 2 * key + index)) }
        };
        (word(0), word(1))
    }

    pub(crate) fn count(self, count: Count) {
        self.word(count).fetch_add(1);
    }

    pub(crate) fn violation(self, violation: Violation) {
        let _ = self.word(Count::Violation).compare_exchange(0, violation as u32);
        self.count(Count::Violations);
    }
}

/// What must never be seen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Violation {
    /// A lock was got while another's mark stood there.
    TwoHolders = 1,
    /// The two words differ, though nobody died.
    Torn = 2,
    /// One's own mark was gone before one took it away.
    MarkLost = 3,
    /// A death was told of one who lives.
    FalseDeath = 4,
    ReaderBesideWriter = 5,
    ChangedUnderReader = 6,
    /// More holders than permits.
    TooManyHolders = 7,
    /// A ticket is not where it must be.
    TicketLost = 8,
    /// A barrier let go before its phase ended.
    PhaseNotEnded = 9,
    ObjectsOverlap = 10,
    /// A key is not what it must be.
    EntryLost = 11,
    /// A message was received again.
    CameTwice = 12,
    /// A message came before an earlier one of its sender.
    OutOfOrder = 13,
    /// A newer value was followed by an older one.
    WentBack = 14,
    /// What was received and lost is not what was sent.
    NotCounted = 15,
}
