//! What both kinds of rings give an end: slots to write in and to read.

use super::door::RingOperation;
use super::one_ends::{OneConsumer, OneProducer};
use crate::error::{Error, Result};
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
    /// Whether nothing is claimed.
    ///
    /// # Errors
    /// `ERR_SHM_HELD`.
    fn free_hand(&self) -> Result<()>;
    /// The wait for room, with the own position.
    fn room(&self) -> RingOperation;
}

/// What an algorithm does for a consumer.
pub(super) trait Receiving {
    /// Takes the oldest message, or answers the one that is taken.
    fn take(&mut self, table: &MemberTable) -> Result<Found>;
    /// Gives the taken message's slot back.
    fn release(&mut self, table: &MemberTable);
    /// Whether nothing is taken.
    ///
    /// # Errors
    /// `ERR_SHM_HELD`.
    fn free_hand(&self) -> Result<()>;
    /// The wait for a message.
    fn items(&self) -> RingOperation;
}

/// A producer's end. The steps of a lone one are a few instructions, and become a part of the caller; beside those of many a call is nothing.
pub(super) enum SendingEnd<'a> {
    /// See [`super::one`].
    One(OneProducer),
    /// See [`super::many`].
    Many(Box<dyn Sending + 'a>),
}

impl Sending for SendingEnd<'_> {
    #[inline]
    fn claim(&mut self, table: &MemberTable) -> Result<Found> {
        match self {
            Self::One(end) => end.claim(table),
            Self::Many(end) => end.claim(table),
        }
    }

    #[inline]
    fn commit(&mut self, table: &MemberTable, bytes: u32) -> Result<()> {
        match self {
            Self::One(end) => end.commit(table, bytes),
            Self::Many(end) => end.commit(table, bytes),
        }
    }

    #[inline]
    fn abort(&mut self, table: &MemberTable) {
        match self {
            Self::One(end) => end.abort(table),
            Self::Many(end) => end.abort(table),
        }
    }

    fn free_hand(&self) -> Result<()> {
        match self {
            Self::One(end) => end.free_hand(),
            Self::Many(end) => end.free_hand(),
        }
    }

    fn room(&self) -> RingOperation {
        match self {
            Self::One(end) => end.room(),
            Self::Many(end) => end.room(),
        }
    }
}

/// A consumer's end: see [`SendingEnd`].
pub(super) enum ReceivingEnd<'a> {
    /// See [`super::one`].
    One(OneConsumer),
    /// See [`super::many`].
    Many(Box<dyn Receiving + 'a>),
}

impl Receiving for ReceivingEnd<'_> {
    #[inline]
    fn take(&mut self, table: &MemberTable) -> Result<Found> {
        match self {
            Self::One(end) => end.take(table),
            Self::Many(end) => end.take(table),
        }
    }

    #[inline]
    fn release(&mut self, table: &MemberTable) {
        match self {
            Self::One(end) => end.release(table),
            Self::Many(end) => end.release(table),
        }
    }

    fn free_hand(&self) -> Result<()> {
        match self {
            Self::One(end) => end.free_hand(),
            Self::Many(end) => end.free_hand(),
        }
    }

    fn items(&self) -> RingOperation {
        match self {
            Self::One(end) => end.items(),
            Self::Many(end) => end.items(),
        }
    }
}

/// The length of a message, if a slot has so many bytes.
#[inline]
pub(super) fn fitting(bytes: usize, slot_bytes: u32) -> Result<u32> {
    match u32::try_from(bytes) {
        Ok(bytes) if bytes <= slot_bytes => Ok(bytes),
        _ => Err(too_long(bytes, slot_bytes)),
    }
}

#[cold]
fn too_long(bytes: usize, slot_bytes: u32) -> Error {
    Error::own(
        "ERR_OUT_OF_RANGE",
        format!("a message of {bytes} bytes; a slot of this ring has {slot_bytes}"),
    )
}

/// Of a batch, or a drain: whether no slot is in hand.
#[inline]
pub(super) fn free_hand(is_held: bool) -> Result<()> {
    if is_held { Err(held()) } else { Ok(()) }
}

#[cold]
fn held() -> Error {
    Error::own("ERR_SHM_HELD", "a slot is in hand: end that first")
}
