//! The two ends of [`super::one`] over real memory. A producer publishes each message, or a batch, with one store; a consumer gives each slot back, or in a
//! drain some hundred, with one store.

use super::door::{RingOperation, Slots};
use super::ends::{Found, Receiving, Sending, Slot, fitting, free_hand};
use super::one::{Begin, OneRing, settle};
use crate::error::{Error, Result};
use crate::fail_point;
use crate::membership::{MemberTable, Platform, Word};

/// A drain gives slots back so often on its way, in parts of the ring: a producer that waits need not wait for its end.
const RELEASES: u32 = 4;
/// And it looks so often whether one waits, in messages.
const LOOK: u32 = 16;
/// Fewer messages than these are few.
const FEW: u32 = 256;
/// How long the producer may come ahead: some 1 to 2 µs, as processors pause.
const AHEAD_PAUSES: u32 = 40;

/// See the module.
#[derive(Debug)]
pub(super) struct OneProducer {
    ring: OneRing<Word>,
    slots: Slots,
    slot_bytes: u32,
    tail: u32,
    /// The consumer's position, as it was.
    head: u32,
    /// The slots before this position were brought near, so many at once.
    near: u32,
    together: u32,
    is_claimed: bool,
}

impl OneProducer {
    pub(super) fn new(ring: OneRing<Word>, slots: Slots, slot_bytes: u32, begin: Begin) -> Self {
        let (tail, head) = (begin.position, begin.limit);
        Self { ring, slots, slot_bytes, tail, head, near: tail, together: slots.near(), is_claimed: false }
    }

    /// Free slots, as far as is known.
    #[inline]
    const fn free(&self) -> u32 {
        self.ring.slots.saturating_sub(self.tail.wrapping_sub(self.head))
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

    /// Once in several messages makes the lines of the next ones this processor's: see [`Slots::bring`]. No slot may be in hand: what is written there
    /// meanwhile, perhaps by the kernel, could be undone.
    #[inline]
    fn bring_near(&mut self) {
        let is_behind = self.tail.wrapping_sub(self.near) <= self.ring.slots;
        if is_behind && self.together > 1 {
            let count = self.slots.bring(self.tail, self.together.min(self.free()));
            self.near = self.tail.wrapping_add(count);
        }
    }

    #[inline]
    fn write_length(&self, position: u32, bytes: u32) {
        let length = self.slots.control(position);
        // Where messages are of one length, nobody writes here, and the line of the lengths is never taken from the consumer.
        if length.load() != bytes {
            // SYNC: the tail's store releases it.
            length.store_in_order(bytes);
        }
    }

    /// Writes up to so many messages where there is room, and publishes all of them with one store. Answers how many; where one is too long, none.
    #[inline]
    pub(super) fn send_batch(
        &mut self,
        table: &MemberTable,
        limit: u32,
        mut write: impl FnMut(Slot) -> usize,
    ) -> Result<u32> {
        self.free_hand()?;
        if table.load(self.ring.state) != 0 {
            return Ok(0);
        }
        if self.free() < limit {
            self.refresh(table)?;
        }
        let count = self.free().min(limit);
        let is_small = count <= self.together;
        // A larger batch waits once for all its lines.
        if is_small {
            self.bring_near();
        }
        for message in 0..count {
            let position = self.tail.wrapping_add(message);
            fail_point::reach("ring.claimed");
            let slot = Slot { address: self.slots.payload(position), bytes: self.slot_bytes as usize };
            let bytes = fitting(write(slot), self.slot_bytes)?;
            fail_point::reach("ring.written");
            self.write_length(position, bytes);
        }
        if count > 0 {
            self.tail = self.tail.wrapping_add(count);
            if !is_small {
                self.near = self.tail;
            }
            self.ring.publish(table, self.tail);
        }
        Ok(count)
    }
}

impl Sending for OneProducer {
    #[inline]
    fn claim(&mut self, table: &MemberTable) -> Result<Found> {
        if table.load(self.ring.state) != 0 {
            return Ok(Found::Ended);
        }
        if self.free() == 0 && !self.refresh(table)? {
            return Ok(Found::Nothing);
        }
        if !self.is_claimed {
            self.bring_near();
        }
        self.is_claimed = true;
        fail_point::reach("ring.claimed");
        Ok(Found::Slot(Slot { address: self.slots.payload(self.tail), bytes: self.slot_bytes as usize }))
    }

    #[inline]
    fn commit(&mut self, table: &MemberTable, bytes: u32) -> Result<()> {
        if !self.is_claimed {
            return Err(Error::own("ERR_SHM_NOT_OWNER", "no slot is claimed"));
        }
        self.is_claimed = false;
        fail_point::reach("ring.written");
        self.write_length(self.tail, bytes);
        self.tail = self.tail.wrapping_add(1);
        self.ring.publish(table, self.tail);
        Ok(())
    }

    #[inline]
    fn abort(&mut self, _table: &MemberTable) {
        self.is_claimed = false;
    }

    #[inline]
    fn free_hand(&self) -> Result<()> {
        free_hand(self.is_claimed)
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

    /// How many messages there are after a look at the producer's position.
    #[cold]
    fn refresh(&mut self, table: &MemberTable) -> Result<u32> {
        settle(table, self.ring.consumer_laps, self.head);
        // SYNC: acquires the slots' bytes and lengths.
        let tail = table.load(self.ring.tail);
        let there = self.ring.used(tail, self.head)?;
        self.tail = tail;
        Ok(there)
    }

    /// As [`Self::refresh`]; where there are few messages, it lets the producer come ahead for a moment. On its heels, each message costs both sides several
    /// cache lines.
    #[cold]
    fn refresh_far(&mut self, table: &MemberTable, few: u32) -> Result<u32> {
        let there = self.refresh(table)?;
        if there == 0 || there >= few {
            return Ok(there);
        }
        (0..AHEAD_PAUSES).for_each(|_| std::hint::spin_loop());
        self.refresh(table)
    }

    /// The message at the head, marked as taken; the head stays where it is. There is one.
    #[inline]
    fn mark(&self, table: &MemberTable) -> Slot {
        self.ring.mark_taken(table, self.head.wrapping_add(1));
        let bytes = self.slots.control(self.head).load();
        Slot { address: self.slots.payload(self.head), bytes: bytes as usize }
    }

    #[inline]
    fn check(&self, slot: Slot) -> Result<Slot> {
        if slot.bytes > self.slot_bytes as usize { Err(self.strange(slot.bytes)) } else { Ok(slot) }
    }

    #[cold]
    fn strange(&self, bytes: usize) -> Error {
        Error::own(
            "ERR_SHM_POSSIBLY_CORRUPT",
            format!("a message says that it has {bytes} bytes; a slot has {}", self.slot_bytes),
        )
    }

    /// Hands up to so many messages out, one after the other, and gives their slots back on its way. Answers how many.
    #[inline]
    pub(super) fn drain(
        &mut self,
        table: &MemberTable,
        limit: u32,
        mut on_message: impl FnMut(Slot),
    ) -> Result<u32> {
        self.free_hand()?;
        let most = limit.min(self.ring.slots);
        let stretch = (self.ring.slots / RELEASES).max(1);
        if self.tail.wrapping_sub(self.head) < most
            && self.refresh_far(table, most.min(FEW).min(stretch))? == 0
        {
            return Ok(0);
        }
        let between = stretch.min(LOOK) - 1;
        let mut drain = Drain { released: self.head, end: self, table };
        let mut count = 0;
        while count < most && drain.end.head != drain.end.tail {
            let slot = drain.end.mark(table);
            drain.end.head = drain.end.head.wrapping_add(1);
            count += 1;
            on_message(drain.end.check(slot)?);
            fail_point::reach("ring.read");
            if drain.end.head & between == 0 {
                drain.look(stretch);
            }
        }
        Ok(count)
    }
}

/// Slots on their way back: also when `on_message` panics.
struct Drain<'a> {
    end: &'a mut OneConsumer,
    table: &'a MemberTable,
    /// What the producer knows of.
    released: u32,
}

impl Drain<'_> {
    /// Gives back what there is, if it is much or the producer waits for it.
    #[inline]
    fn look(&mut self, stretch: u32) {
        let is_much = self.end.head.wrapping_sub(self.released) >= stretch;
        if is_much || self.table.load(self.end.ring.room_gate) != 0 {
            self.release();
        }
    }

    fn release(&mut self) {
        self.released = self.end.head;
        self.end.ring.release(self.table, self.released);
    }
}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        if self.released != self.end.head {
            self.release();
        }
    }
}

impl Receiving for OneConsumer {
    #[inline]
    fn take(&mut self, table: &MemberTable) -> Result<Found> {
        if let Some(slot) = self.taken {
            return Ok(Found::Slot(slot));
        }
        let state = table.load(self.ring.state);
        // The state first: what was sent before the end is there by now.
        if self.tail == self.head && self.refresh(table)? == 0 {
            return Ok(if state == 0 { Found::Nothing } else { Found::Ended });
        }
        let slot = self.mark(table);
        self.taken = Some(slot);
        if let Err(error) = self.check(slot) {
            self.release(table);
            return Err(error);
        }
        Ok(Found::Slot(slot))
    }

    #[inline]
    fn release(&mut self, table: &MemberTable) {
        if self.taken.take().is_some() {
            fail_point::reach("ring.read");
            self.head = self.head.wrapping_add(1);
            self.ring.release(table, self.head);
        }
    }

    #[inline]
    fn free_hand(&self) -> Result<()> {
        free_hand(self.taken.is_some())
    }

    fn items(&self) -> RingOperation {
        RingOperation::Items(self.head)
    }
}
