//! Two processes hand messages to each other through two of our own rings, without JavaScript: written and read in place.
//! Its cases are in `pair.rs`; with the argument "many", those of `many.rs`.

mod many;
#[path = "../../pair.rs"]
mod pair;

use pair::{Case, Ends, Kind, Outcome, Transport, check_ends, check_words, last_word, look_until};
use shmem_core::managed::geometry::ring::RingGeometry;
use shmem_core::managed::{ManagedOptions, ManagedSegment};
use shmem_core::membership::{JoinOptions, Member};
use shmem_core::memory::{CreateOptions, OpenMode, posix};
use shmem_core::structures::ring::{Consumer, Producer, Ring, Slot};
use std::env;
use std::ops::Range;

/// For the table of members and the directory.
const OTHER_BYTES: u64 = 4 << 20;

struct Rings;

struct RingEnds<'a> {
    producer: Producer<'a>,
    consumer: Consumer<'a>,
    words: u32,
}

fn main() -> Outcome {
    let words: Vec<String> = env::args().skip(1).collect();
    match words.split_first() {
        Some((word, _)) if word == "many" => many::run(),
        Some((word, rest)) if word == "many-partner" => many::act(rest),
        _ => pair::run::<Rings>("shmem-bench-rust"),
    }
}

/// Opens a managed segment with room for two such rings, whoever comes first, and joins it.
fn open<T>(
    place: &str,
    slots: u32,
    slot_bytes: u32,
    act: impl FnOnce(&ManagedSegment, &Member) -> Outcome<T>,
) -> Outcome<T> {
    let bytes = 2 * u64::from(slots.next_power_of_two()) * (u64::from(slot_bytes) + 128) + OTHER_BYTES;
    let segment = posix::create(&format!("/{place}"), &CreateOptions::new(bytes), OpenMode::OpenOrCreate)?;
    let managed = ManagedSegment::open(&segment, ManagedOptions::make())?;
    let member = managed.join(&JoinOptions { name: String::new() })?;
    act(&managed, &member)
}

impl Transport for Rings {
    type Ends<'a> = RingEnds<'a>;

    fn with_ends<T>(
        place: &str,
        leads: bool,
        case: &Case,
        act: impl FnOnce(&mut RingEnds<'_>) -> Outcome<T>,
    ) -> Outcome<T> {
        let (slots, slot_bytes) = (case.slots, case.words * 4);
        let geometry = RingGeometry::of([slots, slot_bytes, 0, 0])?;
        let (out, input) = if leads { ("there", "back") } else { ("back", "there") };
        open(place, slots, slot_bytes, |managed, member| {
            let consumer = Ring::open(managed, member, input, geometry)?.consumer()?;
            let producer = Ring::open(managed, member, out, geometry)?.producer()?;
            act(&mut RingEnds { producer, consumer, words: case.words })
        })
    }

    fn remove(place: &str) -> Outcome {
        Ok(posix::remove(&format!("/{place}"))?)
    }
}

impl RingEnds<'_> {
    /// Writes a message into a slot once there is room.
    fn send(&mut self, write: impl FnOnce(&mut [u32])) -> Outcome {
        let mut slot = look_until(|| Ok(self.producer.claim()?))?;
        write(words_mut(&mut slot));
        Ok(self.producer.commit(slot.bytes)?)
    }

    /// Looks at the next message in its slot.
    fn receive(&mut self, look: impl FnOnce(&[u32]) -> Outcome) -> Outcome {
        let slot = look_until(|| Ok(self.consumer.take()?))?;
        let outcome = look(words(&slot));
        self.consumer.release();
        outcome
    }

    fn send_batches(
        &mut self,
        mut sequences: Range<u32>,
        batch: u32,
        mut write: impl FnMut(&mut [u32], u32),
    ) -> Outcome {
        while !sequences.is_empty() {
            let limit = batch.min(sequences.len() as u32) as usize;
            look_until(|| {
                let sent = self.producer.send_batch(limit, |mut slot| {
                    write(words_mut(&mut slot), sequences.start);
                    sequences.start += 1;
                    slot.bytes
                })?;
                Ok((sent > 0).then_some(()))
            })?;
        }
        Ok(())
    }

    /// Looks at all of them as they come.
    fn drain(&mut self, sequences: Range<u32>, mut look: impl FnMut(&[u32], u32) -> Outcome) -> Outcome {
        let mut next = sequences.start;
        while next < sequences.end {
            let mut outcome = Ok(());
            look_until(|| {
                let drained = self.consumer.drain((sequences.end - next) as usize, |slot| {
                    if outcome.is_ok() {
                        outcome = look(words(&slot), next);
                    }
                    next += 1;
                })?;
                Ok((drained > 0).then_some(()))
            })?;
            outcome?;
        }
        Ok(())
    }
}

fn write_words(words: &mut [u32], sequence: u32) {
    for (value, word) in words.iter_mut().zip(0u32..) {
        *value = sequence.wrapping_add(word);
    }
}

fn write_ends(words: &mut [u32], sequence: u32) {
    words[0] = sequence;
    words[words.len() - 1] = last_word(sequence, words.len() as u32);
}

/// The words of a message that this process has taken.
fn words(slot: &Slot) -> &[u32] {
    // SAFETY: the slot lies in the segment, which outlives the ends, at a multiple of 8, and has so many bytes. All processes are
    // this program: nobody writes to a slot that is taken.
    unsafe { std::slice::from_raw_parts(slot.address as *const u32, slot.bytes / 4) }
}

/// The words of a slot that this process has claimed.
fn words_mut(slot: &mut Slot) -> &mut [u32] {
    // SAFETY: as in `words`; and nobody else touches a slot that is claimed.
    unsafe { std::slice::from_raw_parts_mut(slot.address as *mut u32, slot.bytes / 4) }
}

impl Ends for RingEnds<'_> {
    fn send_words(&mut self, sequence: u32) -> Outcome {
        self.send(|words| write_words(words, sequence))
    }

    fn expect_words(&mut self, sequence: u32) -> Outcome {
        self.receive(|words| check_words(words, sequence))
    }

    fn send_ends(&mut self, sequence: u32) -> Outcome {
        self.send(|words| write_ends(words, sequence))
    }

    fn expect_ends(&mut self, sequence: u32) -> Outcome {
        let count = self.words;
        self.receive(|words| check_ends(words[0], words[words.len() - 1], count, sequence))
    }

    fn send_all(&mut self, kind: Kind, mut sequences: Range<u32>, batch: u32) -> Outcome {
        match kind {
            Kind::Words if batch > 1 => self.send_batches(sequences, batch, write_words),
            Kind::Words => sequences.try_for_each(|sequence| self.send_words(sequence)),
            _ if batch > 1 => self.send_batches(sequences, batch, write_ends),
            _ => sequences.try_for_each(|sequence| self.send_ends(sequence)),
        }
    }

    fn expect_all(&mut self, kind: Kind, sequences: Range<u32>) -> Outcome {
        let count = self.words;
        match kind {
            Kind::Words => self.drain(sequences, check_words),
            _ => self.drain(sequences, |words, sequence| {
                check_ends(words[0], words[words.len() - 1], count, sequence)
            }),
        }
    }
}
