//! Words that have an owner: the end of a ring, the seat of a writer, the cell of a reader.
//!
//! | word | means | who changes it |
//! |---|---|---|
//! | 0 | nobody's | who wants it, to its token |
//! | a token | that member's, or a dead one's | its member, to 0; who finds it dead, to its own token |

use super::platform::Platform;
use super::token::Token;

/// Why a word cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occupied {
    /// That member has it, and lives.
    Taken(Token),
    /// That member is dead, but a system call of its process may still write: it can be had soon.
    Dying(Token),
}

impl Occupied {
    /// Whose it is.
    #[must_use]
    pub const fn owner(self) -> Token {
        let (Self::Taken(owner) | Self::Dying(owner)) = self;
        owner
    }
}

/// What who takes a word must know of the one before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heir {
    /// Asks the system whether an owner that seems alive is, as the kernel cannot mark every death. That is dear.
    pub asks: bool,
    /// Goes on to write where the dead one may have: so that one must have stopped.
    pub writes: bool,
}

/// Makes a word that is nobody's, or a dead member's, that of `token`. Answers what it was: 0, or whose.
///
/// # Errors
/// See [`Occupied`].
pub(crate) fn take<P: Platform>(
    platform: &P,
    word: P::Word,
    token: Token,
    heir: Heir,
) -> Result<u32, Occupied> {
    loop {
        let before = platform.load(word);
        if let Some(owner) = Token::from_word(before) {
            if heir.asks && owner != token && platform.is_alive(owner) {
                platform.recheck(owner);
            }
            if platform.is_alive(owner) {
                return Err(Occupied::Taken(owner));
            }
            if heir.writes && !platform.has_stopped(owner) {
                return Err(Occupied::Dying(owner));
            }
        }
        // SYNC: acquires what the one before wrote before it gave the word back, or before it died.
        if platform.compare_exchange(word, before, token.word()).is_ok() {
            return Ok(before);
        }
    }
}
