//! What the functions over the whole machine need beyond /proc: signs, locks that exclude openers, system calls that are tried.

use crate::error::OrThrow;
use napi::Result;
use napi::bindgen_prelude::Env;
use napi_derive::napi;
use shmem_core::error::Named;
use shmem_core::managed::header::MAGIC;
use shmem_core::memory::{self, Cleaned, LIVENESS_BYTE, liveness};
use shmem_core::sys::{file, probe};

/// By what objects of ours are known.
#[napi(object)]
#[derive(Debug)]
pub struct NativeSigns {
    /// The first bytes of a managed segment, in latin1.
    pub magic: String,
    /// The byte whose lock is the sign of life.
    pub liveness_byte: f64,
}

/// The signs of this build.
#[napi(catch_unwind)]
pub fn signs() -> NativeSigns {
    NativeSigns {
        magic: MAGIC.to_le_bytes().map(char::from).iter().collect(),
        liveness_byte: LIVENESS_BYTE as f64,
    }
}

/// Whether a POSIX object was made by this library, as its attribute says.
#[napi(catch_unwind)]
pub fn has_sign(path: String) -> bool {
    file::has_attribute(&path, memory::SIGN)
}

/// Takes an object's sign of life alone, for as long as the descriptor is open; false where somebody has it.
#[napi(catch_unwind)]
pub fn take_liveness_alone(env: Env, fd: i32) -> Result<bool> {
    file::with_borrowed(fd, liveness::take_alone).called("fcntl").or_throw(&env)
}

/// Removes a System V segment if nobody has it attached: `removed`, `inUse` or `gone`.
#[napi(catch_unwind)]
pub fn clean_sysv(env: Env, id: i32) -> Result<String> {
    let word = match memory::clean_sysv(id).or_throw(&env)? {
        Cleaned::Removed => "removed",
        Cleaned::InUse => "inUse",
        Cleaned::Gone => "gone",
    };
    Ok(word.to_owned())
}

/// A system call that was tried.
#[napi(object)]
#[derive(Debug)]
pub struct NativeProbe {
    /// Under its man-page name.
    pub name: String,
    /// The errno by name, where it cannot be used.
    pub refusal: Option<String>,
}

/// Tries the system calls that some kernels and containers lack.
#[napi(catch_unwind)]
pub fn probe_system_calls() -> Vec<NativeProbe> {
    probe::probe_all()
        .into_iter()
        .map(|probe| NativeProbe {
            name: probe.name.to_owned(),
            refusal: probe.refusal.map(|errno| errno.name()),
        })
        .collect()
}
