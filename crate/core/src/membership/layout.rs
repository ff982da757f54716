//! A member's slot: one page, so that the presence word can end it.
//!
//! The kernel finds the presence word from an entry in its thread's robust list, 28 or 32 bytes behind the word (libc's choice,
//! [`crate::sys::robust_list`]). The word stands at the page's end; behind it every member maps a private page, in which the entry
//! lies. So no pointer that libc follows is ever in memory that others can write.
//!
//! ```text
//! the slot's page, shared                                            a private page
//! 0 claim · 4 pid … 48 name …            page − 32 … page − 4 word │ 8 prev · 16 next · 64 witness
//! ```

use std::mem::offset_of;

/// As many members as a table can have.
pub const SLOTS_MAX: u32 = 4096;

/// Bytes of a member's name, in UTF-8.
pub const NAME_BYTES_MAX: usize = 64;

/// The front of a slot's page. Read and written word by word, never as a whole.
#[repr(C)]
#[derive(Debug)]
pub struct SlotLayout {
    /// Low two bits: 0 free, 1 joining, 2 active. Above them the generation.
    ///
    /// | from | to | by |
    /// |---|---|---|
    /// | anything whose owner is gone | joining, generation + 1 | a joiner, who holds the slot's byte lock |
    /// | joining | active | the joiner, once its presence stands |
    /// | active | free, same generation | the member, when it leaves |
    pub claim: u32,
    /// Where in this page the presence word is, in bytes: it depends on the member's libc.
    pub presence_offset: u32,
    /// As the member's own PID namespace numbers it.
    pub pid: u32,
    /// The thread that is the member.
    pub tid: u32,
    /// Inode of the PID namespace.
    pub pid_namespace: u64,
    /// Clock ticks since boot when the process started.
    pub start_ticks: u64,
    /// Unix time.
    pub joined_at_ms: u64,
    /// Bytes of `name` that count.
    pub name_bytes: u32,
    /// How the generations before ended, the latest in the lowest bit: 1 by death. Written by the next joiner.
    pub endings: u32,
    /// UTF-8.
    pub name: [u8; NAME_BYTES_MAX],
}

/// Where the private page's entry lies, from the private page's start.
pub(crate) const ENTRY_OFFSET: usize = 16;

/// Where the private page's word lies that is 0 in a child of fork(2).
pub(super) const WITNESS_OFFSET: usize = 64;

/// Presence words lie so many bytes before the end of the page, at most.
pub(crate) const PRESENCE_ROOM: usize = 32;

const _: () = {
    assert!(offset_of!(SlotLayout, claim) == 0);
    assert!(offset_of!(SlotLayout, presence_offset) == 4);
    assert!(offset_of!(SlotLayout, pid) == 8);
    assert!(offset_of!(SlotLayout, tid) == 12);
    assert!(offset_of!(SlotLayout, pid_namespace) == 16);
    assert!(offset_of!(SlotLayout, start_ticks) == 24);
    assert!(offset_of!(SlotLayout, joined_at_ms) == 32);
    assert!(offset_of!(SlotLayout, name_bytes) == 40);
    assert!(offset_of!(SlotLayout, endings) == 44);
    assert!(offset_of!(SlotLayout, name) == 48);
    assert!(size_of::<SlotLayout>() == 112);
};
