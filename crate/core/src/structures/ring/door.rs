//! A ring as the binding and the handles reach it: its words and slots, made from an object's place. Which algorithm does it is decided here.

use super::End;
use super::many::{EndWait, Gate, Many, Part, Seen};
use super::one::{Begin, OneRing, OneWait, Refused};
use crate::error::{Error, Result};
use crate::managed::geometry::ring::{self as at, CONTROL, RingGeometry, STATE};
use crate::managed::{Kind, Place};
use crate::membership::ownership::Occupied;
use crate::membership::{MemberTable, Token, Word};
use crate::structures::takeover::{self, Patience};
use crate::sync::wait::Wait;

/// What is waited for at a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingOperation {
    /// A message; with the position of the next one to take, where one consumer counts them.
    Items(u32),
    /// Room for a message; with the position of the next one to send, where one producer counts them.
    Room(u32),
}

/// The geometry of a ring's place.
///
/// # Errors
/// `ERR_SHM_TYPE_MISMATCH`: it is no ring. `ERR_OUT_OF_RANGE`.
pub fn geometry(place: &Place<'_>) -> Result<RingGeometry> {
    if place.shape().kind != Kind::Ring {
        return Err(Error::own("ERR_SHM_TYPE_MISMATCH", format!("a {} is no ring", place.shape().words())));
    }
    RingGeometry::of(place.shape().numbers)
}

/// The words of a ring for one and one.
///
/// # Errors
/// As [`geometry`].
pub fn one(place: &Place<'_>) -> Result<OneRing<Word>> {
    OneRing::of(geometry(place)?.slots, |offset| place.word(offset))
}

/// The words of a ring of many.
///
/// # Errors
/// As [`geometry`].
pub fn many(place: &Place<'_>) -> Result<Many<Word, impl Fn(Part) -> Word + Copy + Send + use<>>> {
    let ring = geometry(place)?;
    let slots = Slots::of(place)?;
    let seats = place.word(at::SEAT)?;
    Ok(Many {
        slots: ring.slots,
        drops: ring.flags & at::DROP_OLDEST != 0,
        state: place.word(STATE)?,
        tail: place.word(at::TAIL)?,
        head: place.word(at::HEAD)?,
        items: Gate { word: place.word(at::ITEMS_GATE)?, sequence: place.word(at::ITEMS_SEQUENCE)? },
        room: Gate { word: place.word(at::ROOM_GATE)?, sequence: place.word(at::ROOM_SEQUENCE)? },
        part: move |part| match part {
            Part::Control(index) => slots.control(index),
            Part::Seat(index) => seats.forward(4 * index.min(at::SEATS - 1) as usize),
        },
        seats: at::SEATS,
        standing: place.word(at::STANDING)?,
        recovered: place.word(at::RECOVERED)?,
        lost: place.word(at::LOST)?,
        skipped: place.word(at::SKIPPED)?,
        cleared: place.word(at::CLEARED)?,
        laps: [place.word(at::PRODUCER_LAPS)?, place.word(at::CONSUMER_LAPS)?],
    })
}

/// The word that says whose an end is, where one member at a time has it.
fn lone_owner(place: &Place<'_>, end: End) -> Result<Option<Word>> {
    let (flag, owner) = match end {
        End::Producer => (at::MANY_PRODUCERS, at::PRODUCER),
        End::Consumer => (at::MANY_CONSUMERS, at::CONSUMER),
    };
    (geometry(place)?.flags & flag == 0).then(|| place.word(owner)).transpose()
}

/// The wait for `operation`.
///
/// # Errors
/// As [`geometry`].
pub fn wait(place: &Place<'_>, operation: RingOperation) -> Result<Box<dyn Wait<MemberTable> + Send>> {
    let (end, position) = match operation {
        RingOperation::Items(position) => (End::Consumer, position),
        RingOperation::Room(position) => (End::Producer, position),
    };
    if geometry(place)?.is_one_to_one() {
        return Ok(Box::new(OneWait::new(one(place)?, end, position)));
    }
    Ok(Box::new(EndWait::new(many(place)?, end)))
}

/// Takes an end for that member, and says where it goes on. Blocks while a dead producer may still write.
///
/// # Errors
/// `ERR_SHM_PRODUCER_TAKEN` `ERR_SHM_CONSUMER_TAKEN`; `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TIMED_OUT`: a call of the dead one before can still write.
pub fn take(place: &Place<'_>, table: &MemberTable, end: End, token: Token) -> Result<Begin> {
    if geometry(place)?.is_one_to_one() {
        let patience = Patience::begins();
        loop {
            match one(place)?.take(table, end, token) {
                Ok(begin) => return Ok(begin),
                Err(Refused::Corrupt(error)) => return Err(error),
                Err(Refused::Occupied(Occupied::Taken(holder))) => {
                    return Err(taken(table, end, holder, token));
                }
                Err(Refused::Occupied(Occupied::Dying(holder))) => takeover::wait(table, holder, patience)?,
            }
        }
    }
    let ring = many(place)?;
    if let Some(owner) = lone_owner(place, end)? {
        // Whoever claims a slot after a dead one waits for it there.
        ring.take_end(table, owner, token).map_err(|occupied| taken(table, end, occupied.owner(), token))?;
    }
    if end == End::Consumer {
        ring.sit(table, token);
    }
    Ok(Begin { position: 0, limit: 0 })
}

/// Gives that member's end back.
///
/// # Errors
/// As [`geometry`].
pub fn give(place: &Place<'_>, table: &MemberTable, end: End, token: Token) -> Result<()> {
    if geometry(place)?.is_one_to_one() {
        one(place)?.give(table, end, token);
        return Ok(());
    }
    if end == End::Consumer {
        many(place)?.stand_up(table, token);
    }
    if let Some(owner) = lone_owner(place, end)? {
        let _ = owner.compare_exchange(token.word(), 0);
    }
    Ok(())
}

/// Ends a side for good.
///
/// # Errors
/// As [`geometry`].
pub fn end(place: &Place<'_>, table: &MemberTable, end: End) -> Result<()> {
    if geometry(place)?.is_one_to_one() {
        one(place)?.end(table, end);
    } else {
        many(place)?.end(table, end);
    }
    Ok(())
}

/// Wakes who waits at that end: a fast path did what it waits for.
///
/// # Errors
/// As [`geometry`].
pub fn wake(place: &Place<'_>, table: &MemberTable, end: End) -> Result<()> {
    if geometry(place)?.is_one_to_one() {
        one(place)?.wake(table, end);
    } else {
        many(place)?.tell(table, end);
    }
    Ok(())
}

/// How a claim among many ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its message is everybody's.
    Commit,
    /// There is no message.
    Abort,
    /// It was read.
    Release,
}

/// Ends a claim among many by the way that wakes who sleeps.
///
/// # Errors
/// `ERR_SHM_POSSIBLY_CORRUPT`: the claim that is committed is not that token's. As [`geometry`].
pub fn finish(
    place: &Place<'_>,
    table: &MemberTable,
    token: Token,
    position: u32,
    ending: Ending,
) -> Result<()> {
    let ring = many(place)?;
    match ending {
        Ending::Commit => ring.commit(table, token, position)?,
        // Where somebody scribbled the claim away, there is nothing to give back.
        Ending::Abort => drop(ring.abort(table, token, position)),
        Ending::Release => drop(ring.release(table, token, position)),
    }
    Ok(())
}

/// Looks who stands in the way at an end among many, and takes what the dead claimed. Answers whether to try again at once.
///
/// # Errors
/// `ERR_SHM_POSSIBLY_CORRUPT`. As [`geometry`].
pub fn unblock(place: &Place<'_>, table: &MemberTable, end: End) -> Result<bool> {
    let ring = many(place)?;
    match ring.look_at(table, end)? {
        Seen::Ready(_) => Ok(true),
        Seen::Wanting(position) => {
            if end == End::Consumer && state(place)? != 0 {
                ring.bury(table, position, true)?;
            }
            Ok(false)
        }
        Seen::Claimed(position, claim) => {
            ring.unblock(table, position, claim, true).map(|life| life.is_none())
        }
    }
}

/// Which sides have ended, by [`End::bit`].
///
/// # Errors
/// None for an open segment.
pub fn state(place: &Place<'_>) -> Result<u32> {
    Ok(place.word(STATE)?.load())
}

/// Who has an end: its token.
///
/// # Errors
/// As [`geometry`].
pub fn owner(place: &Place<'_>, end: End) -> Result<Option<Token>> {
    Ok(Token::from_word(one(place)?.owner(end).load()))
}

const LINE_BYTES: usize = 64;
/// As many lines as a processor waits for at once, about.
const NEAR_BYTES: usize = 8 * LINE_BYTES;

/// The slots of a ring as addresses.
#[derive(Clone, Copy, Debug)]
pub struct Slots {
    control: Word,
    control_stride: usize,
    payload: usize,
    stride: usize,
    mask: u32,
}

impl Slots {
    /// Of a ring's place.
    ///
    /// # Errors
    /// As [`geometry`].
    pub fn of(place: &Place<'_>) -> Result<Self> {
        let ring = geometry(place)?;
        // The last word lies inside; so does all before it.
        place.word(ring.bytes() - 4)?;
        let small = |number: u64| usize::try_from(number).unwrap_or(0);
        Ok(Self {
            control: place.word(CONTROL)?,
            control_stride: small(ring.control_stride()),
            payload: place.word(ring.payload())?.address(),
            stride: small(ring.stride()),
            mask: ring.slots - 1,
        })
    }

    /// The first control word of a position's slot.
    #[must_use]
    #[inline]
    pub fn control(&self, position: u32) -> Word {
        self.control.forward(self.control_stride * (position & self.mask) as usize)
    }

    /// How many slots a producer does well to bring near together; 1: it does not.
    pub(super) fn near(&self) -> u32 {
        NEAR_BYTES.checked_div(self.stride).and_then(|slots| u32::try_from(slots).ok()).unwrap_or(1).max(1)
    }

    /// Makes the lines of up to so many slots from that position on, up to the last slot, this processor's own, by a store of what is there: reads for
    /// ownership (RFO) that overlap. Answers how many slots. Nobody else may write there meanwhile.
    ///
    /// NB: a line whose message was read is the other processor's too. Who publishes each message waits for each line by itself: 42 ns of 64 bytes, in C as
    /// well; for eight together 13 ns a message. `prefetchw` changed nothing (AMD EPYC under KVM).
    #[inline]
    pub(super) fn bring(&self, position: u32, count: u32) -> u32 {
        let index = position & self.mask;
        let count = count.min(self.mask + 1 - index);
        let first = self.payload(index) - self.control.address();
        for line in (0..self.stride * count as usize).step_by(LINE_BYTES) {
            let word = self.control.forward(first + line);
            word.store_in_order(word.load());
        }
        count
    }

    /// The address of a position's first byte.
    #[must_use]
    #[inline]
    pub const fn payload(&self, position: u32) -> usize {
        self.payload + self.stride * (position & self.mask) as usize
    }
}

fn taken(table: &MemberTable, end: End, holder: Token, own: Token) -> Error {
    let code = match end {
        End::Producer => "ERR_SHM_PRODUCER_TAKEN",
        End::Consumer => "ERR_SHM_CONSUMER_TAKEN",
    };
    let who = if holder == own {
        "this environment".to_owned()
    } else {
        table.describe(holder).unwrap_or_else(|| "another member".to_owned())
    };
    Error::own(code, format!("it has a {} already, {who}", end.name()))
}
