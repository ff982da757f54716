//! A panic never crosses into C: functions made by `#[napi]` carry `catch_unwind`; every callback of our own goes through here.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a callback that C calls. A panic in it was reported by the panic hook; there is nobody to return it to.
pub(crate) fn guarded(callback: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(callback));
}
