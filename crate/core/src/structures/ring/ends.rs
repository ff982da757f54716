//! What both kinds of rings give an end: slots to write in and to read.

use super::door::RingOperation;
use crate::error::Result;
use crate::membership::MemberTable;

/// The bytes of a slot. Valid until the slot is committed, aborted or released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// First byte.
    pub address: usize,
    /// How many there are: the ring's, or the message's.
    pub bytes: usize,
}

/// What an end's algorithm found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A slot, with the length of its message where there is one.
    Slot(Slot),
    /// Full, or empty.
    Nothing,
    /// For good.
    Ended,
}

/// What an algorithm does for a producer.
pub(super) trait Sending {
    /// Claims a slot, or answers the one that is claimed.
    fn claim(&mut self, table: &MemberTable) -> Result<Found>;
    /// Publishes the claimed slot with that length.
    fn commit(&mut self, table: &MemberTable, bytes: u32) -> Result<()>;
    /// Gives the claim up.
    fn abort(&mut self, table: &MemberTable);
    /// The wait for room, with the own position.
    fn room(&self) -> RingOperation;
}

/// What an algorithm does for a consumer.
pub(super) trait Receiving {
    /// Takes the oldest message, or answers the one that is taken.
    fn take(&mut self, table: &MemberTable) -> Result<Found>;
    /// Gives the taken message's slot back.
    fn release(&mut self, table: &MemberTable);
    /// The wait for a message.
    fn items(&self) -> RingOperation;
}
