//! Which members this thread is: a lock that one of them holds will never come free while another waits for it.

use super::token::Token;
use std::cell::RefCell;

/// Device and inode of the object that a table is in.
type Identity = (u64, u64);

thread_local! {
    static OWN: RefCell<Vec<(Identity, Token)>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn add(identity: Identity, token: Token) {
    OWN.with_borrow_mut(|own| own.push((identity, token)));
}

pub(super) fn remove(identity: Identity, token: Token) {
    OWN.with_borrow_mut(|own| own.retain(|own| *own != (identity, token)));
}

/// Whether this very thread is that member of that object, by whichever mapping.
pub(super) fn has(identity: Identity, token: Token) -> bool {
    OWN.with_borrow(|own| own.contains(&(identity, token)))
}
