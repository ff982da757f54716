//! A ring of many between threads that are members each, what the dead leave of it, and what scribbled words do. Processes are for the kill tests.

use shmem_core::managed::geometry::ring::{DROP_OLDEST, MANY_CONSUMERS, MANY_PRODUCERS, RingGeometry, SEATS};
use shmem_core::managed::{ManagedOptions, ManagedSegment};
use shmem_core::membership::{JoinOptions, Member};
use shmem_core::memory::{CreateOptions, memfd};
use shmem_core::structures::ring::{Received, Ring, Sent};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Of a test that would hang otherwise.
const LONG: Option<Duration> = Some(Duration::from_secs(20));
const MANY: u32 = MANY_PRODUCERS | MANY_CONSUMERS;

fn managed() -> ManagedSegment {
    let segment = memfd::create("ring", &CreateOptions::new(1 << 20), 0).unwrap();
    ManagedSegment::open(&segment, ManagedOptions::make()).unwrap()
}

fn join(managed: &ManagedSegment) -> Member {
    managed.join(&JoinOptions::default()).unwrap()
}

fn open<'a>(managed: &'a ManagedSegment, member: &'a Member, flags: u32) -> Ring<'a> {
    Ring::open(managed, member, "ring", RingGeometry::of([4, 20, flags, 0]).unwrap()).unwrap()
}

#[test]
fn each_message_comes_to_one_consumer_and_those_of_a_producer_in_their_order() {
    const COUNT: u32 = 10_000;
    let managed = managed();
    let counts = Mutex::new([0, 0]);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let member = join(&managed);
                let mut consumer = open(&managed, &member, MANY).consumer().unwrap();
                let (mut bytes, mut last, mut own) = ([0; 20], [None, None], [0, 0]);
                while let Received::Message(length) = consumer.receive(&mut bytes, LONG).unwrap() {
                    let number = u32::from_le_bytes(bytes[1..5].try_into().unwrap());
                    let producer = usize::from(bytes[0]);
                    assert_eq!(length, 5);
                    assert!(last[producer].replace(number).is_none_or(|last| last < number));
                    own[producer] += 1;
                }
                let mut counts = counts.lock().unwrap();
                (counts[0], counts[1]) = (counts[0] + own[0], counts[1] + own[1]);
            });
        }
        let producers: Vec<_> = (0..2_u8)
            .map(|producer| {
                let managed = &managed;
                scope.spawn(move || {
                    let member = join(managed);
                    let mut output = open(managed, &member, MANY).producer().unwrap();
                    for number in 0..COUNT {
                        let mut message = vec![producer];
                        message.extend(number.to_le_bytes());
                        assert_eq!(output.send(&message, LONG).unwrap(), Sent::Sent);
                    }
                })
            })
            .collect();
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        let member = join(&managed);
        open(&managed, &member, MANY).producer().unwrap().end().unwrap();
    });
    assert_eq!(*counts.lock().unwrap(), [COUNT, COUNT]);
}

#[test]
fn claims_of_the_dead_are_taken_over_by_whom_they_hold_up() {
    let managed = managed();
    let member = join(&managed);
    let ring = open(&managed, &member, MANY);
    let mut producer = ring.producer().unwrap();
    let mut consumer = ring.consumer().unwrap();
    producer.send(b"a", LONG).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let member = join(&managed);
            let ring = open(&managed, &member, MANY);
            let (mut producer, mut consumer) = (ring.producer().unwrap(), ring.consumer().unwrap());
            assert!(consumer.take().unwrap().is_some());
            assert!(producer.claim().unwrap().is_some());
            std::mem::forget((producer, consumer));
            member.die();
        });
    });
    for message in [b"b", b"c", b"d"] {
        assert_eq!(producer.try_send(message).unwrap(), Sent::Sent);
    }
    let mut bytes = [0; 20];
    for expected in [b"b", b"c", b"d"] {
        assert_eq!(consumer.try_receive(&mut bytes).unwrap(), Received::Message(1));
        assert_eq!(&bytes[..1], expected);
    }
    assert_eq!(consumer.try_receive(&mut bytes).unwrap(), Received::Empty);
    assert_eq!((ring.lost().unwrap(), ring.recovered().unwrap(), ring.length().unwrap()), (1, 2, 0));
}

#[test]
fn more_consumers_than_seats_are_watched_by_looks() {
    let managed = managed();
    let members: Vec<_> = (0..SEATS).map(|_| join(&managed)).collect();
    let _seated: Vec<_> =
        members.iter().map(|member| open(&managed, member, MANY).consumer().unwrap()).collect();
    let mut producer = open(&managed, &members[0], MANY).producer().unwrap();
    for message in [b"a", b"b", b"c", b"d"] {
        assert_eq!(producer.try_send(message).unwrap(), Sent::Sent);
    }
    assert_eq!(producer.try_send(b"e").unwrap(), Sent::Full);
    std::thread::scope(|scope| {
        let last = join(&managed);
        let mut standing = open(&managed, &last, MANY).consumer().unwrap();
        let sender = scope.spawn(|| {
            let member = join(&managed);
            open(&managed, &member, MANY).producer().unwrap().send(b"e", LONG).unwrap()
        });
        std::thread::sleep(Duration::from_millis(20));
        assert!(standing.take().unwrap().is_some());
        std::mem::forget(standing);
        last.die();
        assert_eq!(sender.join().unwrap(), Sent::Sent);
    });
}

#[test]
fn scribbled_words_make_errors_or_nonsense_and_no_crash() {
    for flags in [MANY, MANY_PRODUCERS | DROP_OLDEST] {
        let managed = managed();
        let member = join(&managed);
        let ring = open(&managed, &member, flags);
        let facts = managed.objects().into_iter().find(|object| object.name == "ring").unwrap();
        let stop = AtomicBool::new(false);
        let token = member.token().word();
        std::thread::scope(|scope| {
            let (managed, stop) = (&managed, &stop);
            scope.spawn(move || {
                let mut state = 1_u32;
                let mut random = || {
                    state = state.wrapping_mul(0x9e37_79b1).wrapping_add(0x7f4a_7c15).rotate_left(11);
                    state
                };
                while !stop.load(Ordering::Relaxed) {
                    let offset = facts.offset + u64::from(random()) % (facts.bytes / 4) * 4;
                    let word = managed.word(offset).unwrap();
                    let near = word.load().wrapping_add(random() % 5).wrapping_sub(2);
                    word.store([random(), near, 0, token][random() as usize % 4]);
                }
            });
            let mut bytes = [0; 20];
            let mut refused = 0;
            let short = Some(Duration::from_micros(50));
            for _ in 0..2000 {
                if let Ok(mut producer) = ring.producer() {
                    refused += u32::from(producer.try_send(b"message").is_err());
                    refused += u32::from(producer.send(b"message", short).is_err());
                }
                if let Ok(mut consumer) = ring.consumer() {
                    refused += u32::from(consumer.try_receive(&mut bytes).is_err());
                    refused += u32::from(consumer.receive(&mut bytes, short).is_err());
                }
            }
            stop.store(true, Ordering::Relaxed);
            println!("{refused} calls were refused");
        });
    }
}
