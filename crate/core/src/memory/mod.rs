//! Floor 1: mappings and the objects behind them. Sole owner of `munmap` and of what replaces it.
//!
//! - [`Mapping`] is a range of our address space, released once, however many hold it.
//! - [`Segment`] is a mapping with the object behind it: [`sysv`], [`posix`], [`memfd`], [`mod@file`].
//! - [`guard`] keeps a bad touch of a mapping from killing the process; `ranges` tells it which
//!   addresses are ours, `quarantine` keeps closed ranges ours for a while.

pub(crate) mod backing;
mod copying;
pub mod file;
pub mod guard;
mod holds;
mod huge;
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
pub mod raw;
mod reserve;
mod segment;
pub mod sysv;
mod sysv_cleaning;

pub use backing::{Backing, LIVENESS_BYTE, Origin, SIGN};
pub use guard::FaultCounts;
pub use holds::Holds;
pub use locking::Locking;
pub use mapping::{MapRequest, Mapping, Pinned, Place};
pub use numa::NodePages;
pub use options::{Access, CreateOptions, HugeWish, MapOptions, OpenMode, ROUNDS_MAX};
pub use page_facts::PageFacts;
pub use pages::Extent;
pub use reserve::Reservation;
pub use segment::Segment;
pub use sysv_cleaning::{Cleaned, clean as clean_sysv};
