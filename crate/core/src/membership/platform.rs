//! What the algorithms above ask of memory and kernel. The real answer is [`super::MemberTable`]; models give another.
//!
//! Every access is sequentially consistent: the algorithms have several Dekker-like pairs (store mine, look at yours). A store pays for that: on x86-64 it is
//! an exchange, which waits until all before it are in the cache. Where there is no such pair, and each message would pay, there is
//! [`Platform::store_in_order`].

use super::token::Token;
use super::word::Word;
use crate::sys::futex;

/// The part of a presence word that is a thread id; without one the member is dead (linux/futex.h).
pub(crate) const TID: u32 = 0x3fff_ffff;
/// The kernel set it when it cleared the thread id.
pub(crate) const OWNER_DIED: u32 = 1 << 30;
/// Somebody may sleep, so that the kernel wakes one at the owner's death.
pub(crate) const WAITERS: u32 = 1 << 31;

/// Memory, the kernel's sleep, and who lives.
pub trait Platform {
    /// A word of shared memory.
    type Word: Copy;

    /// The value.
    fn load(&self, word: Self::Word) -> u32;
    /// Writes the value.
    fn store(&self, word: Self::Word, value: u32);
    /// Writes the value behind all that was written before; what is loaded after it may be loaded before others see it. Who is killed has written all that
    /// comes before the step at which it is. For a word at which nobody looks in answer to another of this thread's words.
    fn store_in_order(&self, word: Self::Word, value: u32) {
        self.store(word, value);
    }
    /// Changes `from` to `to`.
    ///
    /// # Errors
    /// The value that stood there instead.
    fn compare_exchange(&self, word: Self::Word, from: u32, to: u32) -> Result<(), u32>;
    /// Sets bits.
    fn set_bits(&self, word: Self::Word, bits: u32) -> u32;
    /// Adds, wrapping; answers the value before.
    fn add(&self, word: Self::Word, count: u32) -> u32;
    /// Wakes up to `count` sleepers, and answers how many.
    fn wake(&self, word: Self::Word, count: u32) -> u32;
    /// Tells the kernel which word this thread is busy with: when it dies meanwhile, and the word has no owner, one sleeper is woken.
    fn set_pending(&self, word: Option<Self::Word>);

    /// The words that say whether a token's member lives: its claim and its presence. `None`: no member of this table can have it.
    fn life_words(&self, token: Token) -> Option<(Self::Word, Self::Word)>;
    /// What the claim word is while the token's member is active.
    fn active_claim(&self, token: Token) -> u32;
    /// Whether every thread of the member's process has left the kernel: nothing that it began can still write.
    fn has_left_kernel(&self, token: Token) -> bool;
    /// Looks for a death that the kernel could not mark.
    fn recheck(&self, token: Token);
    /// Whether the token is of this very thread.
    fn is_own(&self, token: Token) -> bool;

    /// Whether the token's member lives, with the words and values that said so, to sleep on. `None`: nobody of this table has it.
    fn look_at(&self, token: Token) -> Option<Life<Self::Word>> {
        let (claim, presence) = self.life_words(token)?;
        // SYNC: the claim first. A new joiner changes the claim before the presence, so a presence read after a claim of this
        // generation is of this generation, or of one that made the claim differ by the time we sleep on it.
        let (claim_value, presence_value) = (self.load(claim), self.load(presence));
        let is_active = claim_value == self.active_claim(token);
        Some(Life {
            claim: (claim, claim_value),
            presence: (presence, presence_value),
            is_active,
            is_alive: is_active && presence_value & TID != 0,
        })
    }

    /// Whether the token's member lives, by two loads, the claim first: an exact answer, but for deaths that the kernel could not mark.
    fn is_alive(&self, token: Token) -> bool {
        self.look_at(token).is_some_and(|life| life.is_alive)
    }

    /// Whether nothing that a dead member began can still write here: an asynchronous system call goes on behind its thread's death. To be asked
    /// by who takes memory over from the dead and writes there.
    fn has_stopped(&self, token: Token) -> bool {
        // Whose slot is another's by now had left the kernel before: a joiner takes the slot's byte first.
        self.look_at(token)
            .is_none_or(|life| !life.is_active || !life.is_alive && self.has_left_kernel(token))
    }
}

/// What [`Platform::look_at`] saw.
#[derive(Clone, Copy, Debug)]
pub struct Life<W> {
    /// The claim word, and its value.
    pub claim: (W, u32),
    /// The presence word, and its value.
    pub presence: (W, u32),
    /// Whether the slot is still of this token's generation.
    pub is_active: bool,
    /// Whether the member lives.
    pub is_alive: bool,
}

/// As many words as one wait may watch, so that a thread can serve several (futex_waitv(2) takes 128).
pub const WATCHED_MAX: usize = 32;

/// The words that keep a wait from going on, each with the value it had.
#[derive(Debug)]
pub struct Sleep<W> {
    words: [Option<(W, u32)>; WATCHED_MAX],
    count: usize,
    /// Which of the words are presence words, by bits.
    presences: u32,
    /// Whether something it waits for has no word, so that it must look again soon.
    pub poll: bool,
}

impl<W: Copy> Sleep<W> {
    /// Nothing to watch yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { words: [None; WATCHED_MAX], count: 0, presences: 0, poll: false }
    }

    /// Watches one more word. Beyond [`WATCHED_MAX`] the wait looks again from time to time instead.
    pub fn watch(&mut self, word: W, expected: u32) {
        match self.words.get_mut(self.count) {
            Some(place) => {
                *place = Some((word, expected));
                self.count += 1;
            }
            None => self.poll = true,
        }
    }

    /// Watches a member's life.
    pub fn watch_life(&mut self, life: &Life<W>) {
        if self.count < WATCHED_MAX {
            self.presences |= 1 << self.count;
        }
        self.watch(life.presence.0, life.presence.1);
        self.watch(life.claim.0, life.claim.1);
    }

    /// As [`Self::watch_life`], for the making.
    #[must_use]
    pub fn on_life(mut self, life: &Life<W>) -> Self {
        self.watch_life(life);
        self
    }

    /// To be called after every sleep on these words: of all who sleep on a member's death the kernel wakes one, and that one wakes
    /// the others, whatever it finds for itself.
    pub fn pass_on_deaths<P: Platform<Word = W>>(&self, platform: &P) {
        for (index, (word, _)) in self.words().enumerate() {
            if self.presences & 1 << index != 0 && platform.load(word) & TID == 0 {
                platform.wake(word, u32::MAX);
            }
        }
    }

    /// As [`Self::watch`], for the making.
    #[must_use]
    pub fn on(mut self, word: W, expected: u32) -> Self {
        self.watch(word, expected);
        self
    }

    /// What is watched, in the order it was given.
    pub fn words(&self) -> impl Iterator<Item = (W, u32)> + '_ {
        self.words[..self.count].iter().flatten().copied()
    }
}

impl<W: Copy> Default for Sleep<W> {
    fn default() -> Self {
        Self::new()
    }
}

const _: () = assert!(WATCHED_MAX < futex::WORDS_MAX && WATCHED_MAX <= u32::BITS as usize);

/// Words alone, without members: a platform for what needs none.
#[derive(Clone, Copy, Debug)]
pub struct Bare;

impl Platform for Bare {
    type Word = Word;

    fn load(&self, word: Word) -> u32 {
        word.load()
    }

    fn store(&self, word: Word, value: u32) {
        word.store(value);
    }

    fn store_in_order(&self, word: Word, value: u32) {
        word.store_in_order(value);
    }

    fn compare_exchange(&self, word: Word, from: u32, to: u32) -> Result<(), u32> {
        word.compare_exchange(from, to)
    }

    fn set_bits(&self, word: Word, bits: u32) -> u32 {
        word.set_bits(bits)
    }

    fn add(&self, word: Word, count: u32) -> u32 {
        word.fetch_add(count)
    }

    fn wake(&self, word: Word, count: u32) -> u32 {
        word.wake(count)
    }

    fn set_pending(&self, _word: Option<Word>) {}

    fn life_words(&self, _token: Token) -> Option<(Word, Word)> {
        None
    }

    fn active_claim(&self, _token: Token) -> u32 {
        0
    }

    fn has_left_kernel(&self, _token: Token) -> bool {
        false
    }

    fn recheck(&self, _token: Token) {}

    fn is_own(&self, _token: Token) -> bool {
        false
    }
}
