//! A broadcast as Rust sends and receives it: the same bytes as JavaScript's.

#![expect(unsafe_code, reason = "a slot is an address")]

use super::feed::{Feed, Found, Head, OVERTAKEN_MAX, POSITION_MAX};
use crate::error::{Error, Result};
use crate::fail_point;
use crate::managed::geometry::broadcast::{self as layout, Geometry};
use crate::managed::{Kind, ManagedSegment, Place, Shape};
use crate::membership::{Member, MemberTable, Word};
use crate::structures::payload::Payload;
use crate::structures::seating;
use crate::sync::wait::{Answer, wait_until};
use crate::sys::futex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Messages from one writer to whoever listens: a reader that is too slow is told what it missed.
///
/// ```
/// # use shmem_core::managed::{ManagedOptions, ManagedSegment};
/// # use shmem_core::membership::JoinOptions;
/// # use shmem_core::memory::{CreateOptions, memfd};
/// # let segment = memfd::create("doc", &CreateOptions::new(1 << 20), 0)?;
/// # let managed = ManagedSegment::open(&segment, ManagedOptions::make())?;
/// # let member = managed.join(&JoinOptions::default())?;
/// use shmem_core::structures::Broadcast;
/// use shmem_core::structures::broadcast::{From, Received};
///
/// let prices = Broadcast::open(&managed, &member, "prices", 64, 16)?;
/// let (mut writer, mut reader) = (prices.writer()?, prices.reader(From::Next)?);
/// writer.send(b"99.5")?;
/// let mut price = Vec::new();
/// assert_eq!(reader.receive(&mut price, None)?, Received::Message { position: 0, lost: 0 });
/// assert_eq!(price, b"99.5");
/// # Ok::<(), shmem_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Broadcast<'a> {
    place: Place<'a>,
    member: &'a Member,
    geometry: Geometry,
}

/// Its one writer; dropped, it gives its seat up. Another may follow.
#[derive(Debug)]
pub struct BroadcastWriter<'a> {
    broadcast: Broadcast<'a>,
    position: u64,
}

/// A reader, with a position of its own. Nobody knows of it.
#[derive(Debug)]
pub struct BroadcastReader<'a> {
    broadcast: Broadcast<'a>,
    position: u64,
    received: u64,
    lost: u64,
    mourned: u32,
}

/// With which message a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The next one that is sent.
    Next,
    /// The newest that was sent.
    Newest,
    /// The oldest that is there.
    Oldest,
}

/// What receiving came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message, its position, and how many before it were lost.
    Message {
        /// How many were sent before it, ever.
        position: u64,
        /// How many of them were overwritten since the last one that was received.
        lost: u64,
    },
    /// Nothing came in time.
    TimedOut,
    /// The writer said that nothing follows, and all that was there was received.
    Ended,
    /// The writer died. It is told once; the next call waits for its successor.
    WriterDied,
}

/// The head in memory: 64 bits of floating point.
#[derive(Clone, Copy, Debug)]
struct FloatHead {
    address: usize,
}

impl FloatHead {
    fn atomic(&self) -> &AtomicU64 {
        // SAFETY: `feed_of` found both words inside the segment, which is mapped as long as the feed is used, at a multiple of 64.
        unsafe { AtomicU64::from_ptr(self.address as *mut u64) }
    }
}

impl<P> Head<P> for FloatHead {
    #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "clamped to positions")]
    fn load(&self, _platform: &P) -> u64 {
        // What is no number becomes 0.
        f64::from_bits(self.atomic().load(Ordering::SeqCst)).clamp(0.0, POSITION_MAX as f64) as u64
    }

    fn store(&self, _platform: &P, position: u64) {
        self.atomic().store((position as f64).to_bits(), Ordering::SeqCst);
    }
}

/// The words of the slots of an object.
#[derive(Clone, Copy, Debug)]
struct Slots {
    first: Word,
    stride: usize,
    count: u32,
}

/// The words of a broadcast; they may be used while the segment is mapped.
///
/// # Errors
/// `ERR_OUT_OF_RANGE`.
pub fn feed_of(place: &Place<'_>) -> Result<Recoverable> {
    let geometry = Geometry::of(place.shape().numbers)?;
    place.word(layout::HEAD + 4)?;
    place.word(geometry.slot(geometry.slots - 1) + layout::SLOT_LAP)?;
    Ok(Recoverable {
        head: FloatHead { address: place.word(layout::HEAD)?.address() },
        slots: Slots {
            first: place.word(geometry.slot(0) + layout::SLOT_STAMP)?,
            stride: usize::try_from(geometry.slot_stride()).unwrap_or(0),
            count: geometry.slots,
        },
    })
}

/// A broadcast's words, as far as taking its seat needs them.
#[derive(Clone, Copy, Debug)]
pub struct Recoverable {
    head: FloatHead,
    slots: Slots,
}

impl Recoverable {
    /// Counts a message that a dead writer had sent and not counted. Answers the head.
    pub fn recover(&self, table: &MemberTable) -> u64 {
        self.feed().recover(table)
    }

    fn feed(&self) -> Feed<FloatHead, impl Fn(u32) -> (Word, Word) + use<>> {
        let slots = self.slots;
        Feed {
            head: self.head,
            slots: move |index: u32| {
                let stamp = slots.first.forward(slots.stride * ((index & (slots.count - 1)) as usize));
                (stamp, stamp.next())
            },
            count: slots.count,
        }
    }
}

impl<'a> Broadcast<'a> {
    /// The broadcast of that name, with so many slots (rounded up to a power of two) for messages of up to `slot_bytes` bytes; made if there is
    /// none.
    ///
    /// # Errors
    /// Those of [`ManagedSegment::object`].
    pub fn open(
        managed: &'a ManagedSegment,
        member: &'a Member,
        name: &str,
        slots: u32,
        slot_bytes: u32,
    ) -> Result<Self> {
        let slots = slots.max(2).checked_next_power_of_two().unwrap_or(u32::MAX);
        let shape = Shape { kind: Kind::Broadcast, numbers: [slots, slot_bytes, 0, 0], type_hash: 0 };
        let geometry = Geometry::of(shape.numbers)?;
        let found = managed.object(member, name, shape)?;
        Ok(Self { place: Place::of(managed, found, shape), member, geometry })
    }

    /// Becomes its writer.
    ///
    /// # Errors
    /// `ERR_SHM_WRITER_TAKEN`; `ERR_SHM_TIMED_OUT`: see [`takeover`](crate::structures::takeover).
    pub fn writer(&self) -> Result<BroadcastWriter<'a>> {
        seating::take(&self.place, self.member.table(), self.member.token())?;
        let position = feed_of(&self.place)?.recover(self.member.table());
        Ok(BroadcastWriter { broadcast: *self, position })
    }

    /// A reader.
    ///
    /// # Errors
    /// None for an open segment.
    pub fn reader(&self, from: From) -> Result<BroadcastReader<'a>> {
        let head = feed_of(&self.place)?.head.load(self.member.table());
        let position = match from {
            From::Next => head,
            From::Newest => head.saturating_sub(1),
            From::Oldest => (head + 1).saturating_sub(u64::from(self.geometry.slots)),
        };
        Ok(BroadcastReader { broadcast: *self, position, received: 0, lost: 0, mourned: 0 })
    }

    fn payload(&self, slot: u32) -> Result<Payload> {
        let first = self.geometry.slot(slot) + layout::SLOT_PAYLOAD;
        self.place.word(first + u64::from(self.geometry.slot_bytes).next_multiple_of(4) - 4)?;
        // SAFETY: it is inside the segment, as just checked, which is mapped while the handle borrows it; geometry puts it at a multiple of 16.
        Ok(unsafe { Payload::at(self.place.word(first)?, self.geometry.slot_bytes) })
    }

    fn length(&self, slot: u32) -> Result<Word> {
        self.place.word(self.geometry.slot(slot) + layout::SLOT_LENGTH)
    }
}

impl BroadcastWriter<'_> {
    /// Sends a message, and never waits. Answers its position: how many were sent before it.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: it is too long.
    pub fn send(&mut self, message: &[u8]) -> Result<u64> {
        let Broadcast { geometry, place, member } = self.broadcast;
        let length = u32::try_from(message.len()).ok().filter(|length| *length <= geometry.slot_bytes);
        let length = length.ok_or_else(|| {
            Error::own(
                "ERR_OUT_OF_RANGE",
                format!("a message has up to {} bytes, not {}", geometry.slot_bytes, message.len()),
            )
        })?;
        let words = feed_of(&place)?;
        let (feed, table, position) = (words.feed(), member.table(), self.position);
        let slot = feed.slot(position);
        feed.begin(table, position);
        self.broadcast.length(slot)?.store(length);
        self.broadcast.payload(slot)?.copy_in(message);
        fail_point::reach("broadcast.filled");
        feed.commit(table, position);
        self.position += 1;
        seating::seat(&place)?.tell(table);
        Ok(position)
    }

    /// How many messages were sent, by all writers together.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.position
    }

    /// Says that nothing follows, and gives the seat up.
    ///
    /// # Errors
    /// None for an open segment.
    pub fn end(self) -> Result<()> {
        let Broadcast { place, member, .. } = self.broadcast;
        seating::seat(&place)?.leave(member.table(), member.token(), true);
        Ok(())
    }
}

impl Drop for BroadcastWriter<'_> {
    fn drop(&mut self) {
        if self.broadcast.member.is_inherited() {
            return;
        }
        if let Ok(seat) = seating::seat(&self.broadcast.place) {
            seat.leave(self.broadcast.member.table(), self.broadcast.member.token(), false);
        }
    }
}

impl BroadcastReader<'_> {
    /// Copies the next message to `target`, if it is there. Answers its position, and how many were lost before it.
    ///
    /// # Errors
    /// `ERR_SHM_BUSY`: the writer overtook it a thousand times while it copied.
    pub fn try_receive(&mut self, target: &mut Vec<u8>) -> Result<Option<(u64, u64)>> {
        let mut lost = 0;
        let received = self.receive_counting(target, &mut lost);
        self.lost += lost;
        if lost != 0 {
            // It wraps, as the counters beside it.
            let lost = u32::try_from(lost & u64::from(u32::MAX)).unwrap_or(0);
            self.broadcast.place.word(layout::LOST)?.fetch_add(lost);
        }
        Ok(received?.map(|position| (position, lost)))
    }

    /// As [`Self::try_receive`], waiting so long at most; `None` waits for ever.
    ///
    /// # Errors
    /// As [`Self::try_receive`].
    pub fn receive(&mut self, target: &mut Vec<u8>, timeout: Option<Duration>) -> Result<Received> {
        let until = timeout.map(|timeout| futex::now().saturating_add(timeout));
        let Broadcast { geometry, place, member } = self.broadcast;
        let seat = seating::seat(&place)?;
        let mut lost = 0;
        loop {
            // Both are looked at before the message: what was sent before the end is told before it, and what comes meanwhile is no sleep.
            let has_ended = seat.ended.load() != 0;
            let watched = geometry.slot(feed_of(&place)?.feed().slot(self.position)) + layout::SLOT_STAMP;
            let (seen, position) = (place.word(watched)?.load(), self.position);
            if let Some((position, more)) = self.try_receive(target)? {
                return Ok(Received::Message { position, lost: lost + more });
            }
            if self.position != position {
                lost += self.position - position;
                continue;
            }
            if has_ended {
                return Ok(Received::Ended);
            }
            let mut wait = seating::news(&place, watched, seen, self.mourned)?;
            let waited = wait_until(member.table(), &mut wait, until)?;
            place.counters()?.count(waited);
            match waited.answer {
                None => return Ok(Received::TimedOut),
                Some(Answer::OwnerDied) => {
                    self.mourned = seat.dead_writer(member.table()).map_or(0, |writer| writer.word());
                    return Ok(Received::WriterDied);
                }
                Some(_) => {}
            }
        }
    }

    /// How many messages it received.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// How many messages were overwritten before it received them.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Of the message it waits for: how many are sent before it.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    fn receive_counting(&mut self, target: &mut Vec<u8>, lost: &mut u64) -> Result<Option<u64>> {
        let table = self.broadcast.member.table();
        let words = feed_of(&self.broadcast.place)?;
        let feed = words.feed();
        for _ in 0..OVERTAKEN_MAX {
            let position = self.position;
            let slot = feed.slot(position);
            let length = self.broadcast.length(slot)?;
            let payload = self.broadcast.payload(slot)?;
            let found = feed.read(table, position, || {
                target.resize(length.load().min(self.broadcast.geometry.slot_bytes) as usize, 0);
                payload.copy_out(target);
            });
            match found {
                Found::Message => {
                    self.position += 1;
                    self.received += 1;
                    return Ok(Some(position));
                }
                Found::NotYet => return Ok(None),
                Found::Overtaken(next) => {
                    *lost += next - position;
                    self.position = next;
                }
            }
        }
        Err(Error::own("ERR_SHM_BUSY", format!("the writer overtook the read {OVERTAKEN_MAX} times")))
    }
}
