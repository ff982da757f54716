//! A ring of one and one between threads that are members each, what a death leaves of it, and what scribbled words do. Processes are for the kill tests.

use shmem_core::managed::geometry::ring::RingGeometry;
use shmem_core::managed::{ManagedOptions, ManagedSegment};
use shmem_core::membership::{JoinOptions, Member};
use shmem_core::memory::{CreateOptions, memfd};
use shmem_core::structures::ring::{Received, Ring, Sent};
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
            }
            if let Ok(mut consumer) = ring.consumer() {
                refused += u32::from(consumer.try_receive(&mut bytes).is_err());
                refused += u32::from(consumer.receive(&mut bytes, Some(Duration::from_micros(50))).is_err());
            }
        }
        stop.store(true, Ordering::Relaxed);
        println!("{refused} calls were refused");
    });
}
