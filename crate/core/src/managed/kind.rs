//! The kinds of named objects, their geometry, and how many bytes each needs. Their words are drawn where their algorithms are.

use super::geometry::list::ListGeometry;
use super::geometry::ring::RingGeometry;
use super::geometry::{NUMBERS, OBJECT_ALIGN_BYTES, broadcast, latest, map};
use crate::error::{Error, Result};

/// What a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// A robust mutex.
    Mutex = 1,
    /// A reader-writer lock.
    RwLock = 2,
    /// A condition variable.
    Condition = 3,
    /// Permits that return when their holder dies.
    Semaphore = 4,
    /// Set or not.
    Event = 5,
    /// A place where parties wait for each other.
    Barrier = 6,
    /// Something that is done once.
    Once = 7,
    /// A 32-bit word.
    Word = 8,
    /// A 64-bit counter.
    Counter = 9,
    /// A record that is read without a lock.
    SeqLock = 10,
    /// Fields at fixed places.
    Struct = 11,
    /// Messages in slots, one after the other.
    Ring = 12,
    /// What one sends and many see, as far as they keep up.
    Broadcast = 13,
    /// The newest value of one writer.
    Latest = 14,
    /// Keys lead to values.
    Map = 15,
    /// Values one after the other, linked.
    List = 16,
}

/// The kind with what decides its bytes and their meaning: who opens an object says the same as who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Of what kind.
    pub kind: Kind,
    /// By kind, the first: permits of a semaphore; reset mode of an event (0 manual, 1 auto); parties of a barrier; bytes of a seqlock or struct;
    /// else 0. Structures say theirs where they are drawn.
    pub numbers: [u32; NUMBERS],
    /// Of a struct's layout; 0 where there is none.
    pub type_hash: u64,
}

/// As many permits as a semaphore can have.
pub const PERMITS_MAX: u32 = 65_536;
/// As many parties as a barrier can have.
pub const PARTIES_MAX: u32 = 4096;
/// As many bytes as a seqlock's record can have.
pub const RECORD_BYTES_MAX: u32 = 1 << 20;

impl Kind {
    /// From the number in a directory entry.
    #[doc(hidden)]
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        ALL.iter().copied().find(|kind| *kind as u32 == number)
    }

    /// As users call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mutex => "mutex",
            Self::RwLock => "rwlock",
            Self::Condition => "condition",
            Self::Semaphore => "semaphore",
            Self::Event => "event",
            Self::Barrier => "barrier",
            Self::Once => "once",
            Self::Word => "word",
            Self::Counter => "counter",
            Self::SeqLock => "seqlock",
            Self::Struct => "struct",
            Self::Ring => "ring",
            Self::Broadcast => "broadcast",
            Self::Latest => "latest",
            Self::Map => "map",
            Self::List => "list",
        }
    }
}

/// All kinds, in the order of their numbers.
pub const ALL: [Kind; 16] = [
    Kind::Mutex,
    Kind::RwLock,
    Kind::Condition,
    Kind::Semaphore,
    Kind::Event,
    Kind::Barrier,
    Kind::Once,
    Kind::Word,
    Kind::Counter,
    Kind::SeqLock,
    Kind::Struct,
    Kind::Ring,
    Kind::Broadcast,
    Kind::Latest,
    Kind::Map,
    Kind::List,
];

impl Shape {
    /// Of a kind without numbers.
    #[must_use]
    pub const fn plain(kind: Kind) -> Self {
        Self::numbered(kind, 0)
    }

    /// Of a kind with one number.
    #[must_use]
    pub const fn numbered(kind: Kind, number: u32) -> Self {
        Self { kind, numbers: [number, 0, 0, 0], type_hash: 0 }
    }

    /// The first number.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.numbers[0]
    }

    /// Bytes in the segment, for a table of `slots` members.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: a number that its kind cannot have.
    pub fn bytes(self, slots: u32) -> Result<u64> {
        let number = u64::from(self.number());
        match self.kind {
            Kind::Mutex | Kind::Condition | Kind::Once | Kind::Word | Kind::Counter => Ok(128),
            // The writer's line, and a line a reader.
            Kind::RwLock => Ok(128 + 128 * u64::from(slots)),
            Kind::Semaphore => self.within(1, PERMITS_MAX).map(|()| 128 + 4 * number),
            Kind::Event => self.within(0, 1).map(|()| 128),
            // Two words a seat.
            Kind::Barrier => self.within(1, PARTIES_MAX).map(|()| 128 + 8 * number),
            // Two copies.
            Kind::SeqLock => self.within(1, RECORD_BYTES_MAX).map(|()| 128 + 2 * number.next_multiple_of(64)),
            // No words of ours before or behind: the bytes are the user's.
            Kind::Struct => self.within(1, u32::MAX).map(|()| number),
            Kind::Ring => RingGeometry::of(self.numbers).map(|ring| ring.bytes()),
            Kind::Broadcast => broadcast::Geometry::of(self.numbers).map(|geometry| geometry.total()),
            Kind::Latest => latest::Geometry::of(self.numbers).map(|geometry| geometry.total()),
            Kind::Map => map::MapGeometry::of(self.numbers).map(|map| map.bytes),
            Kind::List => ListGeometry::of(self.numbers).map(ListGeometry::bytes),
        }
        .map(|bytes: u64| bytes.next_multiple_of(OBJECT_ALIGN_BYTES))
    }

    /// How many of its bytes, from the first, must be zero at first.
    #[doc(hidden)]
    #[must_use]
    pub fn zeroed_bytes(self, bytes: u64) -> u64 {
        match self.kind {
            // Of its chunks none is read before it was written.
            Kind::Map => map::MapGeometry::of(self.numbers).map_or(bytes, |map| map.chunks_offset),
            _ => bytes,
        }
    }

    /// As users would write it.
    #[must_use]
    pub fn words(self) -> String {
        let name = self.kind.name();
        let number = self.number();
        match self.kind {
            Kind::Semaphore => format!("{name} {{ permits: {number} }}"),
            Kind::Event => format!("{name} {{ reset: {} }}", if number == 1 { "'auto'" } else { "'manual'" }),
            Kind::Barrier => format!("{name} {{ parties: {number} }}"),
            Kind::SeqLock => format!("{name} {{ bytes: {number} }}"),
            Kind::Broadcast => format!("{name} {{ slots: {number}, slotBytes: {} }}", self.numbers[1]),
            Kind::Latest => format!("{name} {{ bytes: {number}, readers: {} }}", self.numbers[1]),
            Kind::Struct => format!("{name} {{ bytes: {number}, hash: {:#018x} }}", self.type_hash),
            Kind::Ring => RingGeometry::of(self.numbers)
                .map_or_else(|_| name.to_owned(), |ring| format!("{name} {}", ring.words())),
            Kind::Map => map::words(self.numbers),
            Kind::List => {
                format!("{name} {}", ListGeometry { value_bytes: number, capacity: self.numbers[1] }.words())
            }
            _ => name.to_owned(),
        }
    }

    fn within(self, least: u32, most: u32) -> Result<()> {
        if (least..=most).contains(&self.number()) {
            return Ok(());
        }
        Err(Error::own("ERR_OUT_OF_RANGE", format!("no {}: from {least} to {most}", self.words())))
    }
}
