//! Role: takes blocks, fills them, and leaves each in a cell of a common table, from which whoever comes next takes it out, checks that it
//! is as it was filled, and frees it. So a block has one user at a time, and at most one of each process is in no cell.

use crate::book::{Count, Violation};
use crate::room::Room;
use shmem_core::Result;
use shmem_core::managed::{Allocator, Kind, Place, layout};
use std::collections::BTreeSet;
use std::time::Duration;

/// Cells of the table; `__test__/support/kill-allocator.ts` has the same.
const CELLS: u32 = 128;
/// Offsets in the table count these.
const UNIT: u64 = 16;

pub(crate) fn play(room: &Room) -> Result<()> {
    let (allocator, cells) = (Allocator::of(&room.managed, &room.member), cells(room)?);
    room.begin();
    while room.goes_on() {
        let offset = match allocator.allocate(some_bytes(room), 1 << room.random.below(13)) {
            Err(error) if error.code() == "ERR_SHM_NO_SPACE" => 0,
            other => other?,
        };
        if offset != 0 {
            room.row.count(Count::Got);
            fill(room, offset, allocator.usable_bytes(offset)?)?;
        }
        let cell = cells.word(layout::PARTS + 4 * room.random.below(u64::from(CELLS)))?;
        let before = u64::from(cell.swap(u32::try_from(offset / UNIT).unwrap_or(0))) * UNIT;
        if before != 0 {
            check(room, &allocator, before)?;
            free(room, &allocator, before)?;
        }
        if room.random.one_in(64) {
            allocator.repair()?;
        }
        // Others shall come to start, too: all of these together could use more processors than there are.
        if room.random.one_in(8) {
            std::thread::sleep(Duration::from_micros(room.random.below(400)));
        }
    }
    Ok(())
}

/// Afterwards: no block is in flight, every block of the table is there and as it was filled, and when all are freed the heap is whole.
pub(crate) fn afterwards(room: &Room) -> Result<()> {
    let (allocator, cells) = (Allocator::of(&room.managed, &room.member), cells(room)?);
    allocator.repair()?;
    if allocator.repair()?.blocks != 0 || allocator.statistics()?.uncommitted_blocks != 0 {
        room.row.violation(Violation::TicketLost);
    }
    let mut left = BTreeSet::new();
    for index in 0..CELLS {
        let offset = u64::from(cells.word(layout::PARTS + 4 * u64::from(index))?.load()) * UNIT;
        if offset == 0 {
            continue;
        }
        check(room, &allocator, offset)?;
        if !left.insert(offset) {
            room.row.violation(Violation::ObjectsOverlap);
        }
    }
    let blocks = allocator.blocks()?;
    let leaked = blocks.iter().filter(|block| !left.contains(&block.offset)).count();
    room.row.word(Count::Resets).store(u32::try_from(leaked).unwrap_or(u32::MAX));
    blocks.iter().try_for_each(|block| free(room, &allocator, block.offset))?;
    let counted = allocator.statistics()?;
    let named = room.managed.objects().len() as u64;
    let reclaimed = u32::try_from(counted.reclaimed_blocks).unwrap_or(u32::MAX);
    room.row.word(Count::OwnerDeaths).store(reclaimed);
    if counted.lent_blocks != 0 || counted.used_blocks != named {
        room.row.violation(Violation::TicketLost);
    }
    allocator.free(allocator.allocate(counted.largest_free_bytes, 1)?)
}

fn cells(room: &Room) -> Result<Place<'_>> {
    room.place("cells", Kind::SeqLock, 4 * CELLS)
}

fn some_bytes(room: &Room) -> u64 {
    if room.random.one_in(8) { 1 + room.random.below(20_000) } else { 1 + room.random.below(500) }
}

fn free(room: &Room, allocator: &Allocator<'_>, offset: u64) -> Result<()> {
    match allocator.free(offset) {
        Err(error) if error.code() == "ERR_SHM_NOT_ALLOCATED" => room.row.violation(Violation::MarkLost),
        other => other?,
    }
    Ok(())
}

fn fill(room: &Room, offset: u64, bytes: u64) -> Result<()> {
    let key = u32::try_from(room.random.below(1 << 32)).unwrap_or(0);
    (0..bytes / 4).try_for_each(|index| {
        room.managed.word(offset + 4 * index)?.store(pattern(key, offset, index));
        Ok(())
    })
}

/// Nobody wrote into the block since it was filled.
fn check(room: &Room, allocator: &Allocator<'_>, offset: u64) -> Result<()> {
    let bytes = match allocator.usable_bytes(offset) {
        Err(error) if error.code() == "ERR_SHM_NOT_ALLOCATED" => {
            room.row.violation(Violation::MarkLost);
            return Ok(());
        }
        other => other?,
    };
    let key = room.managed.word(offset)?.load();
    for index in 1..bytes / 4 {
        if room.managed.word(offset + 4 * index)?.load() != pattern(key, offset, index) {
            room.row.violation(Violation::Torn);
            break;
        }
    }
    Ok(())
}

/// Word 0 is the key itself.
fn pattern(key: u32, offset: u64, index: u64) -> u32 {
    let index = u32::try_from(index).unwrap_or(0);
    let offset = u32::try_from(offset).unwrap_or(0);
    if index == 0 { key } else { key ^ offset.wrapping_add(index).wrapping_mul(0x9e37_79b1) }
}
