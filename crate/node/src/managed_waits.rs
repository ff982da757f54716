//! Waits for named objects beside the event loop: begun here, slept by the waiter threads of the core, told by one threadsafe function
//! an environment, which does not keep it alive.

use crate::error::{ErrorFacts, OrThrow, facts};
use crate::managed::NativeManaged;
use crate::managed_object::{NativeObject, answer_number, operation_of};
use crate::panics::guarded;
use crate::view;
use napi::Result;
use napi::bindgen_prelude::{Env, Function, Object, Unknown};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use shmem_core::membership::Bare;
use shmem_core::sync::wait::{Waited, wait_until};
use shmem_core::sync::waiter::{Request, Waiters};
use shmem_core::sync::word::WordWait;
use shmem_core::sys::futex;
use std::sync::Arc;
use std::time::Duration;

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
    pub(crate) waiters: Arc<Waiters>,
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

    /// Waits for the next change of the list of members, from this moment on. Answers the wait's id.
    #[napi(catch_unwind)]
    pub fn begin_member_watch(&self, env: Env, managed: &NativeManaged) -> Result<u32> {
        managed.member_watch().and_then(|request| self.waiters.begin(request)).or_throw(&env)
    }

    /// Waits for a word of an `Int32Array` over a mapping of ours to be notified, if it has that value. Answers the wait's id.
    #[napi(catch_unwind)]
    pub fn begin_word(
        &self,
        env: Env,
        #[napi(ts_arg_type = "Int32Array")] array: Object<'_>,
        index: u32,
        expected: u32,
    ) -> Result<u32> {
        let (word, pin) = view::word_of(&env, &array, index)?.or_throw(&env)?;
        let request = Request::new(Bare, Box::new(WordWait::new(word, expected)), |_| {}, pin);
        self.waiters.begin(request).or_throw(&env)
    }

    /// Calls a wait off, and gives back what it may have got. Answers what that was (see `NativeObject.wait`); −1: nothing.
    #[napi(catch_unwind)]
    pub fn call_off(&self, id: u32) -> i32 {
        self.waiters.call_off_late(id).map_or(-1, answer_number)
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

/// Waits for a word of an `Int32Array` as [`NativeWaiters::begin_word`], for `slice_ms` at most. Answers as `NativeObject.wait`.
#[napi(catch_unwind)]
pub fn wait_for_word(
    env: Env,
    #[napi(ts_arg_type = "Int32Array")] array: Object<'_>,
    index: u32,
    expected: u32,
    slice_ms: f64,
) -> Result<i32> {
    let (word, _pin) = view::word_of(&env, &array, index)?.or_throw(&env)?;
    let until = futex::now() + Duration::from_secs_f64((slice_ms / 1000.0).clamp(0.0, 3600.0));
    wait_until(&Bare, &mut WordWait::new(word, expected), Some(until))
        .or_throw(&env)
        .map(|Waited { answer, .. }| answer.map_or(-1, answer_number))
}

/// Wakes up to `count` sleepers on a word of an `Int32Array`. Answers how many.
#[napi(catch_unwind)]
pub fn notify_word(
    env: Env,
    #[napi(ts_arg_type = "Int32Array")] array: Object<'_>,
    index: u32,
    count: u32,
) -> Result<u32> {
    let (word, _pin) = view::word_of(&env, &array, index)?.or_throw(&env)?;
    Ok(word.wake(count))
}
