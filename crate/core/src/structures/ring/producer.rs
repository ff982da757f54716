//! The end where messages go in, as Rust uses it.

use super::End;
use super::door::RingOperation;
use super::ends::{Found, Sending, SendingEnd, Slot, fitting};
use super::handle::{Ring, until};
use crate::error::Result;
use crate::sync::wait::Answer;
use std::time::Duration;

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

/// The end where messages go in.
pub struct Producer<'a> {
    ring: Ring<'a>,
    end: SendingEnd<'a>,
}

impl<'a> Producer<'a> {
    pub(super) const fn of(ring: Ring<'a>, end: SendingEnd<'a>) -> Self {
        Self { ring, end }
    }

    /// Claims a slot to write in; `None`: full, or ended. While it is claimed, the same again.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`.
    #[inline]
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
    #[inline]
    pub fn commit(&mut self, bytes: usize) -> Result<()> {
        let bytes = self.length(bytes)?;
        self.end.commit(self.ring.table(), bytes)
    }

    /// Gives the claim up.
    #[inline]
    pub fn abort(&mut self) {
        self.end.abort(self.ring.table());
    }

    /// Sends a copy, if there is room.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: more bytes than a slot has. `ERR_SHM_POSSIBLY_CORRUPT`.
    #[inline]
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

    /// Has up to so many messages written into their slots, one after the other, and publishes all of them with one store. `write` answers how many bytes it
    /// wrote. Answers how many messages there are of it: as many as there was room for; 0: full, or ended. While `write` runs nobody sees any of them.
    ///
    /// In a ring of many each is a claim of its own, and is published by itself.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: more than a slot has; then none is sent, or among many those before. `ERR_SHM_HELD`: a slot is claimed.
    /// `ERR_SHM_POSSIBLY_CORRUPT`.
    #[inline]
    pub fn send_batch(&mut self, limit: usize, mut write: impl FnMut(Slot) -> usize) -> Result<usize> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let table = self.ring.table();
        let slot_bytes = self.ring.geometry().slot_bytes;
        let count = match &mut self.end {
            SendingEnd::One(end) => end.send_batch(table, limit, write)?,
            SendingEnd::Many(end) => {
                end.free_hand()?;
                let mut count = 0;
                while count < limit.min(self.ring.geometry().slots)
                    && let Found::Slot(slot) = end.claim(table)?
                {
                    match fitting(write(slot), slot_bytes) {
                        Ok(bytes) => end.commit(table, bytes)?,
                        Err(error) => {
                            end.abort(table);
                            return Err(error);
                        }
                    }
                    count += 1;
                }
                count
            }
        };
        Ok(count as usize)
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
        self.ring.end(End::Producer)
    }

    #[inline]
    fn length(&self, bytes: usize) -> Result<u32> {
        fitting(bytes, self.ring.geometry().slot_bytes)
    }
}

impl Drop for Producer<'_> {
    fn drop(&mut self) {
        if self.ring.is_inherited() {
            return;
        }
        self.abort();
        self.ring.give(End::Producer);
    }
}

impl std::fmt::Debug for Producer<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Producer").field("ring", &self.ring).finish_non_exhaustive()
    }
}
