//! The member table: one slot a member, read by everybody, and the exact answer to "does this token's member live?".

#![expect(unsafe_code, reason = "slots are addresses")]

use super::claim::{self, ACTIVE, FREE, STATE};
use super::layout::{NAME_BYTES_MAX, PRESENCE_ROOM, SLOTS_MAX, SlotLayout};
use super::own;
use super::platform::{Platform, TID};
use super::token::{Token, TokenShape};
use super::word::Word;
use crate::error::{Error, Named, Result};
use crate::sys::{file, process};
use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

/// The byte of the object whose open-file-description lock a member of slot 0 holds; the next slot's is the next byte.
pub(crate) const FIRST_BYTE: i64 = 1 << 40;

/// A table, borrowed from a segment that outlives it.
#[derive(Clone, Debug)]
pub struct MemberTable {
    address: usize,
    slots: u32,
    page_size_bytes: usize,
    shape: TokenShape,
    /// Device and inode of the object: what it is, wherever it is mapped.
    identity: (u64, u64),
    /// A description of the object of its own, for byte locks.
    pub(super) fd: Arc<OwnedFd>,
    /// The word that changes with every join and leave.
    epoch: Word,
    /// The member that joined through this description: the kernel does not tell a description of its own byte locks.
    own: Option<Token>,
    /// Whether the words may be written. Who only observes marks nobody dead.
    is_writable: bool,
}

/// What became of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is a member still.
    Lives,
    /// It ended without leaving, or so long ago that nobody knows.
    Died,
    /// It left.
    Left,
}

/// So many generations of a slot are remembered by how they ended.
const ENDINGS: u32 = u32::BITS;
const FATE_LOOKS: u32 = 1000;

/// What a slot says of its member. All of it was written by the member: a claim, not a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberFacts {
    /// Its name for locks.
    pub token: Token,
    /// Index of the slot.
    pub slot: u32,
    /// Whether it lives.
    pub alive: bool,
    /// As its own PID namespace numbers it.
    pub pid: u32,
    /// The thread that is the member.
    pub tid: u32,
    /// Inode of that namespace.
    pub pid_namespace: u64,
    /// Clock ticks since boot when its process started.
    pub start_ticks: u64,
    /// Unix time.
    pub joined_at_ms: u64,
    /// What it called itself.
    pub name: String,
}

impl MemberTable {
    /// The table at `address`, of `slots` pages.
    ///
    /// # Safety
    /// `address` must be a multiple of the page size; `slots` pages there, and `epoch`, must stay mapped and writable while the table or a
    /// clone of it is used.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: not 1 to [`SLOTS_MAX`] slots.
    #[doc(hidden)]
    pub unsafe fn at(
        address: usize,
        slots: u32,
        page_size_bytes: usize,
        epoch: Word,
        fd: OwnedFd,
    ) -> Result<Self> {
        if !(1..=SLOTS_MAX).contains(&slots) {
            return Err(Error::own(
                "ERR_OUT_OF_RANGE",
                format!("a table has 1 to {SLOTS_MAX} members, not {slots}"),
            ));
        }
        let stat = file::stat(fd.as_fd()).called("fstat")?;
        let identity = (stat.device, stat.inode);
        let shape = TokenShape::of(slots);
        let fd = Arc::new(fd);
        Ok(Self { address, slots, page_size_bytes, shape, identity, fd, epoch, own: None, is_writable: true })
    }

    /// The same table over memory that is mapped for reading.
    #[doc(hidden)]
    #[must_use]
    pub fn read_only(self) -> Self {
        Self { is_writable: false, ..self }
    }

    /// As many members as there can be at once.
    #[must_use]
    pub const fn slots(&self) -> u32 {
        self.slots
    }

    /// How tokens are made up.
    #[doc(hidden)]
    #[must_use]
    pub const fn shape(&self) -> TokenShape {
        self.shape
    }

    /// A new open file description of the same object: byte locks belong to descriptions.
    ///
    /// # Errors
    /// EACCES EMFILE ENFILE ENOENT (no /proc).
    #[doc(hidden)]
    pub fn describe_again(&self) -> Result<OwnedFd> {
        file::open(&format!("/proc/self/fd/{}", self.fd.as_raw_fd()), file::flags::O_RDWR, 0).called("open")
    }

    /// Changes, and wakes its sleepers, with every join and leave. Deaths are seen in presence words only.
    #[doc(hidden)]
    #[must_use]
    pub const fn epoch(&self) -> Word {
        self.epoch
    }

    /// Whether the token's member lives, by two loads, the claim first: an exact answer, but for deaths that the kernel could not mark.
    #[must_use]
    pub fn is_alive(&self, token: Token) -> bool {
        Platform::is_alive(self, token)
    }

    /// All members that live, and those that died and whose slot nobody took since.
    #[must_use]
    pub fn members(&self) -> Vec<MemberFacts> {
        (0..self.slots).filter_map(|slot| self.facts(slot)).collect()
    }

    /// What became of the member of a token.
    #[must_use]
    pub fn fate(&self, token: Token) -> Fate {
        let (slot, generation) = self.shape.parts(token);
        if slot >= self.slots {
            return Fate::Died;
        }
        // Who has no look at a claim that stands still is played with.
        for _ in 0..FATE_LOOKS {
            let claim = self.claim(slot).load();
            // SYNC: see `Member::take_slot`. Read between two equal claims, the endings are those of that claim.
            let endings = self.word(slot, offset_of!(SlotLayout, endings)).load();
            if self.claim(slot).load() != claim {
                continue;
            }
            return match ((claim >> 2).checked_sub(generation), claim & STATE) {
                (Some(0), ACTIVE) if self.seems_alive(token) => Fate::Lives,
                (Some(0), FREE) => Fate::Left,
                (Some(later @ 1..=ENDINGS), _) if endings >> (later - 1) & 1 == 0 => Fate::Left,
                _ => Fate::Died,
            };
        }
        Fate::Died
    }

    /// The member of a token, while its slot is not another's.
    #[must_use]
    pub fn member(&self, token: Token) -> Option<MemberFacts> {
        let (slot, _) = self.shape.parts(token);
        if slot >= self.slots {
            return None;
        }
        self.facts(slot).filter(|facts| facts.token == token)
    }

    /// Who a token is, for the text of an error, while its slot is not another's.
    #[must_use]
    pub fn describe(&self, token: Token) -> Option<String> {
        self.member(token).map(|facts| format!("process {} ('{}')", facts.pid, facts.name))
    }

    fn facts(&self, slot: u32) -> Option<MemberFacts> {
        let claim = self.claim(slot).load();
        if claim & STATE != ACTIVE || claim >> 2 > self.shape.generation_max() {
            return None;
        }
        let token = self.shape.token(slot, claim >> 2);
        let mut name = [0; NAME_BYTES_MAX];
        let name_bytes =
            (self.word(slot, offset_of!(SlotLayout, name_bytes)).load() as usize).min(NAME_BYTES_MAX);
        for (index, four) in name.chunks_exact_mut(4).enumerate() {
            let word = self.word(slot, offset_of!(SlotLayout, name) + 4 * index).load();
            four.copy_from_slice(&word.to_ne_bytes());
        }
        let facts = MemberFacts {
            token,
            slot,
            alive: self.seems_alive(token),
            pid: self.word(slot, offset_of!(SlotLayout, pid)).load(),
            tid: self.word(slot, offset_of!(SlotLayout, tid)).load(),
            pid_namespace: self.long(slot, offset_of!(SlotLayout, pid_namespace)),
            start_ticks: self.long(slot, offset_of!(SlotLayout, start_ticks)),
            joined_at_ms: self.long(slot, offset_of!(SlotLayout, joined_at_ms)),
            name: String::from_utf8_lossy(&name[..name_bytes]).into_owned(),
        };
        // Another may have taken the slot in the middle of this.
        (self.claim(slot).load() == claim).then_some(facts)
    }

    /// As [`Self::is_alive`]; who cannot mark a death that the kernel could not mark looks for it here.
    fn seems_alive(&self, token: Token) -> bool {
        self.is_alive(token) && (self.is_writable || !self.has_left_kernel(token))
    }

    /// As [`Platform::recheck`], for all slots.
    #[doc(hidden)]
    pub fn recheck_all(&self) {
        for slot in 0..self.slots {
            let claim = self.claim(slot).load();
            if claim & STATE == ACTIVE && claim >> 2 <= self.shape.generation_max() {
                self.recheck(self.shape.token(slot, claim >> 2));
            }
        }
    }

    /// Does what the kernel does at a death: clears the thread id, sets the mark, and wakes; all, as everybody is concerned.
    pub(super) fn bury(&self, slot: u32) {
        claim::bury(self, self.presence(slot));
    }

    pub(super) const fn identity(&self) -> (u64, u64) {
        self.identity
    }

    pub(super) fn byte(slot: u32) -> i64 {
        FIRST_BYTE + i64::from(slot)
    }

    /// The table as the member sees it that joined through its description.
    pub(super) fn joined_as(self, token: Token) -> Self {
        Self { own: Some(token), ..self }
    }

    pub(super) fn announce(&self) {
        self.epoch.fetch_add(1);
        self.epoch.wake(u32::MAX);
    }

    pub(super) fn claim(&self, slot: u32) -> Word {
        self.word(slot, offset_of!(SlotLayout, claim))
    }

    pub(super) fn presence(&self, slot: u32) -> Word {
        let last = self.page_size_bytes - 4;
        let said = self.word(slot, offset_of!(SlotLayout, presence_offset)).load() as usize;
        // A scribbled offset leads to a word of this page, which says what it says.
        let offset = if said.is_multiple_of(4) && (last + 4 - PRESENCE_ROOM..=last).contains(&said) {
            said
        } else {
            last - 12
        };
        self.word(slot, offset)
    }

    pub(super) fn word(&self, slot: u32, offset: usize) -> Word {
        // SAFETY: inside the slot's page (callers give offsets of `SlotLayout` or bounded ones), a multiple of 4, mapped by the contract of `at`.
        unsafe { Word::at(self.slot_address(slot) + offset) }
    }

    pub(super) fn slot_address(&self, slot: u32) -> usize {
        debug_assert!(slot < self.slots, "callers bound the slot");
        self.address + slot as usize * self.page_size_bytes
    }

    pub(super) const fn page_size_bytes(&self) -> usize {
        self.page_size_bytes
    }

    /// Whether a member says that it is this very thread: one that joined through another copy of this library in this process, which
    /// [`own`] does not know.
    fn is_of_this_thread(&self, token: Token) -> bool {
        let (slot, _) = self.shape.parts(token);
        self.look_at(token).is_some_and(|life| life.is_active && life.presence.1 & TID == process::tid())
            && self.word(slot, offset_of!(SlotLayout, pid)).load() == process::pid()
            && self.long(slot, offset_of!(SlotLayout, pid_namespace)) == process::pid_namespace()
    }

    fn long(&self, slot: u32, offset: usize) -> u64 {
        let low = u64::from(self.word(slot, offset).load());
        u64::from(self.word(slot, offset + 4).load()) << 32 | low
    }

    pub(super) fn write_long(&self, slot: u32, offset: usize, value: u64) {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        self.word(slot, offset).store(u32::from_le_bytes([a, b, c, d]));
        self.word(slot, offset + 4).store(u32::from_le_bytes([e, f, g, h]));
    }
}

impl Platform for MemberTable {
    type Word = Word;

    #[inline]
    fn load(&self, word: Word) -> u32 {
        word.load()
    }

    #[inline]
    fn store(&self, word: Word, value: u32) {
        word.store(value);
    }

    #[inline]
    fn store_in_order(&self, word: Word, value: u32) {
        word.store_in_order(value);
    }

    #[inline]
    fn compare_exchange(&self, word: Word, from: u32, to: u32) -> std::result::Result<(), u32> {
        word.compare_exchange(from, to)
    }

    #[inline]
    fn set_bits(&self, word: Word, bits: u32) -> u32 {
        word.set_bits(bits)
    }

    #[inline]
    fn add(&self, word: Word, count: u32) -> u32 {
        word.fetch_add(count)
    }

    fn wake(&self, word: Word, count: u32) -> u32 {
        word.wake(count)
    }

    fn set_pending(&self, word: Option<Word>) {
        // Only threads that joined, or wait for one that did, come here; both found the list there.
        if let Ok(list) = crate::sys::robust_list::RobustList::of_this_thread() {
            list.set_pending(word.map(Word::address));
        }
    }

    fn life_words(&self, token: Token) -> Option<(Word, Word)> {
        let (slot, _) = self.shape.parts(token);
        (slot < self.slots).then(|| (self.claim(slot), self.presence(slot)))
    }

    fn active_claim(&self, token: Token) -> u32 {
        let (_, generation) = self.shape.parts(token);
        claim::active_claim(generation)
    }

    fn has_left_kernel(&self, token: Token) -> bool {
        let (slot, _) = self.shape.parts(token);
        slot < self.slots
            && self.own != Some(token)
            && matches!(file::is_byte_locked(self.fd.as_fd(), Self::byte(slot)), Ok(false))
    }

    /// A robust list that somebody broke, an object truncated under it: the byte of a slot is free only when its whole process is gone.
    /// What it finds it marks and wakes, as the kernel would have done.
    fn recheck(&self, token: Token) {
        let (slot, _) = self.shape.parts(token);
        if self.is_writable && self.is_alive(token) && self.has_left_kernel(token) {
            self.bury(slot);
        }
    }

    fn is_own(&self, token: Token) -> bool {
        own::has(self.identity, token) || self.is_of_this_thread(token)
    }
}

const _: () = assert!(SlotLayout::PRESENCE_FITS);

impl SlotLayout {
    const PRESENCE_FITS: bool = size_of::<Self>() + PRESENCE_ROOM <= 4096;
}
