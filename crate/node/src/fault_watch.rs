//! Tells JavaScript of a repaired fault at once, by a thread that sleeps until the guard's counter moves.
//!
//! One thread a process, started by the first environment that asks; one callback an environment. Neither keeps a process or a
//! worker alive.

use crate::panics::guarded;
use napi::bindgen_prelude::{Env, Function, Unknown};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Error, Result, Status};
use napi_derive::napi;
use shmem_core::memory::guard;
use std::sync::{Mutex, Once, PoisonError};

type Callback = ThreadsafeFunction<(), Unknown<'static>, (), Status, false, true>;

static CALLBACKS: Mutex<Vec<Callback>> = Mutex::new(Vec::new());

/// Calls back, on the event loop of this environment, soon after any fault was repaired in this process.
#[napi(catch_unwind)]
pub fn watch_faults(
    _env: Env,
    #[napi(ts_arg_type = "() => void")] callback: Function<'_, (), Unknown<'static>>,
) -> Result<()> {
    static STARTED: Once = Once::new();
    let callback = callback.build_threadsafe_function().weak::<true>().build()?;
    CALLBACKS.lock().unwrap_or_else(PoisonError::into_inner).push(callback);
    let mut outcome = Ok(());
    STARTED.call_once(|| {
        let thread = std::thread::Builder::new().name("shmem-faults".to_owned());
        // Looked at before the thread runs: a fault right after this call is not missed.
        let seen = guard::count();
        outcome = thread.spawn(move || guarded(|| watch(seen))).map(drop);
    });
    outcome
        .map_err(|error| Error::new(Status::GenericFailure, format!("cannot start the fault watch: {error}")))
}

/// Never ends: the thread goes with the process.
fn watch(mut seen: u32) {
    loop {
        seen = guard::wait_beyond(seen);
        let mut callbacks = CALLBACKS.lock().unwrap_or_else(PoisonError::into_inner);
        // An environment that is gone answers that it is closing, and is forgotten.
        callbacks.retain(|callback| callback.call((), ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok);
    }
}
