//! Role: one end of a ring of one producer and one consumer, with others that want it too. Even positions send, odd ones receive; each has its end for a while,
//! gives it back or is killed, and the next one takes it.
//!
//! A message says its position, whose it is, which of that one's, and is filled with what follows from these. The consumers write down in the book what they
//! had last: first the next position, then the sender and its number. So each message is seen to be whole, in its order, and there once; and what a consumer
//! took and never wrote down is the one message that its death may cost.
//!
//! ```text
//! guarded 0   who receives: holder · next position · sender · its number
//! guarded 1   who sends: holder
//! ```

use crate::book::{Count, Violation};
use crate::room::Room;
use shmem_core::Result;
use shmem_core::managed::geometry::ring::RingGeometry;
use shmem_core::structures::ring::{Consumer, Producer, Received, Ring, Sent};
use std::time::Duration;

/// Larger than a line, and no multiple of one.
const SLOT_BYTES: u32 = 200;
const WORDS: usize = SLOT_BYTES as usize / 4;

fn ring<'a>(room: &'a Room, name: &str) -> Result<Ring<'a>> {
    let geometry = RingGeometry::of([8, SLOT_BYTES, 0, 0])?;
    Ring::open(&room.managed, &room.member, name, geometry)
}

pub(crate) fn play(room: &Room) -> Result<()> {
    let ring = ring(room, "ring")?;
    let mut number = 0;
    room.begin();
    while room.goes_on() {
        let turn = if room.options.position.is_multiple_of(2) {
            send(room, &ring, &mut number)
        } else {
            receive(room, &ring)
        };
        turn?;
    }
    Ok(())
}

/// The end, or nothing where another has it: then after a moment.
fn free<T>(end: Result<T>) -> Result<Option<T>> {
    match end {
        Ok(end) => Ok(Some(end)),
        Err(error) if error.code().ends_with("_TAKEN") => {
            std::thread::sleep(Duration::from_micros(300));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Has the end where messages go in, for some messages.
fn send(room: &Room, ring: &Ring<'_>, number: &mut u32) -> Result<()> {
    let Some(mut producer) = free(ring.producer())? else { return Ok(()) };
    enter(room, 1);
    // Ends a ring that nobody uses, for the sake of the step.
    if room.random.one_in(8)
        && let Some(mut other) = free(self::ring(room, "ended")?.producer())?
    {
        other.end()?;
    }
    for _ in 0..1 + room.random.below(40) {
        if room.random.one_in(4) {
            *number += send_some(room, &mut producer, *number)?;
        }
        if room.is_stopped() || !send_one(room, &mut producer, *number)? {
            break;
        }
        *number += 1;
    }
    leave(room, 1);
    Ok(())
}

/// A batch, of as many as there is room for; how many they are.
fn send_some(room: &Room, producer: &mut Producer<'_>, number: u32) -> Result<u32> {
    let (position, token) = (producer.position(), room.token().word());
    let mut written = 0;
    producer.send_batch(1 + room.random.index(5), |slot| {
        let words = message(position.wrapping_add(written), token, number + written);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        slot.write(&bytes);
        written += 1;
        bytes.len()
    })?;
    (0..written).for_each(|_| room.row.count(Count::Given));
    Ok(written)
}

/// Whether it was sent.
fn send_one(room: &Room, producer: &mut Producer<'_>, number: u32) -> Result<bool> {
    let words = message(producer.position(), room.token().word(), number);
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    if room.random.one_in(3)
        && let Some(slot) = producer.claim()?
    {
        if room.random.one_in(8) {
            slot.write(&[0xff; 16]);
            producer.abort();
        } else {
            slot.write(&bytes);
            producer.commit(bytes.len())?;
            room.row.count(Count::Given);
            return Ok(true);
        }
    }
    let limit = patience(room);
    loop {
        room.row.word(Count::Waiting).store(1);
        let sent = producer.send(&bytes, limit);
        room.row.word(Count::Waiting).store(0);
        match sent? {
            Sent::Sent => {
                room.row.count(Count::Given);
                return Ok(true);
            }
            Sent::PeerDied => room.row.count(Count::OwnerDeaths),
            Sent::TimedOut => {
                room.row.count(Count::Timeouts);
                return Ok(false);
            }
            Sent::Full | Sent::Ended => return Ok(false),
        }
    }
}

/// Has the end where messages come out, for some messages.
fn receive(room: &Room, ring: &Ring<'_>) -> Result<()> {
    let Some(mut consumer) = free(ring.consumer())? else { return Ok(()) };
    enter(room, 0);
    let mut is_first = true;
    for _ in 0..1 + room.random.below(40) {
        if room.random.one_in(4) {
            receive_some(room, &mut consumer, &mut is_first)?;
        }
        if room.is_stopped() || !receive_one(room, &mut consumer, &mut is_first)? {
            break;
        }
    }
    leave(room, 0);
    Ok(())
}

/// Up to some of what there is, each in its slot.
fn receive_some(room: &Room, consumer: &mut Consumer<'_>, is_first: &mut bool) -> Result<()> {
    let mut position = consumer.position();
    let mut bytes = [0; SLOT_BYTES as usize];
    consumer.drain(1 + room.random.index(8), |slot| {
        slot.read(&mut bytes);
        check(room, position, &bytes[..slot.bytes.min(bytes.len())], is_first);
        position = position.wrapping_add(1);
    })?;
    Ok(())
}

/// Whether there was one.
fn receive_one(room: &Room, consumer: &mut Consumer<'_>, is_first: &mut bool) -> Result<bool> {
    let mut bytes = [0; SLOT_BYTES as usize];
    let limit = patience(room);
    loop {
        let position = consumer.position();
        if room.random.one_in(3)
            && let Some(slot) = consumer.take()?
        {
            slot.read(&mut bytes);
            check(room, position, &bytes[..slot.bytes.min(bytes.len())], is_first);
            consumer.release();
            return Ok(true);
        }
        room.row.word(Count::Waiting).store(1);
        let received = consumer.receive(&mut bytes, limit);
        room.row.word(Count::Waiting).store(0);
        match received? {
            Received::Message(length) => {
                check(room, position, &bytes[..length], is_first);
                return Ok(true);
            }
            Received::PeerDied => room.row.count(Count::OwnerDeaths),
            Received::TimedOut => {
                room.row.count(Count::Timeouts);
                return Ok(false);
            }
            Received::Empty | Received::Ended => return Ok(false),
        }
    }
}

/// Mostly for ever.
fn patience(room: &Room) -> Option<Duration> {
    room.random.one_in(4).then(|| Duration::from_micros(room.random.below(2000)))
}

/// What a message is.
fn message(position: u32, sender: u32, number: u32) -> [u32; WORDS] {
    let mut words = [0; WORDS];
    let mut mixed = position ^ sender.rotate_left(7) ^ number.rotate_left(19);
    for (index, word) in words.iter_mut().enumerate() {
        mixed = mixed.wrapping_mul(0x9e37_79b1).rotate_left(13);
        *word = match index {
            0 => position,
            1 => sender,
            2 => number,
            _ => mixed,
        };
    }
    words
}

fn check(room: &Room, position: u32, bytes: &[u8], is_first: &mut bool) {
    let words: Vec<u32> =
        bytes.chunks_exact(4).map(|four| four.try_into().map_or(0, u32::from_ne_bytes)).collect();
    let [said, sender, number] = words.first_chunk().copied().unwrap_or_default();
    if said != position || words != message(said, sender, number) {
        room.row.violation(Violation::Torn);
    }
    let guarded = room.book.guarded(0);
    let gap = position.wrapping_sub(guarded.first.load());
    let was_first = std::mem::replace(is_first, false);
    match gap.cast_signed() {
        0 => {}
        ..0 => room.row.violation(Violation::CameTwice),
        // Others took these, and died before they wrote that down: one each, as the test counts.
        1.. if was_first => (0..gap).for_each(|_| room.row.count(Count::Resets)),
        _ => room.row.violation(Violation::TicketLost),
    }
    let (last_sender, last_number) = (guarded.second.load(), guarded.broken.load());
    let ahead = number.wrapping_sub(last_number).wrapping_sub(1);
    // After a takeover the book may be one behind, or half written; and who sends again goes on with its numbers.
    if !was_first && sender == last_sender && ahead != 0 {
        room.row.violation(if ahead.cast_signed() < 0 {
            Violation::CameTwice
        } else {
            Violation::TicketLost
        });
    }
    guarded.first.store(position.wrapping_add(1));
    guarded.second.store(sender);
    guarded.broken.store(number);
    room.row.count(Count::Got);
}

/// Nobody else who lives has this end.
fn enter(room: &Room, end: usize) {
    if room.is_alive(room.book.guarded(end).holder.swap(room.token().word())) {
        room.row.violation(Violation::TwoHolders);
    }
}

fn leave(room: &Room, end: usize) {
    if room.book.guarded(end).holder.compare_exchange(room.token().word(), 0).is_err() {
        room.row.violation(Violation::MarkLost);
    }
}

/// Plays both ends until nobody is left who waits at the other.
pub(crate) fn close(room: &Room) -> Result<()> {
    let ring = ring(room, "ring")?;
    let mut number = 0;
    while room.book.gone().load() == 0 {
        if let Some(mut producer) = free(ring.producer())? {
            enter(room, 1);
            for _ in 0..2 {
                let words = message(producer.position(), room.token().word(), number);
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
                if producer.try_send(&bytes)? == Sent::Sent {
                    room.row.count(Count::Given);
                    number += 1;
                }
            }
            leave(room, 1);
        }
        if let Some(mut consumer) = free(ring.consumer())? {
            enter(room, 0);
            let mut is_first = true;
            drain(room, &mut consumer, &mut is_first)?;
            leave(room, 0);
        }
    }
    Ok(())
}

fn drain(room: &Room, consumer: &mut Consumer<'_>, is_first: &mut bool) -> Result<()> {
    let mut bytes = [0; SLOT_BYTES as usize];
    loop {
        let position = consumer.position();
        match consumer.try_receive(&mut bytes)? {
            Received::Message(length) => check(room, position, &bytes[..length], is_first),
            _ => return Ok(()),
        }
    }
}

/// Afterwards: both ends can be had, what is in the ring is whole, and a message goes through.
pub(crate) fn afterwards(room: &Room) -> Result<()> {
    let ring = ring(room, "ring")?;
    let (mut producer, mut consumer) = (ring.producer()?, ring.consumer()?);
    let mut is_first = true;
    drain(room, &mut consumer, &mut is_first)?;
    let words = message(producer.position(), room.token().word(), 0);
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    if producer.try_send(&bytes)? != Sent::Sent {
        room.row.violation(Violation::TicketLost);
    }
    room.row.count(Count::Given);
    let before = room.row.word(Count::Got).load();
    drain(room, &mut consumer, &mut is_first)?;
    if room.row.word(Count::Got).load() != before + 1 {
        room.row.violation(Violation::TicketLost);
    }
    Ok(())
}

/// Quiet: sends some messages, and then nothing until it is killed.
pub(crate) fn send_until_killed(room: &Room) -> Result<()> {
    let ring = ring(room, "ring")?;
    let mut producer = ring.producer()?;
    room.begin();
    for number in 0..room.random.below(12) {
        if room.random.one_in(2) {
            std::thread::sleep(Duration::from_micros(room.random.below(300)));
        }
        let words = message(producer.position(), room.token().word(), u32::try_from(number).unwrap_or(0));
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        if producer.send(&bytes, None)? == Sent::Sent {
            room.row.count(Count::Given);
        }
    }
    loop {
        std::thread::park();
    }
}

/// Quiet: receives without any limit of time until it is told of the producer's death.
pub(crate) fn receive_until_released(room: &Room) -> Result<()> {
    let ring = ring(room, "ring")?;
    let mut consumer = ring.consumer()?;
    let mut bytes = [0; SLOT_BYTES as usize];
    room.begin();
    let mut is_first = true;
    loop {
        let position = consumer.position();
        room.row.word(Count::Waiting).store(1);
        match consumer.receive(&mut bytes, None)? {
            Received::Message(length) => check(room, position, &bytes[..length], &mut is_first),
            _ => break,
        }
    }
    room.row.count(Count::OwnerDeaths);
    Ok(())
}

/// Quiet: sends without any limit of time until it is told of the consumer's death.
pub(crate) fn fill_until_released(room: &Room) -> Result<()> {
    let ring = ring(room, "ring")?;
    let mut producer = ring.producer()?;
    room.begin();
    for number in 0.. {
        let words = message(producer.position(), room.token().word(), number);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        room.row.word(Count::Waiting).store(1);
        if producer.send(&bytes, None)? != Sent::Sent {
            break;
        }
    }
    room.row.count(Count::OwnerDeaths);
    Ok(())
}

/// Quiet: receives some messages, and then nothing until it is killed.
pub(crate) fn take_until_killed(room: &Room) -> Result<()> {
    let ring = ring(room, "ring")?;
    let mut consumer = ring.consumer()?;
    room.begin();
    for _ in 0..room.random.below(30) {
        if room.random.one_in(2) {
            std::thread::sleep(Duration::from_micros(room.random.below(300)));
        }
        let mut bytes = [0; SLOT_BYTES as usize];
        consumer.receive(&mut bytes, None)?;
        room.row.count(Count::Got);
    }
    loop {
        std::thread::park();
    }
}
