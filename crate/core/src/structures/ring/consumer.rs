//! The end where messages come out, as Rust uses it.

use super::door::RingOperation;
use super::ends::{Found, Receiving, ReceivingEnd, Slot};
use super::handle::{Ring, until};
use super::{End, PRODUCERS_ENDED};
use crate::error::{Error, Result};
use crate::membership::MemberTable;
use crate::sync::wait::Answer;
use std::time::Duration;

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

/// The end where messages come out.
pub struct Consumer<'a> {
    ring: Ring<'a>,
    end: ReceivingEnd<'a>,
}

impl<'a> Consumer<'a> {
    pub(super) const fn of(ring: Ring<'a>, end: ReceivingEnd<'a>) -> Self {
        Self { ring, end }
    }

    /// Takes the oldest message in place; `None`: there is none, or ended. While it is taken, the same again.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`.
    #[inline]
    pub fn take(&mut self) -> Result<Option<Slot>> {
        Ok(match self.end.take(self.ring.table())? {
            Found::Slot(slot) => Some(slot),
            Found::Nothing | Found::Ended => None,
        })
    }

    /// Gives the slot of the message taken back.
    #[inline]
    pub fn release(&mut self) {
        self.end.release(self.ring.table());
    }

    /// Copies the oldest message to the beginning of `target`, if there is one.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: `target` is smaller than a slot. `ERR_SHM_POSSIBLY_CORRUPT`.
    #[inline]
    pub fn try_receive(&mut self, target: &mut [u8]) -> Result<Received> {
        let most = self.ring.geometry().slot_bytes as usize;
        if target.len() < most {
            return Err(too_small(target.len(), most));
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

    /// Hands up to so many messages out, oldest first, and answers how many; 0: there is none, or ended. Of one is a slot in hand at a time, and valid
    /// during the call alone; slots are given back on its way, some together. Where there are few messages it lets the producer come ahead for a moment, up to a
    /// microsecond: who answers each message at once uses [`Self::take`].
    ///
    /// # Errors
    /// `ERR_SHM_HELD`: a slot is taken. `ERR_SHM_POSSIBLY_CORRUPT`.
    #[inline]
    pub fn drain(&mut self, limit: usize, mut on_message: impl FnMut(Slot)) -> Result<usize> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let table = self.ring.table();
        let count = match &mut self.end {
            ReceivingEnd::One(end) => end.drain(table, limit, on_message)?,
            ReceivingEnd::Many(end) => {
                end.free_hand()?;
                let mut count = 0;
                while count < limit.min(self.ring.geometry().slots)
                    && let Found::Slot(slot) = end.take(table)?
                {
                    let in_hand = InHand { end: &mut **end, table };
                    on_message(slot);
                    drop(in_hand);
                    count += 1;
                }
                count
            }
        };
        Ok(count as usize)
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
        self.ring.end(End::Consumer)
    }

    /// Whether the producers have ended.
    ///
    /// # Errors
    /// None for an open segment.
    pub fn producers_ended(&self) -> Result<bool> {
        self.ring.has_ended(PRODUCERS_ENDED)
    }
}

/// A message that is given back also when whoever looks at it panics.
struct InHand<'a, 'b> {
    end: &'a mut (dyn Receiving + 'b),
    table: &'a MemberTable,
}

impl Drop for InHand<'_, '_> {
    fn drop(&mut self) {
        self.end.release(self.table);
    }
}

#[cold]
fn too_small(given: usize, most: usize) -> Error {
    Error::own("ERR_OUT_OF_RANGE", format!("{given} bytes for messages of up to {most}"))
}

impl Drop for Consumer<'_> {
    fn drop(&mut self) {
        if self.ring.is_inherited() {
            return;
        }
        self.release();
        self.ring.give(End::Consumer);
    }
}

impl std::fmt::Debug for Consumer<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Consumer").field("ring", &self.ring).finish_non_exhaustive()
    }
}
