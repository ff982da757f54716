//! This thread as a member of a managed segment: it joins, and it leaves or dies.
//!
//! | step | what a kill there leaves | who mends it |
//! |---|---|---|
//! | byte lock taken | nothing: the kernel drops the lock | nobody needs to |
//! | claim: joining | a slot nobody has, whose byte is free | the next joiner that comes to it |
//! | presence word, entry | the same; the pending entry lets the kernel mark the word | the same |
//! | claim: active | a dead member | everybody sees it |
//! | (leaving) claim: free | a free slot | nobody needs to |

use super::claim::{self, Ending, FREE, STATE};
use super::layout::{NAME_BYTES_MAX, SlotLayout};
use super::own;
use super::presence::Presence;
use super::table::MemberTable;
use super::token::Token;
use crate::error::{Errno, Error, Named, Result};
use crate::fail_point;
use crate::sys::{file, process};
use std::mem::offset_of;
use std::os::fd::AsFd;

/// How a member presents itself.
#[derive(Clone, Debug, Default)]
pub struct JoinOptions {
    /// Shown to others; cut at 64 bytes.
    pub name: String,
}

/// A member of a managed segment: this thread, until it [leaves](Member::leave) or dies. It does not go to another thread, and dropped it is dead.
///
/// A child of fork(2) is no member. It may drop what it inherited, which gives nothing of its parent's back, and join for itself; it must not wait, lock or
/// send with it, as its parent would do. While the child keeps it, the place of a dead parent cannot be had, and who inherits an end or a strict lock
/// from the parent waits.
///
/// ```
/// # use shmem_core::managed::{ManagedOptions, ManagedSegment};
/// # use shmem_core::membership::JoinOptions;
/// # use shmem_core::memory::{CreateOptions, memfd};
/// # let segment = memfd::create("doc", &CreateOptions::new(1 << 20), 0)?;
/// # let managed = ManagedSegment::open(&segment, ManagedOptions::make())?;
/// # let member = managed.join(&JoinOptions::default())?;
/// let other = managed.join(&JoinOptions { name: "other".to_owned() })?;
/// let token = other.token();
/// assert!(managed.table().is_alive(token));
/// other.leave();
/// assert!(!managed.table().is_alive(token));
/// # Ok::<(), shmem_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Member {
    table: MemberTable,
    token: Token,
    slot: u32,
    presence: Option<Presence>,
}

impl Member {
    /// Joins. `table_offset` is where the table begins in the object. The table's descriptor must be a description of its own.
    ///
    /// # Errors
    /// `ERR_SHM_MEMBERS_FULL`; `ERR_SHM_UNSUPPORTED`; EACCES EBADF ENOLCK ENOMEM.
    pub fn join(table: MemberTable, table_offset: u64, options: &JoinOptions) -> Result<Self> {
        let presence_offset = Presence::offset(table.page_size_bytes())?;
        let slots = table.slots();
        let first = anywhere(slots);
        for step in 0..slots {
            let slot = (first + step) % slots;
            if let Some(member) = Self::try_slot(&table, slot, table_offset, presence_offset, options)? {
                return Ok(member);
            }
        }
        Err(Error::own("ERR_SHM_MEMBERS_FULL", format!("all {slots} places for members are taken")))
    }

    fn try_slot(
        table: &MemberTable,
        slot: u32,
        table_offset: u64,
        presence_offset: u32,
        options: &JoinOptions,
    ) -> Result<Option<Self>> {
        let byte = MemberTable::byte(slot);
        match file::lock_byte(table.fd.as_fd(), byte) {
            // Somebody's, or the last of its process has not left the kernel yet.
            Err(Errno::EAGAIN | Errno::EACCES) => return Ok(None),
            other => other.called("fcntl")?,
        }
        fail_point::reach("join.byte_locked");
        let joined = Self::take_slot(table, slot, table_offset, presence_offset, options);
        if !matches!(joined, Ok(Some(_))) {
            let _ = file::unlock_byte(table.fd.as_fd(), byte);
        }
        joined
    }

    /// The slot's byte lock is held: whoever had the slot is gone, and no other joiner is here.
    fn take_slot(
        table: &MemberTable,
        slot: u32,
        table_offset: u64,
        presence_offset: u32,
        options: &JoinOptions,
    ) -> Result<Option<Self>> {
        let claim = table.claim(slot);
        // SYNC: before the claim, so that whoever sees the new generation finds here how the old one ended.
        let found = claim.load();
        let endings = table.word(slot, offset_of!(SlotLayout, endings));
        let before = endings.load();
        endings.store(before << 1 | u32::from(found & STATE != FREE));
        let predecessor = table.presence(slot);
        let Some(generation) = claim::claim(table, claim, predecessor, table.shape().generation_max()) else {
            endings.store(before);
            return Ok(None);
        };
        table.word(slot, offset_of!(SlotLayout, presence_offset)).store(presence_offset);
        present(table, slot, options);
        let file_offset = table_offset + u64::from(slot) * table.page_size_bytes() as u64;
        let presence = Presence::take(table, file_offset)?;
        if !claim::activate(table, claim, generation) {
            presence.end(table, Ending::Leaves);
            return Ok(None);
        }
        fail_point::reach("join.active");
        let token = table.shape().token(slot, generation);
        table.announce();
        own::add(table.identity(), token);
        let table = table.clone().joined_as(token);
        Ok(Some(Self { table, token, slot, presence: Some(presence) }))
    }

    /// Whether this is a child of the process that joined (fork(2)).
    #[must_use]
    pub(crate) fn is_inherited(&self) -> bool {
        self.presence.as_ref().is_some_and(Presence::is_inherited)
    }

    /// Its name for locks. Void after it left.
    #[must_use]
    pub const fn token(&self) -> Token {
        self.token
    }

    /// The table it is in.
    #[must_use]
    pub const fn table(&self) -> &MemberTable {
        &self.table
    }

    /// Leaves: the slot is free. Whoever calls this holds no lock any more.
    pub fn leave(mut self) {
        self.end(Ending::Leaves);
    }

    /// Ends as a death does: the slot stays as it is, and what the member held is found held by a dead one. For an environment that
    /// ends before its thread does.
    pub fn die(mut self) {
        self.end(Ending::Dies);
    }

    fn end(&mut self, ending: Ending) {
        let Some(presence) = self.presence.take() else { return };
        if presence.is_inherited() {
            // All of it is the parent's: the place, and the byte lock, whose description both have.
            presence.forget();
            own::remove(self.table.identity(), self.token);
            return;
        }
        fail_point::reach("leave.begun");
        let (_, generation) = self.table.shape().parts(self.token);
        if ending == Ending::Leaves {
            claim::free(&self.table, presence.claim(), generation);
        }
        presence.end(&self.table, ending);
        let _ = file::unlock_byte(self.table.fd.as_fd(), MemberTable::byte(self.slot));
        self.table.announce();
        own::remove(self.table.identity(), self.token);
    }
}

impl Drop for Member {
    /// A member that is forgotten dies: it may hold something.
    fn drop(&mut self) {
        self.end(Ending::Dies);
    }
}

fn present(table: &MemberTable, slot: u32, options: &JoinOptions) {
    table.word(slot, offset_of!(SlotLayout, pid)).store(process::pid());
    table.word(slot, offset_of!(SlotLayout, tid)).store(process::tid());
    table.write_long(slot, offset_of!(SlotLayout, pid_namespace), process::pid_namespace());
    let started = process::start_ticks(process::pid()).unwrap_or(0);
    table.write_long(slot, offset_of!(SlotLayout, start_ticks), started);
    table.write_long(slot, offset_of!(SlotLayout, joined_at_ms), process::unix_time_ms());
    let mut end = options.name.len().min(NAME_BYTES_MAX);
    while !options.name.is_char_boundary(end) {
        end -= 1;
    }
    let mut name = [0; NAME_BYTES_MAX];
    name[..end].copy_from_slice(&options.name.as_bytes()[..end]);
    for (index, four) in name.chunks_exact(4).enumerate() {
        let word = u32::from_ne_bytes([four[0], four[1], four[2], four[3]]);
        table.word(slot, offset_of!(SlotLayout, name) + 4 * index).store(word);
    }
    table.word(slot, offset_of!(SlotLayout, name_bytes)).store(u32::try_from(end).unwrap_or(0));
}

/// Where to begin the search, so that joiners do not all meet at slot 0. splitmix64 (Vigna 2015) over clock and thread.
fn anywhere(slots: u32) -> u32 {
    let now = crate::sys::futex::now();
    let mut seed = u64::from(now.subsec_nanos()) ^ now.as_secs() << 20 ^ u64::from(process::tid()) << 32;
    seed = (seed ^ seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    seed = (seed ^ seed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    u32::try_from((seed >> 33) % u64::from(slots)).unwrap_or(0)
}
