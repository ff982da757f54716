//! A list of a managed segment. Nodes are numbers here; 0 stands for none.

use crate::convert::{number, whole};
use crate::error::OrThrow;
use crate::managed_object::NativeObject;
use crate::view;
use napi::bindgen_prelude::{Env, Float64Array, Object};
use napi::{Error, Result, Status};
use napi_derive::napi;
use shmem_core::managed::geometry::list;
use shmem_core::structures::List;
use shmem_core::structures::list::{Node, Position};

/// Where a value goes, as numbers of the facade (lib/structures/list/list-layout.ts).
const FIRST: u32 = 0;
const LAST: u32 = 1;
const BEFORE: u32 = 2;
const AFTER: u32 = 3;

/// What was drawn in Rust.
#[napi(object)]
#[derive(Debug)]
#[expect(missing_docs, reason = "see shmem_core::managed::geometry::list")]
pub struct NativeListLayout {
    pub kind: u32,
    pub head_offset: u32,
    pub tail_offset: u32,
    pub length_offset: u32,
    pub changes_offset: u32,
    pub generation_offset: u32,
    pub next_offset: u32,
    pub previous_offset: u32,
    pub value_offset: u32,
    pub node_align: u32,
    pub index_bits: u32,
    pub capacity_max: u32,
    pub value_bytes_max: u32,
}

/// The layout of this build.
#[napi(catch_unwind)]
pub fn list_layout() -> NativeListLayout {
    let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    NativeListLayout {
        kind: shmem_core::managed::Kind::List as u32,
        head_offset: small(list::HEAD),
        tail_offset: small(list::TAIL),
        length_offset: small(list::LENGTH),
        changes_offset: small(list::CHANGES),
        generation_offset: small(list::GENERATION),
        next_offset: small(list::NEXT),
        previous_offset: small(list::PREVIOUS),
        value_offset: small(list::VALUE),
        node_align: small(list::NODE_ALIGN),
        index_bits: list::INDEX_BITS,
        capacity_max: list::CAPACITY_MAX,
        value_bytes_max: list::VALUE_BYTES_MAX,
    }
}

#[napi]
impl NativeObject {
    /// Puts a value into the list. Answers its node; 0: the list is full.
    #[napi(catch_unwind)]
    pub fn list_insert(
        &self,
        env: Env,
        position: u32,
        node: f64,
        #[napi(ts_arg_type = "Uint8Array")] value: Object<'_>,
    ) -> Result<f64> {
        let beside = node_of(node)?;
        let position = match position {
            FIRST => Position::First,
            LAST => Position::Last,
            BEFORE => Position::Before(beside),
            AFTER => Position::After(beside),
            other => return Err(Error::new(Status::InvalidArg, format!("no position is number {other}"))),
        };
        let value = view::source_of(&env, &value)?;
        self.with_list(|list| list.insert(position, value)).or_throw(&env).map(number_of)
    }

    /// Takes a node out.
    #[napi(catch_unwind)]
    pub fn list_remove(&self, env: Env, node: f64) -> Result<()> {
        let node = node_of(node)?;
        self.with_list(|list| list.remove(node)).or_throw(&env)
    }

    /// Takes the last or first node out, and copies its value. Answers whether there was one.
    #[napi(catch_unwind)]
    pub fn list_take(
        &self,
        env: Env,
        last: bool,
        #[napi(ts_arg_type = "Uint8Array")] target: Object<'_>,
    ) -> Result<bool> {
        let target = view::target_of(&env, &target)?;
        self.with_list(|list| if last { list.pop(target) } else { list.shift(target) }).or_throw(&env)
    }

    /// The last or first node.
    #[napi(catch_unwind)]
    pub fn list_end(&self, env: Env, last: bool) -> Result<f64> {
        self.with_list(|list| if last { list.last() } else { list.first() }).or_throw(&env).map(number_of)
    }

    /// The node in front of another, or behind it.
    #[napi(catch_unwind)]
    pub fn list_step(&self, env: Env, node: f64, back: bool) -> Result<f64> {
        let node = node_of(node)?;
        self.with_list(|list| if back { list.previous(node) } else { list.next(node) })
            .or_throw(&env)
            .map(number_of)
    }

    /// All nodes, as they were in one moment.
    #[napi(catch_unwind)]
    pub fn list_nodes(&self, env: Env) -> Result<Float64Array> {
        let numbers =
            |nodes: Vec<Node>| nodes.into_iter().map(|node| number(node.number())).collect::<Vec<_>>();
        self.with_list(|list| list.nodes()).or_throw(&env).map(|nodes| numbers(nodes).into())
    }

    /// Copies a node's value.
    #[napi(catch_unwind)]
    pub fn list_read(
        &self,
        env: Env,
        node: f64,
        #[napi(ts_arg_type = "Uint8Array")] target: Object<'_>,
    ) -> Result<()> {
        let (node, target) = (node_of(node)?, view::target_of(&env, &target)?);
        self.with_list(|list| list.read(node, target)).or_throw(&env)
    }

    /// Gives a node another value.
    #[napi(catch_unwind)]
    pub fn list_write(
        &self,
        env: Env,
        node: f64,
        #[napi(ts_arg_type = "Uint8Array")] value: Object<'_>,
    ) -> Result<()> {
        let (node, value) = (node_of(node)?, view::source_of(&env, &value)?);
        self.with_list(|list| list.write(node, value)).or_throw(&env)
    }

    /// Takes all nodes out.
    #[napi(catch_unwind)]
    pub fn list_clear(&self, env: Env) -> Result<()> {
        self.with_list(|list| list.clear()).or_throw(&env)
    }
}

impl NativeObject {
    fn with_list<T>(&self, act: impl FnOnce(List<'_>) -> shmem_core::Result<T>) -> shmem_core::Result<T> {
        self.with(|place, table, token| act(List::over(place, table, token)?))
    }
}

fn node_of(node: f64) -> Result<Node> {
    whole(node).map(Node::from_number)
}

fn number_of(node: Option<Node>) -> f64 {
    node.map_or(0.0, |node| number(node.number()))
}
