//! Waits for named objects beside the event loop: begun here, slept by the waiter threads of the core, told by one threadsafe function
//! an environment, which does not keep it alive.

use crate::error::{ErrorFacts, OrThrow, facts};
use crate::managed_object::{NativeObject, answer_number, operation_of};
use crate::panics::guarded;
use napi::Result;
use napi::bindgen_prelude::{Env, Function, Unknown};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use shmem_core::sync::waiter::Waiters;
use std::sync::Arc;

/// How a wait ended: with an answer, or with an error.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct NativeAnswer {
    /// The wait.
    pub id: u32,
    /// See `NativeObject.wait`.
    pub answer: i32,
    /// What ended it.
    pub error: Option<ErrorFacts>,
}

/// The waits of this environment.
#[napi]
#[derive(Debug)]
pub struct NativeWaiters {
    waiters: Arc<Waiters>,
}

#[napi]
impl NativeWaiters {
    /// `callback` is called on the event loop when there is something to fetch.
    #[napi(catch_unwind, constructor)]
    pub fn new(
        env: Env,
        #[napi(ts_arg_type = "() => void")] callback: Function<'_, (), Unknown<'static>>,
    ) -> Result<Self> {
        let callback = callback.build_threadsafe_function().weak::<true>().build()?;
        let waiters = Arc::new(Waiters::new(move || {
            // An environment that ends does not answer; its cleanup calls everything off.
            let _ = callback.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }));
        let ending = Arc::clone(&waiters);
        env.add_env_cleanup_hook(ending, |waiters| guarded(|| waiters.close()))?;
        Ok(Self { waiters })
    }

    /// Waits for a named object. Answers the wait's id.
    #[napi(catch_unwind)]
    pub fn begin(&self, env: Env, object: &NativeObject, operation: u32, argument: u32) -> Result<u32> {
        let operation = operation_of(operation, argument)?;
        object.request(operation).and_then(|request| self.waiters.begin(request)).or_throw(&env)
    }

    /// Calls a wait off, and gives back what it may have got. `false`: there is no such wait any more.
    #[napi(catch_unwind)]
    pub fn call_off(&self, id: u32) -> bool {
        self.waiters.call_off(id)
    }

    /// What ended since the last call.
    #[napi(catch_unwind)]
    pub fn fetch(&self) -> Vec<NativeAnswer> {
        let told = |(id, ending): (u32, shmem_core::Result<_>)| match ending {
            Ok(answer) => NativeAnswer { id, answer: answer_number(answer), error: None },
            Err(error) => NativeAnswer { id, answer: -1, error: Some(facts(&error)) },
        };
        self.waiters.fetch().into_iter().map(told).collect()
    }
}
