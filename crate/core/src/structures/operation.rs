//! The waits of all named objects, made from an object's place: those of locks are made a floor below.

use super::ring::{self, RingOperation};
use crate::error::Result;
use crate::managed::{self, Place};
use crate::membership::{MemberTable, Token};
use crate::sync::wait::Wait;

/// What is waited for, on which object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Of a lock, an event, a word.
    Lock(managed::Operation),
    /// Of a ring.
    Ring(RingOperation),
}

/// The wait for `operation`, on behalf of `token`.
///
/// # Errors
/// `ERR_SHM_TYPE_MISMATCH`: this kind of object has no such operation.
pub fn wait(
    place: &Place<'_>,
    operation: Operation,
    token: Token,
) -> Result<Box<dyn Wait<MemberTable> + Send>> {
    match operation {
        Operation::Lock(operation) => place.wait(operation, token),
        Operation::Ring(operation) => ring::door::wait(place, operation),
    }
}
