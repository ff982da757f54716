//! Managed segments, and this environment as their member.

use crate::convert::number;
use crate::error::OrThrow;
use crate::managed_object::NativeObject;
use crate::segment::NativeSegment;
use napi::Result;
use napi::bindgen_prelude::{BigInt, Env};
use napi_derive::napi;
use shmem_core::Error;
use shmem_core::managed::header::{IfBlank, LAYOUT_VERSION};
use shmem_core::managed::{Kind, ManagedOptions, ManagedSegment, ObjectFacts, Shape, geometry, kind, layout};
use shmem_core::membership::{Fate, JoinOptions, Member, MemberFacts, MemberTable, Token};
use shmem_core::sync::member_watch::MemberWatch;
use shmem_core::sync::waiter::Request;
use shmem_core::sync::{event, mutex};
use std::cell::RefCell;
use std::rc::Rc;

/// A managed segment, until it is closed. Dropped without that, as when its environment ends, its member dies.
#[napi]
#[derive(Debug)]
pub struct NativeManaged {
    inner: Rc<Inner>,
}

/// What the segment's objects share with it.
#[derive(Debug)]
pub(crate) struct Inner {
    open: RefCell<Option<Open>>,
}

/// What there is until the segment is closed. The member goes first: the segment keeps its words mapped.
#[derive(Debug)]
pub(crate) struct Open {
    member: Option<Member>,
    pub(crate) managed: ManagedSegment,
}

/// What a slot says of its member.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "see shmem_core::membership::MemberFacts")]
pub struct NativeMember {
    pub token: u32,
    pub slot: u32,
    pub alive: bool,
    pub pid: u32,
    pub tid: u32,
    pub pid_namespace: f64,
    pub joined_at_ms: f64,
    pub name: String,
}

/// An entry of the directory.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "see shmem_core::managed::ObjectFacts")]
pub struct NativeObjectFacts {
    pub name: String,
    pub kind: String,
    pub words: String,
    pub offset: f64,
    pub bytes: f64,
}

/// What was drawn in Rust: no offset is written twice.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "see shmem_core::managed::layout and kind")]
pub struct NativeLayout {
    pub layout_version: u32,
    pub mutex: u32,
    pub rwlock: u32,
    pub condition: u32,
    pub semaphore: u32,
    pub event: u32,
    pub barrier: u32,
    pub once: u32,
    pub word: u32,
    pub counter: u32,
    pub seqlock: u32,
    pub r#struct: u32,
    pub word_offset: u32,
    pub sequence_offset: u32,
    pub done_offset: u32,
    pub barrier_phase_offset: u32,
    pub version_offset: u32,
    pub waits_offset: u32,
    pub owner_deaths_offset: u32,
    pub timeouts_offset: u32,
    pub parts_offset: u32,
    pub reader_stride: u32,
    pub permit_stride: u32,
    pub copy_align: u32,
    /// As signed 32-bit numbers, as `Atomics` gives them.
    pub waiters: i32,
    pub set: i32,
    pub not_recoverable: i32,
    pub permits_max: u32,
    pub parties_max: u32,
    pub record_bytes_max: u32,
    pub name_bytes_max: u32,
    pub slots_default: u32,
    pub objects_default: u32,
    pub slots_max: u32,
    pub objects_max: u32,
}

/// The layout of this build.
#[napi(catch_unwind)]
pub fn managed_layout() -> NativeLayout {
    let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    NativeLayout {
        layout_version: LAYOUT_VERSION,
        mutex: Kind::Mutex as u32,
        rwlock: Kind::RwLock as u32,
        condition: Kind::Condition as u32,
        semaphore: Kind::Semaphore as u32,
        event: Kind::Event as u32,
        barrier: Kind::Barrier as u32,
        once: Kind::Once as u32,
        word: Kind::Word as u32,
        counter: Kind::Counter as u32,
        seqlock: Kind::SeqLock as u32,
        r#struct: Kind::Struct as u32,
        word_offset: small(layout::WORD),
        sequence_offset: small(layout::SEQUENCE),
        done_offset: small(layout::DONE),
        barrier_phase_offset: small(layout::BARRIER_PHASE),
        version_offset: small(layout::VERSION),
        waits_offset: small(layout::WAITS),
        owner_deaths_offset: small(layout::OWNER_DEATHS),
        timeouts_offset: small(layout::TIMEOUTS),
        parts_offset: small(layout::PARTS),
        reader_stride: small(layout::READER_STRIDE),
        permit_stride: small(layout::PERMIT_STRIDE),
        copy_align: small(layout::COPY_ALIGN),
        waiters: mutex::WAITERS.cast_signed(),
        set: event::SET.cast_signed(),
        not_recoverable: mutex::NOT_RECOVERABLE.cast_signed(),
        permits_max: kind::PERMITS_MAX,
        parties_max: kind::PARTIES_MAX,
        record_bytes_max: kind::RECORD_BYTES_MAX,
        name_bytes_max: small(shmem_core::managed::directory::NAME_BYTES_MAX as u64),
        slots_default: ManagedOptions::SLOTS,
        objects_default: ManagedOptions::OBJECTS,
        slots_max: shmem_core::membership::SLOTS_MAX,
        objects_max: shmem_core::managed::header::OBJECTS_MAX,
    }
}

/// Takes an open segment as a managed one; with `make`, makes it one if it is blank.
#[napi(catch_unwind)]
pub fn manage(
    env: Env,
    segment: &NativeSegment,
    make: bool,
    slots: u32,
    objects: u32,
) -> Result<NativeManaged> {
    let if_blank = if make { IfBlank::Make { slots, objects } } else { IfBlank::Refuse };
    let managed = ManagedSegment::open(&segment.segment, ManagedOptions { if_blank }).or_throw(&env)?;
    let inner = Inner { open: RefCell::new(Some(Open { member: None, managed })) };
    Ok(NativeManaged { inner: Rc::new(inner) })
}

#[napi]
impl NativeManaged {
    /// Makes this environment's thread a member. Answers its token.
    #[napi(catch_unwind)]
    pub fn join(&self, env: Env, name: String) -> Result<u32> {
        let mut open = self.inner.open.borrow_mut();
        let join = |open: &mut Open| {
            let member = open.managed.join(&JoinOptions { name })?;
            let token = member.token();
            open.member = Some(member);
            Ok(token.word())
        };
        open.as_mut().ok_or_else(closed).and_then(join).or_throw(&env)
    }

    /// Leaves and closes; idempotent. The facade holds nothing any more.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        let open = self.inner.open.borrow_mut().take();
        if let Some(member) = open.and_then(|open| open.member) {
            member.leave();
        }
    }

    /// The named object of that shape; made if there is none.
    #[napi(catch_unwind)]
    pub fn object(
        &self,
        env: Env,
        name: String,
        kind: u32,
        given: Vec<u32>,
        type_hash: Option<BigInt>,
    ) -> Result<NativeObject> {
        self.inner
            .with(|open| {
                let kind = Kind::from_number(kind).ok_or_else(|| {
                    Error::own("ERR_OUT_OF_RANGE", format!("no kind of object is number {kind}"))
                })?;
                let mut numbers = [0; geometry::NUMBERS];
                numbers.iter_mut().zip(&given).for_each(|(number, given)| *number = *given);
                let type_hash = type_hash.map_or(0, |hash| hash.get_u64().1);
                let shape = Shape { kind, numbers, type_hash };
                let found = open.managed.object(open.member()?, &name, shape)?;
                Ok(NativeObject::new(Rc::clone(&self.inner), name, found, shape))
            })
            .or_throw(&env)
    }

    /// What the directory lists.
    #[napi(catch_unwind)]
    pub fn objects(&self, env: Env) -> Result<Vec<NativeObjectFacts>> {
        let told = |facts: ObjectFacts| NativeObjectFacts {
            name: facts.name,
            kind: facts.shape.kind.name().to_owned(),
            words: facts.shape.words(),
            offset: number(facts.offset),
            bytes: number(facts.bytes),
        };
        self.inner.with(|open| Ok(open.managed.objects().into_iter().map(told).collect())).or_throw(&env)
    }

    /// All members, the dead ones too whose places nobody took.
    #[napi(catch_unwind)]
    pub fn members(&self, env: Env) -> Result<Vec<NativeMember>> {
        self.inner
            .with(|open| {
                open.table().recheck_all();
                Ok(open.table().members().into_iter().map(Into::into).collect())
            })
            .or_throw(&env)
    }

    /// What became of the member of a token: 0 it lives, 1 it died, 2 it left.
    #[napi(catch_unwind)]
    pub fn fate(&self, env: Env, token: u32) -> Result<u32> {
        let fate = |open: &Open| Token::from_word(token).map_or(Fate::Died, |token| open.table().fate(token));
        self.inner
            .with(|open| {
                Ok(match fate(open) {
                    Fate::Lives => 0,
                    Fate::Died => 1,
                    Fate::Left => 2,
                })
            })
            .or_throw(&env)
    }

    /// Index of this environment's slot.
    #[napi(catch_unwind)]
    pub fn slot(&self, env: Env) -> Result<u32> {
        self.inner.with(|open| Ok(open.table().shape().parts(open.member()?.token()).0)).or_throw(&env)
    }

    /// Members at once.
    #[napi(catch_unwind)]
    pub fn slots(&self, env: Env) -> Result<u32> {
        self.inner.with(|open| Ok(open.managed.geometry().slots)).or_throw(&env)
    }
}

impl NativeManaged {
    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// A wait for the next change of the list of members, from this moment on.
    pub(crate) fn member_watch(&self) -> shmem_core::Result<Request> {
        self.inner.with(|open| {
            let table = open.table().clone();
            let watch = MemberWatch::new(&table);
            Ok(Request::new(table, Box::new(watch), |_| {}, open.managed.mapping().pin()?))
        })
    }
}

impl Inner {
    /// Uses the segment while it is open and mapped.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&Open) -> shmem_core::Result<T>) -> shmem_core::Result<T> {
        self.with_unchecked(|open| {
            open.managed.mapping().with_bytes(0, 1, |_| Ok(()))?;
            if open.managed.mapping().faults().truncated > 0 {
                return Err(Error::own(
                    "ERR_SHM_TRUNCATED",
                    "somebody made the object smaller under its members: nothing in it holds any more",
                ));
            }
            act(open)
        })
    }

    /// As [`Self::with`], for who knows that nothing was made smaller: its pages are pinned as long as it is open.
    pub(crate) fn with_unchecked<T>(
        &self,
        act: impl FnOnce(&Open) -> shmem_core::Result<T>,
    ) -> shmem_core::Result<T> {
        let open = self.open.borrow();
        act(open.as_ref().ok_or_else(closed)?)
    }
}

impl Open {
    /// This environment as a member.
    pub(crate) fn member(&self) -> shmem_core::Result<&Member> {
        self.member.as_ref().ok_or_else(|| Error::own("ERR_SHM_READ_ONLY", "who only observes is no member"))
    }

    /// The table as this environment's member sees it, or as anybody does.
    pub(crate) fn table(&self) -> &MemberTable {
        self.member.as_ref().map_or_else(|| self.managed.table(), Member::table)
    }
}

impl From<MemberFacts> for NativeMember {
    fn from(facts: MemberFacts) -> Self {
        Self {
            token: facts.token.word(),
            slot: facts.slot,
            alive: facts.alive,
            pid: facts.pid,
            tid: facts.tid,
            pid_namespace: number(facts.pid_namespace),
            joined_at_ms: number(facts.joined_at_ms),
            name: facts.name,
        }
    }
}

fn closed() -> Error {
    Error::own("ERR_SHM_CLOSED", "the managed segment is closed")
}
