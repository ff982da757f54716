//! Latest and Broadcast between threads that are members each, what a death leaves of them, and what becomes of them when somebody scribbles.

use shmem_core::managed::{ManagedOptions, ManagedSegment};
use shmem_core::membership::{JoinOptions, Member};
use shmem_core::memory::{CreateOptions, memfd};
use shmem_core::structures::broadcast::{From, Received};
use shmem_core::structures::latest::News;
use shmem_core::structures::{Broadcast, Latest};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SHORT: Option<Duration> = Some(Duration::from_millis(20));
/// Of a test that would hang otherwise.
const LONG: Option<Duration> = Some(Duration::from_secs(20));

fn managed() -> ManagedSegment {
    let segment = memfd::create("feeds", &CreateOptions::new(1 << 20), 0).unwrap();
    ManagedSegment::open(&segment, ManagedOptions::make()).unwrap()
}

fn join(managed: &ManagedSegment) -> Member {
    managed.join(&JoinOptions::default()).unwrap()
}

/// Lets a member of its own thread take something with `act`, and die with it in hand.
fn die_with(managed: &ManagedSegment, act: impl FnOnce(&ManagedSegment, &Member) + Send) {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let member = join(managed);
            act(managed, &member);
            member.die();
        });
    });
}

#[test]
fn the_newest_value_reaches_readers_of_other_threads_whole() {
    let managed = managed();
    std::thread::scope(|scope| {
        let readers = [0, 1].map(|_| {
            scope.spawn(|| {
                let member = join(&managed);
                let mut reader = Latest::open(&managed, &member, "pose", 256, 2).unwrap().reader().unwrap();
                let (mut bytes, mut last) = (Vec::new(), 0);
                while let News::Value(version) = reader.next(&mut bytes, LONG).unwrap() {
                    assert!(version > last, "{version} after {last}");
                    let byte = u8::try_from(version % 251).unwrap();
                    assert!(!bytes.is_empty() && bytes.iter().all(|other| *other == byte));
                    last = version;
                }
                last
            })
        });
        let member = join(&managed);
        let mut writer = Latest::open(&managed, &member, "pose", 256, 2).unwrap().writer().unwrap();
        for version in 1..=50_000_u32 {
            let byte = u8::try_from(version % 251).unwrap();
            let length = 1 + (version % 256) as usize;
            assert_eq!(writer.write(&vec![byte; length]).unwrap(), u64::from(version));
        }
        writer.end().unwrap();
        for reader in readers {
            assert_eq!(reader.join().unwrap(), 50_000, "the last value is told before the end");
        }
    });
}

#[test]
fn the_seat_and_the_cells_of_the_dead_are_free() {
    let managed = managed();
    let member = join(&managed);
    let latest = Latest::open(&managed, &member, "pose", 16, 1).unwrap();
    die_with(&managed, |managed, member| {
        let latest = Latest::open(managed, member, "pose", 16, 1).unwrap();
        let mut writer = latest.writer().unwrap();
        writer.write(b"of the dead").unwrap();
        std::mem::forget(writer);
        std::mem::forget(latest.reader().unwrap());
    });
    let mut reader = latest.reader().unwrap();
    assert_eq!(latest.reader().unwrap_err().code(), "ERR_SHM_READERS_FULL");
    let mut bytes = Vec::new();
    assert_eq!(reader.next(&mut bytes, LONG).unwrap(), News::Value(1));
    assert_eq!(bytes, b"of the dead");
    assert_eq!(reader.next(&mut bytes, LONG).unwrap(), News::WriterDied);
    assert_eq!(reader.next(&mut bytes, SHORT).unwrap(), News::TimedOut, "a death is told once");
    let mut writer = latest.writer().unwrap();
    assert_eq!(latest.writer().unwrap_err().code(), "ERR_SHM_WRITER_TAKEN");
    assert_eq!(writer.write(&[7; 17]).unwrap_err().code(), "ERR_OUT_OF_RANGE");
    assert_eq!(writer.write(b"next").unwrap(), 2);
    assert_eq!(reader.next(&mut bytes, LONG).unwrap(), News::Value(2));
    drop(writer);
    drop(reader);
    latest.reader().unwrap();
    latest.writer().unwrap().end().unwrap();
}

#[test]
fn every_reader_receives_and_loses_what_was_sent() {
    let managed = managed();
    std::thread::scope(|scope| {
        let readers = [0, 1].map(|index| {
            let managed = &managed;
            scope.spawn(move || {
                let member = join(managed);
                let ticks = Broadcast::open(managed, &member, "ticks", 64, 64).unwrap();
                let mut reader = ticks.reader(From::Oldest).unwrap();
                let begun = reader.position();
                let mut bytes = Vec::new();
                while let Received::Message { position, .. } = reader.receive(&mut bytes, LONG).unwrap() {
                    assert_eq!(bytes, position.to_le_bytes().repeat(1 + (position % 8) as usize));
                    if index == 1 && position % 100 == 0 {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
                begun + reader.received() + reader.lost()
            })
        });
        let member = join(&managed);
        let mut writer = Broadcast::open(&managed, &member, "ticks", 64, 64).unwrap().writer().unwrap();
        for position in 0..50_000_u64 {
            let message = position.to_le_bytes().repeat(1 + (position % 8) as usize);
            assert_eq!(writer.send(&message).unwrap(), position);
        }
        writer.end().unwrap();
        for reader in readers {
            assert_eq!(reader.join().unwrap(), 50_000);
        }
    });
}

#[test]
fn a_broadcast_goes_on_after_its_writer() {
    let managed = managed();
    let member = join(&managed);
    let ticks = Broadcast::open(&managed, &member, "ticks", 3, 16).unwrap();
    let mut reader = ticks.reader(From::Next).unwrap();
    die_with(&managed, |managed, member| {
        // Three are rounded up to four, which is the same type.
        let mut writer = Broadcast::open(managed, member, "ticks", 4, 16).unwrap().writer().unwrap();
        writer.send(b"one").unwrap();
        std::mem::forget(writer);
    });
    let mut bytes = Vec::new();
    assert_eq!(reader.receive(&mut bytes, LONG).unwrap(), Received::Message { position: 0, lost: 0 });
    assert_eq!(reader.receive(&mut bytes, LONG).unwrap(), Received::WriterDied);
    assert_eq!(reader.receive(&mut bytes, SHORT).unwrap(), Received::TimedOut, "a death is told once");
    let mut writer = ticks.writer().unwrap();
    assert_eq!(writer.send(&[0; 17]).unwrap_err().code(), "ERR_OUT_OF_RANGE");
    for position in 1..10 {
        assert_eq!(writer.send(b"more").unwrap(), position);
    }
    let received = reader.receive(&mut bytes, LONG).unwrap();
    let Received::Message { position, lost } = received else { panic!("{received:?}") };
    assert_eq!((position, reader.lost()), (1 + lost, lost));
    assert!(lost > 0);
    writer.end().unwrap();
    while reader.try_receive(&mut bytes).unwrap().is_some() {}
    assert_eq!(reader.received() + reader.lost(), 10);
    assert_eq!(reader.receive(&mut bytes, LONG).unwrap(), Received::Ended);
}

#[test]
fn who_scribbles_over_them_crashes_nobody_and_no_wait_with_a_limit_hangs() {
    let managed = managed();
    let member = join(&managed);
    let latest = Latest::open(&managed, &member, "pose", 64, 2).unwrap();
    let ticks = Broadcast::open(&managed, &member, "ticks", 4, 64).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = 7_u64;
            while !over.load(Ordering::Relaxed) {
                for object in managed.objects() {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let at = object.offset + (random >> 33) % (object.bytes / 4) * 4;
                    let value = u32::try_from(random >> 20 & 0xffff_ffff).unwrap();
                    managed
                        .word(at)
                        .unwrap()
                        .store([value, 0, u32::MAX, 1, value & 0xfff][(value % 5) as usize]);
                }
            }
        });
        let until = Instant::now() + Duration::from_secs(1);
        let mut turns = 0;
        while Instant::now() < until {
            let brief = Some(Duration::from_micros(200));
            let mut bytes = Vec::new();
            if let (Ok(mut writer), Ok(mut reader)) = (latest.writer(), latest.reader()) {
                for _ in 0..10 {
                    let _ = writer.write(&[1; 64]);
                    let _ = reader.read(&mut bytes);
                    let _ = reader.next(&mut bytes, brief);
                }
            }
            if let (Ok(mut writer), Ok(mut reader)) = (ticks.writer(), ticks.reader(From::Oldest)) {
                for _ in 0..10 {
                    let _ = writer.send(&[1; 64]);
                    let _ = reader.try_receive(&mut bytes);
                    let _ = reader.receive(&mut bytes, brief);
                }
            }
            turns += 1;
        }
        over.store(true, Ordering::Relaxed);
        assert!(turns > 5);
    });
}
