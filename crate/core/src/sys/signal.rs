//! Signal dispositions: sigaction(2), for the fault guard.

#![expect(unsafe_code, reason = "this floor calls C")]

use super::SysResult;
use super::conv::ret_unit;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

pub(crate) use libc::{SIGBUS, SIGSEGV};

/// What the kernel tells a handler about a fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// `SIGSEGV` or `SIGBUS`.
    pub signal: i32,
    /// `si_code`.
    pub code: i32,
    /// `si_addr`: the address touched.
    pub address: usize,
}

impl Fault {
    /// No mapping there, or one that forbids the access (not a protection key, not a memory error, not `kill`).
    #[must_use]
    pub(crate) const fn is_plain(&self) -> bool {
        match self.signal {
            // SEGV_MAPERR, SEGV_ACCERR of sigaction(2).
            SIGSEGV => self.code == 1 || self.code == 2,
            // BUS_ADRERR: beyond the end of the object, or an exhausted huge page pool.
            SIGBUS => self.code == 2,
            _ => false,
        }
    }
}

/// The disposition that stood before ours, for one signal. Each is written once; reading is async-signal-safe.
struct Previous {
    /// As it was found before the exchange: known before our handler can run.
    found: OnceLock<libc::sigaction>,
    /// As the exchange itself answered it: another copy of this library may have installed its own handler in between, and its faults
    /// would else be lost.
    replaced: OnceLock<libc::sigaction>,
}

static PREVIOUS_SEGV: Previous = Previous::new();
static PREVIOUS_BUS: Previous = Previous::new();

impl Previous {
    const fn new() -> Self {
        Self { found: OnceLock::new(), replaced: OnceLock::new() }
    }

    const fn of(signal: i32) -> &'static Self {
        if signal == SIGBUS { &PREVIOUS_BUS } else { &PREVIOUS_SEGV }
    }

    fn get(&self) -> Option<libc::sigaction> {
        self.replaced.get().or_else(|| self.found.get()).copied()
    }
}

/// Whether a fault was dealt with.
pub(crate) type Decide = fn(Fault) -> bool;

static DECIDE: OnceLock<Decide> = OnceLock::new();

/// Installs our handler for SIGSEGV and SIGBUS in front of whatever stands there. `decide` runs in signal
/// context: it must be async-signal-safe. Call it once a process.
///
/// # Errors
/// EINVAL, never in practice.
pub(crate) fn install(decide: Decide) -> SysResult<()> {
    // The first caller installs; the dispositions that stood before it are written once.
    if DECIDE.set(decide).is_err() {
        return Ok(());
    }
    for signal in [SIGSEGV, SIGBUS] {
        let previous = Previous::of(signal);
        let mut now = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: a null new action only asks; `now` has room for the answer.
        ret_unit(unsafe { libc::sigaction(signal, std::ptr::null(), now.as_mut_ptr()) })?;
        // SAFETY: just written by the call.
        let now = unsafe { now.assume_init() };
        let _ = previous.found.set(now);

        let mut ours = now;
        ours.sa_sigaction = handler as *const () as usize;
        // SA_ONSTACK: V8 and others give threads a signal stack for stack overflows; without it we would break
        // theirs. SA_NODEFER is absent: our handler touches no page of a mapping itself, the kernel copies for it (`memory::guard`). The mask stays as the earlier handler wanted it.
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | (now.sa_flags & libc::SA_RESTART);
        let mut replaced = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: `ours` is a complete sigaction whose handler has the three-argument form that SA_SIGINFO asks; `replaced` has room
        // for the answer.
        ret_unit(unsafe { libc::sigaction(signal, &raw const ours, replaced.as_mut_ptr()) })?;
        // SAFETY: just written by the call.
        let _ = previous.replaced.set(unsafe { replaced.assume_init() });
    }
    Ok(())
}

/// Runs in signal context: async-signal-safe calls only, no allocation, no lock, no panic; errno is kept.
extern "C" fn handler(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: errno is thread-local and always there.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: valid for reads, see above.
    let kept = unsafe { *errno };
    if !settle(signal, info) {
        hand_on(signal, info, context);
    }
    // SAFETY: valid for writes, see above.
    unsafe { *errno = kept };
}

fn settle(signal: i32, info: *mut libc::siginfo_t) -> bool {
    // SAFETY: with SA_SIGINFO the kernel passes a live siginfo.
    let info = unsafe { &*info };
    // SAFETY: reading si_addr is reading plain memory of the siginfo, whatever the code; `is_plain` decides on its meaning.
    let address = unsafe { info.si_addr() } as usize;
    let fault = Fault { signal, code: info.si_code, address };
    DECIDE.get().is_some_and(|decide| decide(fault))
}

/// Not ours: whatever stood before us gets the signal just as the kernel would have given it.
fn hand_on(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(previous) = Previous::of(signal).get() else {
        return die_by_default(signal, info);
    };
    match previous.sa_sigaction {
        libc::SIG_DFL => die_by_default(signal, info),
        // The kernel does not let a synchronous fault be ignored; a sent signal may be.
        libc::SIG_IGN => {
            // SAFETY: a live siginfo, see `settle`.
            if unsafe { (*info).si_code } > 0 {
                die_by_default(signal, info);
            }
        }
        action if previous.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: with SA_SIGINFO the previous owner registered a function of this form.
            let call: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                unsafe { std::mem::transmute(action) };
            call(signal, info, context);
        }
        action => {
            // SAFETY: without SA_SIGINFO the previous owner registered a function of one argument.
            let call: extern "C" fn(i32) = unsafe { std::mem::transmute(action) };
            call(signal);
        }
    }
}

/// The default action. For a fault: put it back and return, and the instruction faults again, with the true
/// address in the core dump. For a signal that somebody sent: send it again.
fn die_by_default(signal: i32, info: *mut libc::siginfo_t) {
    // SAFETY: all zeroes is a valid sigaction: SIG_DFL, no flags, empty mask.
    let default = unsafe { MaybeUninit::<libc::sigaction>::zeroed().assume_init() };
    // SAFETY: a complete sigaction.
    unsafe { libc::sigaction(signal, &raw const default, std::ptr::null_mut()) };
    // SAFETY: a live siginfo, see `settle`.
    if unsafe { (*info).si_code } <= 0 {
        // SAFETY: numbers only; it is delivered when this handler returns and the mask opens.
        unsafe { libc::raise(signal) };
    }
}
