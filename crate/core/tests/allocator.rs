//! The allocator and the list between threads that are members each, and what a death leaves of them. Processes are for the kill tests.

use shmem_core::managed::{Allocator, ManagedOptions, ManagedSegment, Reclaimed};
use shmem_core::membership::{JoinOptions, Member};
use shmem_core::memory::{CreateOptions, memfd};
use shmem_core::structures::List;
use shmem_core::structures::list::{Node, Position};
use std::collections::BTreeSet;
use std::sync::Mutex;

const THREADS: u32 = 4;
const ROUNDS: u32 = 2000;

fn managed() -> ManagedSegment {
    let segment = memfd::create("allocator", &CreateOptions::new(1 << 20), 0).unwrap();
    ManagedSegment::open(&segment, ManagedOptions::make()).unwrap()
}

fn join(managed: &ManagedSegment) -> Member {
    managed.join(&JoinOptions::default()).unwrap()
}

#[test]
fn no_block_is_given_to_two() {
    let managed = managed();
    std::thread::scope(|scope| {
        for thread in 1..=THREADS {
            let managed = &managed;
            scope.spawn(move || {
                let member = join(managed);
                let allocator = Allocator::of(managed, &member);
                let mut mine = Vec::new();
                for round in 0..ROUNDS {
                    let offset = allocator.allocate(u64::from(16 + round % 300), 1 << (round % 8)).unwrap();
                    managed.word(offset).unwrap().store(thread << 24 | round);
                    mine.push((offset, thread << 24 | round));
                    if round % 3 != 0 {
                        let (offset, mark) = mine.swap_remove(round as usize / 2 % mine.len());
                        assert_eq!(managed.word(offset).unwrap().load(), mark, "somebody else has it too");
                        allocator.free(offset).unwrap();
                    }
                }
                for (offset, mark) in mine {
                    assert_eq!(managed.word(offset).unwrap().load(), mark, "somebody else has it too");
                    allocator.free(offset).unwrap();
                }
            });
        }
    });
    let member = join(&managed);
    let counted = Allocator::of(&managed, &member).statistics().unwrap();
    assert_eq!((counted.used_blocks, counted.free_blocks), (0, 1), "all of it is one block again");
}

#[test]
fn what_a_dead_member_was_given_stays() {
    let managed = managed();
    let member = join(&managed);
    let allocator = Allocator::of(&managed, &member);
    let offset = std::thread::scope(|scope| {
        let die = || {
            let member = join(&managed);
            let offset = Allocator::of(&managed, &member).allocate(100, 16).unwrap();
            member.die();
            offset
        };
        scope.spawn(die).join().unwrap()
    });
    assert_eq!(allocator.repair().unwrap(), Reclaimed::default());
    assert_eq!(allocator.usable_bytes(offset).unwrap(), 112);
    allocator.free(offset).unwrap();
    assert_eq!(allocator.free(offset).unwrap_err().code(), "ERR_SHM_NOT_ALLOCATED");
}

#[test]
fn every_value_that_is_put_into_a_list_is_taken_out_once() {
    let managed = managed();
    let taken = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for thread in 1..=THREADS {
            let (managed, taken) = (&managed, &taken);
            scope.spawn(move || {
                let member = join(managed);
                let list = List::open(managed, &member, "list", 4, 64).unwrap();
                let take = |from_the_end: bool| {
                    let mut value = [0; 4];
                    let target = &mut value[..];
                    if if from_the_end { list.pop(target) } else { list.shift(target) }.unwrap() {
                        let is_new = taken.lock().unwrap().insert(u32::from_le_bytes(value));
                        assert!(is_new, "{value:?} came out twice");
                    }
                };
                for round in 0..ROUNDS {
                    let value = (thread << 24 | round).to_le_bytes();
                    let position = if round % 2 == 0 { Position::First } else { Position::Last };
                    while list.insert(position, &value[..]).unwrap().is_none() {
                        take(round % 3 == 0);
                    }
                    if round % 5 < 3 {
                        take(round % 7 < 3);
                    }
                }
                while list.length().unwrap() > 0 {
                    take(true);
                }
            });
        }
    });
    assert_eq!(taken.into_inner().unwrap().len(), (THREADS * ROUNDS) as usize);
}

#[test]
fn a_handle_of_a_removed_node_is_stale_also_for_who_did_not_remove_it() {
    let managed = managed();
    let member = join(&managed);
    let list = List::open(&managed, &member, "list", 4, 1).unwrap();
    let node = list.insert(Position::Last, &[1; 4][..]).unwrap().unwrap();
    assert_eq!(list.insert(Position::First, &[2; 4][..]).unwrap(), None, "it is full");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let member = join(&managed);
            let list = List::open(&managed, &member, "list", 4, 1).unwrap();
            list.remove(Node::from_number(node.number())).unwrap();
            list.insert(Position::Last, &[3; 4][..]).unwrap().unwrap();
        });
    });
    for refused in [list.remove(node), list.next(node).map(drop), list.write(node, &[4; 4][..])] {
        assert_eq!(refused.unwrap_err().code(), "ERR_SHM_STALE_HANDLE");
    }
    let mut value = [0; 4];
    assert!(list.pop(&mut value[..]).unwrap());
    assert_eq!(value, [3; 4]);
    assert_eq!(list.insert(Position::Last, &[0; 5][..]).unwrap_err().code(), "ERR_OUT_OF_RANGE");
}
