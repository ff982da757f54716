//! Who uses a managed segment, and who of them is dead.
//!
//! - [`Member`] is this thread's own place in it: joined, and left or died.
//! - [`MemberTable`] knows all members, and tells exactly whether one lives.
//! - [`Token`] names one member for as long as it lives: locks store it.
//!
//! How it survives `kill -9` is drawn in `docs/membership.md`.

// `claim` is how one joins and leaves, step by step. `ownership` is how one takes a word that is a member's, from nobody or from the dead. `Platform` is what
// a lock's algorithm asks of memory and kernel, so that models can stand in for both.
#[doc(hidden)]
pub mod claim;
pub(crate) mod layout;
mod member;
mod own;
pub(crate) mod ownership;
pub(crate) mod platform;
pub(crate) mod presence;
pub(crate) mod table;
pub(crate) mod token;
mod word;

pub use layout::{NAME_BYTES_MAX, SLOTS_MAX};
pub use member::{JoinOptions, Member};
pub use table::{Fate, MemberFacts, MemberTable};
pub use token::Token;
pub use word::Word;

#[doc(hidden)]
pub use {
    layout::SlotLayout,
    platform::{Bare, Life, Platform, Sleep, WATCHED_MAX},
    token::TokenShape,
};
