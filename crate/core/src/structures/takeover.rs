//! Waiting for the dead to stop: a process that was killed in the middle of an asynchronous system call goes on writing into memory behind its death, until
//! the call comes back. Who takes an end or a seat over from it, to write there, waits so long.

use crate::error::{Error, Result};
use crate::membership::{MemberTable, Platform, Token};
use crate::sys::futex;
use std::time::Duration;

/// The longest wait in all. A call that lasts longer is stuck: on a disk that is gone, say.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks: nobody tells when a process has left the kernel. Most have when one looks first.
const NAP: Duration = Duration::from_millis(1);

/// Until when to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience(Duration);

impl Patience {
    /// From now on.
    #[must_use]
    pub(crate) fn begins() -> Self {
        Self(futex::now().saturating_add(PATIENCE))
    }
}

/// Sleeps until nothing that the dead member began can still write.
///
/// # Errors
/// `ERR_SHM_TIMED_OUT`: it still can.
pub(crate) fn wait(table: &MemberTable, dead: Token, patience: Patience) -> Result<()> {
    while !table.has_stopped(dead) {
        if futex::now() >= patience.0 {
            let who = table.member(dead).map_or_else(String::new, |facts| format!(" {}", facts.pid));
            return Err(Error::own(
                "ERR_SHM_TIMED_OUT",
                format!(
                    "a system call of the dead process{who} may write into the memory to be taken over for {PATIENCE:?} already"
                ),
            ));
        }
        std::thread::sleep(NAP);
    }
    Ok(())
}
