//! How the bytes of each kind of object lie: drawn here once, for Rust, and handed to TypeScript at load.
//!
//! ```text
//! mutex      0 word                                          once       0 word · 4 done
//! rwlock     0 writer's word   128 + 128 × slot  cell        word       0 value
//! condition  0 gate · 4 sequence                             counter    0 value, 64 bits
//! semaphore  0 gate · 4 sequence   128 + 4 × index  cell     event      0 word
//! barrier    0 lock · 4 gate · 8 phase   128 + 8 × index  seat: token, arrived
//! seqlock    0 word · 64 version   128  first copy   behind, rounded up to 64  second copy
//! every one  96 waits · 100 owner deaths · 104 timeouts, counted on slow paths only
//! ```

/// Offsets of words, in bytes from an object's start.
pub const WORD: u64 = 0;
/// Of a gate's sequence.
pub const SEQUENCE: u64 = 4;
/// What a once has done: 1 when it is.
pub const DONE: u64 = 4;
/// A barrier's gate.
pub const BARRIER_GATE: u64 = 4;
/// A barrier's phase.
pub const BARRIER_PHASE: u64 = 8;
/// A seqlock's version.
pub const VERSION: u64 = 64;
/// Waits that slept.
pub const WAITS: u64 = 96;
/// Owners found dead.
pub const OWNER_DEATHS: u64 = 100;
/// Waits that ended by time or abort.
pub const TIMEOUTS: u64 = 104;
/// Cells, seats, copies: behind the first two lines.
pub const PARTS: u64 = 128;
/// From one reader's cell to the next.
pub const READER_STRIDE: u64 = 128;
/// From one permit's cell to the next.
pub const PERMIT_STRIDE: u64 = 4;
/// From one seat to the next.
pub const SEAT_STRIDE: u64 = 8;
/// A seqlock's copies begin at multiples of this.
pub const COPY_ALIGN: u64 = 64;
