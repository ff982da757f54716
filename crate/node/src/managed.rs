//! Managed segments, and this environment as their member.

use crate::convert::{number, size};
use crate::error::OrThrow;
use crate::managed_object::NativeObject;
use crate::segment::NativeSegment;
use napi::Result;
use napi::bindgen_prelude::Env;
use napi_derive::napi;
use shmem_core::Error;
use shmem_core::managed::header::{IfBlank, LAYOUT_VERSION};
use shmem_core::managed::{Kind, ManagedOptions, ManagedSegment, Shape, kind, layout};
use shmem_core::membership::{JoinOptions, Member, MemberFacts, Platform, Token};
use shmem_core::sync::{event, mutex};
use std::cell::{Cell, RefCell};
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
    pub(crate) managed: ManagedSegment,
    member: RefCell<Option<Member>>,
    token: Cell<Option<Token>>,
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
    pub word_offset: u32,
    pub sequence_offset: u32,
    pub done_offset: u32,
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
        word_offset: small(layout::WORD),
        sequence_offset: small(layout::SEQUENCE),
        done_offset: small(layout::DONE),
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
    let inner = Inner { managed, member: RefCell::new(None), token: Cell::new(None) };
    Ok(NativeManaged { inner: Rc::new(inner) })
}

#[napi]
impl NativeManaged {
    /// Makes this environment's thread a member. Answers its token.
    #[napi(catch_unwind)]
    pub fn join(&self, env: Env, name: String) -> Result<u32> {
        let member = self.inner.managed.join(&JoinOptions { name }).or_throw(&env)?;
        let token = member.token();
        self.inner.token.set(Some(token));
        self.inner.member.replace(Some(member));
        Ok(token.word())
    }

    /// Leaves; idempotent. The facade holds nothing any more.
    #[napi(catch_unwind)]
    pub fn leave(&self) {
        self.inner.token.set(None);
        if let Some(member) = self.inner.member.take() {
            member.leave();
        }
    }

    /// The named object of that shape; made if there is none.
    #[napi(catch_unwind)]
    pub fn object(&self, env: Env, name: String, kind: u32, number: u32) -> Result<NativeObject> {
        let find = || {
            let kind = Kind::from_number(kind).ok_or_else(|| {
                Error::own("ERR_OUT_OF_RANGE", format!("no kind of object is number {kind}"))
            })?;
            let shape = Shape { kind, number };
            let member = self.inner.member.borrow();
            let found = self.inner.managed.object(member.as_ref().ok_or_else(closed)?, &name, shape)?;
            Ok(NativeObject::new(Rc::clone(&self.inner), found, shape))
        };
        self.inner.living().and_then(|()| find()).or_throw(&env)
    }

    /// What the directory lists.
    #[napi(catch_unwind)]
    pub fn objects(&self, env: Env) -> Result<Vec<NativeObjectFacts>> {
        self.inner.living().or_throw(&env)?;
        let facts = self.inner.managed.objects().into_iter().map(|facts| NativeObjectFacts {
            name: facts.name,
            kind: facts.shape.kind.name().to_owned(),
            words: facts.shape.words(),
            offset: number(facts.offset),
            bytes: number(facts.bytes),
        });
        Ok(facts.collect())
    }

    /// All members, the dead ones too whose places nobody took.
    #[napi(catch_unwind)]
    pub fn members(&self, env: Env) -> Result<Vec<NativeMember>> {
        self.inner.living().or_throw(&env)?;
        let table = self.inner.table();
        table.recheck_all();
        Ok(table.members().into_iter().map(Into::into).collect())
    }

    /// The member of a token, while its slot is not another's.
    #[napi(catch_unwind)]
    pub fn member(&self, env: Env, token: u32) -> Result<Option<NativeMember>> {
        self.inner.living().or_throw(&env)?;
        let table = self.inner.table();
        let token = Token::from_word(token & !mutex::WAITERS);
        Ok(token.and_then(|token| {
            table.recheck(token);
            table.member(token).map(Into::into)
        }))
    }

    /// Members at once.
    #[napi(catch_unwind, getter)]
    pub fn slots(&self) -> u32 {
        self.inner.managed.geometry().slots
    }

    /// First byte of the heap.
    #[napi(catch_unwind, getter)]
    pub fn heap_offset(&self) -> f64 {
        number(self.inner.managed.geometry().heap_offset)
    }

    /// Bytes of the header's mapping.
    #[napi(catch_unwind, getter)]
    pub fn size(&self) -> f64 {
        size(self.inner.managed.mapping().size_bytes())
    }
}

impl Inner {
    /// The table as this environment's member sees it, or as anybody does.
    pub(crate) fn table(&self) -> shmem_core::membership::MemberTable {
        self.member
            .borrow()
            .as_ref()
            .map_or_else(|| self.managed.table().clone(), |member| member.table().clone())
    }

    /// The token, while this environment is a member.
    pub(crate) fn token(&self) -> shmem_core::Result<Token> {
        self.token.get().ok_or_else(closed)
    }

    /// Whether the bytes are mapped.
    pub(crate) fn living(&self) -> shmem_core::Result<()> {
        self.managed.mapping().with_bytes(0, 1, |_| Ok(()))
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

pub(crate) fn closed() -> Error {
    Error::own("ERR_SHM_CLOSED", "the managed segment is closed")
}
