//! The steps of the protocol by which a key is claimed and written, in their order. ARCHITECTURE.md says why they come
//! in this order.

use tracing::trace;

/// A step. The specification in the tests has steps of the same names, and follows what a worker tells of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Keys are leased.
    Claim,
    /// Rows and what stands in the store are read.
    Read,
    /// The one transaction has begun: keys and rows are locked.
    Lock,
    /// What changed since is known.
    Look,
    /// Queue rows are deleted.
    Finish,
    /// The store is written.
    Write,
    /// The transaction is committed.
    Commit,
}

impl Step {
    /// Tells that the step was taken, as a tracing event.
    pub(crate) fn done(self) {
        trace!(step = ?self);
    }
}

/// Tells, as a tracing event, that a claim found nothing. The runner now waits.
pub(crate) fn nothing_to_claim() {
    trace!(nothing_to_claim = true);
}
