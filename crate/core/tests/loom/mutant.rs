//! Machines that are broken on purpose: a model that finds nothing wrong with them proves nothing.

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// A sound machine.
    #[default]
    None,
    /// Compares, and then exchanges whatever stands there by then.
    ExchangeIsNotAtomic,
    /// A store comes to memory after the load that follows it, as x86 does with plain stores.
    StoreIsBuffered,
    /// A wake is forgotten.
    WakesNobody,
    /// A wake for several reaches one.
    WakesOne,
    /// The wake of those who sleep on a death is forgotten by whoever sees it first.
    DeathIsNotPassedOn,
    /// The kernel is not told what a thread is busy with.
    NothingIsPending,
    /// The kernel marks a death, and wakes nobody.
    KernelWakesNobody,
}
