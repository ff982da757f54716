//! Memory becomes a `SharedArrayBuffer`, where the runtime exports the call for it (looked up at run time).
//!
//! A `SharedArrayBuffer` cannot be revoked, so it gets a mapping of its own, kept until its finalizer, which may run on any
//! thread, after its environment is gone: hence no environment in it, and an image that is never unloaded (build.rs).

#![expect(unsafe_code, reason = "Node-API is C")]

use crate::error::OrThrow;
use crate::panics::guarded;
use crate::view::NO_EXTERNAL_BUFFERS_ALLOWED;
use napi::bindgen_prelude::{Env, Unknown};
use napi::{Error, Result, Status, sys};
use shmem_core::memory::Mapping;
use shmem_core::sys::machine;
use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, OnceLock};

type Finalize = extern "C" fn(data: *mut c_void, hint: *mut c_void);
type Create = unsafe extern "C" fn(
    env: sys::napi_env,
    data: *mut c_void,
    size_bytes: usize,
    finalize: Finalize,
    hint: *mut c_void,
    result: *mut sys::napi_value,
) -> sys::napi_status;

/// A `SharedArrayBuffer` over the same bytes as `mapping`.
pub(crate) fn shared_array_buffer<'env>(
    env: &'env Env,
    mapping: &Mapping,
    protection: i32,
) -> Result<Unknown<'env>> {
    let Some(create) = create_function() else { return Err(unavailable(env)) };
    let own = mapping.duplicate(protection).or_throw(env)?;
    let (address, size_bytes) = (own.address(), own.size_bytes());
    let held = Box::into_raw(Box::new(own));
    let mut value = ptr::null_mut();
    // SAFETY: the signature is that of node_api.h (Node 22.23, 24.16, 26.1; FACTS); the range stays mapped until `finalize`.
    let status = unsafe {
        create(env.raw(), address as *mut c_void, size_bytes, finalize, held.cast(), &raw mut value)
    };
    if status == sys::Status::napi_ok {
        // SAFETY: `value` was made by this call, in this environment.
        return Ok(unsafe { Unknown::from_raw_unchecked(env.raw(), value) });
    }
    // SAFETY: `held` came from Box::into_raw above and was not taken over by the failed call.
    drop(unsafe { Box::from_raw(held) });
    if status == NO_EXTERNAL_BUFFERS_ALLOWED {
        return Err(unavailable(env));
    }
    Err(Error::new(Status::from(status), "cannot create a SharedArrayBuffer over the segment"))
}

fn unavailable(env: &Env) -> Error {
    let error = shmem_core::Error::own(
        "ERR_SHM_NO_SHARED_ARRAY_BUFFER",
        "this runtime cannot make a SharedArrayBuffer over memory that it did not allocate itself",
    );
    crate::error::throw(env, &error)
}

extern "C" fn finalize(_data: *mut c_void, hint: *mut c_void) {
    guarded(|| {
        // SAFETY: `hint` is the box of `shared_array_buffer`, finalized once.
        drop(unsafe { Box::from_raw(hint.cast::<Arc<Mapping>>()) });
    });
}

fn create_function() -> Option<Create> {
    static FUNCTION: OnceLock<Option<Create>> = OnceLock::new();
    *FUNCTION.get_or_init(|| {
        let symbol = machine::symbol(c"node_api_create_external_sharedarraybuffer")?;
        // SAFETY: the runtime exports this name with this signature only.
        Some(unsafe { std::mem::transmute::<*mut c_void, Create>(symbol.as_ptr()) })
    })
}
