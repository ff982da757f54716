//! `include/shmem.h` draws the same bytes: every offset that it asserts and every number that it defines is compared with ours.

use crate::managed::directory::{Entry, NAME_BYTES_MAX};
use crate::managed::geometry::{OBJECT_ALIGN_BYTES, ring};
use crate::managed::header::{self, Layout};
use crate::managed::{Kind, layout as object};
use crate::membership::{self, SlotLayout, claim, platform, token};
use crate::memory::backing::LIVENESS_BYTE;
use crate::sync::{mutex, wait};
use std::collections::BTreeMap;
use std::mem::offset_of;

fn text() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../include/shmem.h")).unwrap()
}

fn number(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(['u', 'l']);
    match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    }
}

#[test]
fn the_offsets_of_the_c_header_are_ours() {
    let text = text();
    let drawn: BTreeMap<String, u64> = text
        .lines()
        .filter_map(|line| line.strip_prefix("SHMEM_LIES(")?.strip_suffix(");"))
        .map(|line| {
            let (name, at) = line.rsplit_once(", ").unwrap();
            (name.replace("shmem_", "").replace("_, ", "."), number(at).unwrap())
        })
        .collect();
    let mut ours = BTreeMap::new();
    let mut lies = |name: &str, at: u64| assert_eq!(ours.insert(name.to_owned(), at), None);
    macro_rules! fields {
        ($name:literal, $type:ty: $($field:ident)*) => {
            $(lies(concat!($name, ".", stringify!($field)), offset_of!($type, $field) as u64);)*
        };
    }
    fields!("header", Layout: magic layout_version byte_order ready page_size_bytes size_bytes boot_id slots objects members_offset);
    fields!("header", Layout: directory_offset heap_offset heap_end epoch);
    fields!("slot", SlotLayout: claim presence_offset pid tid pid_namespace start_ticks joined_at_ms name_bytes endings name);
    fields!("entry", Entry: state kind name_bytes offset bytes type_hash numbers name);
    lies("mutex.word", object::WORD);
    for name in ["mutex", "ring"] {
        lies(&format!("{name}.waits"), object::WAITS);
        lies(&format!("{name}.owner_deaths"), object::OWNER_DEATHS);
        lies(&format!("{name}.timeouts"), object::TIMEOUTS);
    }
    for (field, at) in [
        ("state", ring::STATE),
        ("recovered", ring::RECOVERED),
        ("lost", ring::LOST),
        ("tail", ring::TAIL),
        ("items_gate", ring::ITEMS_GATE),
        ("producer", ring::PRODUCER),
        ("producer_told", ring::PRODUCER_TOLD),
        ("producer_laps", ring::PRODUCER_LAPS),
        ("full", ring::FULL),
        ("head", ring::HEAD),
        ("room_gate", ring::ROOM_GATE),
        ("consumer", ring::CONSUMER),
        ("consumer_told", ring::CONSUMER_TOLD),
        ("consumer_laps", ring::CONSUMER_LAPS),
        ("taken", ring::TAKEN),
        ("control", ring::CONTROL),
    ] {
        lies(&format!("ring.{field}"), at);
    }
    assert_eq!(drawn, ours);
}

#[test]
fn the_numbers_of_the_c_header_are_ours() {
    // A name that ends in _ is the header's own affair.
    let text = text();
    let defined: BTreeMap<&str, u64> = text
        .lines()
        .filter_map(|line| line.strip_prefix("#define SHMEM_")?.split_once(' '))
        .filter(|(name, _)| !name.ends_with('_'))
        .filter_map(|(name, value)| Some((name, number(value.split(' ').next()?)?)))
        .collect();
    let byte = |byte: i64| byte.cast_unsigned();
    let nanoseconds = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap();
    let ours = BTreeMap::from([
        ("LAYOUT_VERSION", u64::from(header::LAYOUT_VERSION)),
        ("MAGIC", header::MAGIC),
        ("BYTE_ORDER", header::BYTE_ORDER.into()),
        ("READY", header::READY.into()),
        ("INITIALISER_BYTE", byte(header::INITIALISER_BYTE)),
        ("FIRST_MEMBER_BYTE", byte(membership::table::FIRST_BYTE)),
        ("LIVENESS_BYTE", byte(LIVENESS_BYTE)),
        ("SLOTS_MAX", membership::SLOTS_MAX.into()),
        ("OBJECTS_MAX", header::OBJECTS_MAX.into()),
        ("ENTRY_BYTES", header::ENTRY_BYTES),
        ("HEAP_BYTES_MIN", header::HEAP_BYTES_MIN),
        ("NAME_BYTES_MAX", NAME_BYTES_MAX as u64),
        ("OBJECT_ALIGN_BYTES", OBJECT_ALIGN_BYTES),
        ("JOINING", claim::JOINING.into()),
        ("ACTIVE", claim::ACTIVE.into()),
        ("TID", platform::TID.into()),
        ("DIED", platform::OWNER_DIED.into()),
        ("WAITERS", platform::WAITERS.into()),
        ("TOKEN_MARK", token::MARK.into()),
        ("LIST_ENTRY_OFFSET", membership::layout::ENTRY_OFFSET as u64),
        ("PRESENCE_ROOM", membership::layout::PRESENCE_ROOM as u64),
        ("MUSL_SHARED", membership::presence::MUSL_SHARED.into()),
        ("RECHECK_FIRST_NS", nanoseconds(wait::RECHECK_FIRST)),
        ("RECHECK_LAST_NS", nanoseconds(wait::RECHECK_LAST)),
        ("NOT_RECOVERABLE", mutex::NOT_RECOVERABLE.into()),
        ("WAKES", mutex::WAKES.into()),
        ("RING_SLOTS_MIN", ring::SLOTS_MIN.into()),
        ("RING_SLOTS_MAX", ring::SLOTS_MAX.into()),
        ("RING_SLOT_BYTES_MAX", ring::SLOT_BYTES_MAX.into()),
        ("RING_CONTROL", ring::CONTROL),
    ]);
    assert_eq!(defined, ours);
    assert_eq!(NAME_BYTES_MAX, membership::NAME_BYTES_MAX, "names of members and of objects are as long");
    assert_eq!(mutex::WAITERS, platform::WAITERS);
}

#[test]
fn the_kinds_of_the_c_header_are_ours() {
    let kinds = [
        ("MUTEX", Kind::Mutex),
        ("WORD", Kind::Word),
        ("COUNTER", Kind::Counter),
        ("STRUCT", Kind::Struct),
        ("RING", Kind::Ring),
    ];
    let row: Vec<String> =
        kinds.iter().map(|(name, kind)| format!("SHMEM_{name} = {}", *kind as u32)).collect();
    assert!(text().contains(&format!("enum {{ {} }};", row.join(", "))));
}
