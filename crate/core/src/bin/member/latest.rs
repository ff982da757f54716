//! Role: writes the newest value, or reads it. Even positions are its writer as soon as the seat is free, odd ones read and wait for newer ones. Every word
//! of a value is its version.
//!
//! In a quiet round two write three values each, one after the other, and the others wait until one says that nothing follows, or dies.

use crate::book::{Count, Violation};
use crate::room::Room;
use shmem_core::Result;
use shmem_core::structures::Latest;
use shmem_core::structures::latest::{LatestReader, LatestWriter, News};
use std::time::Duration;

const BYTES: u32 = 512;
const READERS: u32 = 12;

pub(crate) fn play(room: &Room) -> Result<()> {
    let latest = open(room)?;
    let has_read_all = || {
        let reader = unless(latest.reader(), "ERR_SHM_READERS_FULL")?;
        reader.map_or(Ok(false), |reader| read(room, reader))
    };
    room.begin();
    let is_writer = room.options.position.is_multiple_of(2);
    while room.options.quiet || room.goes_on() {
        if is_writer {
            if let Some(writer) = unless(latest.writer(), "ERR_SHM_WRITER_TAKEN")? {
                write(room, writer)?;
                if room.options.quiet {
                    return Ok(());
                }
            }
        } else if has_read_all()? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_micros(room.random.below(300)));
    }
    // In a storm that is over, readers go on until they are told that nothing follows.
    while !is_writer && room.is_stopped() {
        if has_read_all()? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn open(room: &Room) -> Result<Latest<'_>> {
    Latest::open(&room.managed, &room.member, "latest", BYTES, READERS)
}

/// Nothing, where it failed with that code.
pub(crate) fn unless<T>(result: Result<T>, code: &str) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code() == code => Ok(None),
        Err(error) => Err(error),
    }
}

fn value(room: &Room, version: u64) -> Vec<u8> {
    let words = 1 + room.random.index(BYTES as usize / 4);
    let version = u32::try_from(version & u64::from(u32::MAX)).unwrap_or(0);
    version.to_le_bytes().repeat(words)
}

/// Whether all words of a value are that number.
pub(crate) fn is_whole(value: &[u8], number: u64) -> bool {
    let number = u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0).to_le_bytes();
    !value.is_empty() && value.chunks(4).all(|word| word == number)
}

fn write(room: &Room, mut writer: LatestWriter<'_>) -> Result<()> {
    let quiet = room.options.quiet;
    if !quiet && room.is_stopped() {
        // Behind the closer: sitting down took back what that one had said, that nothing follows.
        return writer.end();
    }
    let turns = if quiet { 3 } else { 1 + room.random.below(200) };
    for _ in 0..turns {
        writer.write(&value(room, writer.version() + 1))?;
        room.row.count(Count::Given);
        if quiet {
            std::thread::sleep(Duration::from_micros(room.random.below(200)));
        } else if room.is_stopped() {
            return Ok(());
        } else if room.random.one_in(4) {
            room.linger();
        }
    }
    if quiet || room.random.one_in(4) { writer.end() } else { Ok(()) }
}

/// Answers whether it has come to the end of the storm.
fn read(room: &Room, mut reader: LatestReader<'_>) -> Result<bool> {
    let (mut bytes, mut last) = (Vec::new(), 0);
    loop {
        // In a storm it goes, now and then, and comes again; afterwards it waits for the end.
        if !room.options.quiet && !room.is_stopped() && room.random.one_in(64) {
            return Ok(false);
        }
        let got = if room.options.quiet || !room.random.one_in(3) {
            let timeout = (!room.options.quiet).then(|| Duration::from_micros(50 + room.random.below(2000)));
            room.row.word(Count::Waiting).store(1);
            let got = reader.next(&mut bytes, timeout);
            room.row.word(Count::Waiting).store(0);
            got?
        } else {
            reader.read(&mut bytes)?.map_or(News::TimedOut, News::Value)
        };
        match got {
            News::Value(version) => {
                if !is_whole(&bytes, version) {
                    room.row.violation(Violation::Torn);
                }
                if version < last {
                    room.row.violation(Violation::WentBack);
                }
                last = version;
                room.row.count(Count::Got);
            }
            News::TimedOut => room.row.count(Count::Timeouts),
            News::WriterDied => {
                room.row.count(Count::OwnerDeaths);
                if room.options.quiet {
                    return Ok(true);
                }
            }
            News::Ended if room.options.quiet => return Ok(true),
            News::Ended if room.is_stopped() => {
                // Told after the closer's value, whose version stands in the book.
                let newest = reader.read(&mut bytes)?.unwrap_or(0);
                if newest & u64::from(u32::MAX) == u64::from(room.book.tail().load()) {
                    return Ok(true);
                }
                // Another's end, before the closer came.
                std::thread::sleep(Duration::from_micros(100));
            }
            News::Ended => std::thread::sleep(Duration::from_micros(100)),
        }
    }
}

/// The last value, which all must come to, and the end.
pub(crate) fn close(room: &Room) -> Result<()> {
    let latest = open(room)?;
    loop {
        if let Some(mut writer) = unless(latest.writer(), "ERR_SHM_WRITER_TAKEN")? {
            let version = writer.version() + 1;
            writer.write(&value(room, version))?;
            room.book.tail().store(u32::try_from(version & u64::from(u32::MAX)).unwrap_or(0));
            return writer.end();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Afterwards: it can be written and read, and every cell can be had.
pub(crate) fn afterwards(room: &Room) -> Result<()> {
    let latest = open(room)?;
    let mut readers = (0..READERS).map(|_| latest.reader()).collect::<Result<Vec<_>>>()?;
    let mut writer = latest.writer()?;
    let version = writer.write(&value(room, writer.version() + 1))?;
    let mut bytes = Vec::new();
    for reader in &mut readers {
        if reader.read(&mut bytes)? != Some(version) || !is_whole(&bytes, version) {
            room.row.violation(Violation::Torn);
        }
    }
    Ok(())
}
