//! Mappings and the objects behind them.
//!
//! - [`Segment`] is a mapping with the object behind it. [`posix`], [`memfd`], [`mod@file`] and [`sysv`] make and open them.
//! - [`Mapping`] is a range of our address space, released once, however many hold it.
//!
//! A bad touch of a mapping does not kill the process: a page that somebody truncated away reads as zeroes, and [`Mapping::faults`] counts it.

// Sole owner of `munmap` and of what replaces it. `guard` answers bad touches; `ranges` tells it which addresses are ours, `quarantine` keeps closed ranges
// ours for a while.

pub(crate) mod backing;
mod bytes;
mod copying;
pub mod file;
#[doc(hidden)]
pub mod guard;
mod holds;
mod huge;
#[doc(hidden)]
pub mod liveness;
mod locking;
mod mapping;
pub mod memfd;
mod numa;
mod object;
mod options;
mod page_facts;
mod pages;
pub mod posix;
mod prefault;
mod quarantine;
mod ranges;
#[doc(hidden)]
pub mod raw;
mod reserve;
mod segment;
pub mod sysv;
mod sysv_cleaning;

pub use backing::{Backing, Origin};
pub use guard::FaultCounts;
pub use locking::Locking;
pub use mapping::{Mapping, Place};
pub use numa::NodePages;
pub use options::{Access, CreateOptions, HugeWish, MapOptions, OpenMode};
pub use page_facts::PageFacts;
pub use pages::Extent;
pub use reserve::Reservation;
pub use segment::Segment;
pub use sysv_cleaning::{Cleaned, clean as clean_sysv};

#[doc(hidden)]
pub use {
    backing::{LIVENESS_BYTE, SIGN},
    bytes::Pinned,
    holds::Holds,
    mapping::MapRequest,
    options::ROUNDS_MAX,
};
