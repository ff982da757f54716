//! Removing a System V segment that nobody has attached, without taking it from somebody who just attaches it.
//!
//! The kernel has no "remove if unused". So a cleaner first puts a mark into the mode, then looks at the attach count; an opener first
//! attaches, which counts, then looks for the mark. Whatever the order, one of them sees the other, and the opener gives way:
//!
//! | cleaner | opener |
//! |---|---|
//! | mode := mark | attach count + 1 |
//! | attach count > 0: mode as before, in use | mark there: attach count - 1, nap, begin anew |
//! | else remove | else it is safe |
//!
//! The mark takes the right to write from all, so that programs without this look are refused meanwhile (root excepted).

use super::segment::Segment;
use crate::error::{Errno, Error, Named, Result, Subject};
use crate::sys::file::{self, flags};
use crate::sys::sysv_shm::{self, BareCommand, SHM_DEST};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// The bit that nobody sets: what may be executed means nothing for segments.
const MARK: u32 = 0o010;
/// The bits that the mark is told by: it may not be written, and only the group may execute it.
const MARK_MASK: u32 = 0o333;
const READABLE: u32 = 0o444;

/// A cleaner needs microseconds; a mark that stays is a dead one's.
const PATIENCE: Duration = Duration::from_secs(1);
const NAP: Duration = Duration::from_millis(1);

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleaned {
    /// Nobody had it attached: it is removed.
    Removed,
    /// Somebody has it attached, or somebody else is about to remove it.
    InUse,
    /// There is no such segment any more.
    Gone,
}

/// Removes a segment if nobody has it attached.
///
/// # Errors
/// EACCES EPERM.
pub fn clean(id: i32) -> Result<Cleaned> {
    clean_here(id, |_| ()).map_err(|error| error.on(Subject::Id(id)))
}

/// Where others may come between; for tests, which come just there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nobody had it attached, and the mark is not there yet.
    Counted,
    /// Nobody had it attached under the mark.
    CountedAgain,
}

fn clean_here(id: i32, step: impl FnMut(Step)) -> Result<Cleaned> {
    let Some(_turn) = take_turn() else { return Ok(Cleaned::InUse) };
    match clean_in_turn(id, step) {
        // Whoever removed it took no turn.
        Err(error) if matches!(error.errno(), Some(Errno::EINVAL | Errno::EIDRM)) => Ok(Cleaned::Gone),
        cleaned => cleaned,
    }
}

fn clean_in_turn(id: i32, mut step: impl FnMut(Step)) -> Result<Cleaned> {
    let before = sysv_shm::stat(id).called("shmctl")?;
    if before.attach_count > 0 {
        return Ok(Cleaned::InUse);
    }
    let set = |mode: u32| {
        let mode = u16::try_from(mode & 0o777).unwrap_or(0);
        sysv_shm::set(id, before.uid, before.gid, mode).called("shmctl")
    };
    step(Step::Counted);
    set(before.mode & READABLE | MARK)?;
    if sysv_shm::stat(id).called("shmctl")?.attach_count > 0 {
        // The mark of a cleaner that died hides who might write: the owner, at least.
        set(if is_marked(before.mode) { before.mode & READABLE | 0o600 } else { before.mode })?;
        return Ok(Cleaned::InUse);
    }
    step(Step::CountedAgain);
    sysv_shm::control(id, BareCommand::Remove).called("shmctl")?;
    Ok(Cleaned::Removed)
}

/// One cleaner at a time: the second would take the first one's mark for its own. Any file that all see will do.
fn take_turn() -> Option<OwnedFd> {
    let deadline = Instant::now() + PATIENCE;
    let fd = file::open("/proc/sysvipc/shm", flags::O_RDONLY, 0).ok()?;
    while file::lock_whole(fd.as_fd()).is_err() {
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(NAP);
    }
    Some(fd)
}

const fn is_marked(mode: u32) -> bool {
    mode & MARK_MASK == MARK
}

/// The opener's side: attaches what has so many bytes, and gives way to a cleaner. A segment that was removed before is attached all
/// the same, for that was meant.
pub(super) fn beside_cleaners(id: i32, attach: impl Fn(u64) -> Result<Segment>) -> Result<Segment> {
    let by_id = |error: Error| error.on(Subject::Id(id));
    let mut deadline = None;
    loop {
        // What IPC_STAT refuses, it refuses as shmat(2) would: both need the right to read.
        let before = sysv_shm::stat(id).called("shmat").map_err(by_id)?;
        if !is_marked(before.mode) {
            let attached = attach(before.size_bytes);
            if attached.as_ref().is_err_and(|error| error.errno() != Some(Errno::EACCES)) {
                return attached;
            }
            let mode = sysv_shm::stat(id).map_or(before.mode, |after| after.mode);
            let lost = is_marked(mode) || mode & !before.mode & SHM_DEST != 0;
            match attached {
                Ok(segment) if lost => segment.mapping.release(),
                Err(_) if lost => {}
                settled => return settled,
            }
            if !is_marked(mode) {
                return Err(by_id(Error::system("shmat", Errno::EIDRM)));
            }
        }
        if Instant::now() >= *deadline.get_or_insert_with(|| Instant::now() + PATIENCE) {
            return Err(by_id(
                Error::system("shmat", Errno::EAGAIN)
                    .detail("its mode bears the mark of somebody who began to remove it as an orphan"),
            ));
        }
        std::thread::sleep(NAP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Backing, CreateOptions, MapOptions, sysv};

    /// A segment that nobody has attached.
    fn unused() -> i32 {
        let segment = sysv::create(0, &CreateOptions::new(4096)).unwrap();
        let Backing::Sysv { id } = segment.backing else { panic!("not System V") };
        segment.mapping.release();
        id
    }

    fn attach(id: i32) -> Result<Segment> {
        sysv::attach(id, &MapOptions::default())
    }

    #[test]
    fn who_attached_before_the_mark_keeps_the_segment() {
        let id = unused();
        let mut attached = None;
        let cleaned = clean_here(id, |step| {
            if step == Step::Counted {
                attached = Some(attach(id).unwrap());
            }
        });
        assert_eq!(cleaned.unwrap(), Cleaned::InUse);
        assert_eq!(sysv_shm::stat(id).unwrap().mode, 0o600);
        attached.unwrap().mapping.release();
        assert_eq!(clean(id).unwrap(), Cleaned::Removed);
    }

    #[test]
    fn who_attaches_after_the_last_count_gives_way_and_never_has_what_is_removed() {
        let id = unused();
        std::thread::scope(|scope| {
            let mut opener = None;
            let cleaned = clean_here(id, |step| {
                if step == Step::CountedAgain {
                    opener = Some(scope.spawn(move || attach(id)));
                    std::thread::sleep(30 * NAP);
                }
            });
            assert_eq!(cleaned.unwrap(), Cleaned::Removed);
            let refused = opener.unwrap().join().unwrap().unwrap_err();
            assert!(matches!(refused.errno(), Some(Errno::EIDRM | Errno::EINVAL)), "{refused:?}");
        });
    }

    #[test]
    fn what_somebody_else_removes_meanwhile_is_gone() {
        for at in [Step::Counted, Step::CountedAgain] {
            let id = unused();
            let cleaned = clean_here(id, |step| {
                if step == at {
                    sysv_shm::control(id, BareCommand::Remove).unwrap();
                }
            });
            assert_eq!(cleaned.unwrap(), Cleaned::Gone);
        }
    }

    #[test]
    fn the_mark_of_a_cleaner_that_died_is_cleaned_by_the_next() {
        let id = unused();
        let owner = sysv_shm::stat(id).unwrap();
        sysv_shm::set(id, owner.uid, owner.gid, 0o410).unwrap();
        assert_eq!(attach(id).unwrap_err().errno(), Some(Errno::EAGAIN));
        assert_eq!(clean(id).unwrap(), Cleaned::Removed);
    }
}
