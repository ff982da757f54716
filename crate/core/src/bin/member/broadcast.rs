//! Role: sends messages, or receives them. Even positions are its writer as soon as the seat is free, odd ones receive, some slowly. Every word of
//! a message is its position.
//!
//! In a quiet round two send three messages each, one after the other, and the others receive until one says that nothing follows, or dies.

use super::latest::{is_whole, unless};
use crate::book::{Count, Violation};
use crate::room::Room;
use shmem_core::Result;
use shmem_core::structures::Broadcast;
use shmem_core::structures::broadcast::{BroadcastReader, BroadcastWriter, From, Received};
use std::time::Duration;

const SLOTS: u32 = 16;
const SLOT_BYTES: u32 = 512;

pub(crate) fn play(room: &Room) -> Result<()> {
    let broadcast = open(room)?;
    if !room.options.position.is_multiple_of(2) {
        let from = [From::Next, From::Newest, From::Oldest][room.random.index(3)];
        let reader = broadcast.reader(if room.options.quiet { From::Next } else { from })?;
        room.begin();
        return receive(room, reader);
    }
    room.begin();
    while room.options.quiet || room.goes_on() {
        if let Some(writer) = unless(broadcast.writer(), "ERR_SHM_WRITER_TAKEN")? {
            send(room, writer)?;
            if room.options.quiet {
                return Ok(());
            }
        }
        std::thread::sleep(Duration::from_micros(room.random.below(300)));
    }
    Ok(())
}

fn open(room: &Room) -> Result<Broadcast<'_>> {
    Broadcast::open(&room.managed, &room.member, "broadcast", SLOTS, SLOT_BYTES)
}

fn message(room: &Room, position: u64) -> Vec<u8> {
    let words = 1 + room.random.index(SLOT_BYTES as usize / 4);
    let position = u32::try_from(position & u64::from(u32::MAX)).unwrap_or(0);
    position.to_le_bytes().repeat(words)
}

fn send(room: &Room, mut writer: BroadcastWriter<'_>) -> Result<()> {
    let quiet = room.options.quiet;
    if !quiet && room.is_stopped() {
        // Behind the closer: sitting down took back what that one had said, that nothing follows.
        return writer.end();
    }
    let turns = if quiet { 3 } else { 1 + room.random.below(200) };
    for _ in 0..turns {
        writer.send(&message(room, writer.sent()))?;
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

fn receive(room: &Room, mut reader: BroadcastReader<'_>) -> Result<()> {
    let begun = reader.position();
    let mut bytes = Vec::new();
    loop {
        let timeout = (!room.options.quiet).then(|| Duration::from_micros(50 + room.random.below(2000)));
        let before = reader.position();
        room.row.word(Count::Waiting).store(1);
        let received = reader.receive(&mut bytes, timeout);
        room.row.word(Count::Waiting).store(0);
        match received? {
            Received::Message { position, lost } => {
                if !is_whole(&bytes, position) {
                    room.row.violation(Violation::Torn);
                }
                if position != before + lost || reader.received() + reader.lost() + begun != position + 1 {
                    room.row.violation(Violation::NotCounted);
                }
                room.row.count(Count::Got);
            }
            Received::TimedOut => room.row.count(Count::Timeouts),
            Received::WriterDied => {
                room.row.count(Count::OwnerDeaths);
                if room.options.quiet {
                    return Ok(());
                }
            }
            Received::Ended if room.options.quiet => return Ok(()),
            Received::Ended => {
                // Told after all that was sent: how many that were, the closer wrote into the book.
                let sent = room.book.tail().load();
                let counted = begun + reader.received() + reader.lost();
                if room.is_stopped() && sent != 0 && counted & u64::from(u32::MAX) == u64::from(sent) {
                    return Ok(());
                }
                // Another's end, before the closer came.
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        if room.options.quiet || room.is_stopped() {
            continue;
        }
        if !room.goes_on() {
            return Ok(());
        }
        if room.random.one_in(8) {
            room.linger();
        }
    }
}

/// The last message, and the end: who has received and lost less by then is stuck, and who has more is never done.
pub(crate) fn close(room: &Room) -> Result<()> {
    let broadcast = open(room)?;
    loop {
        if let Some(mut writer) = unless(broadcast.writer(), "ERR_SHM_WRITER_TAKEN")? {
            writer.send(&message(room, writer.sent()))?;
            room.book.tail().store(u32::try_from(writer.sent() & u64::from(u32::MAX)).unwrap_or(0));
            return writer.end();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Afterwards: it can be sent and received, and what was counted is what was sent.
pub(crate) fn afterwards(room: &Room) -> Result<()> {
    let broadcast = open(room)?;
    let mut reader = broadcast.reader(From::Next)?;
    let mut writer = broadcast.writer()?;
    let position = writer.send(&message(room, writer.sent()))?;
    let mut bytes = Vec::new();
    let received = reader.receive(&mut bytes, None)?;
    if received != (Received::Message { position, lost: 0 }) || !is_whole(&bytes, position) {
        room.row.violation(Violation::Torn);
    }
    Ok(())
}
