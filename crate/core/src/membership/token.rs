//! The name of one member, in 30 bits: which slot, and which of the many that used the slot one after the other.
//!
//! ```text
//! bit 31  never: locks mark waiters there      bit 29  always: no thread id is as large (they end below 2^22)
//! bit 30  never: the kernel marks death there  bits 0 to 28  generation, then slot in the lowest bits
//! ```

/// The name of one member for as long as it lives: which slot, and which of the many that used the slot one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(u32);

pub(crate) const MARK: u32 = 1 << 29;

impl Token {
    /// The word as it stands in locks.
    #[must_use]
    pub const fn word(self) -> u32 {
        self.0
    }

    /// What somebody stored as a token, if it can be one.
    #[must_use]
    pub const fn from_word(word: u32) -> Option<Self> {
        if word & (7 << 29) == MARK { Some(Self(word)) } else { None }
    }
}

/// How a table divides the 29 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenShape {
    slot_bits: u32,
}

impl TokenShape {
    /// For a table of that many slots, at least 1.
    #[must_use]
    pub const fn of(slots: u32) -> Self {
        Self { slot_bits: u32::BITS - (slots - 1).leading_zeros() }
    }

    /// The largest generation; a slot that reached it is never used again, so that no old token can come to life.
    #[must_use]
    pub const fn generation_max(self) -> u32 {
        (MARK >> self.slot_bits) - 1
    }

    /// The token of a slot's user of that generation.
    #[must_use]
    pub const fn token(self, slot: u32, generation: u32) -> Token {
        Token(MARK | generation << self.slot_bits | slot)
    }

    /// Slot and generation; the slot may lie beyond the table when somebody scribbled.
    #[must_use]
    pub const fn parts(self, token: Token) -> (u32, u32) {
        let bits = token.0 & (MARK - 1);
        (bits & ((1 << self.slot_bits) - 1), bits >> self.slot_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_and_generation_come_back_for_every_table_size() {
        for slots in [1, 2, 3, 64, 65, 4095, 4096] {
            let shape = TokenShape::of(slots);
            for (slot, generation) in [(0, 0), (slots - 1, 1), (slots / 2, shape.generation_max())] {
                let token = shape.token(slot, generation);
                assert_eq!(shape.parts(token), (slot, generation));
                assert_eq!(Token::from_word(token.word()), Some(token));
            }
        }
        assert_eq!(TokenShape::of(64).generation_max(), (1 << 23) - 1);
        assert_eq!(TokenShape::of(4096).generation_max(), (1 << 17) - 1);
    }

    #[test]
    fn no_thread_id_and_no_flagged_word_is_a_token() {
        for word in [0, 1, (1 << 22) - 1, 1 << 30, 1 << 31, MARK | 1 << 30, MARK | 1 << 31] {
            assert_eq!(Token::from_word(word), None);
        }
    }
}
