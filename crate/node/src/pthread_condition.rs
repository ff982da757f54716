//! pthread condition variables at an offset of a segment.

use crate::convert::whole;
use crate::error::OrThrow;
use crate::pthread_mutex::{NativePthreadMutex, layout, writable};
use crate::segment::NativeSegment;
use napi::Result;
use napi::bindgen_prelude::Env;
use napi_derive::napi;
use shmem_core::sync::pthread_condition::{
    ALIGN_BYTES, Clock, ConditionOutcome, PthreadCondition, SIZE_BYTES,
};
use std::time::Duration;

/// A condition variable inside a segment.
#[napi]
#[derive(Debug)]
pub struct NativePthreadCondition {
    condition: PthreadCondition,
}

#[napi]
impl NativePthreadCondition {
    /// `pthread_cond_clockwait(3)`: 0 the time is over, 1 notified, 2 the mutex's last owner died. The mutex is held again.
    #[napi(catch_unwind)]
    pub fn wait(&self, env: Env, mutex: &NativePthreadMutex, slice_ms: u32) -> Result<u32> {
        let slice = Duration::from_millis(slice_ms.into());
        self.condition.wait(&mutex.mutex, slice).or_throw(&env).map(|outcome| match outcome {
            ConditionOutcome::TimedOut => 0,
            ConditionOutcome::Notified => 1,
            ConditionOutcome::OwnerDied => 2,
        })
    }

    /// `pthread_cond_signal(3)`.
    #[napi(catch_unwind)]
    pub fn notify_one(&self, env: Env) -> Result<()> {
        self.condition.notify_one().or_throw(&env)
    }

    /// `pthread_cond_broadcast(3)`.
    #[napi(catch_unwind)]
    pub fn notify_all(&self, env: Env) -> Result<()> {
        self.condition.notify_all().or_throw(&env)
    }

    /// `pthread_cond_destroy(3)`.
    #[napi(catch_unwind)]
    pub fn destroy(&self, env: Env) -> Result<()> {
        self.condition.destroy().or_throw(&env)
    }
}

/// Makes a condition variable.
#[napi(catch_unwind)]
pub fn pthread_condition_initialise(
    env: Env,
    segment: &NativeSegment,
    offset: f64,
    monotonic: bool,
) -> Result<NativePthreadCondition> {
    let mapping = writable(&env, segment)?;
    let clock = if monotonic { Clock::Monotonic } else { Clock::Realtime };
    let condition = PthreadCondition::initialise(mapping, whole(offset)?, clock);
    condition.or_throw(&env).map(|condition| NativePthreadCondition { condition })
}

/// The condition variable that lies there.
#[napi(catch_unwind)]
pub fn pthread_condition_at(
    env: Env,
    segment: &NativeSegment,
    offset: f64,
) -> Result<NativePthreadCondition> {
    let mapping = writable(&env, segment)?;
    let condition = PthreadCondition::at(mapping, whole(offset)?);
    condition.or_throw(&env).map(|condition| NativePthreadCondition { condition })
}

/// Bytes and alignment of a `pthread_cond_t`.
#[napi(catch_unwind)]
pub fn pthread_condition_layout(env: Env) -> Result<Vec<u32>> {
    layout(&env, SIZE_BYTES, ALIGN_BYTES)
}
