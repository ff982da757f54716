//! The list's words, and what is true of them. Each change of the list is one store, whoever is killed around it.
//!
//! The chain that leads from `head` along `next` is the truth; all else (`previous`, `tail`, `length`, the free nodes) is an index, which
//! [`Chain::recover`] builds anew by one walk. So a member killed in a call has changed the list, or has not:
//!
//! | call | steps | done with |
//! |---|---|---|
//! | insert | take a free node · fill it · its links · generation odd · **link of the one in front** · link of the one behind · length | the store in bold |
//! | remove | **link of the one in front** · link of the one behind · length · generation even · among the free | the same |
//! | write | take a free node · fill it · name the target in it · **redo** · copy · redo 0 · among the free | the same; who finds it copies again |
//!
//! The order of stores within a process is what a kill leaves of them (as in `managed::heap`). All is called under the list's lock, but
//! [`Chain::resolve`], whose answer may then be stale.
//!
//! Every link is bounded before it is followed, every walk ends after as many steps as there are nodes, and a change is made only where both
//! neighbours agree: else it is `ERR_SHM_POSSIBLY_CORRUPT`.

#![expect(unsafe_code, reason = "values are copied by address")]

use super::{Node, Position, Source, Target};
use crate::error::{Error, Result};
use crate::fail_point;
use crate::managed::geometry::list::{
    CHANGES, FREE, FRESH, GENERATION, HEAD, LENGTH, ListGeometry, NEXT, PREVIOUS, REDO, TAIL, VALUE,
};
use crate::managed::layout::PARTS;
use crate::managed::{Kind, Place};

const CORRUPT: &str = "ERR_SHM_POSSIBLY_CORRUPT";

/// A node's offset in the list, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At(u32);

impl At {
    pub(super) const fn field(self, field: u64) -> u64 {
        self.0 as u64 + field
    }
}

/// The list at a place. Copies are the same list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain<'a> {
    pub(super) place: Place<'a>,
    pub(super) geometry: ListGeometry,
}

impl<'a> Chain<'a> {
    pub(super) fn of(place: Place<'a>) -> Result<Self> {
        let shape = place.shape();
        if shape.kind != Kind::List {
            return Err(Error::own("ERR_SHM_TYPE_MISMATCH", format!("a {} is no list", shape.words())));
        }
        Ok(Self { place, geometry: ListGeometry::of(shape.numbers)? })
    }

    /// Runs `act` while the count of changes is odd. Where it finds damage, it stays so: who reads without the lock comes to see it too.
    pub(super) fn changing<T>(&self, act: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let count = self.load(CHANGES)? | 1;
        // SYNC: before all that `act` stores, and after it (both are sequentially consistent): who finds the same even count before and behind
        // its loads saw no part of it.
        self.place.word(CHANGES)?.store(count);
        fail_point::reach("list.begun");
        let made = act(self);
        if !matches!(&made, Err(error) if error.code() == CORRUPT) {
            self.place.word(CHANGES)?.store(count.wrapping_add(1));
            fail_point::reach("list.ended");
        }
        made
    }

    /// The node that a handle names.
    pub(super) fn resolve(&self, node: Node) -> Result<At> {
        let stale = || {
            let message = format!("node {} is not in the list any more, or never was", node.number());
            Error::own("ERR_SHM_STALE_HANDLE", message)
        };
        let offset = PARTS + node.index() * self.geometry.stride();
        let at = u32::try_from(offset).ok().and_then(|offset| self.at(offset)).ok_or_else(stale)?;
        let generation = self.load(at.field(GENERATION))?;
        if is_linked(generation) && u64::from(generation) == node.generation() {
            return Ok(at);
        }
        Err(stale())
    }

    /// The handle of a node in the list.
    pub(super) fn named(&self, at: Option<At>) -> Result<Option<Node>> {
        let Some(at) = at else { return Ok(None) };
        let generation = self.load(at.field(GENERATION))?;
        if !is_linked(generation) {
            return Err(corrupt(at.field(GENERATION), "a node that was removed is in the list"));
        }
        Ok(Some(Node::of(self.index(at), generation)))
    }

    pub(super) fn next(&self, at: At) -> Result<Option<At>> {
        self.link(at.field(NEXT))
    }

    pub(super) fn previous(&self, at: At) -> Result<Option<At>> {
        self.link(at.field(PREVIOUS))
    }

    pub(super) fn length(&self) -> Result<u32> {
        Ok(self.load(LENGTH)?.min(self.geometry.capacity))
    }

    /// First byte of a node's value in the segment.
    pub(super) fn value_offset(&self, at: At) -> u64 {
        self.place.offset() + at.field(VALUE)
    }

    pub(super) fn insert(&self, position: Position, value: &Source<'_>) -> Result<Option<Node>> {
        let (previous, next) = match position {
            Position::First => (None, self.link(HEAD)?),
            Position::Last => (self.link(TAIL)?, None),
            Position::Before(node) => {
                let next = self.resolve(node)?;
                (self.previous(next)?, Some(next))
            }
            Position::After(node) => {
                let previous = self.resolve(node)?;
                (Some(previous), self.next(previous)?)
            }
        };
        self.check_neighbours(previous, next)?;
        if self.load(LENGTH)? >= self.geometry.capacity {
            return Ok(None);
        }
        let node = self.take_free()?;
        fail_point::reach("list.taken");
        self.copy_in(node, value)?;
        fail_point::reach("list.filled");
        let generation = self.load(node.field(GENERATION))?.wrapping_add(1);
        self.store(node.field(NEXT), offset_of(next))?;
        self.store(node.field(PREVIOUS), offset_of(previous))?;
        self.store(node.field(GENERATION), generation)?;
        fail_point::reach("list.prepared");
        self.store(link_behind(previous), node.0)?;
        fail_point::reach("list.linked");
        self.store(link_in_front(next), node.0)?;
        fail_point::reach("list.linked_back");
        self.store(LENGTH, self.load(LENGTH)?.wrapping_add(1))?;
        Ok(Some(Node::of(self.index(node), generation)))
    }

    pub(super) fn remove(&self, node: At) -> Result<()> {
        let (previous, next) = (self.previous(node)?, self.next(node)?);
        self.check_neighbours(previous, Some(node))?;
        self.check_neighbours(Some(node), next)?;
        let generation = self.load(node.field(GENERATION))?;
        if !is_linked(generation) {
            return Err(corrupt(node.field(GENERATION), "a node that was removed is in the list"));
        }
        self.store(link_behind(previous), offset_of(next))?;
        fail_point::reach("list.unlinked");
        self.store(link_in_front(next), offset_of(previous))?;
        self.store(LENGTH, self.load(LENGTH)?.wrapping_sub(1))?;
        self.store(node.field(GENERATION), generation.wrapping_add(1))?;
        fail_point::reach("list.retired");
        self.give_free(node)
    }

    pub(super) fn write(&self, node: At, value: &Source<'_>) -> Result<()> {
        let spare = self.take_free()?;
        self.copy_in(spare, value)?;
        self.store(spare.field(NEXT), node.0)?;
        fail_point::reach("list.noted");
        self.store(REDO, spare.0)?;
        fail_point::reach("list.promised");
        self.redo()?;
        self.give_free(spare)
    }

    /// All nodes in their order, as handles.
    pub(super) fn nodes(&self) -> Result<Vec<Node>> {
        let mut nodes = Vec::new();
        self.walk(|at| {
            nodes.extend(self.named(Some(at))?);
            Ok(())
        })?;
        Ok(nodes)
    }

    /// Completes or undoes what a member began that was killed in any call, this one included. Changes nothing where something is damaged.
    pub(super) fn recover(&self) -> Result<()> {
        let mut is_linked_in = vec![false; self.geometry.nodes() as usize];
        let used = self.load(FRESH)?.min(self.geometry.nodes()) as usize;
        self.walk(|at| {
            let index = self.index(at) as usize;
            if is_linked_in[index] || index >= used || !is_linked(self.load(at.field(GENERATION))?) {
                return Err(corrupt(at.field(0), "the list leads there twice, or to a node that is free"));
            }
            is_linked_in[index] = true;
            Ok(())
        })?;
        self.redo()?;
        fail_point::reach("list.redone");
        let (mut previous, mut length) = (None, 0);
        self.walk(|at| {
            self.settle(at.field(PREVIOUS), offset_of(previous))?;
            previous = Some(at);
            length += 1;
            Ok(())
        })?;
        self.settle(TAIL, offset_of(previous))?;
        self.settle(LENGTH, length)?;
        fail_point::reach("list.rebuilt");
        self.store(FREE, 0)?;
        for index in (0..used).rev().filter(|index| !is_linked_in[*index]) {
            let offset = PARTS + index as u64 * self.geometry.stride();
            let Some(at) = u32::try_from(offset).ok().and_then(|offset| self.at(offset)) else { continue };
            let generation = self.load(at.field(GENERATION))?;
            if is_linked(generation) {
                self.store(at.field(GENERATION), generation.wrapping_add(1))?;
            }
            self.give_free(at)?;
        }
        Ok(())
    }

    /// Takes all nodes out, whatever is there.
    pub(super) fn clear(&self) -> Result<()> {
        self.store(REDO, 0)?;
        self.store(HEAD, 0)?;
        fail_point::reach("list.cleared");
        self.store(FRESH, self.geometry.nodes())?;
        self.recover()
    }

    /// The node that the word at `at` leads to.
    pub(super) fn link(&self, at: u64) -> Result<Option<At>> {
        match self.load(at)? {
            0 => Ok(None),
            offset => {
                self.at(offset).map(Some).ok_or_else(|| corrupt(at, "a link leads to where no node is"))
            }
        }
    }

    pub(super) fn copy_out(&self, node: At, target: &Target<'_>) -> Result<()> {
        let bytes = target.bytes.min(self.geometry.value_bytes as usize);
        // SAFETY: that many bytes at `data` are writable, by the contract of `Target`.
        unsafe { self.place.managed().mapping().copy_out(self.value_offset(node), target.data, bytes) }
    }

    /// Copies the value that is being written, if there is one.
    fn redo(&self) -> Result<()> {
        let Some(spare) = self.link(REDO)? else { return Ok(()) };
        let target =
            self.next(spare)?.ok_or_else(|| corrupt(spare.field(NEXT), "a value is written to no node"))?;
        let mut value = vec![0; self.geometry.value_bytes as usize];
        self.copy_out(spare, &Target::from(value.as_mut_slice()))?;
        self.copy_in(target, &Source::from(value.as_slice()))?;
        fail_point::reach("list.copied");
        self.store(REDO, 0)
    }

    fn copy_in(&self, node: At, value: &Source<'_>) -> Result<()> {
        let bytes = value.bytes.min(self.geometry.value_bytes as usize);
        #[cfg(test)]
        let (bytes, killed) = super::tests::before_copy(bytes);
        // SAFETY: that many bytes at `data` are readable, by the contract of `Source`.
        unsafe { self.place.managed().mapping().copy_in(self.value_offset(node), value.data, bytes) }?;
        #[cfg(test)]
        killed?;
        Ok(())
    }

    /// A node that is in no list. There is one, for the list never holds them all.
    fn take_free(&self) -> Result<At> {
        if let Some(node) = self.link(FREE)? {
            if is_linked(self.load(node.field(GENERATION))?) {
                return Err(corrupt(FREE, "a node in the list is among the free ones"));
            }
            let next = self.next(node)?;
            self.store(FREE, offset_of(next))?;
            return Ok(node);
        }
        let fresh = self.load(FRESH)?;
        let offset = PARTS + u64::from(fresh) * self.geometry.stride();
        let node = u32::try_from(offset).ok().and_then(|offset| self.at(offset));
        let node = node.ok_or_else(|| corrupt(FRESH, "no node is left, though the list is not full"))?;
        self.store(FRESH, fresh.wrapping_add(1))?;
        // Whatever stood there, the first life of a node begins.
        if is_linked(self.load(node.field(GENERATION))?) {
            return Err(corrupt(node.field(GENERATION), "a node that was never used is in the list"));
        }
        Ok(node)
    }

    fn give_free(&self, node: At) -> Result<()> {
        self.store(node.field(NEXT), self.load(FREE)?)?;
        self.store(FREE, node.0)
    }

    /// Visits every node, in order, if they are not more than there can be.
    fn walk(&self, mut visit: impl FnMut(At) -> Result<()>) -> Result<()> {
        let mut link = self.link(HEAD)?;
        for _ in 0..=self.geometry.nodes() {
            let Some(at) = link else { return Ok(()) };
            visit(at)?;
            link = self.next(at)?;
        }
        Err(corrupt(HEAD, "the links go round"))
    }

    /// Whether the two lead to each other, where there are two, or to the ends.
    fn check_neighbours(&self, previous: Option<At>, next: Option<At>) -> Result<()> {
        let (forward, backward) = (link_behind(previous), link_in_front(next));
        if self.load(forward)? != offset_of(next) {
            return Err(corrupt(forward, "two neighbours disagree"));
        }
        if self.load(backward)? != offset_of(previous) {
            return Err(corrupt(backward, "two neighbours disagree"));
        }
        Ok(())
    }

    fn at(&self, offset: u32) -> Option<At> {
        let from = u64::from(offset).checked_sub(PARTS)?;
        let (index, rest) = (from / self.geometry.stride(), from % self.geometry.stride());
        (rest == 0 && index < u64::from(self.geometry.nodes())).then_some(At(offset))
    }

    fn index(&self, at: At) -> u32 {
        u32::try_from((u64::from(at.0) - PARTS) / self.geometry.stride()).unwrap_or(0)
    }

    fn load(&self, at: u64) -> Result<u32> {
        Ok(self.place.word(at)?.load())
    }

    /// Stores what does not stand there yet.
    fn settle(&self, at: u64, value: u32) -> Result<()> {
        if self.load(at)? == value { Ok(()) } else { self.store(at, value) }
    }

    fn store(&self, at: u64, value: u32) -> Result<()> {
        #[cfg(test)]
        super::tests::before_store()?;
        self.place.word(at)?.store(value);
        Ok(())
    }
}

/// The word that leads forward behind that node; of none, the list's own.
const fn link_behind(previous: Option<At>) -> u64 {
    match previous {
        Some(previous) => previous.field(NEXT),
        None => HEAD,
    }
}

/// The word that leads backward in front of that node; of none, the list's own.
const fn link_in_front(next: Option<At>) -> u64 {
    match next {
        Some(next) => next.field(PREVIOUS),
        None => TAIL,
    }
}

const fn offset_of(at: Option<At>) -> u32 {
    match at {
        Some(at) => at.0,
        None => 0,
    }
}

const fn is_linked(generation: u32) -> bool {
    generation & 1 == 1
}

#[cold]
fn corrupt(at: u64, what: &str) -> Error {
    Error::own(CORRUPT, format!("the list is damaged at byte {at} of it: {what}"))
}
