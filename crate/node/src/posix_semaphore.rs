//! POSIX semaphores: named, or at an offset of a segment.

use crate::convert::whole;
use crate::error::{OrThrow, throw};
use crate::segment::NativeSegment;
use napi::Result;
use napi::bindgen_prelude::Env;
use napi_derive::napi;
use shmem_core::error::{Errno, Error, Subject};
use shmem_core::memory::{Access, Mapping};
use shmem_core::sync::Outcome;
use shmem_core::sync::pending_waits::Attempt;
use shmem_core::sync::posix_semaphore::{self, NamedSemaphore, PosixSemaphore};
use shmem_core::sys::{file, posix_sem};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A semaphore, until it is closed.
#[napi]
#[derive(Debug)]
pub struct NativePosixSemaphore {
    /// `None` once it is closed here; a wait that is in its turn keeps it a moment longer.
    home: Option<Arc<Home>>,
    /// Whether this opening made it.
    created: bool,
}

/// Where a semaphore lies.
#[derive(Debug)]
pub(crate) enum Home {
    Named {
        semaphore: NamedSemaphore,
        name: String,
    },
    /// `spoilt`: an operation met a bad page, and a private one lies there since.
    InSegment {
        mapping: Arc<Mapping>,
        offset: u64,
        spoilt: AtomicBool,
    },
}

#[napi]
impl NativePosixSemaphore {
    /// Whether this opening made it.
    #[napi(catch_unwind, getter)]
    pub fn created(&self) -> bool {
        self.created
    }

    /// `sem_trywait(3)`: 1 acquired, 0 not now, -1 interrupted.
    #[napi(catch_unwind)]
    pub fn try_wait(&self, env: Env) -> Result<i32> {
        self.with(PosixSemaphore::try_wait).or_throw(&env).map(word)
    }

    /// `sem_timedwait(3)`: 1 acquired, 0 timed out, -1 interrupted.
    #[napi(catch_unwind)]
    pub fn wait(&self, env: Env, slice_ms: u32) -> Result<i32> {
        let slice = Duration::from_millis(slice_ms.into());
        self.home().and_then(|home| home.wait(slice)).or_throw(&env).map(word)
    }

    /// `sem_post(3)`.
    #[napi(catch_unwind)]
    pub fn post(&self, env: Env) -> Result<()> {
        self.with(PosixSemaphore::post).or_throw(&env)
    }

    /// `sem_getvalue(3)`.
    #[napi(catch_unwind)]
    pub fn value(&self, env: Env) -> Result<i32> {
        self.with(PosixSemaphore::value).or_throw(&env)
    }

    /// `sem_close(3)`; idempotent.
    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        self.home = None;
    }

    fn with<T>(&self, act: impl FnOnce(PosixSemaphore) -> shmem_core::Result<T>) -> shmem_core::Result<T> {
        self.home()?.with(act)
    }

    pub(crate) fn home(&self) -> shmem_core::Result<&Arc<Home>> {
        self.home.as_ref().ok_or_else(|| Error::own("ERR_SHM_CLOSED", "the semaphore is closed"))
    }
}

impl Home {
    fn with<T>(&self, act: impl FnOnce(PosixSemaphore) -> shmem_core::Result<T>) -> shmem_core::Result<T> {
        match self {
            Self::Named { semaphore, name } => {
                semaphore.with(act).map_err(|error| error.or_on(|| Subject::Name(name.clone())))
            }
            Self::InSegment { mapping, offset, spoilt } => {
                sound(mapping, spoilt, || in_segment(mapping, *offset, act))
            }
        }
    }

    /// Each touch of the bytes is looked at by itself: other threads may use the segment during the sleep, and touch it badly elsewhere.
    fn wait(&self, slice: Duration) -> shmem_core::Result<Outcome> {
        match self {
            Self::Named { .. } => self.with(|semaphore| semaphore.wait(slice)),
            Self::InSegment { mapping, offset, spoilt } => {
                mapping.with_pinned_bytes(*offset, posix_sem::SIZE_BYTES, |address| {
                    semaphore_at(address)?.wait_by(slice, |step| sound(mapping, spoilt, step))
                })
            }
        }
    }
}

/// What a helper thread waits for.
#[derive(Debug)]
pub(crate) struct Take(pub(crate) Arc<Home>);

impl Attempt for Take {
    fn attempt(&mut self, slice: Duration) -> shmem_core::Result<Outcome> {
        self.0.wait(slice)
    }

    fn give_back(&mut self) {
        // Nobody is left to tell, and where it fails there is no semaphore any more.
        let _ = self.0.with(PosixSemaphore::post);
    }

    fn can_give_back(&self) -> bool {
        true
    }
}

/// Makes a named semaphore.
#[napi(catch_unwind)]
pub fn posix_semaphore_create(env: Env, name: String, value: u32, mode: u32) -> Result<NativePosixSemaphore> {
    NamedSemaphore::create(&name, value, mode).or_throw(&env).map(|semaphore| named(semaphore, name, true))
}

/// Opens a named semaphore.
#[napi(catch_unwind)]
pub fn posix_semaphore_open(env: Env, name: String) -> Result<NativePosixSemaphore> {
    NamedSemaphore::open(&name).or_throw(&env).map(|semaphore| named(semaphore, name, false))
}

/// Opens a named semaphore, or makes it.
#[napi(catch_unwind)]
pub fn posix_semaphore_open_or_create(
    env: Env,
    name: String,
    value: u32,
    mode: u32,
) -> Result<NativePosixSemaphore> {
    NamedSemaphore::open_or_create(&name, value, mode)
        .or_throw(&env)
        .map(|(semaphore, created)| named(semaphore, name, created))
}

/// `sem_open(3)` itself.
#[napi(catch_unwind)]
pub fn sem_open(env: Env, name: String, flags: i32, mode: u32, value: u32) -> Result<NativePosixSemaphore> {
    let created = flags & file::flags::O_CREAT != 0;
    NamedSemaphore::call_open(&name, flags, mode, value)
        .or_throw(&env)
        .map(|semaphore| named(semaphore, name, created))
}

/// `sem_unlink(3)`.
#[napi(catch_unwind)]
pub fn posix_semaphore_remove(env: Env, name: String) -> Result<()> {
    posix_semaphore::unlink(&name).or_throw(&env)
}

/// The semaphore at an offset of a segment, made anew where `value` is given.
#[napi(catch_unwind)]
pub fn posix_semaphore_at(
    env: Env,
    segment: &NativeSegment,
    offset: f64,
    value: Option<u32>,
) -> Result<NativePosixSemaphore> {
    let offset = whole(offset)?;
    if segment.segment.access == Access::Read {
        let error = Error::own("ERR_SHM_READ_ONLY", "a semaphore needs memory that is mapped for writing");
        return Err(throw(&env, &error));
    }
    let mapping = Arc::clone(&segment.segment.mapping);
    match value {
        Some(value) => in_segment(&mapping, offset, |semaphore| semaphore.initialise(value)),
        None => in_segment(&mapping, offset, |semaphore| semaphore.value().map(drop)),
    }
    .or_throw(&env)?;
    Ok(NativePosixSemaphore {
        home: Some(Arc::new(Home::InSegment { mapping, offset, spoilt: AtomicBool::new(false) })),
        created: value.is_some(),
    })
}

/// Bytes and alignment of a `sem_t`.
#[napi(catch_unwind)]
pub fn posix_semaphore_layout(env: Env) -> Result<Vec<u32>> {
    match (u32::try_from(posix_sem::SIZE_BYTES), u32::try_from(posix_sem::ALIGN_BYTES)) {
        (Ok(size), Ok(align)) => Ok(vec![size, align]),
        _ => Err(throw(&env, &Error::system("sem_init", Errno::EOVERFLOW))),
    }
}

/// What was done on a page that went bad, or beyond the end of a truncated object, was done on a private page, and is an error: now
/// and from then on.
fn sound<T>(
    mapping: &Mapping,
    spoilt: &AtomicBool,
    act: impl FnOnce() -> shmem_core::Result<T>,
) -> shmem_core::Result<T> {
    let before = mapping.faults();
    let answer = act();
    let after = mapping.faults();
    if after.truncated > 0 {
        return Err(Error::own(
            "ERR_SHM_TRUNCATED",
            "the semaphore lies in a mapping whose object was truncated",
        ));
    }
    // Relaxed: it only ever becomes true, and each thread sees its own faults.
    if before != after || spoilt.load(Ordering::Relaxed) {
        spoilt.store(true, Ordering::Relaxed);
        return Err(Error::own("ERR_SHM_HOLE", "the semaphore lies in pages that are unmapped or protected"));
    }
    answer
}

fn in_segment<T>(
    mapping: &Mapping,
    offset: u64,
    act: impl FnOnce(PosixSemaphore) -> shmem_core::Result<T>,
) -> shmem_core::Result<T> {
    mapping.with_bytes(offset, posix_sem::SIZE_BYTES, |address| act(semaphore_at(address)?))
}

/// The semaphore at an address that `with_bytes` or `with_pinned_bytes` gave, and gave room for; used only as long as they run.
fn semaphore_at(address: usize) -> shmem_core::Result<PosixSemaphore> {
    if !address.is_multiple_of(posix_sem::ALIGN_BYTES) {
        return Err(Error::own(
            "ERR_OUT_OF_RANGE",
            format!("a semaphore needs an offset that is a multiple of {}", posix_sem::ALIGN_BYTES),
        ));
    }
    // SAFETY: aligned (checked), inside a mapping that stays mapped (both callers are inside such a closure); the facade refuses
    // read-only segments, and the guard catches a truncated one.
    #[expect(unsafe_code, reason = "a semaphore is an address")]
    let semaphore = unsafe { PosixSemaphore::at(address) };
    Ok(semaphore)
}

fn named(semaphore: NamedSemaphore, name: String, created: bool) -> NativePosixSemaphore {
    NativePosixSemaphore { home: Some(Arc::new(Home::Named { semaphore, name })), created }
}

fn word(outcome: Outcome) -> i32 {
    match outcome {
        Outcome::Acquired => 1,
        Outcome::NotNow => 0,
        Outcome::Interrupted => -1,
    }
}
