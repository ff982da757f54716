//! What became of every message of a ring: a sparse shared object beside the book, `<book>.ledger`. `__test__/support/kill-ledger.ts` draws the same lines.
//!
//! ```text
//! page 0      0 senders so far
//! sender n    0 begun · 4 committed     64  a bit a message: somebody got it
//! ```
//!
//! A sender is one life of a producer, or a part of it: it numbers its messages from 0 on. It writes *begun* before it commits one, *committed* behind it.

#![expect(unsafe_code, reason = "words of a mapping")]

use shmem_core::Result;
use shmem_core::membership::Word;
use shmem_core::memory::{CreateOptions, MapOptions, OpenMode, Segment, posix};

/// Messages of one sender.
pub(crate) const MESSAGES: u32 = 1 << 16;
const FIRST: usize = 4096;
const STRIDE: usize = 64 + MESSAGES as usize / 8;

/// Words of a message: sender, number, and what follows from them.
pub(crate) const WORDS: usize = 16;

/// See the module.
pub(crate) struct Ledger {
    segment: Segment,
    senders: u32,
}

/// What came of all messages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Audit {
    pub(crate) committed: u64,
    pub(crate) got: u64,
    /// Committed, and nobody got it.
    pub(crate) missing: u64,
    /// Got, and nobody had begun to commit it.
    pub(crate) made_up: u64,
}

impl Ledger {
    pub(crate) fn open(book: &str) -> Result<Self> {
        let segment = posix::open(&format!("{book}.ledger"), &MapOptions::default())?;
        let senders = (segment.mapping.size_bytes() - FIRST) / STRIDE;
        Ok(Self { senders: u32::try_from(senders).unwrap_or(0), segment })
    }

    /// One for that many senders; who removes it is its maker.
    pub(crate) fn create(book: &str, senders: usize) -> Result<String> {
        let name = format!("{book}.ledger");
        posix::create(&name, &CreateOptions::new((FIRST + senders * STRIDE) as u64), OpenMode::Create)?;
        Ok(name)
    }

    /// A sender of one's own; none when the ledger is full.
    pub(crate) fn sender(&self) -> Option<u32> {
        let sender = self.word(0).fetch_add(1);
        (sender < self.senders).then_some(sender)
    }

    /// Sender and number of a whole message; `None`: it is torn.
    pub(crate) fn read(&self, message: &[u8]) -> Option<(u32, u32)> {
        let word = |index: usize| {
            let bytes = message.get(4 * index..4 * index + 4)?;
            Some(u32::from_ne_bytes(bytes.try_into().ok()?))
        };
        let (sender, number) = (word(0)?, word(1)?);
        let is_whole = (2..WORDS).all(|index| word(index) == Some(mixed(sender, number, index)));
        (is_whole && sender < self.senders && number < MESSAGES).then_some((sender, number))
    }

    pub(crate) fn begin(&self, sender: u32, number: u32) {
        self.of(sender, 0).store(number + 1);
    }

    pub(crate) fn commit(&self, sender: u32, number: u32) {
        self.of(sender, 4).store(number + 1);
    }

    /// Somebody got the message. Answers whether it was the first.
    pub(crate) fn mark(&self, sender: u32, number: u32) -> bool {
        let bit = 1 << (number % 32);
        self.of(sender, 64 + 4 * (number as usize / 32)).set_bits(bit) & bit == 0
    }

    pub(crate) fn audit(&self) -> Audit {
        let mut audit = Audit::default();
        for sender in 0..self.word(0).load().min(self.senders) {
            let (begun, committed) = (self.of(sender, 0).load(), self.of(sender, 4).load());
            audit.committed += u64::from(committed);
            for first in (0..begun.next_multiple_of(32)).step_by(32) {
                let bits = self.of(sender, 64 + first as usize / 8).load();
                let below = |limit: u32| match limit.saturating_sub(first) {
                    count if count >= 32 => u32::MAX,
                    count => (1 << count) - 1,
                };
                audit.got += u64::from(bits.count_ones());
                audit.missing += u64::from((!bits & below(committed)).count_ones());
                audit.made_up += u64::from((bits & !below(begun)).count_ones());
            }
        }
        audit
    }

    fn of(&self, sender: u32, offset: usize) -> Word {
        assert!(sender < self.senders && offset < STRIDE);
        self.word(FIRST + sender as usize * STRIDE + offset)
    }

    fn word(&self, offset: usize) -> Word {
        assert!(offset + 4 <= self.segment.mapping.size_bytes());
        // SAFETY: inside the mapping, as just checked, at a multiple of 4; the segment keeps it, and no word outlives the process.
        unsafe { Word::at(self.segment.mapping.address() + offset) }
    }
}

/// A message as bytes.
pub(crate) fn message(sender: u32, number: u32) -> [u8; 4 * WORDS] {
    let mut bytes = [0; 4 * WORDS];
    for (index, word) in bytes.chunks_exact_mut(4).enumerate() {
        let value = match index {
            0 => sender,
            1 => number,
            _ => mixed(sender, number, index),
        };
        word.copy_from_slice(&value.to_ne_bytes());
    }
    bytes
}

/// As `mixed` of `__test__/support/many-message.ts`.
fn mixed(sender: u32, number: u32, index: usize) -> u32 {
    let factor = 0x9e37_79b1_u32.wrapping_add(u32::try_from(index).unwrap_or(0));
    (number ^ sender << 24).wrapping_mul(factor) ^ number >> 7
}
