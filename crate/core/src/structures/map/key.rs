//! Keys, as the map compares them: their bytes in words of four, little end first, filled up with zeroes, and a hash of them.
//!
//! The hash is HalfSipHash-1-3 (Aumasson and Bernstein 2012; the rounds of Linux's hsiphash), with a seed of 64 random bits that each map has for itself. So
//! nobody who only chooses keys can choose which of them collide. It is no secret from members, who can read the seed, and no signature.

use super::value::Source;
use crate::error::{Error, Result};
use crate::managed::geometry::map::{KEY_BYTES_MAX, KEY_IS_BYTES};

/// Words of the longest key.
pub const KEY_WORDS_MAX: usize = KEY_BYTES_MAX as usize / 4;

/// What the hashes of a map begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u32, pub u32);

/// Words of a key that needs no allocation.
const SHORT_WORDS: usize = 16;

/// A key's words. Most are short, and a whole kibibyte to be blanked and moved costs as much as all the rest of a set.
#[derive(Clone, Debug)]
enum Words {
    Short([u32; SHORT_WORDS]),
    Long(Box<[u32]>),
}

impl Words {
    fn new(count: usize, word: impl Fn(usize) -> u32) -> Self {
        if count > SHORT_WORDS {
            return Self::Long((0..count).map(word).collect());
        }
        let mut words = [0; SHORT_WORDS];
        words[..count].iter_mut().enumerate().for_each(|(index, place)| *place = word(index));
        Self::Short(words)
    }
}

/// A key.
#[derive(Clone, Debug)]
pub struct Key {
    words: Words,
    bytes: u32,
    is_bytes: bool,
    hash: u32,
}

impl Key {
    /// A key of text.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`: empty, or of more than 1,024 bytes.
    pub fn text(text: &str, seed: Seed) -> Result<Self> {
        Self::of(text.as_bytes(), false, seed)
    }

    /// A key of bytes. Equal to that of the text which has these bytes.
    ///
    /// # Errors
    /// As [`Self::text`].
    pub fn bytes(bytes: &[u8], seed: Seed) -> Result<Self> {
        Self::of(bytes, true, seed)
    }

    fn of(bytes: &[u8], is_bytes: bool, seed: Seed) -> Result<Self> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self::from_words(|index| bytes.word(index), length, is_bytes, seed)
    }

    /// A key whose words lie there, read once.
    ///
    /// # Errors
    /// As [`Self::text`].
    pub fn from_words(word: impl Fn(usize) -> u32, bytes: u32, is_bytes: bool, seed: Seed) -> Result<Self> {
        check_length(bytes)?;
        let count = bytes.div_ceil(4) as usize;
        // What the last word has beyond the key is no part of it.
        let last = if bytes.is_multiple_of(4) { u32::MAX } else { (1 << (8 * (bytes % 4))) - 1 };
        let words = Words::new(count, |index| word(index) & if index + 1 == count { last } else { u32::MAX });
        let mut key = Self { words, bytes, is_bytes, hash: 0 };
        key.hash = hash(key.words(), bytes, seed);
        Ok(key)
    }

    /// The words.
    #[must_use]
    pub fn words(&self) -> &[u32] {
        let count = self.bytes.div_ceil(4) as usize;
        match &self.words {
            Words::Short(words) => &words[..count],
            Words::Long(words) => words,
        }
    }

    /// How many bytes.
    #[must_use]
    pub const fn length(&self) -> u32 {
        self.bytes
    }

    /// The word in which an entry has the length, and whether it was given as bytes.
    pub(super) const fn length_word(&self) -> u32 {
        self.bytes | if self.is_bytes { KEY_IS_BYTES } else { 0 }
    }

    /// The hash: its highest bits name the shard, its lowest the bucket.
    #[must_use]
    pub const fn hash(&self) -> u32 {
        self.hash
    }
}

fn check_length(bytes: u32) -> Result<()> {
    if (1..=KEY_BYTES_MAX).contains(&bytes) {
        return Ok(());
    }
    Err(Error::own("ERR_OUT_OF_RANGE", format!("a key has 1 to {KEY_BYTES_MAX} bytes, not {bytes}")))
}

/// See the module; `lib/structures/map/map-key.ts` does the same.
pub(super) fn hash(words: &[u32], bytes: u32, Seed(k0, k1): Seed) -> u32 {
    let mut state = [k0, k1, 0x6c79_6765 ^ k0, 0x7465_6462 ^ k1];
    let mut take = |word: u32| {
        state[3] ^= word;
        round(&mut state);
        state[0] ^= word;
    };
    let whole = bytes as usize / 4;
    words[..whole].iter().copied().for_each(&mut take);
    let rest = if bytes.is_multiple_of(4) { 0 } else { words[whole] };
    take(bytes << 24 | rest);
    state[2] ^= 0xff;
    (0..3).for_each(|_| round(&mut state));
    state[1] ^ state[3]
}

fn round([v0, v1, v2, v3]: &mut [u32; 4]) {
    *v0 = v0.wrapping_add(*v1);
    *v1 = v1.rotate_left(5) ^ *v0;
    *v0 = v0.rotate_left(16);
    *v2 = v2.wrapping_add(*v3);
    *v3 = v3.rotate_left(8) ^ *v2;
    *v0 = v0.wrapping_add(*v3);
    *v3 = v3.rotate_left(7) ^ *v0;
    *v2 = v2.wrapping_add(*v1);
    *v1 = v1.rotate_left(13) ^ *v2;
    *v2 = v2.rotate_left(16);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_linux() {
        // lib/tests/siphash_kunit.c, test_vectors_hsiphash for 32 bits: the bytes 0, 1, 2, … under the key 03020100 07060504.
        let expected = [0x5814_c896, 0xe7e8_64ca, 0xbc4b_0e30, 0x0153_9939, 0x7e05_9ea6, 0x88e3_d89b];
        let seed = Seed(0x0302_0100, 0x0706_0504);
        for (length, expected) in expected.into_iter().enumerate() {
            let bytes: Vec<u8> = (0..8).take(length).collect();
            let mut words = [0; 2];
            for (word, four) in words.iter_mut().zip(bytes.chunks(4)) {
                let mut filled = [0; 4];
                filled[..four.len()].copy_from_slice(four);
                *word = u32::from_le_bytes(filled);
            }
            assert_eq!(hash(&words, u32::try_from(length).unwrap(), seed), expected, "of {length} bytes");
        }
    }

    #[test]
    fn a_key_of_text_is_that_of_its_bytes() {
        let seed = Seed(1, 2);
        for text in ["a", "ab", "abc", "abcd", "naïve", "sixteen bytes, 16"] {
            let (one, other) = (Key::text(text, seed).unwrap(), Key::bytes(text.as_bytes(), seed).unwrap());
            let third = Key::from_words(|index| one.words()[index], one.length(), false, seed).unwrap();
            assert_eq!(one.words(), other.words());
            assert_eq!((one.hash(), one.length()), (third.hash(), third.length()));
            assert_eq!(one.hash(), other.hash());
            assert_ne!(one.hash(), Key::text(text, Seed(1, 3)).unwrap().hash());
        }
        assert!(Key::text("", seed).is_err());
        assert!(Key::bytes(&[0; 1025], seed).is_err());
        assert_eq!(Key::bytes(&[7; 1024], seed).unwrap().words().len(), KEY_WORDS_MAX);
    }
}
