//! The newest value as Rust writes and reads it: the same bytes as JavaScript's.

#![expect(unsafe_code, reason = "a buffer is an address")]

use super::register::{self, Register, buffer_of};
use crate::error::{Error, Result};
use crate::fail_point;
use crate::managed::geometry::latest::{self as layout, Geometry};
use crate::managed::{Kind, ManagedSegment, Place, Shape};
use crate::membership::{Member, MemberTable, Token, Word};
use crate::structures::payload::Payload;
use crate::structures::seating;
use crate::sync::wait::{Answer, wait_until};
use crate::sys::futex;
use std::time::Duration;

/// The newest value, from one writer to many readers: never torn, and nobody waits for the other.
///
/// ```
/// # use shmem_core::managed::{ManagedOptions, ManagedSegment};
/// # use shmem_core::membership::JoinOptions;
/// # use shmem_core::memory::{CreateOptions, memfd};
/// # let segment = memfd::create("doc", &CreateOptions::new(1 << 20), 0)?;
/// # let managed = ManagedSegment::open(&segment, ManagedOptions::make())?;
/// # let member = managed.join(&JoinOptions::default())?;
/// use shmem_core::structures::Latest;
///
/// let pose = Latest::open(&managed, &member, "pose", 64, 8)?;
/// let (mut writer, mut reader) = (pose.writer()?, pose.reader()?);
/// writer.write(b"north")?;
/// writer.write(b"east")?;
/// let mut newest = Vec::new();
/// assert_eq!(reader.read(&mut newest)?, Some(2), "its version");
/// assert_eq!(newest, b"east");
/// # Ok::<(), shmem_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Latest<'a> {
    place: Place<'a>,
    member: &'a Member,
    geometry: Geometry,
}

/// Its one writer; dropped, it gives its seat up. Another may follow.
#[derive(Debug)]
pub struct LatestWriter<'a> {
    latest: Latest<'a>,
    taken: Vec<bool>,
    version: u64,
}

/// One of its readers; dropped, it gives its cell back.
#[derive(Debug)]
pub struct LatestReader<'a> {
    latest: Latest<'a>,
    cell: u32,
    seen: u32,
    version: u64,
    mourned: u32,
}

/// What a wait for a newer value came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A value of that version.
    Value(u64),
    /// Nothing came in time.
    TimedOut,
    /// The writer said that nothing follows.
    Ended,
    /// The writer died. It is told once; the next wait waits for its successor.
    WriterDied,
}

impl<'a> Latest<'a> {
    /// The latest of that name, for values of up to `bytes` bytes and so many readers; made if there is none.
    ///
    /// # Errors
    /// Those of [`ManagedSegment::object`].
    pub fn open(
        managed: &'a ManagedSegment,
        member: &'a Member,
        name: &str,
        bytes: u32,
        readers: u32,
    ) -> Result<Self> {
        let shape = Shape { kind: Kind::Latest, numbers: [bytes, readers, 0, 0], type_hash: 0 };
        let found = managed.object(member, name, shape)?;
        let place = Place::of(managed, found, shape);
        Ok(Self { place, member, geometry: Geometry::of(shape.numbers)? })
    }

    /// Becomes its writer.
    ///
    /// # Errors
    /// `ERR_SHM_WRITER_TAKEN`; `ERR_SHM_TIMED_OUT`: see [`takeover`](crate::structures::takeover).
    pub fn writer(&self) -> Result<LatestWriter<'a>> {
        seating::take(&self.place, self.member.table(), self.member.token())?;
        let newest = self.place.word(layout::NEWEST)?.load();
        let version = match buffer_of(newest).filter(|buffer| *buffer < self.geometry.buffers()) {
            Some(buffer) => self.version(buffer)?,
            None => 0,
        };
        let taken = vec![false; self.geometry.buffers() as usize];
        Ok(LatestWriter { latest: *self, taken, version })
    }

    /// Becomes one of its readers.
    ///
    /// # Errors
    /// `ERR_SHM_READERS_FULL`.
    pub fn reader(&self) -> Result<LatestReader<'a>> {
        let cell = take_cell(&self.place, self.member.table(), self.member.token())?;
        Ok(LatestReader { latest: *self, cell, seen: 0, version: 0, mourned: 0 })
    }

    fn register(&self) -> Result<Register<Word, impl Fn(u32) -> Word + use<>>> {
        let first = cell_words(&self.place, self.geometry, 0)?.0;
        let last = self.geometry.readers - 1;
        cell_words(&self.place, self.geometry, last)?;
        let stride = usize::try_from(layout::CELL_STRIDE).unwrap_or(0);
        Ok(Register {
            newest: self.place.word(layout::NEWEST)?,
            used: self.place.word(layout::USED)?,
            cells: move |index: u32| first.forward(stride * (index.min(last) as usize)),
            readers: self.geometry.readers,
        })
    }

    fn version(&self, buffer: u32) -> Result<u64> {
        let at = self.geometry.buffer(buffer) + layout::BUFFER_VERSION;
        Ok(u64::from(self.place.word(at + 4)?.load()) << 32 | u64::from(self.place.word(at)?.load()))
    }

    fn payload(&self, buffer: u32) -> Result<Payload> {
        let first = self.geometry.buffer(buffer) + layout::BUFFER_PAYLOAD;
        self.place.word(first + u64::from(self.geometry.bytes).next_multiple_of(4) - 4)?;
        // SAFETY: it is inside the segment, as just checked, which is mapped while the handle borrows it; geometry puts it at a multiple of 16.
        Ok(unsafe { Payload::at(self.place.word(first)?, self.geometry.bytes) })
    }
}

impl LatestWriter<'_> {
    /// Publishes a value, and never waits. Answers its version.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: it is too long. `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn write(&mut self, value: &[u8]) -> Result<u64> {
        let latest = &self.latest;
        let length = u32::try_from(value.len()).ok().filter(|length| *length <= latest.geometry.bytes);
        let length = length.ok_or_else(|| {
            Error::own(
                "ERR_OUT_OF_RANGE",
                format!("a value has up to {} bytes, not {}", latest.geometry.bytes, value.len()),
            )
        })?;
        let table = latest.member.table();
        let register = latest.register()?;
        let buffer = register.choose(table, &mut self.taken).ok_or_else(|| corrupt("no buffer is free"))?;
        fail_point::reach("latest.chosen");
        let version = self.version.wrapping_add(1);
        let at = latest.geometry.buffer(buffer);
        let [a, b, c, d, e, f, g, h] = version.to_le_bytes();
        latest.place.word(at + layout::BUFFER_VERSION)?.store(u32::from_le_bytes([a, b, c, d]));
        latest.place.word(at + layout::BUFFER_VERSION + 4)?.store(u32::from_le_bytes([e, f, g, h]));
        latest.place.word(at + layout::BUFFER_LENGTH)?.store(length);
        latest.payload(buffer)?.copy_in(value);
        fail_point::reach("latest.filled");
        register.publish(table, buffer, version);
        fail_point::reach("latest.published");
        self.version = version;
        seating::seat(&latest.place)?.tell(table);
        Ok(version)
    }

    /// How many values were published, by this writer and those before it.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Says that nothing follows, and gives the seat up.
    ///
    /// # Errors
    /// None for an open segment.
    pub fn end(self) -> Result<()> {
        let latest = self.latest;
        seating::seat(&latest.place)?.leave(latest.member.table(), latest.member.token(), true);
        Ok(())
    }
}

impl Drop for LatestWriter<'_> {
    fn drop(&mut self) {
        if self.latest.member.is_inherited() {
            return;
        }
        if let Ok(seat) = seating::seat(&self.latest.place) {
            seat.leave(self.latest.member.table(), self.latest.member.token(), false);
        }
    }
}

impl LatestReader<'_> {
    /// Copies the newest value to `target`, whatever was read before, and without waiting for anybody. Answers its version; `None`: nothing was
    /// published yet.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn read(&mut self, target: &mut Vec<u8>) -> Result<Option<u64>> {
        let latest = &self.latest;
        let held = latest.register()?.hold(latest.member.table(), self.cell);
        if held == 0 {
            return Ok(None);
        }
        let buffer = buffer_of(held)
            .filter(|buffer| *buffer < latest.geometry.buffers())
            .ok_or_else(|| corrupt("it names no buffer"))?;
        let length = latest.place.word(latest.geometry.buffer(buffer) + layout::BUFFER_LENGTH)?.load();
        target.resize(length.min(latest.geometry.bytes) as usize, 0);
        latest.payload(buffer)?.copy_out(target);
        let version = latest.version(buffer)?;
        if held != self.seen {
            let cell = latest.geometry.cell(self.cell);
            latest.place.word(cell + layout::CELL_RECEIVED)?.fetch_add(1);
            let missed = version.saturating_sub(self.version.saturating_add(1));
            if missed != 0 && self.version != 0 {
                let missed = u32::try_from(missed & u64::from(u32::MAX)).unwrap_or(0);
                latest.place.word(cell + layout::CELL_MISSED)?.fetch_add(missed);
            }
        }
        self.seen = held;
        self.version = version;
        Ok(Some(version))
    }

    /// Waits for a value that is newer than the one read last, so long at most, and copies it to `target`. `None` waits for ever.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn next(&mut self, target: &mut Vec<u8>, timeout: Option<Duration>) -> Result<News> {
        let until = timeout.map(|timeout| futex::now().saturating_add(timeout));
        let (place, table) = (self.latest.place, self.latest.member.table());
        let seat = seating::seat(&place)?;
        loop {
            // Looked at before the value: what was published before the end is told before it.
            let has_ended = seat.ended.load() != 0;
            if place.word(layout::NEWEST)?.load() != self.seen
                && let Some(version) = self.read(target)?
            {
                return Ok(News::Value(version));
            }
            if has_ended {
                return Ok(News::Ended);
            }
            let mut wait = seating::news(&place, layout::NEWEST, self.seen, self.mourned)?;
            let waited = wait_until(table, &mut wait, until)?;
            place.counters()?.count(waited);
            match waited.answer {
                None => return Ok(News::TimedOut),
                Some(Answer::OwnerDied) => {
                    self.mourned = seat.dead_writer(table).map_or(0, |writer| writer.word());
                    return Ok(News::WriterDied);
                }
                Some(_) => {}
            }
        }
    }
}

impl Drop for LatestReader<'_> {
    fn drop(&mut self) {
        let Latest { place, member, .. } = self.latest;
        if member.is_inherited() {
            return;
        }
        let _ = give_cell_back(&place, member.table(), member.token(), self.cell);
    }
}

/// Makes the member a reader. Answers its cell.
///
/// # Errors
/// `ERR_SHM_READERS_FULL`; `ERR_OUT_OF_RANGE`.
pub fn take_cell(place: &Place<'_>, table: &MemberTable, token: Token) -> Result<u32> {
    let geometry = Geometry::of(place.shape().numbers)?;
    let cells = cells(place, geometry)?;
    register::register(table, place.word(layout::USED)?, cells, geometry.readers, token).ok_or_else(|| {
        Error::own(
            "ERR_SHM_READERS_FULL",
            format!("it has {} readers, and no room for more", geometry.readers),
        )
    })
}

/// Undoes [`take_cell`].
///
/// # Errors
/// `ERR_OUT_OF_RANGE`.
pub fn give_cell_back(place: &Place<'_>, table: &MemberTable, token: Token, cell: u32) -> Result<()> {
    let geometry = Geometry::of(place.shape().numbers)?;
    let words = cell_words(place, geometry, cell.min(geometry.readers - 1))?;
    register::unregister(table, words, token);
    Ok(())
}

fn cells(place: &Place<'_>, geometry: Geometry) -> Result<impl Fn(u32) -> (Word, Word) + use<>> {
    let last = geometry.readers - 1;
    let (value, owner) = cell_words(place, geometry, 0)?;
    cell_words(place, geometry, last)?;
    let stride = usize::try_from(layout::CELL_STRIDE).unwrap_or(0);
    Ok(move |index: u32| {
        let bytes = stride * (index.min(last) as usize);
        (value.forward(bytes), owner.forward(bytes))
    })
}

fn cell_words(place: &Place<'_>, geometry: Geometry, index: u32) -> Result<(Word, Word)> {
    let cell = geometry.cell(index);
    Ok((place.word(cell + layout::CELL_VALUE)?, place.word(cell + layout::CELL_OWNER)?))
}

fn corrupt(why: &str) -> Error {
    Error::own("ERR_SHM_POSSIBLY_CORRUPT", format!("its words make no sense: {why}"))
}
