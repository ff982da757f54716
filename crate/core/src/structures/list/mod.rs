//! A doubly linked list of values of one size, whose nodes lie in an arena of its own and whose links are offsets.
//!
//! Every call holds the list's mutex, in whose word a member's death shows; whoever gets it from a dead owner completes or undoes what that
//! one began, before anything else (`chain`). Readers take it too, so that what they read is whole, and of one moment; or they look at
//! the count of changes before and after (a sequence lock, as lib/structures/list/list.ts does), and take the lock only where it is odd or has changed.
//!
//! A node is named by a handle: its index and its generation, which counts how often the node came and went. A handle of a node that was
//! removed is told from one of the node that took its place.

#![expect(unsafe_code, reason = "values are copied by address")]

mod chain;
mod node;
#[cfg(test)]
mod tests;

pub use node::Node;

use crate::error::{Error, Result};
use crate::managed::geometry::list::{self, ListGeometry};
use crate::managed::layout::WORD;
use crate::managed::{Kind, ManagedSegment, Place, Shape};
use crate::membership::{Member, MemberTable, Token};
use crate::sync::mutex::{self, Lock, LockOptions};
use crate::sync::wait::{Answer, wait_until};
use crate::sys::futex;
use chain::Chain;
use std::marker::PhantomData;
use std::time::Duration;

/// A call under the lock needs microseconds; one that is stopped in the middle is named after this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// In front of all.
    First,
    /// Behind all.
    Last,
    /// In front of that one.
    Before(Node),
    /// Behind that one.
    After(Node),
}

/// Bytes to copy from, which may be memory that others write.
#[derive(Clone, Copy, Debug)]
pub struct Source<'bytes> {
    pub(super) data: *const u8,
    pub(super) bytes: usize,
    borrow: PhantomData<&'bytes [u8]>,
}

/// Bytes to copy to.
#[derive(Debug)]
pub struct Target<'bytes> {
    pub(super) data: *mut u8,
    pub(super) bytes: usize,
    borrow: PhantomData<&'bytes mut [u8]>,
}

impl Source<'_> {
    /// The `bytes` bytes at `data`.
    ///
    /// # Safety
    /// They must be readable as long as the answer is used; others may write them.
    #[must_use]
    pub const unsafe fn at(data: *const u8, bytes: usize) -> Self {
        Self { data, bytes, borrow: PhantomData }
    }
}

impl Target<'_> {
    /// The `bytes` bytes at `data`.
    ///
    /// # Safety
    /// They must be writable as long as the answer is used; others may use them.
    #[must_use]
    pub const unsafe fn at(data: *mut u8, bytes: usize) -> Self {
        Self { data, bytes, borrow: PhantomData }
    }
}

impl<'bytes> From<&'bytes [u8]> for Source<'bytes> {
    fn from(slice: &'bytes [u8]) -> Self {
        Self { data: slice.as_ptr(), bytes: slice.len(), borrow: PhantomData }
    }
}

impl<'bytes> From<&'bytes mut [u8]> for Target<'bytes> {
    fn from(slice: &'bytes mut [u8]) -> Self {
        Self { data: slice.as_mut_ptr(), bytes: slice.len(), borrow: PhantomData }
    }
}

/// A doubly linked list of values of one size. Copies are the same list; it stays on its member's thread.
///
/// ```
/// # use shmem_core::managed::{ManagedOptions, ManagedSegment};
/// # use shmem_core::membership::JoinOptions;
/// # use shmem_core::memory::{CreateOptions, memfd};
/// # let segment = memfd::create("doc", &CreateOptions::new(1 << 20), 0)?;
/// # let managed = ManagedSegment::open(&segment, ManagedOptions::make())?;
/// # let member = managed.join(&JoinOptions::default())?;
/// use shmem_core::structures::List;
/// use shmem_core::structures::list::Position;
///
/// let jobs = List::open(&managed, &member, "jobs", 4, 100)?;
/// jobs.insert(Position::Last, &7u32.to_le_bytes()[..])?;
/// let mut job = [0; 4];
/// assert!(jobs.shift(&mut job[..])?);
/// assert_eq!(u32::from_le_bytes(job), 7);
/// # Ok::<(), shmem_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    chain: Chain<'a>,
    table: &'a MemberTable,
    token: Token,
}

impl<'a> List<'a> {
    /// The list of that name, for so many values of so many bytes; made empty if there is none.
    ///
    /// # Errors
    /// Those of [`ManagedSegment::object`].
    pub fn open(
        managed: &'a ManagedSegment,
        member: &'a Member,
        name: &str,
        value_bytes: u32,
        capacity: u32,
    ) -> Result<Self> {
        let numbers = ListGeometry { value_bytes, capacity }.numbers();
        let shape = Shape { kind: Kind::List, numbers, type_hash: 0 };
        let found = managed.object(member, name, shape)?;
        Self::over(Place::of(managed, found, shape), member.table(), member.token())
    }

    /// The list at a place, on behalf of a member.
    ///
    /// # Errors
    /// `ERR_SHM_TYPE_MISMATCH`.
    #[doc(hidden)]
    pub fn over(place: Place<'a>, table: &'a MemberTable, token: Token) -> Result<Self> {
        Ok(Self { chain: Chain::of(place)?, table, token })
    }

    /// Puts a value into the list, if there is room: the node is in it, with its value, or not at all.
    ///
    /// # Errors
    /// `ERR_SHM_STALE_HANDLE`; `ERR_OUT_OF_RANGE`: the value has another size; `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TIMED_OUT`.
    pub fn insert<'bytes>(
        &self,
        position: Position,
        value: impl Into<Source<'bytes>>,
    ) -> Result<Option<Node>> {
        let value = value.into();
        self.check_bytes(value.bytes)?;
        self.change(|chain| chain.insert(position, &value))
    }

    /// Takes a node out of the list.
    ///
    /// # Errors
    /// `ERR_SHM_STALE_HANDLE`; `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TIMED_OUT`.
    pub fn remove(&self, node: Node) -> Result<()> {
        self.change(|chain| chain.remove(chain.resolve(node)?))
    }

    /// Takes the first node out and copies its value. `false`: the list is empty.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub fn shift<'bytes>(&self, target: impl Into<Target<'bytes>>) -> Result<bool> {
        self.take(list::HEAD, target.into())
    }

    /// Takes the last node out and copies its value. `false`: the list is empty.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub fn pop<'bytes>(&self, target: impl Into<Target<'bytes>>) -> Result<bool> {
        self.take(list::TAIL, target.into())
    }

    /// The first node.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TIMED_OUT`.
    pub fn first(&self) -> Result<Option<Node>> {
        self.locked(|chain| chain.named(chain.link(list::HEAD)?))
    }

    /// The last node.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TIMED_OUT`.
    pub fn last(&self) -> Result<Option<Node>> {
        self.locked(|chain| chain.named(chain.link(list::TAIL)?))
    }

    /// The node behind that one.
    ///
    /// # Errors
    /// `ERR_SHM_STALE_HANDLE`; `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TIMED_OUT`.
    pub fn next(&self, node: Node) -> Result<Option<Node>> {
        self.locked(|chain| chain.named(chain.next(chain.resolve(node)?)?))
    }

    /// The node in front of that one.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub fn previous(&self, node: Node) -> Result<Option<Node>> {
        self.locked(|chain| chain.named(chain.previous(chain.resolve(node)?)?))
    }

    /// Whether the node is in the list still.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_TIMED_OUT`.
    pub fn has(&self, node: Node) -> Result<bool> {
        self.locked(|chain| Ok(chain.resolve(node).is_ok()))
    }

    /// All nodes, in their order, as they were in one moment.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`: also where the links go round. `ERR_SHM_TIMED_OUT`.
    pub fn nodes(&self) -> Result<Vec<Node>> {
        self.locked(|chain| chain.nodes())
    }

    /// Copies a node's value, whole.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub fn read<'bytes>(&self, node: Node, target: impl Into<Target<'bytes>>) -> Result<()> {
        let target = target.into();
        self.check_bytes(target.bytes)?;
        self.locked(|chain| chain.copy_out(chain.resolve(node)?, &target))
    }

    /// Gives a node another value: whole or, where this member is killed in the middle, perhaps not at all.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub fn write<'bytes>(&self, node: Node, value: impl Into<Source<'bytes>>) -> Result<()> {
        let value = value.into();
        self.check_bytes(value.bytes)?;
        self.change(|chain| chain.write(chain.resolve(node)?, &value))
    }

    /// Where a node's value is in the segment. Stale as soon as somebody removes the node.
    ///
    /// # Errors
    /// `ERR_SHM_STALE_HANDLE`.
    pub fn offset_of(&self, node: Node) -> Result<u64> {
        self.chain.resolve(node).map(|at| self.chain.value_offset(at))
    }

    /// How many nodes are in the list; stale the moment it returns.
    ///
    /// # Errors
    /// None for an open segment.
    pub fn length(&self) -> Result<u32> {
        self.chain.length()
    }

    /// Takes all nodes out. Also makes a list usable again that something has damaged.
    ///
    /// # Errors
    /// `ERR_SHM_TIMED_OUT`.
    pub fn clear(&self) -> Result<()> {
        self.chain.place.reset_lock(self.table)?;
        self.lock()?;
        let cleared = self.chain.changing(Chain::clear);
        self.unlock(cleared)
    }

    fn take(&self, end: u64, target: Target<'_>) -> Result<bool> {
        self.check_bytes(target.bytes)?;
        self.change(|chain| {
            let Some(node) = chain.link(end)? else { return Ok(false) };
            chain.copy_out(node, &target)?;
            chain.remove(node).map(|()| true)
        })
    }

    fn check_bytes(&self, bytes: usize) -> Result<()> {
        let value_bytes = self.chain.geometry.value_bytes;
        if bytes == value_bytes as usize {
            return Ok(());
        }
        Err(Error::own("ERR_OUT_OF_RANGE", format!("a value has {value_bytes} bytes, not {bytes}")))
    }

    fn change<T>(&self, act: impl FnOnce(&Chain<'a>) -> Result<T>) -> Result<T> {
        self.locked(|chain| chain.changing(act))
    }

    fn locked<T>(&self, act: impl FnOnce(&Chain<'a>) -> Result<T>) -> Result<T> {
        if self.lock()? == Answer::OwnerDied
            && let Err(damaged) = self.chain.changing(Chain::recover)
        {
            // Nobody goes on from there: each one finds the damage, until the list is cleared.
            self.chain.place.hand_on(self.table, self.token)?;
            return Err(damaged);
        }
        self.unlock(act(&self.chain))
    }

    fn lock(&self) -> Result<Answer> {
        let word = self.chain.place.word(WORD)?;
        if mutex::take_free(self.table, word, self.token) {
            return Ok(Answer::Done);
        }
        let options = LockOptions { strict: false, blocks_owner: true };
        let until = futex::now() + PATIENCE;
        let waited = wait_until(self.table, &mut Lock::new(word, self.token, options), Some(until))?;
        self.chain.place.counters()?.count(waited);
        waited.answer.ok_or_else(|| {
            let owner =
                Token::from_word(word.load() & !mutex::WAITERS).and_then(|token| self.table.describe(token));
            let who = owner.map_or_else(String::new, |owner| format!(" by {owner}"));
            Error::own("ERR_SHM_TIMED_OUT", format!("the list is being used{who} for {PATIENCE:?} already"))
        })
    }

    fn unlock<T>(&self, made: Result<T>) -> Result<T> {
        let word = self.chain.place.word(WORD)?;
        if !mutex::give_unwaited(self.table, word, self.token) {
            mutex::unlock(self.table, word, self.token)?;
        }
        made
    }
}
