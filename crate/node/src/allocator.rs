//! The allocator of a managed segment.

use crate::convert::{number, whole};
use crate::error::OrThrow;
use crate::managed::NativeManaged;
use napi::Result;
use napi::bindgen_prelude::Env;
use napi_derive::napi;
use shmem_core::managed::heap::ALIGN_MAX;
use shmem_core::managed::{Allocator, Lent, Reclaimed, Statistics};

/// A block, or what several have in all.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "see shmem_core::managed::Lent")]
pub struct NativeBlock {
    pub offset: f64,
    pub bytes: f64,
}

/// What a repair took back.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "see shmem_core::managed::Reclaimed")]
pub struct NativeReclaimed {
    pub blocks: f64,
    pub bytes: f64,
}

/// What a walk over the heap counted.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "see shmem_core::managed::Statistics")]
pub struct NativeStatistics {
    pub total_bytes: f64,
    pub used_bytes: f64,
    pub free_bytes: f64,
    pub largest_free_bytes: f64,
    pub allocated_bytes: f64,
    pub used_blocks: f64,
    pub free_blocks: f64,
    pub allocated_blocks: f64,
    pub in_flight_blocks: f64,
    pub reclaimed_blocks: f64,
}

/// The largest alignment of a block.
#[napi(catch_unwind)]
pub fn align_max() -> f64 {
    number(ALIGN_MAX)
}

#[napi]
impl NativeManaged {
    /// Takes a block; answers its offset.
    #[napi(catch_unwind)]
    pub fn allocate(&self, env: Env, bytes: f64, align: f64) -> Result<f64> {
        let (bytes, align) = (whole(bytes)?, whole(align)?);
        self.with_allocator(|allocator| allocator.allocate(bytes, align)).or_throw(&env).map(number)
    }

    /// Gives a block back.
    #[napi(catch_unwind)]
    pub fn free(&self, env: Env, offset: f64) -> Result<()> {
        let offset = whole(offset)?;
        self.with_allocator(|allocator| allocator.free(offset)).or_throw(&env)
    }

    /// Bytes of a block.
    #[napi(catch_unwind)]
    pub fn block_bytes(&self, env: Env, offset: f64) -> Result<f64> {
        let offset = whole(offset)?;
        self.with_allocator(|allocator| allocator.usable_bytes(offset)).or_throw(&env).map(number)
    }

    /// Frees what the dead left in flight.
    #[napi(catch_unwind)]
    pub fn repair(&self, env: Env) -> Result<NativeReclaimed> {
        let told =
            |Reclaimed { blocks, bytes }| NativeReclaimed { blocks: number(blocks), bytes: number(bytes) };
        self.with_allocator(|allocator| allocator.repair()).or_throw(&env).map(told)
    }

    /// Every block that is not freed.
    #[napi(catch_unwind)]
    pub fn blocks(&self, env: Env) -> Result<Vec<NativeBlock>> {
        let told = |Lent { offset, bytes }| NativeBlock { offset: number(offset), bytes: number(bytes) };
        self.with_allocator(|allocator| allocator.blocks())
            .or_throw(&env)
            .map(|blocks| blocks.into_iter().map(told).collect())
    }

    /// Counts by a walk over all blocks.
    #[napi(catch_unwind)]
    pub fn heap_statistics(&self, env: Env) -> Result<NativeStatistics> {
        self.inner()
            .with(|open| {
                let geometry = open.managed.geometry();
                let counted = Allocator::of(&open.managed, open.member()?).statistics()?;
                Ok(statistics(geometry.heap_end - geometry.heap_offset, counted))
            })
            .or_throw(&env)
    }
}

impl NativeManaged {
    fn with_allocator<T>(
        &self,
        act: impl FnOnce(Allocator<'_>) -> shmem_core::Result<T>,
    ) -> shmem_core::Result<T> {
        self.inner().with(|open| act(Allocator::of(&open.managed, open.member()?)))
    }
}

fn statistics(total_bytes: u64, counted: Statistics) -> NativeStatistics {
    NativeStatistics {
        total_bytes: number(total_bytes),
        used_bytes: number(counted.used_bytes),
        free_bytes: number(counted.free_bytes),
        largest_free_bytes: number(counted.largest_free_bytes),
        allocated_bytes: number(counted.lent_bytes),
        used_blocks: number(counted.used_blocks),
        free_blocks: number(counted.free_blocks),
        allocated_blocks: number(counted.lent_blocks),
        in_flight_blocks: number(counted.uncommitted_blocks),
        reclaimed_blocks: number(counted.reclaimed_blocks),
    }
}
