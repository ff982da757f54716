//! A ring as Rust uses it: the same bytes as in JavaScript. Each end is a type; dropped, it is given back.

use super::door::{self, RingOperation, Slots};
use super::ends::{Found, Receiving, Sending, Slot};
use super::many::Part;
use super::many_ends::{ManyConsumer, ManyEnd, ManyProducer};
use super::one_ends::{OneConsumer, OneProducer};
use super::{End, PRODUCERS_ENDED};
use crate::error::{Error, Result};
use crate::managed::geometry::ring::{self as at, RingGeometry};
use crate::managed::{Kind, ManagedSegment, Place, Shape};
use crate::membership::{Member, MemberTable, Token, Word};
use crate::sync::wait::{Answer, wait_until};
use crate::sys::futex;
use std::time::Duration;

/// A ring: messages from producers to consumers, in their order. Each end is a type; dropped, it is given back.
///
/// ```
/// # use shmem_core::managed::{ManagedOptions, ManagedSegment};
/// # use shmem_core::membership::JoinOptions;
/// # use shmem_core::memory::{CreateOptions, memfd};
/// # let segment = memfd::create("doc", &CreateOptions::new(1 << 20), 0)?;
/// # let managed = ManagedSegment::open(&segment, ManagedOptions::make())?;
/// # let member = managed.join(&JoinOptions::default())?;
/// use shmem_core::structures::ring::{Received, Ring, RingGeometry, Sent};
///
/// // 64 slots of up to 16 bytes, one producer, one consumer: `mem.ring('orders', { slots: 64, slotBytes: 16 })` in JavaScript.
/// let ring = Ring::open(&managed, &member, "orders", RingGeometry { slots: 64, slot_bytes: 16, flags: 0 })?;
/// let (mut producer, mut consumer) = (ring.producer()?, ring.consumer()?);
/// assert_eq!(producer.send(b"first", None)?, Sent::Sent);
/// producer.end()?;
/// let mut message = [0; 16];
/// assert_eq!(consumer.receive(&mut message, None)?, Received::Message(5));
/// assert_eq!(&message[..5], b"first");
/// assert_eq!(consumer.receive(&mut message, None)?, Received::Ended);
/// # Ok::<(), shmem_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Ring<'a> {
    place: Place<'a>,
    member: &'a Member,
    geometry: RingGeometry,
}

/// What came of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is in the ring.
    Sent,
    /// There was no room.
    Full,
    /// The time was over.
    TimedOut,
    /// Nobody will take it: one of the sides has ended.
    Ended,
    /// The ring is full, and its consumer died; told once for each death.
    PeerDied,
}

/// What came of receiving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message of so many bytes.
    Message(usize),
    /// There is none.
    Empty,
    /// The time was over.
    TimedOut,
    /// There will be none: the producers have ended.
    Ended,
    /// The ring is empty, and its producer died; told once for each death.
    PeerDied,
}

/// The end where messages go in.
pub struct Producer<'a> {
    ring: Ring<'a>,
    end: Box<dyn Sending + 'a>,
}

/// The end where messages come out.
pub struct Consumer<'a> {
    ring: Ring<'a>,
    end: Box<dyn Receiving + 'a>,
}

impl<'a> Ring<'a> {
    /// The ring of that name and geometry; made if there is none.
    ///
    /// # Errors
    /// Those of [`ManagedSegment::object`].
    pub fn open(
        managed: &'a ManagedSegment,
        member: &'a Member,
        name: &str,
        geometry: RingGeometry,
    ) -> Result<Self> {
        let shape = Shape { kind: Kind::Ring, numbers: geometry.numbers(), type_hash: 0 };
        let found = managed.object(member, name, shape)?;
        Ok(Self { place: Place::of(managed, found, shape), member, geometry })
    }

    /// Takes the end where messages go in.
    ///
    /// # Errors
    /// `ERR_SHM_PRODUCER_TAKEN`; `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TIMED_OUT`: see [`takeover`](crate::structures::takeover).
    pub fn producer(&self) -> Result<Producer<'a>> {
        let begin = door::take(&self.place, self.table(), End::Producer, self.token())?;
        let slots = Slots::of(&self.place)?;
        let end: Box<dyn Sending> = if self.geometry.is_one_to_one() {
            Box::new(OneProducer::new(door::one(&self.place)?, slots, self.geometry.slot_bytes, begin))
        } else {
            Box::new(ManyProducer(self.many_end(slots)?))
        };
        Ok(Producer { ring: *self, end })
    }

    /// Takes the end where messages come out.
    ///
    /// # Errors
    /// `ERR_SHM_CONSUMER_TAKEN`; `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn consumer(&self) -> Result<Consumer<'a>> {
        let begin = door::take(&self.place, self.table(), End::Consumer, self.token())?;
        let slots = Slots::of(&self.place)?;
        let end: Box<dyn Receiving> = if self.geometry.is_one_to_one() {
            Box::new(OneConsumer::new(door::one(&self.place)?, slots, self.geometry.slot_bytes, begin))
        } else {
            Box::new(ManyConsumer(self.many_end(slots)?))
        };
        Ok(Consumer { ring: *self, end })
    }

    fn many_end(&self, slots: Slots) -> Result<ManyEnd<impl Fn(Part) -> Word + use<>>> {
        Ok(ManyEnd::new(door::many(&self.place)?, slots, self.geometry.slot_bytes, self.token()))
    }

    /// Its numbers.
    #[must_use]
    pub const fn geometry(&self) -> RingGeometry {
        self.geometry
    }

    /// Messages that nobody has taken; stale the moment it returns.
    ///
    /// # Errors
    /// None for an open segment.
    pub fn length(&self) -> Result<u32> {
        let head =
            self.place.word(if self.geometry().is_one_to_one() { at::TAKEN } else { at::HEAD })?.load();
        Ok(self.place.word(at::TAIL)?.load().wrapping_sub(head).min(self.geometry().slots))
    }

    /// Messages that nobody gets: dropped, or in the hands of a consumer that died. Modulo 2^32.
    ///
    /// # Errors
    /// None for an open segment.
    pub fn lost(&self) -> Result<u32> {
        Ok(self.place.word(at::LOST)?.load())
    }

    /// Ends, or claims, that were taken over from the dead. Modulo 2^32.
    ///
    /// # Errors
    /// None for an open segment.
    pub fn recovered(&self) -> Result<u32> {
        Ok(self.place.word(at::RECOVERED)?.load())
    }

    fn table(&self) -> &'a MemberTable {
        self.member.table()
    }

    fn token(&self) -> Token {
        self.member.token()
    }

    fn has_ended(&self, bit: u32) -> Result<bool> {
        Ok(door::state(&self.place)? & bit != 0)
    }

    /// Waits until then; `None`: the time was over.
    fn wait(&self, operation: RingOperation, until: Option<Duration>) -> Result<Option<Answer>> {
        let mut wait = door::wait(&self.place, operation)?;
        let waited = wait_until(self.table(), &mut *wait, until)?;
        self.place.counters()?.count(waited);
        Ok(waited.answer)
    }
}

fn until(timeout: Option<Duration>) -> Option<Duration> {
    timeout.map(|timeout| futex::now().saturating_add(timeout))
}

impl Producer<'_> {
    /// Claims a slot to write in; `None`: full, or ended. While it is claimed, the same again.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn claim(&mut self) -> Result<Option<Slot>> {
        Ok(match self.end.claim(self.ring.table())? {
            Found::Slot(slot) => Some(slot),
            Found::Nothing | Found::Ended => None,
        })
    }

    /// Publishes the claimed slot as a message of so many bytes.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: more than a slot has. `ERR_SHM_NOT_OWNER`: nothing is claimed.
    pub fn commit(&mut self, bytes: usize) -> Result<()> {
        let bytes = self.length(bytes)?;
        self.end.commit(self.ring.table(), bytes)
    }

    /// Gives the claim up.
    pub fn abort(&mut self) {
        self.end.abort(self.ring.table());
    }

    /// Sends a copy, if there is room.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: more bytes than a slot has. `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn try_send(&mut self, message: &[u8]) -> Result<Sent> {
        let bytes = self.length(message.len())?;
        let slot = match self.end.claim(self.ring.table())? {
            Found::Slot(slot) => slot,
            Found::Nothing => return Ok(Sent::Full),
            Found::Ended => return Ok(Sent::Ended),
        };
        slot.write(message);
        self.end.commit(self.ring.table(), bytes).map(|()| Sent::Sent)
    }

    /// Sends a copy; waits for room so long at most, `None` for ever.
    ///
    /// # Errors
    /// As [`Self::try_send`].
    pub fn send(&mut self, message: &[u8], timeout: Option<Duration>) -> Result<Sent> {
        let until = until(timeout);
        loop {
            let sent = self.try_send(message)?;
            if sent != Sent::Full {
                return Ok(sent);
            }
            match self.ring.wait(self.end.room(), until)? {
                None => return Ok(Sent::TimedOut),
                Some(Answer::PartyDied) => return Ok(Sent::PeerDied),
                Some(_) => {}
            }
        }
    }

    /// How many messages were sent through a ring of one and one, wrapping: the position of the next one. 0 for other rings.
    #[must_use]
    pub fn position(&self) -> u32 {
        match self.end.room() {
            RingOperation::Room(position) | RingOperation::Items(position) => position,
        }
    }

    /// No message follows, from anybody.
    ///
    /// # Errors
    /// None for an open segment.
    pub fn end(&mut self) -> Result<()> {
        door::end(&self.ring.place, self.ring.table(), End::Producer)
    }

    fn length(&self, bytes: usize) -> Result<u32> {
        let most = self.ring.geometry.slot_bytes;
        u32::try_from(bytes).ok().filter(|bytes| *bytes <= most).ok_or_else(|| {
            Error::own(
                "ERR_OUT_OF_RANGE",
                format!("a message of {bytes} bytes; a slot of this ring has {most}"),
            )
        })
    }
}

impl Consumer<'_> {
    /// Takes the oldest message in place; `None`: there is none, or ended. While it is taken, the same again.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn take(&mut self) -> Result<Option<Slot>> {
        Ok(match self.end.take(self.ring.table())? {
            Found::Slot(slot) => Some(slot),
            Found::Nothing | Found::Ended => None,
        })
    }

    /// Gives the slot of the message taken back.
    pub fn release(&mut self) {
        self.end.release(self.ring.table());
    }

    /// Copies the oldest message to the beginning of `target`, if there is one.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: `target` is smaller than a slot. `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn try_receive(&mut self, target: &mut [u8]) -> Result<Received> {
        let most = self.ring.geometry.slot_bytes as usize;
        if target.len() < most {
            let given = target.len();
            return Err(Error::own(
                "ERR_OUT_OF_RANGE",
                format!("{given} bytes for messages of up to {most}"),
            ));
        }
        let slot = match self.end.take(self.ring.table())? {
            Found::Slot(slot) => slot,
            Found::Nothing => return Ok(Received::Empty),
            Found::Ended => return Ok(Received::Ended),
        };
        slot.read(target);
        self.end.release(self.ring.table());
        Ok(Received::Message(slot.bytes))
    }

    /// As [`Self::try_receive`]; waits for a message so long at most, `None` for ever.
    ///
    /// # Errors
    /// As [`Self::try_receive`].
    pub fn receive(&mut self, target: &mut [u8], timeout: Option<Duration>) -> Result<Received> {
        let until = until(timeout);
        loop {
            let received = self.try_receive(target)?;
            if received != Received::Empty {
                return Ok(received);
            }
            match self.ring.wait(self.end.items(), until)? {
                None => return Ok(Received::TimedOut),
                Some(Answer::PartyDied) => return Ok(Received::PeerDied),
                Some(_) => {}
            }
        }
    }

    /// How many messages were taken from a ring of one and one, wrapping: the position of the next one. 0 for other rings.
    #[must_use]
    pub fn position(&self) -> u32 {
        match self.end.items() {
            RingOperation::Room(position) | RingOperation::Items(position) => position,
        }
    }

    /// Nobody will take another message: producers are told.
    ///
    /// # Errors
    /// None for an open segment.
    pub fn end(&mut self) -> Result<()> {
        door::end(&self.ring.place, self.ring.table(), End::Consumer)
    }

    /// Whether the producers have ended.
    ///
    /// # Errors
    /// None for an open segment.
    pub fn producers_ended(&self) -> Result<bool> {
        self.ring.has_ended(PRODUCERS_ENDED)
    }
}

impl Drop for Producer<'_> {
    fn drop(&mut self) {
        if self.ring.member.is_inherited() {
            return;
        }
        self.abort();
        let _ = door::give(&self.ring.place, self.ring.table(), End::Producer, self.ring.token());
    }
}

impl Drop for Consumer<'_> {
    fn drop(&mut self) {
        if self.ring.member.is_inherited() {
            return;
        }
        self.release();
        let _ = door::give(&self.ring.place, self.ring.table(), End::Consumer, self.ring.token());
    }
}

impl std::fmt::Debug for Producer<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Producer").field("ring", &self.ring).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Consumer<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Consumer").field("ring", &self.ring).finish_non_exhaustive()
    }
}
