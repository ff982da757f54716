//! Memory becomes an `ArrayBuffer`: here and nowhere else, without a copy, without a Rust slice over it.
//!
//! The proof that no view outlives its pages:
//! 1. A buffer holds the mapping by `Arc` until V8 finalizes it, so dropping the segment alone unmaps nothing under a view.
//! 2. `close` unmaps earlier, but only after V8 detached the very buffer that covers the range: then no JavaScript view reaches it.
//! 3. A buffer that is found detached already was stolen by `transfer()`: its memory lives on in another buffer, so nothing
//!    is unmapped until that one's finalizer, which is the same callback with the same `Arc`.
//! 4. A thread of the runtime that still holds a pointer meets the quarantine, not foreign memory (`shmem_core::memory`).
//!
//! Where the runtime allows no external buffers (Electron), creation is an error, never a silent copy.

#![expect(unsafe_code, reason = "Node-API is C")]

use crate::panics::guarded;
use napi::bindgen_prelude::{Env, JsValue, Object, Unknown};
use napi::{Error, Result, Status, sys};
use shmem_core::membership::Word;
use shmem_core::memory::{Mapping, Pinned};
use shmem_core::structures::list::{Source, Target};
use std::cell::Cell;
use std::ffi::{CStr, c_void};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// `napi_no_external_buffers_allowed` of js_native_api_types.h.
pub(crate) const NO_EXTERNAL_BUFFERS_ALLOWED: i32 = 22;

/// An `ArrayBuffer` over the whole mapping.
pub(crate) fn array_buffer<'env>(env: &'env Env, mapping: &Arc<Mapping>) -> Result<Unknown<'env>> {
    let held = Box::into_raw(Box::new(Arc::clone(mapping)));
    let mut value = ptr::null_mut();
    let status = {
        let address = mapping.address() as *mut c_void;
        // SAFETY: the range is mapped and stays so until `finalize` (points 1 to 3 above); `held` is given to `finalize`, which
        // runs once; `value` is live.
        unsafe {
            sys::napi_create_external_arraybuffer(
                env.raw(),
                address,
                mapping.size_bytes(),
                Some(finalize),
                held.cast(),
                &raw mut value,
            )
        }
    };
    if status == sys::Status::napi_ok {
        // SAFETY: `value` was made by this call, in this environment.
        return Ok(unsafe { Unknown::from_raw_unchecked(env.raw(), value) });
    }
    if status == NO_EXTERNAL_BUFFERS_ALLOWED {
        // Then, and only then, Node never calls the finalizer of the failed call: it does for a buffer that is too large.
        // SAFETY: `held` came from Box::into_raw above and was not taken over.
        drop(unsafe { Box::from_raw(held) });
        let error = shmem_core::Error::own(
            "ERR_SHM_NO_EXTERNAL_BUFFERS",
            "this runtime allows no buffers over memory that it did not allocate itself",
        );
        return Err(crate::error::throw(env, &error));
    }
    Err(Error::new(Status::from(status), "cannot create an ArrayBuffer over the segment"))
}

/// An `ArrayBuffer` over a word that lives as long as the image, which is never unloaded (build.rs).
pub(crate) fn counter<'env>(env: &'env Env, word: &'static AtomicU32) -> Result<Unknown<'env>> {
    let mut value = ptr::null_mut();
    // SAFETY: the word is static and interior-mutable; there is nothing to finalize; `value` is live.
    let status = unsafe {
        sys::napi_create_external_arraybuffer(
            env.raw(),
            word.as_ptr().cast(),
            size_of::<AtomicU32>(),
            None,
            ptr::null_mut(),
            &raw mut value,
        )
    };
    check(status, "make")?;
    // SAFETY: `value` was made by this call, in this environment.
    Ok(unsafe { Unknown::from_raw_unchecked(env.raw(), value) })
}

/// An `ArrayBuffer` over words of this thread's own, which live as long as either has them.
pub(crate) fn own_words<'env>(env: &'env Env, words: &Rc<[Cell<u32>]>) -> Result<Unknown<'env>> {
    let held = Box::into_raw(Box::new(Rc::clone(words)));
    let mut value = ptr::null_mut();
    // SAFETY: the words are interior-mutable and this thread's alone, on which the buffer and its finalizer are, too; `held` is given to
    // `finalize_words`, which runs once; `value` is live.
    let status = unsafe {
        sys::napi_create_external_arraybuffer(
            env.raw(),
            words.as_ptr().cast_mut().cast(),
            size_of_val(&**words),
            Some(finalize_words),
            held.cast(),
            &raw mut value,
        )
    };
    if status == NO_EXTERNAL_BUFFERS_ALLOWED {
        // SAFETY: as in `array_buffer`.
        drop(unsafe { Box::from_raw(held) });
    }
    check(status, "make")?;
    // SAFETY: `value` was made by this call, in this environment.
    Ok(unsafe { Unknown::from_raw_unchecked(env.raw(), value) })
}

/// As [`finalize`], for [`own_words`].
extern "C" fn finalize_words(_env: sys::napi_env, _data: *mut c_void, hint: *mut c_void) {
    guarded(|| {
        // SAFETY: `hint` is the box of `own_words`, and Node-API finalizes a buffer once.
        drop(unsafe { Box::from_raw(hint.cast::<Rc<[Cell<u32>]>>()) });
    });
}

/// A raw function whose data lives until V8 is done with it.
pub(crate) fn function<'env, Data>(
    env: &'env Env,
    name: &CStr,
    callback: sys::napi_callback,
    data: Box<Data>,
) -> Result<Unknown<'env>> {
    let held = Box::into_raw(data);
    let mut value = ptr::null_mut();
    // SAFETY: `name` ends with a NUL within its length; `held` stays until the function is finalized; `value` is live.
    let status = unsafe {
        sys::napi_create_function(
            env.raw(),
            name.as_ptr(),
            name.count_bytes().cast_signed(),
            callback,
            held.cast(),
            &raw mut value,
        )
    };
    if status != sys::Status::napi_ok {
        // SAFETY: `held` came from Box::into_raw above, and no function has it.
        drop(unsafe { Box::from_raw(held) });
        return Err(Error::new(Status::from(status), "cannot make a function"));
    }
    // SAFETY: `value` is the function just made; `held` is given to the finalizer, which runs once, on this thread.
    let status = unsafe {
        sys::napi_add_finalizer(
            env.raw(),
            value,
            held.cast(),
            Some(finalize_data::<Data>),
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    // Where it fails, the data stays for ever: the function may be called still.
    check(status, "keep a function for")?;
    // SAFETY: `value` was made by this call, in this environment.
    Ok(unsafe { Unknown::from_raw_unchecked(env.raw(), value) })
}

/// As [`finalize`], for [`function`].
extern "C" fn finalize_data<Data>(_env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    guarded(|| {
        // SAFETY: `data` is the box of `function`, and Node-API finalizes a function once.
        drop(unsafe { Box::from_raw(data.cast::<Data>()) });
    });
}

/// First byte of a `Uint8Array`, and how many it has; nothing for any other value.
pub(crate) fn bytes_of_value(env: sys::napi_env, value: sys::napi_value) -> Option<(*mut u8, usize)> {
    let (mut kind, mut length, mut data) = (-1, 0, ptr::null_mut());
    // SAFETY: a value of this environment, alive in this call; the out parameters are live, the others may be null.
    let status = unsafe {
        sys::napi_get_typedarray_info(
            env,
            value,
            &raw mut kind,
            &raw mut length,
            &raw mut data,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    (status == sys::Status::napi_ok && kind == sys::TypedarrayType::uint8_array)
        .then_some((data.cast(), length))
}

/// V8 is done with a buffer. Runs on a thread that may run JavaScript, or at the environment's end.
extern "C" fn finalize(_env: sys::napi_env, _data: *mut c_void, hint: *mut c_void) {
    guarded(|| {
        // SAFETY: `hint` is the box of `array_buffer`, and Node-API finalizes a buffer once.
        drop(unsafe { Box::from_raw(hint.cast::<Arc<Mapping>>()) });
    });
}

/// Takes the memory away from a buffer. Answers `false` where `transfer()` had taken it already.
pub(crate) fn detach(env: &Env, buffer: &Object<'_>) -> Result<bool> {
    let raw = buffer.raw();
    let mut detached = false;
    // SAFETY: `raw` is a value of this environment, alive in this call; `detached` is live.
    check(unsafe { sys::napi_is_detached_arraybuffer(env.raw(), raw, &raw mut detached) }, "is_detached")?;
    if detached {
        return Ok(false);
    }
    // SAFETY: as above; external buffers are detachable.
    check(unsafe { sys::napi_detach_arraybuffer(env.raw(), raw) }, "detach")?;
    Ok(true)
}

/// Copies out of the segment into a `Uint8Array`, by raw pointers: the array may itself be shared memory.
pub(crate) fn copy_out(
    env: &Env,
    mapping: &Mapping,
    offset: u64,
    target: &Object<'_>,
) -> Result<shmem_core::Result<()>> {
    let (data, length_bytes) = bytes_of(env, target)?;
    // SAFETY: `data` is valid for that many bytes as long as JavaScript does not run, which it does not in this call.
    Ok(unsafe { mapping.copy_out(offset, data, length_bytes) })
}

/// Copies a `Uint8Array` into the segment, by raw pointers: the array may itself be shared memory.
pub(crate) fn copy_in(
    env: &Env,
    mapping: &Mapping,
    offset: u64,
    source: &Object<'_>,
) -> Result<shmem_core::Result<()>> {
    let (data, length_bytes) = bytes_of(env, source)?;
    // SAFETY: as in `copy_out`.
    Ok(unsafe { mapping.copy_in(offset, data, length_bytes) })
}

/// The bytes of a `Uint8Array`, to copy from: the array may itself be shared memory. To be used before JavaScript runs again.
pub(crate) fn source_of<'array>(env: &Env, source: &Object<'array>) -> Result<Source<'array>> {
    let (data, length_bytes) = bytes_of(env, source)?;
    // SAFETY: as in `copy_out`.
    Ok(unsafe { Source::at(data, length_bytes) })
}

/// The bytes of a `Uint8Array`, to copy to, likewise.
pub(crate) fn target_of<'array>(env: &Env, target: &Object<'array>) -> Result<Target<'array>> {
    let (data, length_bytes) = bytes_of(env, target)?;
    // SAFETY: as in `copy_out`.
    Ok(unsafe { Target::at(data, length_bytes) })
}

/// The word of an `Int32Array` at an index, if it is in a mapping of ours, which stays mapped as long as the pin.
pub(crate) fn word_of(
    env: &Env,
    array: &Object<'_>,
    index: u32,
) -> Result<shmem_core::Result<(Word, Pinned)>> {
    let (data, count) = elements_of(env, array, sys::TypedarrayType::int32_array, "an Int32Array")?;
    if index as usize >= count {
        return Err(Error::new(Status::InvalidArg, format!("there is no index {index} in {count} elements")));
    }
    let address = data as usize + 4 * index as usize;
    Ok(Mapping::pin_owner(address, 4).map(|pin| {
        // SAFETY: inside the pinned mapping, and a multiple of 4 as every element of an Int32Array. Where the mapping cannot be written, the
        // callers only read and wake; where its owner made a hole or opted out of the guard, a touch is what it is from JavaScript.
        (unsafe { Word::at(address) }, pin)
    }))
}

fn bytes_of(env: &Env, array: &Object<'_>) -> Result<(*mut u8, usize)> {
    elements_of(env, array, sys::TypedarrayType::uint8_array, "a Uint8Array")
}

/// First byte of a typed array of that type, and how many elements it has.
fn elements_of(env: &Env, array: &Object<'_>, wanted: i32, words: &str) -> Result<(*mut u8, usize)> {
    let (mut kind, mut length, mut data) = (0, 0, ptr::null_mut());
    // SAFETY: a value of this environment, alive in this call; the out parameters are live, the others may be null.
    let status = unsafe {
        sys::napi_get_typedarray_info(
            env.raw(),
            array.raw(),
            &raw mut kind,
            &raw mut length,
            &raw mut data,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    check(status, "look into")?;
    if kind != wanted {
        return Err(Error::new(Status::InvalidArg, format!("expected {words}")));
    }
    Ok((data.cast(), length))
}

fn check(status: sys::napi_status, what: &str) -> Result<()> {
    if status == sys::Status::napi_ok {
        Ok(())
    } else {
        Err(Error::new(Status::from(status), format!("cannot {what} the segment's buffer")))
    }
}
