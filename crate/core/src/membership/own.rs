//! Which members this thread is: a lock that one of them holds will never come free while another waits for it.

use super::token::Token;
use crate::sys::process;
use std::cell::RefCell;

/// Device and inode of the object that a table is in.
type Identity = (u64, u64);

thread_local! {
    /// Each with the process that joined: a child of fork(2) is none of its parent's members.
    static OWN: RefCell<Vec<(Identity, Token, u32)>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn add(identity: Identity, token: Token) {
    OWN.with_borrow_mut(|own| own.push((identity, token, process::pid())));
}

pub(super) fn remove(identity: Identity, token: Token) {
    OWN.with_borrow_mut(|own| own.retain(|own| (own.0, own.1) != (identity, token)));
}

/// Whether this very thread is that member of that object, by whichever mapping.
pub(super) fn has(identity: Identity, token: Token) -> bool {
    OWN.with_borrow(|own| {
        own.iter().any(|own| (own.0, own.1) == (identity, token) && own.2 == process::pid())
    })
}
