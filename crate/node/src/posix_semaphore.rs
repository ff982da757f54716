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
use shmem_core::sync::posix_semaphore::{self, NamedSemaphore, PosixSemaphore};
use shmem_core::sys::{file, posix_sem};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

/// A semaphore, until it is closed.
#[napi]
#[derive(Debug)]
pub struct NativePosixSemaphore {
    home: Home,
    /// Whether this opening made it.
    created: bool,
}

#[derive(Debug)]
enum Home {
    Named {
        semaphore: NamedSemaphore,
        name: String,
    },
    /// `spoilt`: an operation met a bad page, and a private one lies there since.
    InSegment {
        mapping: Arc<Mapping>,
        offset: u64,
        spoilt: Cell<bool>,
    },
    Closed,
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
        self.with(|semaphore| semaphore.wait(slice)).or_throw(&env).map(word)
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
        self.home = Home::Closed;
    }

    fn with<T>(&self, act: impl FnOnce(PosixSemaphore) -> shmem_core::Result<T>) -> shmem_core::Result<T> {
        match &self.home {
            Home::Named { semaphore, name } => {
                semaphore.with(act).map_err(|error| error.or_on(|| Subject::Name(name.clone())))
            }
            Home::InSegment { mapping, offset, spoilt } => in_sound_segment(mapping, *offset, spoilt, act),
            Home::Closed => Err(Error::own("ERR_SHM_CLOSED", "the semaphore is closed")),
        }
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
        home: Home::InSegment { mapping, offset, spoilt: Cell::new(false) },
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

/// As [`in_segment`], but what was done on a page that went bad, or beyond the end of a truncated object, was done on a private
/// page, and is an error: now and from then on.
fn in_sound_segment<T>(
    mapping: &Mapping,
    offset: u64,
    spoilt: &Cell<bool>,
    act: impl FnOnce(PosixSemaphore) -> shmem_core::Result<T>,
) -> shmem_core::Result<T> {
    let before = mapping.faults();
    let answer = in_segment(mapping, offset, act);
    let after = mapping.faults();
    if after.truncated > 0 {
        return Err(Error::own(
            "ERR_SHM_TRUNCATED",
            "the semaphore lies in a mapping whose object was truncated",
        ));
    }
    spoilt.set(spoilt.get() || before != after);
    if spoilt.get() {
        return Err(Error::own("ERR_SHM_HOLE", "the semaphore lies in pages that are unmapped or protected"));
    }
    answer
}

fn in_segment<T>(
    mapping: &Mapping,
    offset: u64,
    act: impl FnOnce(PosixSemaphore) -> shmem_core::Result<T>,
) -> shmem_core::Result<T> {
    mapping.with_bytes(offset, posix_sem::SIZE_BYTES, |address| {
        if !address.is_multiple_of(posix_sem::ALIGN_BYTES) {
            return Err(Error::own(
                "ERR_OUT_OF_RANGE",
                format!("a semaphore needs an offset that is a multiple of {}", posix_sem::ALIGN_BYTES),
            ));
        }
        // SAFETY: aligned (checked), inside the mapping (`with_bytes`), which stays mapped for this call; the facade refuses
        // read-only segments, and the guard catches a truncated one.
        #[expect(unsafe_code, reason = "a semaphore is an address")]
        let semaphore = unsafe { PosixSemaphore::at(address) };
        act(semaphore)
    })
}

fn named(semaphore: NamedSemaphore, name: String, created: bool) -> NativePosixSemaphore {
    NativePosixSemaphore { home: Home::Named { semaphore, name }, created }
}

fn word(outcome: Outcome) -> i32 {
    match outcome {
        Outcome::Acquired => 1,
        Outcome::NotNow => 0,
        Outcome::Interrupted => -1,
    }
}
