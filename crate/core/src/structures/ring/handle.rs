//! A ring as Rust uses it: the same bytes as in JavaScript. Each end is a type; dropped, it is given back.

use super::End;
use super::consumer::Consumer;
use super::door::{self, RingOperation, Slots};
use super::ends::{ReceivingEnd, SendingEnd};
use super::many::Part;
use super::many_ends::{ManyConsumer, ManyEnd, ManyProducer};
use super::one_ends::{OneConsumer, OneProducer};
use super::producer::Producer;
use crate::error::Result;
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
    /// `ERR_SHM_PRODUCER_TAKEN`; `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TIMED_OUT`: a call of the dead one before can still write.
    pub fn producer(&self) -> Result<Producer<'a>> {
        let begin = door::take(&self.place, self.table(), End::Producer, self.token())?;
        let slots = Slots::of(&self.place)?;
        Ok(Producer::of(
            *self,
            if self.geometry.is_one_to_one() {
                SendingEnd::One(OneProducer::new(
                    door::one(&self.place)?,
                    slots,
                    self.geometry.slot_bytes,
                    begin,
                ))
            } else {
                SendingEnd::Many(Box::new(ManyProducer(self.many_end(slots)?)))
            },
        ))
    }

    /// Takes the end where messages come out.
    ///
    /// # Errors
    /// `ERR_SHM_CONSUMER_TAKEN`; `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn consumer(&self) -> Result<Consumer<'a>> {
        let begin = door::take(&self.place, self.table(), End::Consumer, self.token())?;
        let slots = Slots::of(&self.place)?;
        Ok(Consumer::of(
            *self,
            if self.geometry.is_one_to_one() {
                ReceivingEnd::One(OneConsumer::new(
                    door::one(&self.place)?,
                    slots,
                    self.geometry.slot_bytes,
                    begin,
                ))
            } else {
                ReceivingEnd::Many(Box::new(ManyConsumer(self.many_end(slots)?)))
            },
        ))
    }

    fn many_end(&self, slots: Slots) -> Result<ManyEnd<impl Fn(Part) -> Word + use<>>> {
        Ok(ManyEnd::new(door::many(&self.place)?, slots, self.geometry.slot_bytes, self.token()))
    }

    /// Its numbers.
    #[inline]
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

    #[inline]
    pub(super) fn table(&self) -> &'a MemberTable {
        self.member.table()
    }

    pub(super) fn token(&self) -> Token {
        self.member.token()
    }

    pub(super) fn has_ended(&self, bit: u32) -> Result<bool> {
        Ok(door::state(&self.place)? & bit != 0)
    }

    /// Whether this is a child of the process that has it (fork(2)): nothing of it is to be given back.
    pub(super) fn is_inherited(&self) -> bool {
        self.member.is_inherited()
    }

    /// Gives that end of this member back.
    pub(super) fn give(&self, end: End) {
        let _ = door::give(&self.place, self.table(), end, self.token());
    }

    /// Ends a side for good.
    pub(super) fn end(&self, end: End) -> Result<()> {
        door::end(&self.place, self.table(), end)
    }

    /// Waits until then; `None`: the time was over.
    pub(super) fn wait(&self, operation: RingOperation, until: Option<Duration>) -> Result<Option<Answer>> {
        let mut wait = door::wait(&self.place, operation)?;
        let waited = wait_until(self.table(), &mut *wait, until)?;
        self.place.counters()?.count(waited);
        Ok(waited.answer)
    }
}

pub(super) fn until(timeout: Option<Duration>) -> Option<Duration> {
    timeout.map(|timeout| futex::now().saturating_add(timeout))
}
