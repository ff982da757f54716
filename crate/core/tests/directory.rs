//! The directory of a managed segment, against a model of it: whatever is asked in whatever order, by one thread or several, and whatever its
//! bytes say.

use proptest::collection::vec;
use proptest::prelude::*;
use shmem_core::managed::header::IfBlank;
use shmem_core::managed::{Found, Kind, ManagedOptions, ManagedSegment, Shape};
use shmem_core::membership::{JoinOptions, Member};
use shmem_core::memory::{CreateOptions, memfd};
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

const OBJECTS: u32 = 12;
const SLOTS: u32 = 8;

fn managed() -> ManagedSegment {
    let segment = memfd::create("directory", &CreateOptions::new(1 << 18), 0).unwrap();
    let if_blank = IfBlank::Make { slots: SLOTS, objects: OBJECTS };
    ManagedSegment::open(&segment, ManagedOptions { if_blank }).unwrap()
}

fn join(managed: &ManagedSegment) -> Member {
    managed.join(&JoinOptions { name: "tester".to_owned() }).unwrap()
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::plain(Kind::Mutex)),
        Just(Shape::plain(Kind::RwLock)),
        Just(Shape::plain(Kind::Condition)),
        Just(Shape::plain(Kind::Word)),
        Just(Shape::plain(Kind::Counter)),
        (0..2_u32).prop_map(|number| Shape::numbered(Kind::Event, number)),
        (1..40_u32).prop_map(|number| Shape::numbered(Kind::Semaphore, number)),
        (1..9_u32).prop_map(|number| Shape::numbered(Kind::Barrier, number)),
        (1..500_u32).prop_map(|number| Shape::numbered(Kind::SeqLock, number)),
        // Layouts of equal size that differ in their hash, or in a later number.
        (1..3_u32, 0..3_u32, 0..3_u64).prop_map(|(bytes, number, type_hash)| {
            Shape { kind: Kind::Struct, numbers: [bytes, 0, 0, number], type_hash }
        }),
    ]
}

/// Few names, so that they meet; some that begin alike, and some that are none.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (0..16_u32).prop_map(|number| format!("object {number}")),
        2 => (60..64_usize, 0..3_u32).prop_map(|(count, end)| format!("{}{end}", "x".repeat(count))),
        1 => "\\PC{1,10}",
        1 => Just("x".repeat(65)),
        1 => Just(String::new()),
        1 => Just("a\0b".to_owned()),
    ]
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && !name.contains('\0')
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn it_answers_as_a_map_does(asked in vec((name(), shape()), 1..60)) {
        let managed = managed();
        let member = join(&managed);
        let mut model: HashMap<String, (Shape, u64)> = HashMap::new();
        for (name, shape) in asked {
            let answer = managed.object(&member, &name, shape).map_err(|error| error.code());
            match model.get(&name) {
                _ if !is_name(&name) => prop_assert_eq!(answer, Err("ERR_OUT_OF_RANGE".to_owned())),
                Some((known, offset)) if *known == shape => {
                    prop_assert_eq!(answer, Ok(Found { offset: *offset, created: false }));
                }
                Some(_) => prop_assert_eq!(answer, Err("ERR_SHM_TYPE_MISMATCH".to_owned())),
                None if model.len() == OBJECTS as usize => {
                    prop_assert_eq!(answer, Err("ERR_SHM_DIRECTORY_FULL".to_owned()));
                }
                None => {
                    let found = answer.unwrap();
                    prop_assert!(found.created);
                    model.insert(name, (shape, found.offset));
                }
            }
        }
        let mut listed = managed.objects();
        prop_assert_eq!(listed.len(), model.len());
        for facts in &listed {
            prop_assert_eq!(model.get(&facts.name), Some(&(facts.shape, facts.offset)));
        }
        listed.sort_by_key(|facts| facts.offset);
        for pair in listed.windows(2) {
            prop_assert!(pair[0].offset + pair[0].bytes <= pair[1].offset, "two objects share bytes: {:?}", pair);
        }
        member.leave();
    }

    #[test]
    fn of_several_threads_one_makes_each_object(asked in vec(vec(0..OBJECTS, 1..12), 4)) {
        let managed = managed();
        let made: Mutex<Vec<(u32, u64)>> = Mutex::default();
        let found: Mutex<HashSet<(u32, u64)>> = Mutex::default();
        let (managed, made, found) = (&managed, &made, &found);
        std::thread::scope(|scope| {
            for names in &asked {
                scope.spawn(move || {
                    let member = join(managed);
                    for number in names {
                        let shape = Shape::plain(Kind::Mutex);
                        let answer = managed.object(&member, &format!("object {number}"), shape).unwrap();
                        found.lock().unwrap().insert((*number, answer.offset));
                        if answer.created {
                            made.lock().unwrap().push((*number, answer.offset));
                        }
                    }
                    member.leave();
                });
            }
        });
        let (made, found) = (made.lock().unwrap(), found.lock().unwrap());
        prop_assert_eq!(made.len(), found.len(), "each object is made once, and is at one place for all");
        prop_assert_eq!(made.iter().copied().collect::<HashSet<_>>(), found.clone());
        prop_assert_eq!(managed.objects().len(), found.len());
    }

    #[test]
    fn scribbled_entries_give_errors_only(
        asked in vec((name(), shape()), 1..12),
        scribbles in vec((0..u64::from(OBJECTS) * 32, prop_oneof![any::<u32>(), 0..200_u32, Just(u32::MAX)]), 1..40),
    ) {
        let managed = managed();
        let member = join(&managed);
        let geometry = *managed.geometry();
        for (name, shape) in &asked {
            let _ = managed.object(&member, name, *shape);
        }
        for (word, value) in scribbles {
            managed.word(geometry.directory_offset + 4 * word).unwrap().store(value);
            for (name, shape) in &asked {
                match managed.object(&member, name, *shape) {
                    Ok(found) => {
                        let bytes = shape.bytes(geometry.slots).unwrap();
                        prop_assert!(found.offset >= geometry.heap_offset && found.offset + bytes <= geometry.heap_end);
                    }
                    Err(error) => {
                        let code = error.code();
                        prop_assert!(code.starts_with("ERR_SHM_") || code == "ERR_OUT_OF_RANGE", "{}", code);
                    }
                }
            }
            for facts in managed.objects() {
                prop_assert!(facts.offset >= geometry.heap_offset && facts.offset + facts.bytes <= geometry.heap_end);
            }
        }
        member.leave();
    }
}
