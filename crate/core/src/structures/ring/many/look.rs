//! What one finds at an end of a ring of many, and how the positions go past what was claimed.

use super::super::End;
use super::{CLAIMED, FULL, LOOKS_MAX, Many, Part, READING, SKIPPED, Seen, corrupt};
use crate::error::Result;
use crate::fail_point;
use crate::membership::Platform;

impl<W: Copy, C: Fn(Part) -> W> Many<W, C> {
    /// What one would find at an end, without claiming it. A slot whose message a producer would drop is ready, too.
    ///
    /// # Errors
    /// `ERR_SHM_POSSIBLY_CORRUPT`.
    pub fn look_at<P: Platform<Word = W>>(&self, platform: &P, end: End) -> Result<Seen> {
        match end {
            End::Consumer => self.look_at_head(platform),
            End::Producer => Ok(match self.look_at_tail(platform)? {
                Seen::Wanting(position) if self.drops => Seen::Ready(position),
                seen => seen,
            }),
        }
    }

    /// Looks for a free slot.
    pub(super) fn look_at_tail<P: Platform<Word = W>>(&self, platform: &P) -> Result<Seen> {
        for _ in 0..LOOKS_MAX {
            let position = platform.load(self.tail);
            let before = position.wrapping_sub(self.slots);
            let word = platform.load(self.word(position));
            if word == self.lap(position) {
                return Ok(Seen::Ready(position));
            }
            if word == FULL | self.lap(before) {
                // It was not claimed for this position by then, so this was the tail.
                return Ok(Seen::Wanting(position));
            }
            if word == SKIPPED | self.lap(before) {
                self.clear_skipped(platform, before);
                continue;
            }
            if self.is_behind(word, position) {
                self.pass_tail(platform, position);
                continue;
            }
            if word & CLAIMED == 0 {
                if platform.load(self.tail) == position {
                    return Err(self.strange(position, word));
                }
                continue;
            }
            if word & READING != 0 {
                // A reader of this position would have found the tail behind it.
                if platform.load(self.tail) == position {
                    return Ok(Seen::Claimed(before, word));
                }
                continue;
            }
            let head = platform.load(self.head);
            if platform.load(self.word(position)) != word {
                continue;
            }
            // The head cannot pass a slot that somebody writes in: if it has, the claim is of this position, not of that before.
            if head == before {
                return Ok(Seen::Claimed(before, word));
            }
            self.pass_tail(platform, position);
        }
        Err(corrupt("its tail does not come to rest"))
    }

    /// Looks for a message.
    pub(super) fn look_at_head<P: Platform<Word = W>>(&self, platform: &P) -> Result<Seen> {
        for _ in 0..LOOKS_MAX {
            let position = platform.load(self.head);
            let before = position.wrapping_sub(self.slots);
            let word = platform.load(self.word(position));
            if word == FULL | self.lap(position) {
                return Ok(Seen::Ready(position));
            }
            if word == self.lap(position) {
                return Ok(Seen::Wanting(position));
            }
            if word == SKIPPED | self.lap(position) {
                self.clear_skipped(platform, position);
                continue;
            }
            if word == SKIPPED | self.lap(before) {
                self.clear_skipped(platform, before);
                continue;
            }
            if word == self.lap(position.wrapping_add(self.slots)) {
                self.pass_head(platform, position);
                continue;
            }
            if word & CLAIMED == 0 {
                if platform.load(self.head) == position {
                    return Err(self.strange(position, word));
                }
                continue;
            }
            if word & READING == 0 {
                // A writer is never behind the head, and a whole lap before it only where the head has moved.
                if platform.load(self.head) == position {
                    return Ok(Seen::Claimed(position, word));
                }
                continue;
            }
            let tail = platform.load(self.tail);
            if platform.load(self.word(position)) != word {
                continue;
            }
            // The tail has passed whatever is read: if it is here, that is read which lay here a lap ago.
            if tail == position {
                return Ok(Seen::Wanting(position));
            }
            self.pass_head(platform, position);
        }
        Err(corrupt("its head does not come to rest"))
    }

    /// Whether the word says that the slot was claimed for this position, and that claim has ended.
    fn is_behind(&self, word: u32, position: u32) -> bool {
        let lap = self.lap(position);
        word == FULL | lap || word == SKIPPED | lap || word == self.lap(position.wrapping_add(self.slots))
    }

    /// The slot of the tail is claimed: so the tail is behind it.
    pub(super) fn pass_tail<P: Platform<Word = W>>(&self, platform: &P, position: u32) {
        let _ = platform.compare_exchange(self.tail, position, position.wrapping_add(1));
    }

    /// The message of the head is taken, or never was one: so the head is behind it.
    pub(super) fn pass_head<P: Platform<Word = W>>(&self, platform: &P, position: u32) {
        let _ = platform.compare_exchange(self.head, position, position.wrapping_add(1));
    }

    fn clear_skipped<P: Platform<Word = W>>(&self, platform: &P, position: u32) {
        self.pass_head(platform, position);
        fail_point::reach("many.skipped");
        let empty = self.lap(position.wrapping_add(self.slots));
        if platform.compare_exchange(self.word(position), SKIPPED | self.lap(position), empty).is_ok() {
            platform.add(self.cleared, 1);
        }
    }
}
