//! POSIX semaphores by whichever C library this is built for: on glibc our own steps, on musl libc's.

mod support;

use shmem_core::error::Errno;
use shmem_core::sync::{NamedSemaphore, Outcome, PosixSemaphore, posix_semaphore};
use shmem_core::sys::posix_sem;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use support::unique_name;

/// A semaphore whose name is gone already, so that nothing stays behind when the test fails.
fn nameless(what: &str, value: u32) -> NamedSemaphore {
    let name = unique_name(what);
    let semaphore = NamedSemaphore::create(&name, value, 0o600).unwrap();
    posix_semaphore::unlink(&name).unwrap();
    semaphore
}

#[test]
fn the_mode_of_a_created_semaphore_is_exact_whatever_the_umask() {
    let name = unique_name("mode");
    let semaphore = NamedSemaphore::create(&name, 1, 0o666).unwrap();
    let mode = std::fs::metadata(posix_sem::path(&name)).map(|about| about.permissions().mode() & 0o7777);
    drop(semaphore);
    posix_semaphore::unlink(&name).unwrap();
    assert_eq!(mode.unwrap(), 0o666);
}

#[test]
fn a_value_is_taken_down_to_zero_and_then_not_now() {
    let semaphore = nameless("value", 2);
    assert_eq!(semaphore.with(PosixSemaphore::value).unwrap(), 2);
    assert_eq!(semaphore.with(PosixSemaphore::try_wait).unwrap(), Outcome::Acquired);
    assert_eq!(semaphore.with(|s| s.wait(Duration::ZERO)).unwrap(), Outcome::Acquired);
    assert_eq!(semaphore.with(PosixSemaphore::try_wait).unwrap(), Outcome::NotNow);
    assert_eq!(semaphore.with(|s| s.wait(Duration::from_millis(2))).unwrap(), Outcome::NotNow);
    assert_eq!(semaphore.with(PosixSemaphore::value).unwrap(), 0);
}

#[test]
fn every_post_wakes_a_waiter_or_is_found() {
    let semaphore = nameless("posts", 0);
    let taken = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while taken.load(Ordering::SeqCst) < 3000 {
                    if semaphore.with(|s| s.wait(Duration::from_millis(20))).unwrap() == Outcome::Acquired {
                        taken.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        for _ in 0..3000 {
            semaphore.with(PosixSemaphore::post).unwrap();
        }
    });
    assert_eq!((taken.load(Ordering::SeqCst), semaphore.with(PosixSemaphore::value).unwrap()), (3000, 0));
}

#[test]
fn a_post_above_the_greatest_value_is_an_overflow() {
    let semaphore = nameless("full", posix_sem::MAX_VALUE);
    assert_eq!(semaphore.with(PosixSemaphore::post).unwrap_err().errno(), Some(Errno::EOVERFLOW));
    assert_eq!(semaphore.with(PosixSemaphore::value).unwrap().cast_unsigned(), posix_sem::MAX_VALUE);
}
