//! System V segments: created or found by key, attached, removed by id (sysvipc(7)).

use super::backing::Backing;
use super::mapping::{Mapping, Place};
use super::options::{Access, CreateOptions, MapOptions, ROUNDS_MAX, to_usize};
use super::reserve::Reservation;
use super::segment::Segment;
use super::sysv_cleaning;
use crate::error::{Errno, Error, Named, Result, Subject};
use crate::sys::sysv_shm::{self, BareCommand, flags};

/// Makes a segment; `EEXIST` where the key has one. `IPC_PRIVATE` always makes a new one.
///
/// # Errors
/// EACCES EEXIST EINVAL ENOMEM ENOSPC EPERM; those of [`attach`].
pub fn create(key: i32, options: &CreateOptions) -> Result<Segment> {
    let id = get_new(key, options)?;
    attach_new(id, options)
}

/// Opens the segment of a key, whatever its size.
///
/// # Errors
/// EACCES ENOENT; those of [`attach`].
pub fn open(key: i32, options: &MapOptions) -> Result<Segment> {
    if key == flags::IPC_PRIVATE {
        return Err(Error::own(
            "ERR_INVALID_ARG_VALUE",
            "IPC_PRIVATE names no segment: it can only be created, or attached by id",
        ));
    }
    let id = sysv_shm::shmget(key, 0, 0).called("shmget").map_err(|error| error.on(Subject::Key(key)))?;
    attach(id, options)
}

/// Opens the segment of a key, or makes it. An existing one smaller than asked is `EINVAL`.
///
/// # Errors
/// Those of [`create`] and [`open`].
pub fn open_or_create(key: i32, options: &CreateOptions) -> Result<Segment> {
    let size = to_usize(options.size_bytes)?;
    let mut rounds = 0;
    loop {
        match create(key, options) {
            Err(error) if error.errno() == Some(Errno::EEXIST) => {}
            other => return other,
        }
        rounds += 1;
        match sysv_shm::shmget(key, size, 0) {
            // Removed between the two: make it.
            Ok(id) => match attach(id, &options.map) {
                Err(error) if is_gone(&error) && rounds < ROUNDS_MAX => {}
                other => return other,
            },
            Err(Errno::ENOENT) if rounds < ROUNDS_MAX => {}
            Err(errno) => return Err(Error::system("shmget", errno).on(Subject::Key(key))),
        }
    }
}

/// Attaches by identifier; the bytes are as many as the kernel says. What somebody removes meanwhile as an orphan is given back: see
/// [`super::clean_sysv`].
///
/// # Errors
/// EACCES EAGAIN (a cleaner does not let go) EIDRM EINVAL ENOMEM; `ERR_SHM_FOREIGN_OWNER`.
pub fn attach(id: i32, options: &MapOptions) -> Result<Segment> {
    refuse_private(options)?;
    let segment = sysv_cleaning::beside_cleaners(id, |size_bytes| {
        attach_sized(id, size_bytes, options, Place::Anywhere, 0)
    })?;
    refuse_foreign(id, options).map_err(|error| error.on(Subject::Id(id)))?;
    Ok(segment)
}

/// A creator keeps its rights, whoever owns the segment later. An identifier stays its segment's while that is attached.
fn refuse_foreign(id: i32, options: &MapOptions) -> Result<()> {
    if !options.own_only {
        return Ok(());
    }
    let stat = sysv_shm::stat(id).called("shmctl")?;
    options.refuse_foreign(stat.uid)?;
    options.refuse_foreign(stat.creator_uid)
}

/// As [`attach`] without a look at cleaners, at a place and with flags of shmat(2).
///
/// # Errors
/// As [`attach`]; `ERR_SHM_NOT_OURS`.
pub fn attach_at(id: i32, options: &MapOptions, place: Place, extra_flags: i32) -> Result<Segment> {
    let by_id = |error: Error| error.on(Subject::Id(id));
    refuse_private(options)?;
    // IPC_STAT needs read permission, as attaching does.
    // What it refuses, it refuses as shmat(2) would.
    let size_bytes = sysv_shm::stat(id).called("shmat").map_err(by_id)?.size_bytes;
    attach_sized(id, size_bytes, options, place, extra_flags)
}

fn refuse_private(options: &MapOptions) -> Result<()> {
    if options.access == Access::CopyOnWrite {
        return Err(Error::own("ERR_SHM_UNSUPPORTED", "System V segments cannot be mapped copy-on-write"));
    }
    Ok(())
}

/// As [`attach_at`], where the size is known: the caller just made the segment.
fn attach_sized(
    id: i32,
    size_bytes: u64,
    options: &MapOptions,
    place: Place,
    extra_flags: i32,
) -> Result<Segment> {
    let by_id = |error: Error| error.on(Subject::Id(id));
    let how = if options.access == Access::Read { flags::SHM_RDONLY } else { 0 };
    let mapping = Mapping::attach(id, place, how | extra_flags, size_bytes, options.guard).map_err(by_id)?;
    Ok(Segment {
        mapping,
        access: options.access,
        offset: 0,
        length_bytes: None,
        created: false,
        reservation: Reservation::None,
        guard: options.guard,
        backing: Backing::Sysv { id },
    })
}

/// `shmctl(2)` with `IPC_RMID`.
///
/// # Errors
/// EIDRM EINVAL EPERM.
pub fn remove(id: i32) -> Result<()> {
    sysv_shm::control(id, BareCommand::Remove).called("shmctl").map_err(|error| error.on(Subject::Id(id)))
}

fn is_gone(error: &Error) -> bool {
    matches!(error.errno(), Some(Errno::EIDRM | Errno::EINVAL))
}

fn get_new(key: i32, options: &CreateOptions) -> Result<i32> {
    let size = to_usize(options.size_bytes)?;
    let mode = i32::try_from(options.mode & 0o777).unwrap_or(0);
    let base = flags::IPC_CREAT
        | flags::IPC_EXCL
        | mode
        | if options.reserve == Some(false) { flags::SHM_NORESERVE } else { 0 };
    options
        .huge
        .attempt(|huge_page_bytes| {
            sysv_shm::shmget(key, size, base | huge_page_bytes.map_or(0, huge_flags)).called("shmget")
        })
        .map_err(|error| error.on(Subject::Key(key)))
}

#[expect(clippy::cast_possible_wrap, reason = "the log2 of a page size is below 64")]
fn huge_flags(page_size_bytes: usize) -> i32 {
    flags::SHM_HUGETLB | (page_size_bytes.trailing_zeros() as i32) << sysv_shm::SHM_HUGE_SHIFT
}

/// Attaches what was just made; on failure nothing is left behind.
fn attach_new(id: i32, options: &CreateOptions) -> Result<Segment> {
    let made =
        attach_sized(id, options.size_bytes, &options.map, Place::Anywhere, 0).and_then(|mut segment| {
            segment.created = true;
            // The earlier the better: what a process killed before this line leaves behind, somebody must remove.
            if options.remove_on_last_detach {
                remove(id)?;
            }
            if options.reserve == Some(true) {
                segment.refuse_more_than_memory(super::pages::Extent::default())?;
                segment
                    .mapping
                    .populate(super::pages::Extent::default(), options.map.access == Access::Write)?;
                segment.reservation = Reservation::Done;
            }
            Ok(segment)
        });
    if made.is_err() {
        let _ = remove(id);
    }
    made
}
