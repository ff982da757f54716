//! Role: puts values into a list, takes them out, and keeps handles of its own nodes. A value says whose it is, and whether it is whole;
//! a handle leads to one's own value or to none.

use crate::book::{Count, Violation};
use crate::room::Room;
use shmem_core::Result;
use shmem_core::managed::layout;
use shmem_core::structures::List;
use shmem_core::structures::list::{Node, Position};
use std::collections::BTreeSet;
use std::time::Duration;

/// Words of a value; `__test__/support/kill-list.ts` has the same.
const WORDS: usize = 10;
const BYTES: usize = 4 * WORDS;
/// Values that the list holds.
const CAPACITY: u32 = 64;
/// Handles that one process keeps.
const KEPT: usize = 8;

type Value = [u8; BYTES];

struct Player<'a> {
    room: &'a Room,
    list: List<'a>,
    /// One's own nodes, with what is in them.
    kept: Vec<(Node, u64)>,
}

pub(crate) fn play(room: &Room) -> Result<()> {
    let mut player = Player { room, list: open(room, "list")?, kept: Vec::new() };
    let scratch = open(room, "scratch")?;
    room.begin();
    while room.goes_on() {
        if room.options.quiet {
            for _ in 0..20 {
                player.turn(&scratch)?;
            }
            room.row.count(Count::Got);
            room.linger();
            continue;
        }
        player.turn(&scratch)?;
        // Others shall come to start, too: all of these together could use more processors than there are.
        if room.random.one_in(8) {
            std::thread::sleep(Duration::from_micros(room.random.below(400)));
        }
    }
    Ok(())
}

fn open<'a>(room: &'a Room, name: &str) -> Result<List<'a>> {
    List::open(&room.managed, &room.member, name, u32::try_from(BYTES).unwrap_or(0), CAPACITY)
}

impl Player<'_> {
    fn turn(&mut self, scratch: &List<'_>) -> Result<()> {
        match self.room.random.below(10) {
            0..=3 => self.put()?,
            4 | 5 => self.take()?,
            6 => self.remove()?,
            7 => self.read()?,
            8 => self.write()?,
            _ => self.look()?,
        }
        if self.room.random.one_in(16) {
            scratch.insert(Position::First, &value_of(1)[..])?;
            scratch.clear()?;
        }
        Ok(())
    }

    fn put(&mut self) -> Result<()> {
        let id = self.new_id();
        let beside = self.some_kept();
        let position = match (self.room.random.below(4), beside) {
            (0, Some(index)) => Position::Before(self.kept[index].0),
            (1, Some(index)) => Position::After(self.kept[index].0),
            (2, _) => Position::First,
            _ => Position::Last,
        };
        let node = match self.list.insert(position, &value_of(id)[..]) {
            Err(error) if error.code() == "ERR_SHM_STALE_HANDLE" => None,
            other => other?,
        };
        if let Some(node) = node {
            self.room.row.count(Count::Given);
            self.kept.push((node, id));
            if self.kept.len() > KEPT {
                self.kept.swap_remove(0);
            }
        }
        Ok(())
    }

    fn take(&self) -> Result<()> {
        let mut value = [0; BYTES];
        let got = if self.room.random.one_in(2) {
            self.list.pop(&mut value[..])?
        } else {
            self.list.shift(&mut value[..])?
        };
        if got {
            self.room.row.count(Count::Taken);
            self.room.row.count(Count::Got);
            self.check(&value);
        }
        Ok(())
    }

    fn remove(&mut self) -> Result<()> {
        let Some(index) = self.some_kept() else { return Ok(()) };
        let (node, _) = self.kept.swap_remove(index);
        match self.list.remove(node) {
            Err(error) if error.code() == "ERR_SHM_STALE_HANDLE" => Ok(()),
            other => {
                other?;
                self.room.row.count(Count::Taken);
                self.room.row.count(Count::Got);
                Ok(())
            }
        }
    }

    fn read(&mut self) -> Result<()> {
        let Some(index) = self.some_kept() else { return Ok(()) };
        let (node, id) = self.kept[index];
        let mut value = [0; BYTES];
        match self.list.read(node, &mut value[..]) {
            Err(error) if error.code() == "ERR_SHM_STALE_HANDLE" => drop(self.kept.swap_remove(index)),
            other => {
                other?;
                if value != value_of(id) {
                    self.room.row.violation(Violation::Torn);
                }
            }
        }
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        let Some(index) = self.some_kept() else { return Ok(()) };
        let id = self.new_id();
        match self.list.write(self.kept[index].0, &value_of(id)[..]) {
            Err(error) if error.code() == "ERR_SHM_STALE_HANDLE" => drop(self.kept.swap_remove(index)),
            other => {
                other?;
                self.kept[index].1 = id;
            }
        }
        Ok(())
    }

    /// The list as it is: no node twice, all values whole.
    fn look(&self) -> Result<()> {
        let nodes = self.list.nodes()?;
        let distinct: BTreeSet<u64> = nodes.iter().map(|node| node.number()).collect();
        if distinct.len() != nodes.len() || nodes.len() > CAPACITY as usize {
            self.room.row.violation(Violation::TicketLost);
        }
        for node in nodes {
            let mut value = [0; BYTES];
            match self.list.read(node, &mut value[..]) {
                Err(error) if error.code() == "ERR_SHM_STALE_HANDLE" => {}
                other => {
                    other?;
                    self.check(&value);
                }
            }
        }
        Ok(())
    }

    fn check(&self, value: &Value) {
        if *value != value_of(id_of(value)) {
            self.room.row.violation(Violation::Torn);
        }
    }

    fn new_id(&self) -> u64 {
        self.room.random.next()
    }

    fn some_kept(&self) -> Option<usize> {
        (!self.kept.is_empty()).then(|| self.room.random.index(self.kept.len()))
    }
}

/// Afterwards: the list is the same both ways, holds no value twice, and has lost none of its nodes.
pub(crate) fn afterwards(room: &Room) -> Result<()> {
    let player = Player { room, list: open(room, "list")?, kept: Vec::new() };
    let nodes = player.list.nodes()?;
    player.look()?;
    let mut backwards = Vec::new();
    let mut node = player.list.last()?;
    while let Some(at) = node {
        backwards.push(at);
        node = player.list.previous(at)?;
    }
    backwards.reverse();
    let mut ids = BTreeSet::new();
    for node in &nodes {
        let mut value = [0; BYTES];
        player.list.read(*node, &mut value[..])?;
        ids.insert(id_of(&value));
    }
    if backwards != nodes || ids.len() != nodes.len() || player.list.length()? as usize != nodes.len() {
        room.row.violation(Violation::TicketLost);
    }
    let at = room
        .managed
        .objects()
        .into_iter()
        .find(|object| object.name == "list")
        .map_or(0, |object| object.offset);
    let owner_deaths = room.managed.word(at + layout::OWNER_DEATHS)?.load();
    room.row.word(Count::OwnerDeaths).store(owner_deaths);
    room.row.word(Count::Resets).store(u32::try_from(nodes.len()).unwrap_or(u32::MAX));
    let mut more = 0;
    while player.list.insert(Position::Last, &value_of(more)[..])?.is_some() {
        more += 1;
    }
    // One that it has besides is what values are written with.
    player.list.write(player.list.first()?.unwrap_or(Node::from_number(0)), &value_of(0)[..])?;
    if nodes.len() as u64 + more != u64::from(CAPACITY) {
        room.row.violation(Violation::TicketLost);
    }
    player.list.clear()
}

/// Words 0 and 1 are the id; the others follow from it.
fn value_of(id: u64) -> Value {
    let mut value = [0; BYTES];
    let [low, high] = [id & 0xffff_ffff, id >> 32].map(|half| u32::try_from(half).unwrap_or(0));
    for (index, four) in (0..).zip(value.chunks_exact_mut(4)) {
        let word = match index {
            0 => low,
            1 => high,
            _ => (low ^ high.rotate_left(index)).wrapping_add(index).wrapping_mul(0x9e37_79b1),
        };
        four.copy_from_slice(&word.to_le_bytes());
    }
    value
}

fn id_of(value: &Value) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *value;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}
