//! Names lead to objects: a table of entries, read without a lock, written by who holds the directory's mutex.
//!
//! An entry is written whole, then its state becomes *ready* with one store: nobody sees half of one, and a maker that is killed
//! leaves a free entry. Entries are never taken back.

#![expect(unsafe_code, reason = "entries are addresses")]

use super::geometry::{NUMBERS, OBJECT_ALIGN_BYTES};
use super::header::{ENTRY_BYTES, Geometry};
use super::kind::{Kind, Shape};
use crate::error::{Error, Result, Subject};
use crate::membership::Word;
use std::mem::offset_of;

/// Bytes of an object's name, in UTF-8.
pub const NAME_BYTES_MAX: usize = 64;

const READY: u32 = 1;

/// One entry. Read and written word by word.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Entry {
    /// 0 free, 1 ready.
    pub(crate) state: u32,
    pub(crate) kind: u32,
    pub(crate) name_bytes: u32,
    reserved: u32,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) type_hash: u64,
    pub(crate) numbers: [u32; NUMBERS],
    reserved_too: [u8; 8],
    pub(crate) name: [u8; NAME_BYTES_MAX],
}

const _: () = {
    assert!(size_of::<Entry>() as u64 == ENTRY_BYTES);
    assert!(offset_of!(Entry, name) == 64);
};

/// Where an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// First byte, checked to be inside the heap.
    pub offset: u64,
    /// Whether this call made it.
    pub created: bool,
}

/// What the directory says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Its name.
    pub name: String,
    /// Kind and geometry.
    pub shape: Shape,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
}

/// The entries, borrowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directory {
    address: usize,
    geometry: Geometry,
}

impl Directory {
    /// The directory of a segment whose byte 0 is at `address`.
    ///
    /// # Safety
    /// The segment of that geometry must stay mapped while the directory is used.
    pub(super) const unsafe fn of(address: usize, geometry: Geometry) -> Self {
        Self { address, geometry }
    }

    /// The object of that name, if there is one.
    ///
    /// # Errors
    /// `ERR_SHM_TYPE_MISMATCH`: it is something else; `ERR_SHM_POSSIBLY_CORRUPT`.
    pub(super) fn find(&self, name: &str, shape: Shape) -> Result<Option<Found>> {
        for index in 0..self.geometry.objects {
            if !self.is_named(index, name) {
                continue;
            }
            let facts = self.facts(index)?;
            if facts.shape != shape {
                return Err(Error::own(
                    "ERR_SHM_TYPE_MISMATCH",
                    format!("it is a {}, not a {}", facts.shape.words(), shape.words()),
                )
                .on(Subject::Name(name.to_owned())));
            }
            return Ok(Some(Found { offset: facts.offset, created: false }));
        }
        Ok(None)
    }

    /// The objects there are. Scribbled entries are left out.
    pub(super) fn objects(&self) -> Vec<ObjectFacts> {
        (0..self.geometry.objects)
            .filter(|index| self.word(*index, offset_of!(Entry, state)).load() == READY)
            .filter_map(|index| self.facts(index).ok())
            .collect()
    }

    /// An entry that nobody uses. The caller holds the directory's mutex.
    ///
    /// # Errors
    /// `ERR_SHM_DIRECTORY_FULL`.
    pub(super) fn free_entry(&self) -> Result<u32> {
        (0..self.geometry.objects)
            .find(|index| self.word(*index, offset_of!(Entry, state)).load() == 0)
            .ok_or_else(|| {
                Error::own(
                    "ERR_SHM_DIRECTORY_FULL",
                    format!("all {} places for named objects are taken", self.geometry.objects),
                )
            })
    }

    /// Publishes an object. The caller holds the directory's mutex, and its bytes are in order.
    pub(super) fn publish(&self, index: u32, facts: &ObjectFacts) {
        self.word(index, offset_of!(Entry, kind)).store(facts.shape.kind as u32);
        for (position, number) in facts.shape.numbers.into_iter().enumerate() {
            self.word(index, offset_of!(Entry, numbers) + 4 * position).store(number);
        }
        self.write_long(index, offset_of!(Entry, offset), facts.offset);
        self.write_long(index, offset_of!(Entry, bytes), facts.bytes);
        self.write_long(index, offset_of!(Entry, type_hash), facts.shape.type_hash);
        for (position, word) in padded(&facts.name).into_iter().enumerate() {
            self.word(index, offset_of!(Entry, name) + 4 * position).store(word);
        }
        let name_bytes = u32::try_from(facts.name.len()).unwrap_or(0);
        self.word(index, offset_of!(Entry, name_bytes)).store(name_bytes);
        // SYNC: releases the entry and the object's first bytes to `is_named`.
        self.word(index, offset_of!(Entry, state)).store(READY);
    }

    fn is_named(&self, index: u32, name: &str) -> bool {
        // SYNC: acquires what `publish` released.
        self.word(index, offset_of!(Entry, state)).load() == READY
            && self.word(index, offset_of!(Entry, name_bytes)).load() as usize == name.len()
            && padded(name).into_iter().enumerate().all(|(position, word)| {
                self.word(index, offset_of!(Entry, name) + 4 * position).load() == word
            })
    }

    fn facts(&self, index: u32) -> Result<ObjectFacts> {
        let kind = self.word(index, offset_of!(Entry, kind)).load();
        let numbers = std::array::from_fn(|position| {
            self.word(index, offset_of!(Entry, numbers) + 4 * position).load()
        });
        let (offset, bytes) =
            (self.long(index, offset_of!(Entry, offset)), self.long(index, offset_of!(Entry, bytes)));
        let corrupt = || {
            Error::own(
                "ERR_SHM_POSSIBLY_CORRUPT",
                format!(
                    "entry {index} of its directory makes no sense: kind {kind} {numbers:?}, {bytes} bytes at {offset}"
                ),
            )
        };
        let kind = Kind::from_number(kind).ok_or_else(corrupt)?;
        let shape = Shape { kind, numbers, type_hash: self.long(index, offset_of!(Entry, type_hash)) };
        let inside = offset >= self.geometry.heap_offset
            && offset.checked_add(bytes).is_some_and(|end| end <= self.geometry.heap_end)
            && offset.is_multiple_of(OBJECT_ALIGN_BYTES);
        if !inside || shape.bytes(self.geometry.slots).map_err(|_| corrupt())? != bytes {
            return Err(corrupt());
        }
        let mut name = [0; NAME_BYTES_MAX];
        for (position, four) in name.chunks_exact_mut(4).enumerate() {
            let word = self.word(index, offset_of!(Entry, name) + 4 * position).load();
            four.copy_from_slice(&word.to_ne_bytes());
        }
        let name_bytes = self.word(index, offset_of!(Entry, name_bytes)).load() as usize;
        let name = String::from_utf8_lossy(&name[..name_bytes.min(NAME_BYTES_MAX)]).into_owned();
        Ok(ObjectFacts { name, shape, offset, bytes })
    }

    fn word(&self, index: u32, offset: usize) -> Word {
        let entry = self.geometry.directory_offset + u64::from(index) * ENTRY_BYTES;
        let entry = usize::try_from(entry).unwrap_or(0);
        // SAFETY: `index` is below `objects` and `offset` a multiple of 4 inside the entry: inside the segment, mapped by the contract of `of`.
        unsafe { Word::at(self.address + entry + offset) }
    }

    fn long(&self, index: u32, offset: usize) -> u64 {
        u64::from(self.word(index, offset + 4).load()) << 32 | u64::from(self.word(index, offset).load())
    }

    fn write_long(&self, index: u32, offset: usize, value: u64) {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        self.word(index, offset).store(u32::from_le_bytes([a, b, c, d]));
        self.word(index, offset + 4).store(u32::from_le_bytes([e, f, g, h]));
    }
}

/// Whether something can be an object's name: 1 to 64 bytes of UTF-8 without a NUL.
///
/// # Errors
/// `ERR_OUT_OF_RANGE`.
pub(super) fn check_name(name: &str) -> Result<()> {
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains('\0') {
        return Ok(());
    }
    Err(Error::own(
        "ERR_OUT_OF_RANGE",
        format!("a name has 1 to {NAME_BYTES_MAX} bytes and no NUL, not {}", name.len()),
    ))
}

/// A name as words, filled up with zeroes; nothing beyond 64 bytes.
fn padded(name: &str) -> [u32; NAME_BYTES_MAX / 4] {
    let mut bytes = [0; NAME_BYTES_MAX];
    let end = name.len().min(NAME_BYTES_MAX);
    bytes[..end].copy_from_slice(&name.as_bytes()[..end]);
    let mut words = [0; NAME_BYTES_MAX / 4];
    for (word, four) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = u32::from_ne_bytes([four[0], four[1], four[2], four[3]]);
    }
    words
}
