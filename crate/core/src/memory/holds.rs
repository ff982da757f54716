//! Which locks inside a mapping are held through it, and by which thread.
//!
//! A held robust mutex is linked into its thread's list by address: the kernel walks that list when the thread ends, and where
//! the address is unmapped by then, this mutex and all behind it stay locked for ever. So a mapping with a held lock in it is never
//! unmapped: closing and replacing it is refused (`ERR_SHM_HELD`), and where nobody is left to refuse it to, the end of a JavaScript
//! environment, it stays mapped until the process ends.

use super::mapping::Mapping;
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// No lock that can be held is longer.
const LONGEST_BYTES: usize = 64;

/// Held locks: by offset and thread, how often.
#[derive(Debug, Default)]
pub struct Holds {
    counts: BTreeMap<(usize, i32), u32>,
}

impl Holds {
    /// How often `thread` holds what lies at `offset`.
    #[must_use]
    pub fn count(&self, offset: usize, thread: i32) -> u32 {
        self.counts.get(&(offset, thread)).copied().unwrap_or(0)
    }

    /// Whether anybody holds what lies at `offset`.
    #[must_use]
    pub fn is_held(&self, offset: usize) -> bool {
        self.counts.range((offset, i32::MIN)..=(offset, i32::MAX)).next().is_some()
    }

    /// One more.
    pub fn add(&mut self, offset: usize, thread: i32) {
        let count = self.counts.entry((offset, thread)).or_insert(0);
        *count = count.saturating_add(1);
    }

    /// One less.
    pub fn take(&mut self, offset: usize, thread: i32) {
        match self.count(offset, thread) {
            0 | 1 => self.counts.remove(&(offset, thread)),
            more => self.counts.insert((offset, thread), more - 1),
        };
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The first lock that is held and has a byte in the range.
    fn first_in(&self, start: usize, end: usize) -> Option<usize> {
        let first = start.saturating_sub(LONGEST_BYTES - 1);
        self.counts
            .range((first, i32::MIN)..(end.max(first), i32::MIN))
            .next()
            .map(|((offset, _), _)| *offset)
    }

    /// For whoever is about to unmap or overwrite a range.
    ///
    /// # Errors
    /// `ERR_SHM_HELD` where a lock in it is held.
    pub fn refuse_in(&self, start: usize, end: usize) -> Result<()> {
        self.first_in(start, end).map_or(Ok(()), |offset| {
            Err(Error::own(
                "ERR_SHM_HELD",
                format!("the lock at offset {offset} is held: unlock it before its memory goes"),
            ))
        })
    }
}

impl Mapping {
    /// Runs `act` with the address of `length_bytes` bytes at `offset`, which stay mapped meanwhile, and with what is held in this mapping.
    ///
    /// # Errors
    /// `ERR_OUT_OF_RANGE`; `ERR_SHM_CLOSED`; what `act` answers.
    #[doc(hidden)]
    pub fn with_holds<T>(
        &self,
        offset: u64,
        length_bytes: usize,
        act: impl FnOnce(usize, &mut Holds) -> Result<T>,
    ) -> Result<T> {
        let mut alive = self.living()?;
        let (start, _) = self.bytes_at(offset, length_bytes)?;
        act(start, &mut alive.holds)
    }

    /// For whoever is about to unmap it all.
    ///
    /// # Errors
    /// `ERR_SHM_HELD` where a lock in it is held.
    pub fn refuse_if_held(&self) -> Result<()> {
        self.life().holds.refuse_in(0, usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_ends_with_the_last_unlock_of_its_thread() {
        let mut holds = Holds::default();
        holds.add(40, 7);
        holds.add(40, 7);
        holds.add(40, 8);
        holds.take(40, 7);
        assert_eq!((holds.count(40, 7), holds.count(40, 8)), (1, 1));
        holds.take(40, 7);
        assert!(holds.is_held(40), "another thread's");
        holds.take(40, 8);
        assert!(holds.is_empty());
    }

    #[test]
    fn a_range_is_refused_for_a_lock_that_reaches_into_it() {
        let mut holds = Holds::default();
        holds.add(4080, 7);
        assert_eq!(holds.refuse_in(4096, 8192).unwrap_err().code(), "ERR_SHM_HELD");
        assert!(holds.refuse_in(8192, 12288).is_ok());
        assert!(holds.refuse_in(0, 4096).is_err());
        assert!(holds.refuse_in(0, 4080).is_ok());
    }
}
