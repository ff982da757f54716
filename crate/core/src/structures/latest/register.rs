//! The words of a Latest: who reads which buffer, and which may be written.
//!
//! The N-buffer register of Jing Chen and Alan Burns, "A Fully Asynchronous Reader/Writer Mechanism for Multiprocessor Real-Time Systems"
//! (York, 1997): with as many buffers as readers and two more there is always one that is neither the newest nor anybody's, so that
//! the writer never waits; and a reader that is overtaken while it chooses is given its choice by the writer, so that it never begins anew.
//!
//! | cell | means | who changes it |
//! |---|---|---|
//! | 0 | its reader has no buffer: it is nobody's, or nothing was published yet | its reader, to clear |
//! | clear | its reader chooses | its reader, to what it found newest; the writer, to the newest there is |
//! | a value | its reader reads that buffer | its reader, to clear |
//!
//! | newest | means | who changes it |
//! |---|---|---|
//! | 0 | nothing was published | the writer |
//! | a value | bits 0 to 9: number of the buffer, and 1; above: its version, modulo 2^22 | the writer, in one store, when the buffer is full |
//!
//! `used` counts the cells that ever were a reader's: the writer looks at no others.
//!
//! A kill anywhere leaves a good state. A dead writer's buffer was never named, and the next one writes to it. A dead reader's cell keeps the writer
//! from one buffer, for which there is room, until the next reader takes the cell; clear, the writer fills it.

use crate::fail_point;
use crate::membership::ownership::{self, Heir};
use crate::membership::{Platform, Token};

const NUMBER_BITS: u32 = 10;
const NUMBER: u32 = (1 << NUMBER_BITS) - 1;
/// A cell whose reader chooses: no buffer has this number.
pub const CLEAR: u32 = NUMBER;

/// The number of the buffer that a value names.
#[must_use]
pub const fn buffer_of(value: u32) -> Option<u32> {
    (value & NUMBER).checked_sub(1)
}

/// The value that names a buffer and its version.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "modulo 2^22")]
pub const fn value_of(buffer: u32, version: u64) -> u32 {
    (version << NUMBER_BITS) as u32 | (buffer + 1)
}

/// The words.
#[derive(Clone, Copy, Debug)]
pub struct Register<W, C> {
    /// What readers shall take.
    pub newest: W,
    /// Of how many cells, from the first on, one was ever a reader's: at most so many are looked at.
    pub used: W,
    /// The value word of a reader's cell.
    pub cells: C,
    /// How many cells there are.
    pub readers: u32,
}

impl<W: Copy, C: Fn(u32) -> W> Register<W, C> {
    /// Makes the newest buffer this reader's own, until its next call. Answers its value. Wait-free.
    pub fn hold<P: Platform<Word = W>>(&self, platform: &P, cell: u32) -> u32 {
        let cell = (self.cells)(cell);
        let newest = platform.load(self.newest);
        if newest == platform.load(cell) {
            return newest;
        }
        // SYNC: all that this reader did with the buffer it had comes before this; and it looks for the newest after it.
        platform.store(cell, CLEAR);
        fail_point::reach("latest.cleared");
        let newest = platform.load(self.newest);
        // SYNC: where the writer chose meanwhile, it has seen the cell clear and filled it: its choice counts.
        let held = platform.compare_exchange(cell, CLEAR, newest).err().unwrap_or(newest);
        fail_point::reach("latest.held");
        held
    }

    /// A buffer that nobody reads and nobody will be sent to before [`Self::publish`]. `taken` has a place a buffer. `None`: the cells make no sense.
    pub fn choose<P: Platform<Word = W>>(&self, platform: &P, taken: &mut [bool]) -> Option<u32> {
        taken.fill(false);
        let mut take = |value: u32| {
            let buffer = buffer_of(value).and_then(|buffer| taken.get_mut(buffer as usize));
            buffer.into_iter().for_each(|taken| *taken = true);
        };
        let newest = platform.load(self.newest);
        take(newest);
        // SYNC: a reader that is not counted yet chooses later than this, and finds the newest of now or a later one.
        for index in 0..platform.load(self.used).min(self.readers) {
            let cell = (self.cells)(index);
            let mut value = platform.load(cell);
            if value == CLEAR {
                // A reader chooses. It may know a newest that is none any more.
                value = platform.compare_exchange(cell, CLEAR, newest).err().unwrap_or(newest);
                fail_point::reach("latest.helped");
            }
            take(value);
        }
        let free = taken.iter().position(|taken| !taken);
        free.and_then(|free| u32::try_from(free).ok())
    }

    /// Names the buffer that was filled.
    pub fn publish<P: Platform<Word = W>>(&self, platform: &P, buffer: u32, version: u64) {
        // SYNC: releases the buffer's bytes to `hold`.
        platform.store(self.newest, value_of(buffer, version));
    }
}

/// Makes a cell that is nobody's, or a dead reader's, that of `token`. Answers its number. `None`: all are living readers'.
pub fn register<P: Platform>(
    platform: &P,
    used: P::Word,
    cells: impl Fn(u32) -> (P::Word, P::Word),
    readers: u32,
    token: Token,
) -> Option<u32> {
    for asks in [false, true] {
        for index in 0..readers {
            let (value, owner) = cells(index);
            if ownership::take(platform, owner, token, Heir { asks, writes: false }).is_ok() {
                fail_point::reach("latest.registered");
                platform.store(value, 0);
                count(platform, used, index + 1);
                return Some(index);
            }
        }
    }
    None
}

/// Makes the writer look at so many cells, before the first choice of the last one's reader. The number never becomes smaller.
fn count<P: Platform>(platform: &P, used: P::Word, least: u32) {
    loop {
        let before = platform.load(used);
        if before >= least || platform.compare_exchange(used, before, least).is_ok() {
            return;
        }
    }
}

/// Gives a cell back.
pub fn unregister<P: Platform>(platform: &P, (value, owner): (P::Word, P::Word), token: Token) {
    if platform.load(owner) == token.word() {
        platform.store(value, 0);
        fail_point::reach("latest.emptied");
        let _ = platform.compare_exchange(owner, token.word(), 0);
    }
}
