//! The two ends of [`super::many`] over real memory.

use super::door::{RingOperation, Slots};
use super::ends::{Found, Receiving, Sending, Slot, free_hand};
use super::many::{LOOKS_MAX, Many, Part, Seen, corrupt};
use crate::error::{Error, Result};
use crate::fail_point;
use crate::membership::{MemberTable, Platform, Token, Word};

/// What the ends have in common.
#[derive(Debug)]
pub(super) struct ManyEnd<C> {
    ring: Many<Word, C>,
    slots: Slots,
    slot_bytes: u32,
    token: Token,
    /// The position in hand.
    claimed: Option<u32>,
}

impl<C: Fn(Part) -> Word> ManyEnd<C> {
    pub(super) const fn new(ring: Many<Word, C>, slots: Slots, slot_bytes: u32, token: Token) -> Self {
        Self { ring, slots, slot_bytes, token, claimed: None }
    }

    /// Claims what `claim` finds, past the claims of the dead.
    fn claim_by(
        &mut self,
        table: &MemberTable,
        claim: impl Fn(&Many<Word, C>) -> Result<Seen>,
    ) -> Result<Seen> {
        for _ in 0..LOOKS_MAX {
            let seen = claim(&self.ring)?;
            match seen {
                Seen::Claimed(position, word)
                    if self.ring.unblock(table, position, word, false)?.is_none() => {}
                Seen::Ready(position) => {
                    self.claimed = Some(position);
                    return Ok(seen);
                }
                _ => return Ok(seen),
            }
        }
        Err(corrupt("the claims in the way do not end"))
    }

    fn slot(&self, position: u32, bytes: u32) -> Slot {
        Slot { address: self.slots.payload(position), bytes: bytes as usize }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct ManyProducer<C>(pub(super) ManyEnd<C>);

impl<C: Fn(Part) -> Word> Sending for ManyProducer<C> {
    fn claim(&mut self, table: &MemberTable) -> Result<Found> {
        let token = self.0.token;
        let bytes = self.0.slot_bytes;
        if let Some(position) = self.0.claimed {
            return Ok(Found::Slot(self.0.slot(position, bytes)));
        }
        if table.load(self.0.ring.state) != 0 {
            return Ok(Found::Ended);
        }
        Ok(match self.0.claim_by(table, |ring| ring.claim(table, token))? {
            Seen::Ready(position) => Found::Slot(self.0.slot(position, bytes)),
            _ => Found::Nothing,
        })
    }

    fn commit(&mut self, table: &MemberTable, bytes: u32) -> Result<()> {
        let position =
            self.0.claimed.take().ok_or_else(|| Error::own("ERR_SHM_NOT_OWNER", "no slot is claimed"))?;
        fail_point::reach("many.written");
        let length = self.0.slots.control(position).next();
        if length.load() != bytes {
            // SYNC: the commit releases it.
            length.store_in_order(bytes);
        }
        self.0.ring.commit(table, self.0.token, position)
    }

    fn abort(&mut self, table: &MemberTable) {
        if let Some(position) = self.0.claimed.take() {
            let _ = self.0.ring.abort(table, self.0.token, position);
        }
    }

    fn free_hand(&self) -> Result<()> {
        free_hand(self.0.claimed.is_some())
    }

    fn room(&self) -> RingOperation {
        RingOperation::Room(0)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct ManyConsumer<C>(pub(super) ManyEnd<C>);

impl<C: Fn(Part) -> Word> Receiving for ManyConsumer<C> {
    fn take(&mut self, table: &MemberTable) -> Result<Found> {
        let token = self.0.token;
        let position = match self.0.claimed {
            Some(position) => position,
            None => {
                // The state first: what was sent before the end is there by now.
                let state = table.load(self.0.ring.state);
                match self.0.claim_by(table, |ring| ring.take(table, token))? {
                    Seen::Ready(position) => position,
                    Seen::Wanting(position) if state != 0 => {
                        self.0.ring.bury(table, position, true)?;
                        return Ok(Found::Ended);
                    }
                    _ => return Ok(Found::Nothing),
                }
            }
        };
        let bytes = self.0.slots.control(position).next().load();
        if bytes > self.0.slot_bytes {
            self.release(table);
            let most = self.0.slot_bytes;
            return Err(Error::own(
                "ERR_SHM_POSSIBLY_CORRUPT",
                format!("a message says that it has {bytes} bytes; a slot has {most}"),
            ));
        }
        Ok(Found::Slot(self.0.slot(position, bytes)))
    }

    fn release(&mut self, table: &MemberTable) {
        if let Some(position) = self.0.claimed.take() {
            fail_point::reach("many.read");
            let _ = self.0.ring.release(table, self.0.token, position);
        }
    }

    fn free_hand(&self) -> Result<()> {
        free_hand(self.0.claimed.is_some())
    }

    fn items(&self) -> RingOperation {
        RingOperation::Items(0)
    }
}
