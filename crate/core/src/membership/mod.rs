//! Floor 2: who uses a managed segment, and who of them is dead.
//!
//! - [`Token`] names one member for as long as it lives: locks store it.
//! - [`MemberTable`] reads the slots of all members, and tells exactly whether a token's member lives.
//! - [`Member`] is this thread's own slot: joined, and left or died.
//! - [`claim`] is how one joins and leaves, step by step.
//! - [`ownership`] is how one takes a word that is a member's, from nobody or from the dead.
//! - [`Platform`] is what a lock's algorithm asks of memory and kernel, so that models can stand in for both.
//!
//! How it survives `kill -9` is drawn in `docs/membership.md`.

pub mod claim;
pub(crate) mod layout;
mod member;
mod own;
pub mod ownership;
pub(crate) mod platform;
pub(crate) mod presence;
pub(crate) mod table;
pub(crate) mod token;
mod word;

pub use layout::{NAME_BYTES_MAX, SLOTS_MAX, SlotLayout};
pub use member::{JoinOptions, Member};
pub use platform::{Bare, Life, Platform, Sleep, WATCHED_MAX};
pub use table::{Fate, MemberFacts, MemberTable};
pub use token::{Token, TokenShape};
pub use word::Word;
