//! The seats of named objects, and the waits for their writers: [`super::one_writer`] over an object's place.

use super::broadcast;
use super::one_writer::{News, Seat};
use super::takeover::{self, Patience};
use crate::error::{Error, Result};
use crate::managed::geometry::one_writer as words;
use crate::managed::{Kind, Place};
use crate::membership::ownership::Occupied;
use crate::membership::{MemberTable, Token, Word};

/// The words of the object's seat.
///
/// # Errors
/// `ERR_SHM_TYPE_MISMATCH`: it has none.
pub fn seat(place: &Place<'_>) -> Result<Seat<Word>> {
    if !matches!(place.shape().kind, Kind::Latest | Kind::Broadcast) {
        return Err(Error::own(
            "ERR_SHM_TYPE_MISMATCH",
            format!("a {} has no writer", place.shape().words()),
        ));
    }
    Ok(Seat {
        gate: place.word(words::GATE)?,
        writer: place.word(words::WRITER)?,
        ended: place.word(words::ENDED)?,
    })
}

/// Makes `token` the writer. Blocks while a dead one may still write.
///
/// # Errors
/// `ERR_SHM_WRITER_TAKEN`: another one is, or this one already. `ERR_SHM_TIMED_OUT`: a call of the dead one before can still write.
pub fn take(place: &Place<'_>, table: &MemberTable, token: Token) -> Result<()> {
    let seat = seat(place)?;
    let feed = if place.shape().kind == Kind::Broadcast { Some(broadcast::feed_of(place)?) } else { None };
    let recover = || {
        if let Some(feed) = feed {
            feed.recover(table);
        }
    };
    let patience = Patience::begins();
    let writer = loop {
        match seat.take(table, token, recover) {
            Ok(()) => return Ok(()),
            Err(Occupied::Taken(writer)) => break writer,
            Err(Occupied::Dying(writer)) => takeover::wait(table, writer, patience)?,
        }
    };
    let who = if writer == token {
        "this member itself".to_owned()
    } else {
        table.describe(writer).unwrap_or_else(|| "another member".to_owned())
    };
    Err(Error::own("ERR_SHM_WRITER_TAKEN", format!("it has a writer, and one at a time: {who}")))
}

/// The wait for a word of the object that its writer changes: see [`News::new`].
///
/// # Errors
/// `ERR_OUT_OF_RANGE`; those of [`seat`].
pub fn news(place: &Place<'_>, watched: u64, seen: u32, mourned: u32) -> Result<News<Word>> {
    Ok(News::new(seat(place)?, place.word(watched)?, seen, mourned))
}
