//! A named object of a managed segment: its slow paths. The fast ones are in the facade, on typed arrays.

use crate::convert::number;
use crate::error::OrThrow;
use crate::managed::{Inner, NativeMember};
use crate::ring;
use napi::bindgen_prelude::Env;
use napi::{Error, Result, Status};
use napi_derive::napi;
use shmem_core::error::Subject;
use shmem_core::managed::{Found, LockWish, Operation as LockOperation, Place, Shape};
use shmem_core::membership::{MemberTable, Token};
use shmem_core::structures::ring::RingOperation;
use shmem_core::structures::{Operation, operation};
use shmem_core::sync::barrier::ArriveWish;
use shmem_core::sync::wait::{Answer, Wait, Waited, wait_until};
use shmem_core::sync::waiter::Request;
use shmem_core::sys::futex;
use std::rc::Rc;
use std::time::Duration;

/// What is waited for, as numbers of the facade.
pub(crate) const LOCK: u32 = 0;
pub(crate) const READ: u32 = 1;
pub(crate) const WRITE: u32 = 2;
pub(crate) const ACQUIRE: u32 = 3;
pub(crate) const EVENT: u32 = 4;
pub(crate) const ARRIVE: u32 = 5;
pub(crate) const NOTIFIED: u32 = 6;
pub(crate) const WORD: u32 = 7;

const WHOLE_SLICE_MS: f64 = 100.0;

/// A named object.
#[napi]
#[derive(Debug)]
pub struct NativeObject {
    inner: Rc<Inner>,
    name: String,
    found: Found,
    shape: Shape,
}

#[napi]
impl NativeObject {
    pub(crate) const fn new(inner: Rc<Inner>, name: String, found: Found, shape: Shape) -> Self {
        Self { inner, name, found, shape }
    }

    /// Its name in the segment.
    #[napi(catch_unwind, getter)]
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// First byte in the segment.
    #[napi(catch_unwind, getter)]
    pub fn offset(&self) -> f64 {
        number(self.found.offset)
    }

    /// Bytes.
    #[napi(catch_unwind, getter)]
    pub fn bytes(&self, env: Env) -> Result<f64> {
        self.inner.with(|open| self.shape.bytes(open.managed.geometry().slots)).or_throw(&env).map(number)
    }

    /// Whether this opening made it.
    #[napi(catch_unwind, getter)]
    pub fn created(&self) -> bool {
        self.found.created
    }

    /// Waits, for `slice_ms` at most: see [`answer_number`]; −1: not yet.
    #[napi(catch_unwind)]
    pub fn wait(&self, env: Env, operation: u32, argument: u32, slice_ms: f64) -> Result<i32> {
        let operation = operation_of(operation, argument)?;
        let until =
            futex::now() + Duration::try_from_secs_f64((slice_ms / 1000.0).min(3600.0)).unwrap_or_default();
        self.with(|place, table, token| {
            let waited = wait_until(table, &mut *operation::wait(&place, operation, token)?, Some(until))?;
            // A long wait comes as whole slices, of which the last is shorter (lib/waits/waiting.ts): it counts once.
            if waited.answer.is_some() || slice_ms < WHOLE_SLICE_MS {
                place.counters()?.count(waited);
            }
            Ok(waited)
        })
        .or_throw(&env)
        .map(|Waited { answer, .. }| answer.map_or(-1, answer_number))
    }

    /// Unlocks a mutex, or a writer's lock; with `consistent` false, so that nobody gets it any more.
    #[napi(catch_unwind)]
    pub fn unlock(&self, env: Env, consistent: bool) -> Result<()> {
        self.with(|place, table, token| place.unlock(table, token, consistent)).or_throw(&env)
    }

    /// Gives a lock back that was got from a dead owner, as it was.
    #[napi(catch_unwind)]
    pub fn hand_on(&self, env: Env) -> Result<()> {
        self.with(|place, table, token| place.hand_on(table, token)).or_throw(&env)
    }

    /// Ends reading.
    #[napi(catch_unwind)]
    pub fn read_unlock(&self, env: Env) -> Result<()> {
        self.with(|place, table, token| place.read_unlock(table, token)).or_throw(&env)
    }

    /// Makes a lock that nobody can get any more free again.
    #[napi(catch_unwind)]
    pub fn reset_lock(&self, env: Env) -> Result<bool> {
        self.with(|place, table, _| place.reset_lock(table)).or_throw(&env)
    }

    /// Gives a permit back.
    #[napi(catch_unwind)]
    pub fn release(&self, env: Env) -> Result<()> {
        self.with(|place, table, token| place.release(table, token)).or_throw(&env)
    }

    /// Tells those who wait that the facade gave a permit back.
    #[napi(catch_unwind)]
    pub fn returned(&self, env: Env) -> Result<()> {
        self.with(|place, table, _| place.returned(table)).or_throw(&env)
    }

    /// Permits that can be had.
    #[napi(catch_unwind)]
    pub fn available(&self, env: Env) -> Result<u32> {
        self.with(|place, table, _| place.available(table)).or_throw(&env)
    }

    /// Sets an event.
    #[napi(catch_unwind)]
    pub fn set_event(&self, env: Env) -> Result<bool> {
        self.with(|place, table, _| place.set_event(table)).or_throw(&env)
    }

    /// Resets an event.
    #[napi(catch_unwind)]
    pub fn reset_event(&self, env: Env) -> Result<bool> {
        self.with(|place, table, _| place.reset_event(table)).or_throw(&env)
    }

    /// Begins a wait for a condition.
    #[napi(catch_unwind)]
    pub fn begin_notified(&self, env: Env) -> Result<u32> {
        self.with(|place, table, _| place.begin_notified(table)).or_throw(&env)
    }

    /// Notifies up to `count` waiters of a condition.
    #[napi(catch_unwind)]
    pub fn notify(&self, env: Env, count: u32) -> Result<()> {
        self.with(|place, table, _| place.notify(table, count)).or_throw(&env)
    }

    /// Wakes up to `count` sleepers on a word. Answers how many.
    #[napi(catch_unwind)]
    pub fn wake(&self, env: Env, count: u32) -> Result<u32> {
        self.with(|place, _, _| Ok(place.word(0)?.wake(count))).or_throw(&env)
    }

    /// Leaves a barrier.
    #[napi(catch_unwind)]
    pub fn leave_barrier(&self, env: Env) -> Result<()> {
        self.with(|place, table, token| place.leave_barrier(table, token)).or_throw(&env)
    }

    /// Who holds a lock, if anybody does.
    #[napi(catch_unwind)]
    pub fn owner(&self, env: Env) -> Result<Option<NativeMember>> {
        self.with(|place, table, _| Ok(place.owner()?.and_then(|token| table.member(token))))
            .or_throw(&env)
            .map(|facts| facts.map(Into::into))
    }
}

impl NativeObject {
    /// A wait that goes on elsewhere, on behalf of this environment.
    pub(crate) fn request(&self, operation: Operation) -> shmem_core::Result<Request> {
        self.request_with(|place, token| operation::wait(place, operation, token))
    }

    /// As [`Self::request`], for a wait of any kind.
    pub(crate) fn request_with(
        &self,
        wait: impl FnOnce(&Place<'_>, Token) -> shmem_core::Result<Box<dyn Wait<MemberTable> + Send>>,
    ) -> shmem_core::Result<Request> {
        self.inner.with(|open| {
            let place = Place::of(&open.managed, self.found, self.shape);
            let member = open.member()?;
            let wait = wait(&place, member.token())?;
            let counters = place.counters()?;
            let pin = open.managed.mapping().pin()?;
            Ok(Request::new(member.table().clone(), wait, move |waited| counters.count(waited), pin))
        })
    }

    /// The segment it is in.
    pub(crate) fn inner(&self) -> Rc<Inner> {
        Rc::clone(&self.inner)
    }

    /// Looks at its place.
    pub(crate) fn look<T>(
        &self,
        look: impl FnOnce(Place<'_>) -> shmem_core::Result<T>,
    ) -> shmem_core::Result<T> {
        self.with(|place, _, _| look(place))
    }

    /// The object with its place, the table and this environment's token, while the segment is open.
    pub(crate) fn with<T>(
        &self,
        act: impl FnOnce(Place<'_>, &MemberTable, Token) -> shmem_core::Result<T>,
    ) -> shmem_core::Result<T> {
        let named = |error: shmem_core::Error| error.or_on(|| Subject::Name(self.name.clone()));
        self.inner
            .with(|open| {
                let member = open.member()?;
                act(Place::of(&open.managed, self.found, self.shape), member.table(), member.token())
            })
            .map_err(named)
    }
}

/// What the facade's numbers mean (lib/managed-layout.ts).
pub(crate) fn operation_of(operation: u32, argument: u32) -> Result<Operation> {
    // Of a lock, a permit and a barrier, the argument is bits.
    let wish = LockWish { strict: argument & 1 != 0, blocks_owner: argument & 2 != 0 };
    Ok(Operation::Lock(match operation {
        ring::ITEMS => return Ok(Operation::Ring(RingOperation::Items(argument))),
        ring::ROOM => return Ok(Operation::Ring(RingOperation::Room(argument))),
        LOCK => LockOperation::Lock(wish),
        READ => LockOperation::Read(wish),
        WRITE => LockOperation::Write(wish),
        ACQUIRE => LockOperation::Acquire { blocks_owner: wish.blocks_owner },
        EVENT => LockOperation::Event,
        ARRIVE => LockOperation::Arrive(ArriveWish { resumes: argument & 1 != 0, keeps: argument & 2 != 0 }),
        NOTIFIED => LockOperation::Notified(argument),
        WORD => LockOperation::Word(argument),
        other => return Err(Error::new(Status::InvalidArg, format!("no operation is number {other}"))),
    }))
}

/// An answer, as a number of the facade.
pub(crate) const fn answer_number(answer: Answer) -> i32 {
    match answer {
        Answer::Done => 0,
        Answer::OwnerDied => 1,
        Answer::PartyDied => 2,
        Answer::NotEqual => 3,
    }
}
