//! An explicit-state model checker and the algorithms it checks. Nothing here touches memory or the kernel.

pub(crate) mod checker;
pub(crate) mod lock;
mod lock_steps;
mod state;
