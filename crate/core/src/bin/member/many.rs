//! The role of a ring of many: even positions send numbered messages, odd ones receive them, each marks in the [`Ledger`] what it did. In a quiet round
//! each sends as many as it is told.

use crate::book::{Count, Violation};
use crate::ledger::{Ledger, MESSAGES, WORDS, message};
use crate::room::Room;
use shmem_core::managed::geometry::ring::{CONTROL, DROP_OLDEST, RingGeometry};
use shmem_core::managed::{Kind, Place, Shape};
use shmem_core::structures::ring::many::{FULL, LAP};
use shmem_core::structures::ring::{Consumer, Producer, Received, Ring, Sent};
use shmem_core::{Error, Result};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Sends or receives until the book says stop.
pub(crate) fn play(room: &Room) -> Result<()> {
    let ledger = Ledger::open(&room.book_name)?;
    let ring = open(room)?;
    if room.options.position.is_multiple_of(2) {
        let mut producer = ring.producer()?;
        room.begin();
        return send(room, &ledger, &mut producer);
    }
    let mut consumer = ring.consumer()?;
    room.begin();
    receive(room, &ledger, &mut consumer)
}

fn send(room: &Room, ledger: &Ledger, producer: &mut Producer<'_>) -> Result<()> {
    while room.goes_on() {
        let Some(sender) = ledger.sender() else { return Ok(()) };
        let mut number = 0;
        while number < MESSAGES && (number == 0 || room.goes_on()) {
            let bytes = message(sender, number);
            let slot = if room.random.one_in(3) { producer.claim()? } else { None };
            let is_sent = match slot {
                // In place, sometimes given up, sometimes slowly.
                Some(slot) => {
                    slot.write(&bytes);
                    if room.options.quiet || room.random.one_in(8) {
                        room.linger();
                    }
                    if room.random.one_in(8) {
                        producer.abort();
                        continue;
                    }
                    ledger.begin(sender, number);
                    producer.commit(bytes.len())?;
                    true
                }
                None => {
                    ledger.begin(sender, number);
                    room.row.word(Count::Waiting).store(1);
                    let sent = producer.send(&bytes, patience(room))?;
                    room.row.word(Count::Waiting).store(0);
                    if sent == Sent::Ended {
                        return Ok(());
                    }
                    if sent == Sent::TimedOut {
                        room.row.count(Count::Timeouts);
                    }
                    sent == Sent::Sent
                }
            };
            if is_sent {
                ledger.commit(sender, number);
                room.row.count(Count::Given);
                if room.options.quiet {
                    room.row.count(Count::Got);
                }
                number += 1;
            } else if room.is_stopped() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn receive(room: &Room, ledger: &Ledger, consumer: &mut Consumer<'_>) -> Result<()> {
    let mut last = HashMap::new();
    let mut bytes = [0; 4 * WORDS];
    loop {
        if room.random.one_in(2)
            && let Some(slot) = consumer.take()?
        {
            slot.read(&mut bytes[..slot.bytes]);
            note(room, ledger, &bytes, &mut last);
            if room.options.quiet || room.random.one_in(8) {
                room.linger();
            }
            consumer.release();
            continue;
        }
        room.row.word(Count::Waiting).store(1);
        let received = consumer.receive(&mut bytes, patience(room))?;
        room.row.word(Count::Waiting).store(0);
        match received {
            Received::Message(_) => note(room, ledger, &bytes, &mut last),
            Received::Ended => return Ok(()),
            _ => room.row.count(Count::Timeouts),
        }
    }
}

/// Marks a message that was got, and looks whether it may be.
fn note(room: &Room, ledger: &Ledger, bytes: &[u8], last: &mut HashMap<u32, u32>) {
    let Some((sender, number)) = ledger.read(bytes) else { return room.row.violation(Violation::Torn) };
    if !ledger.mark(sender, number) {
        room.row.violation(Violation::CameTwice);
    }
    if last.insert(sender, number).is_some_and(|last| last >= number) {
        room.row.violation(Violation::OutOfOrder);
    }
    room.row.count(Count::Got);
}

fn patience(room: &Room) -> Option<Duration> {
    let is_impatient = !room.options.quiet && room.random.one_in(4);
    is_impatient.then(|| Duration::from_micros(room.random.below(2000)))
}

const fn geometry(room: &Room) -> RingGeometry {
    RingGeometry { slots: room.options.ring_slots, slot_bytes: 4 * 16, flags: room.options.flags }
}

fn open(room: &Room) -> Result<Ring<'_>> {
    Ring::open(&room.managed, &room.member, "ring", geometry(room))
}

/// Slots in which a message lies; a dead producer's claim is none.
fn lying(room: &Room) -> Result<usize> {
    let shape = Shape { kind: Kind::Ring, numbers: geometry(room).numbers(), type_hash: 0 };
    let place = Place::of(&room.managed, room.managed.object(&room.member, "ring", shape)?, shape);
    let stride = geometry(room).control_stride();
    let words = (0..u64::from(room.options.ring_slots)).map(|slot| place.word(CONTROL + slot * stride));
    let words = words.collect::<Result<Vec<_>>>()?;
    Ok(words.iter().filter(|word| word.load() & !LAP == FULL).count())
}

/// Lets all go who wait. In a quiet round nobody waits beside a message: they all come to be taken.
pub(crate) fn close(room: &Room) -> Result<()> {
    let ring = open(room)?;
    let patience = Instant::now() + Duration::from_secs(10);
    while room.options.quiet && lying(room)? > 0 {
        if Instant::now() > patience {
            return Err(broken(format!("{} messages lie there, and nobody comes", lying(room)?)));
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    ring.producer()?.end()
}

/// Takes what is left, and looks what became of every message.
pub(crate) fn afterwards(room: &Room) -> Result<()> {
    let ledger = Ledger::open(&room.book_name)?;
    let ring = open(room)?;
    let mut consumer = ring.consumer()?;
    let mut last = HashMap::new();
    let mut bytes = [0; 4 * WORDS];
    loop {
        match consumer.receive(&mut bytes, Some(Duration::from_secs(5)))? {
            Received::Message(_) => note(room, &ledger, &bytes, &mut last),
            Received::Ended => break,
            other => return Err(broken(format!("the ring does not end: {other:?}"))),
        }
    }
    let audit = ledger.audit();
    let allowed = u64::from(room.options.kills)
        + if room.options.flags & DROP_OLDEST == 0 { 0 } else { u64::from(ring.lost()?) };
    println!("{audit:?}, {} recovered, {} lost", ring.recovered()?, ring.lost()?);
    if audit.missing > allowed || audit.made_up > 0 {
        return Err(broken(format!("{audit:?}; {allowed} may be missing")));
    }
    Ok(())
}

fn broken(what: String) -> Error {
    Error::own("ERR_SHM_POSSIBLY_CORRUPT", what)
}
