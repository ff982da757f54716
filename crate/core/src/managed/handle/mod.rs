//! The named objects as Rust sees them: one type a kind, with guards that give back what was got.
//!
//! They are the same bytes as the objects of JavaScript, and wait for each other. A handle borrows the segment and the member on
//! whose behalf it waits, and stays on that member's thread.

mod barrier;
mod condition;
mod event;
mod mutex;
mod once;
mod rwlock;
mod semaphore;
mod seqlock;

pub use crate::sync::event::Reset;
pub use barrier::{Barrier, Passed};
pub use condition::Condition;
pub use event::Event;
pub use mutex::{Mutex, MutexGuard};
pub use once::Once;
pub use rwlock::{ReadGuard, RwLock, WriteGuard};
pub use semaphore::{Permit, Semaphore};
pub use seqlock::SeqLock;

use super::kind::Shape;
use super::operation::{Operation, Place};
use super::segment::ManagedSegment;
use crate::error::Result;
use crate::membership::{Member, MemberTable, Token};
use crate::sync::wait::{Answer, wait_until};
use crate::sys::futex;
use std::time::Duration;

/// An object's place, and who waits for it.
#[derive(Clone, Copy, Debug)]
struct Handle<'a> {
    place: Place<'a>,
    member: &'a Member,
}

impl<'a> Handle<'a> {
    fn open(managed: &'a ManagedSegment, member: &'a Member, name: &str, shape: Shape) -> Result<Self> {
        let found = managed.object(member, name, shape)?;
        Ok(Self { place: Place::of(managed, found, shape), member })
    }

    fn table(&self) -> &'a MemberTable {
        self.member.table()
    }

    fn token(&self) -> Token {
        self.member.token()
    }

    /// Waits so long; `None` waits for ever, and answers `None` when the time is over.
    fn wait(&self, operation: Operation, timeout: Option<Duration>) -> Result<Option<Answer>> {
        let until = timeout.map(|timeout| futex::now().saturating_add(timeout));
        let mut wait = self.place.wait(operation, self.token())?;
        let waited = wait_until(self.table(), &mut *wait, until)?;
        self.place.counters()?.count(waited);
        Ok(waited.answer)
    }
}
