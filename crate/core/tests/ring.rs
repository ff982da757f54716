//! A ring of one and one between threads that are members each, what a death leaves of it, and what scribbled words do. Processes are for the kill tests.

use shmem_core::managed::geometry::ring::{MANY_CONSUMERS, MANY_PRODUCERS, RingGeometry};
use shmem_core::managed::{ManagedOptions, ManagedSegment};
use shmem_core::membership::{JoinOptions, Member};
use shmem_core::memory::{CreateOptions, memfd};
use shmem_core::structures::ring::{Received, Ring, Sent};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Of a test that would hang otherwise.
const LONG: Option<Duration> = Some(Duration::from_secs(20));
const NOW: Option<Duration> = Some(Duration::ZERO);

fn managed() -> ManagedSegment {
    let segment = memfd::create("ring", &CreateOptions::new(1 << 20), 0).unwrap();
    ManagedSegment::open(&segment, ManagedOptions::make()).unwrap()
}

fn join(managed: &ManagedSegment) -> Member {
    managed.join(&JoinOptions::default()).unwrap()
}

fn open<'a>(managed: &'a ManagedSegment, member: &'a Member) -> Ring<'a> {
    Ring::open(managed, member, "ring", RingGeometry::of([4, 20, 0, 0]).unwrap()).unwrap()
}

#[test]
fn messages_come_in_their_order_and_the_end_is_told() {
    const COUNT: u32 = 20_000;
    let managed = managed();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let member = join(&managed);
            let mut producer = open(&managed, &member).producer().unwrap();
            for number in 0..COUNT {
                let bytes = number.to_le_bytes().repeat(1 + (number % 5) as usize);
                assert_eq!(producer.send(&bytes, LONG).unwrap(), Sent::Sent);
            }
            producer.end().unwrap();
            assert_eq!(producer.try_send(b"late").unwrap(), Sent::Ended);
        });
        let member = join(&managed);
        let mut consumer = open(&managed, &member).consumer().unwrap();
        let mut bytes = [0; 20];
        for number in 0..COUNT {
            let expected = number.to_le_bytes().repeat(1 + (number % 5) as usize);
            assert_eq!(consumer.receive(&mut bytes, LONG).unwrap(), Received::Message(expected.len()));
            assert_eq!(bytes[..expected.len()], expected);
        }
        assert_eq!(consumer.receive(&mut bytes, LONG).unwrap(), Received::Ended);
    });
}

#[test]
fn ends_are_given_back_and_taken_from_the_dead() {
    let managed = managed();
    let member = join(&managed);
    let ring = open(&managed, &member);
    let mut producer = ring.producer().unwrap();
    assert_eq!(ring.producer().unwrap_err().code(), "ERR_SHM_PRODUCER_TAKEN");
    for message in [b"a", b"b", b"c"] {
        assert_eq!(producer.try_send(message).unwrap(), Sent::Sent);
    }
    assert_eq!(producer.try_send(&[0; 21]).unwrap_err().code(), "ERR_OUT_OF_RANGE");
    drop(producer);
    let mut producer = ring.producer().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let member = join(&managed);
            let ring = open(&managed, &member);
            let mut consumer = ring.consumer().unwrap();
            assert!(consumer.take().unwrap().is_some());
            std::mem::forget(consumer);
            member.die();
        });
    });
    for message in [b"d", b"e"] {
        producer.try_send(message).unwrap();
    }
    assert_eq!(producer.send(b"f", LONG).unwrap(), Sent::PeerDied);
    assert_eq!(producer.send(b"f", NOW).unwrap(), Sent::TimedOut);
    let mut consumer = ring.consumer().unwrap();
    let mut bytes = [0; 20];
    for expected in [b"b", b"c", b"d"] {
        assert_eq!(consumer.try_receive(&mut bytes).unwrap(), Received::Message(1));
        assert_eq!(&bytes[..1], expected);
    }
    assert_eq!(consumer.try_receive(&mut bytes).unwrap(), Received::Empty);
    assert_eq!(consumer.try_receive(&mut bytes[..19]).unwrap_err().code(), "ERR_OUT_OF_RANGE");
}

#[test]
fn batches_and_drains_take_what_there_is_in_its_order() {
    let managed = managed();
    let member = join(&managed);
    for (name, flags) in [("one", 0), ("many", MANY_PRODUCERS | MANY_CONSUMERS)] {
        let geometry = RingGeometry::of([4, 20, flags, 0]).unwrap();
        let ring = Ring::open(&managed, &member, name, geometry).unwrap();
        let (mut producer, mut consumer) = (ring.producer().unwrap(), ring.consumer().unwrap());
        let (mut sent, mut received) = (0, 0);
        for (send, drain, both) in
            [(9, 2, [4, 2]), (0, 0, [0, 0]), (9, 9, [2, 4]), (1, 9, [1, 1]), (0, 1, [0, 0])]
        {
            let written = producer.send_batch(send, |slot| {
                slot.write(&[sent; 20]);
                sent += 1;
                usize::from(sent)
            });
            let read = consumer.drain(drain, |slot| {
                let mut bytes = [0; 20];
                slot.read(&mut bytes);
                assert_eq!((slot.bytes, bytes[0]), (usize::from(received) + 1, received));
                received += 1;
            });
            assert_eq!([written.unwrap(), read.unwrap()], both);
        }
        assert_eq!(ring.length().unwrap(), 0);
        producer.claim().unwrap().unwrap();
        assert_eq!(producer.send_batch(1, |_| 1).unwrap_err().code(), "ERR_SHM_HELD");
        producer.commit(1).unwrap();
        consumer.take().unwrap().unwrap();
        assert_eq!(consumer.drain(1, |_| ()).unwrap_err().code(), "ERR_SHM_HELD");
        consumer.release();
        assert_eq!(producer.send_batch(1, |_| 21).unwrap_err().code(), "ERR_OUT_OF_RANGE");
        assert_eq!(consumer.drain(9, |_| ()).unwrap(), 0);
        assert_eq!(producer.send_batch(3, |_| 1).unwrap(), 3);
        let looked = catch_unwind(AssertUnwindSafe(|| consumer.drain(9, |_| panic!("of a test"))));
        assert!(looked.is_err());
        // It was seen, and comes to nobody again.
        assert_eq!(ring.length().unwrap(), 2);
        assert_eq!(producer.send_batch(9, |_| 1).unwrap(), 2);
        consumer.end().unwrap();
        assert_eq!(producer.send_batch(9, |_| 1).unwrap(), 0);
    }
}

#[test]
fn who_waits_for_room_is_woken_by_a_drain_and_who_waits_for_a_message_by_a_batch() {
    const COUNT: u32 = 20_000;
    let managed = managed();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let member = join(&managed);
            let mut producer = open(&managed, &member).producer().unwrap();
            let mut number = 0_u32;
            while number < COUNT {
                assert_eq!(producer.send(&number.to_le_bytes(), LONG).unwrap(), Sent::Sent);
                number += 1;
                let most = 3.min(COUNT - number) as usize;
                producer
                    .send_batch(most, |slot| {
                        slot.write(&number.to_le_bytes());
                        number += 1;
                        4
                    })
                    .unwrap();
            }
        });
        let member = join(&managed);
        let mut consumer = open(&managed, &member).consumer().unwrap();
        let mut bytes = [0; 20];
        let mut number = 0_u32;
        while number < COUNT {
            assert_eq!(consumer.receive(&mut bytes, LONG).unwrap(), Received::Message(4));
            assert_eq!(bytes[..4], number.to_le_bytes());
            number += 1;
            consumer
                .drain(7, |slot| {
                    slot.read(&mut bytes);
                    assert_eq!(bytes[..4], number.to_le_bytes());
                    number += 1;
                })
                .unwrap();
        }
    });
}

#[test]
fn a_length_that_no_end_wrote_is_refused_and_the_next_message_comes() {
    /// Where a ring has its first slot's length.
    const LENGTH: u64 = 640;
    let managed = managed();
    let member = join(&managed);
    let ring = open(&managed, &member);
    let (mut producer, mut consumer) = (ring.producer().unwrap(), ring.consumer().unwrap());
    let facts = managed.objects().into_iter().find(|object| object.name == "ring").unwrap();
    producer.send_batch(3, |_| 1).unwrap();
    managed.word(facts.offset + LENGTH).unwrap().store(21);
    managed.word(facts.offset + LENGTH + 4).unwrap().store(u32::MAX);
    assert_eq!(
        consumer.drain(9, |_| panic!("of no message")).unwrap_err().code(),
        "ERR_SHM_POSSIBLY_CORRUPT"
    );
    assert_eq!(consumer.take().unwrap_err().code(), "ERR_SHM_POSSIBLY_CORRUPT");
    assert_eq!(consumer.drain(9, |slot| assert_eq!(slot.bytes, 1)).unwrap(), 1);
    assert_eq!(producer.send_batch(9, |_| 1).unwrap(), 4);
}

#[test]
fn a_position_that_no_end_wrote_is_refused_at_every_look() {
    /// Where a ring has the producer's position, and the consumer's.
    const POSITIONS: [u64; 2] = [128, 384];
    let managed = managed();
    let member = join(&managed);
    let ring = open(&managed, &member);
    let (mut producer, mut consumer) = (ring.producer().unwrap(), ring.consumer().unwrap());
    let facts = managed.objects().into_iter().find(|object| object.name == "ring").unwrap();
    let [tail, head] = POSITIONS.map(|offset| managed.word(facts.offset + offset).unwrap());
    tail.store(1000);
    for _ in 0..3 {
        assert_eq!(consumer.take().unwrap_err().code(), "ERR_SHM_POSSIBLY_CORRUPT");
    }
    tail.store(0);
    assert_eq!(consumer.take().unwrap(), None);
    for message in [b"a", b"b", b"c", b"d"] {
        assert_eq!(producer.try_send(message).unwrap(), Sent::Sent);
    }
    head.store(1000);
    for _ in 0..3 {
        assert_eq!(producer.try_send(b"e").unwrap_err().code(), "ERR_SHM_POSSIBLY_CORRUPT");
    }
}

#[test]
fn scribbled_words_make_errors_or_nonsense_and_no_crash() {
    let managed = managed();
    let member = join(&managed);
    let ring = open(&managed, &member);
    let facts = managed.objects().into_iter().find(|object| object.name == "ring").unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut state = 1_u32;
            let mut random = || {
                state = state.wrapping_mul(0x9e37_79b1).wrapping_add(0x7f4a_7c15).rotate_left(11);
                state
            };
            while !stop.load(Ordering::Relaxed) {
                let offset = facts.offset + u64::from(random()) % (facts.bytes / 4) * 4;
                let word = managed.word(offset).unwrap();
                let near = word.load().wrapping_add(random() % 5).wrapping_sub(2);
                word.store([random(), near, 0, near][random() as usize % 4]);
            }
        });
        let mut bytes = [0; 20];
        let mut refused = 0;
        for _ in 0..4000 {
            if let Ok(mut producer) = ring.producer() {
                refused += u32::from(producer.try_send(b"message").is_err());
                refused += u32::from(producer.send(b"message", Some(Duration::from_micros(50))).is_err());
                refused += u32::from(producer.send_batch(3, |slot| slot.bytes).is_err());
            }
            if let Ok(mut consumer) = ring.consumer() {
                refused += u32::from(consumer.try_receive(&mut bytes).is_err());
                refused += u32::from(consumer.receive(&mut bytes, Some(Duration::from_micros(50))).is_err());
                refused += u32::from(consumer.drain(3, |slot| slot.read(&mut bytes)).is_err());
            }
        }
        stop.store(true, Ordering::Relaxed);
        println!("{refused} calls were refused");
    });
}
