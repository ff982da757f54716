//! Waits for semaphores beside the event loop: begun here, done by the helper threads of the core, told by one threadsafe function
//! an environment, which does not keep it alive.

use crate::error::{ErrorFacts, OrThrow, facts};
use crate::panics::guarded;
use crate::posix_semaphore::{NativePosixSemaphore, Take};
use crate::sysv_semaphore::{NativeSemaphoreOperation, raw_operations};
use napi::Result;
use napi::bindgen_prelude::{Env, Function, Unknown};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use shmem_core::sync::pending_waits::{Attempt, Ending, PendingWaits};
use shmem_core::sync::sysv_semaphore::Operations;
use std::sync::Arc;
use std::time::Duration;

/// How a wait ended: granted, failed with an error, or, with neither, without what it waited for.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct NativeWaitEnding {
    /// The wait.
    pub id: u32,
    /// Whether it has what it waited for.
    pub granted: bool,
    /// What ended it.
    pub error: Option<ErrorFacts>,
}

/// The waits of this environment.
#[napi]
#[derive(Debug)]
pub struct NativeSemaphoreWaits {
    waits: Arc<PendingWaits>,
}

#[napi]
impl NativeSemaphoreWaits {
    /// `callback` is called on the event loop when there is something to fetch.
    #[napi(catch_unwind, constructor)]
    pub fn new(
        env: Env,
        #[napi(ts_arg_type = "() => void")] callback: Function<'_, (), Unknown<'static>>,
    ) -> Result<Self> {
        let callback = callback.build_threadsafe_function().weak::<true>().build()?;
        let waits = PendingWaits::new(move || {
            // An environment that ends does not answer; its cleanup gives back what it was granted.
            let _ = callback.call((), ThreadsafeFunctionCallMode::NonBlocking);
        });
        let ending = Arc::clone(&waits);
        env.add_env_cleanup_hook(ending, |waits| guarded(|| waits.close()))?;
        Ok(Self { waits })
    }

    /// Waits for operations of semop(2), on a set that is known to be there. Answers the wait's id.
    #[napi(catch_unwind)]
    pub fn operate(
        &self,
        env: Env,
        set_id: i32,
        operations: Vec<NativeSemaphoreOperation>,
        timeout_ms: f64,
    ) -> Result<u32> {
        raw_operations(set_id, &operations)
            .and_then(|raw| self.begin(Box::new(Operations::new(set_id, raw)), timeout_ms))
            .or_throw(&env)
    }

    /// Waits for a POSIX semaphore. Answers the wait's id.
    #[napi(catch_unwind)]
    pub fn take(&self, env: Env, semaphore: &NativePosixSemaphore, timeout_ms: f64) -> Result<u32> {
        semaphore
            .home()
            .and_then(|home| self.begin(Box::new(Take(Arc::clone(home))), timeout_ms))
            .or_throw(&env)
    }

    /// Calls a wait off. `false`: its ending will be fetched.
    #[napi(catch_unwind)]
    pub fn call_off(&self, id: u32) -> bool {
        self.waits.call_off(id)
    }

    /// What ended since the last call.
    #[napi(catch_unwind)]
    pub fn fetch(&self) -> Vec<NativeWaitEnding> {
        let ending = |(id, ending)| match ending {
            Ending::Granted => NativeWaitEnding { id, granted: true, error: None },
            Ending::TimedOut => NativeWaitEnding { id, granted: false, error: None },
            Ending::Failed(error) => NativeWaitEnding { id, granted: false, error: Some(facts(&error)) },
        };
        self.waits.fetch().into_iter().map(ending).collect()
    }

    /// A timeout beyond what a `Duration` holds, as `Infinity`, is none.
    fn begin(&self, attempt: Box<dyn Attempt>, timeout_ms: f64) -> shmem_core::Result<u32> {
        self.waits.begin(attempt, Duration::try_from_secs_f64(timeout_ms / 1000.0).ok())
    }
}
