//! pthread barriers at an offset of a segment.

use crate::convert::whole;
use crate::error::OrThrow;
use crate::pthread_mutex::{layout, writable};
use crate::segment::NativeSegment;
use napi::Result;
use napi::bindgen_prelude::Env;
use napi_derive::napi;
use shmem_core::sync::pthread_barrier::{ALIGN_BYTES, Arrival, BarrierOutcome, PthreadBarrier, SIZE_BYTES};
use std::cell::Cell;
use std::time::Duration;

/// A barrier inside a segment.
#[napi]
#[derive(Debug)]
pub struct NativePthreadBarrier {
    barrier: PthreadBarrier,
    arrival: Cell<Arrival>,
}

#[napi]
impl NativePthreadBarrier {
    /// `pthread_barrier_wait(3)`: 0 not yet, 1 released, 2 released as the serial one. `again`: the arrival is the last call's.
    #[napi(catch_unwind)]
    pub fn wait(&self, env: Env, slice_ms: u32, again: bool) -> Result<u32> {
        let mut arrival = if again { self.arrival.get() } else { Arrival::default() };
        let outcome = self.barrier.wait(&mut arrival, Duration::from_millis(slice_ms.into()));
        self.arrival.set(arrival);
        outcome.or_throw(&env).map(|outcome| match outcome {
            BarrierOutcome::NotYet => 0,
            BarrierOutcome::Released => 1,
            BarrierOutcome::Serial => 2,
        })
    }

    /// Makes the bytes no barrier any more.
    #[napi(catch_unwind)]
    pub fn destroy(&self, env: Env) -> Result<()> {
        self.barrier.destroy().or_throw(&env)
    }
}

/// Makes a barrier.
#[napi(catch_unwind)]
pub fn pthread_barrier_initialise(
    env: Env,
    segment: &NativeSegment,
    offset: f64,
    count: u32,
) -> Result<NativePthreadBarrier> {
    let mapping = writable(&env, segment)?;
    PthreadBarrier::initialise(mapping, whole(offset)?, count).or_throw(&env).map(native)
}

/// The barrier that lies there.
#[napi(catch_unwind)]
pub fn pthread_barrier_at(env: Env, segment: &NativeSegment, offset: f64) -> Result<NativePthreadBarrier> {
    let mapping = writable(&env, segment)?;
    PthreadBarrier::at(mapping, whole(offset)?).or_throw(&env).map(native)
}

/// Bytes and alignment of a `pthread_barrier_t`.
#[napi(catch_unwind)]
pub fn pthread_barrier_layout(env: Env) -> Result<Vec<u32>> {
    layout(&env, SIZE_BYTES, ALIGN_BYTES)
}

fn native(barrier: PthreadBarrier) -> NativePthreadBarrier {
    NativePthreadBarrier { barrier, arrival: Cell::default() }
}
