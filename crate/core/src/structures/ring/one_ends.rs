//! The two ends of [`super::one`] over real memory. A producer publishes each message, a consumer gives each slot back, at once.

use super::door::{RingOperation, Slots};
use super::ends::{Found, Receiving, Sending, Slot};
use super::one::{Begin, OneRing, settle};
use crate::error::{Error, Result};
use crate::fail_point;
use crate::membership::{MemberTable, Platform, Word};

/// See the module.
#[derive(Debug)]
pub(super) struct OneProducer {
    ring: OneRing<Word>,
    slots: Slots,
    slot_bytes: u32,
    tail: u32,
    /// The consumer's position, as it was.
    head: u32,
    is_claimed: bool,
}

impl OneProducer {
    pub(super) const fn new(ring: OneRing<Word>, slots: Slots, slot_bytes: u32, begin: Begin) -> Self {
        Self { ring, slots, slot_bytes, tail: begin.position, head: begin.limit, is_claimed: false }
    }

    /// Whether there is room, after a look at the consumer's position.
    #[cold]
    fn refresh(&mut self, table: &MemberTable) -> Result<bool> {
        settle(table, self.ring.producer_laps, self.tail);
        // SYNC: acquires the consumer's last look at the slots.
        let head = table.load(self.ring.head);
        // Checked before it is kept: a scribbled position is told at each look, and never worked with.
        let has_room = self.ring.used(self.tail, head)? < self.ring.slots;
        self.head = head;
        if !has_room {
            table.add(self.ring.full, 1);
        }
        Ok(has_room)
    }
}

impl Sending for OneProducer {
    fn claim(&mut self, table: &MemberTable) -> Result<Found> {
        if table.load(self.ring.state) != 0 {
            return Ok(Found::Ended);
        }
        if self.tail.wrapping_sub(self.head) >= self.ring.slots && !self.refresh(table)? {
            return Ok(Found::Nothing);
        }
        self.is_claimed = true;
        fail_point::reach("ring.claimed");
        Ok(Found::Slot(Slot { address: self.slots.payload(self.tail), bytes: self.slot_bytes as usize }))
    }

    fn commit(&mut self, table: &MemberTable, bytes: u32) -> Result<()> {
        if !self.is_claimed {
            return Err(Error::own("ERR_SHM_NOT_OWNER", "no slot is claimed"));
        }
        self.is_claimed = false;
        fail_point::reach("ring.written");
        self.slots.control(self.tail).store(bytes);
        self.tail = self.tail.wrapping_add(1);
        self.ring.publish(table, self.tail);
        Ok(())
    }

    fn abort(&mut self, _table: &MemberTable) {
        self.is_claimed = false;
    }

    fn room(&self) -> RingOperation {
        RingOperation::Room(self.tail)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct OneConsumer {
    ring: OneRing<Word>,
    slots: Slots,
    slot_bytes: u32,
    head: u32,
    /// The producer's position, as it was.
    tail: u32,
    taken: Option<Slot>,
}

impl OneConsumer {
    pub(super) const fn new(ring: OneRing<Word>, slots: Slots, slot_bytes: u32, begin: Begin) -> Self {
        Self { ring, slots, slot_bytes, head: begin.position, tail: begin.limit, taken: None }
    }

    /// Whether there is a message, after a look at the producer's position.
    #[cold]
    fn refresh(&mut self, table: &MemberTable) -> Result<bool> {
        settle(table, self.ring.consumer_laps, self.head);
        // SYNC: acquires the slots' bytes and lengths.
        let tail = table.load(self.ring.tail);
        let is_there = self.ring.used(tail, self.head)? > 0;
        self.tail = tail;
        Ok(is_there)
    }
}

impl Receiving for OneConsumer {
    fn take(&mut self, table: &MemberTable) -> Result<Found> {
        if let Some(slot) = self.taken {
            return Ok(Found::Slot(slot));
        }
        let state = table.load(self.ring.state);
        // The state first: what was sent before the end is there by now.
        if self.tail == self.head && !self.refresh(table)? {
            return Ok(if state == 0 { Found::Nothing } else { Found::Ended });
        }
        self.ring.mark_taken(table, self.head.wrapping_add(1));
        let bytes = self.slots.control(self.head).load();
        let slot = Slot { address: self.slots.payload(self.head), bytes: bytes as usize };
        self.taken = Some(slot);
        if bytes > self.slot_bytes {
            self.release(table);
            return Err(Error::own(
                "ERR_SHM_POSSIBLY_CORRUPT",
                format!("a message says that it has {bytes} bytes; a slot has {}", self.slot_bytes),
            ));
        }
        Ok(Found::Slot(slot))
    }

    fn release(&mut self, table: &MemberTable) {
        if self.taken.take().is_some() {
            fail_point::reach("ring.read");
            self.head = self.head.wrapping_add(1);
            self.ring.release(table, self.head);
        }
    }

    fn items(&self) -> RingOperation {
        RingOperation::Items(self.head)
    }
}
