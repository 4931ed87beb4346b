//! Where the next claim begins.
//!
//! A claim begins where the last one ended, by the rows' places in the table. It so does not look again at what lies
//! before: rows that wait for another attempt, dead rows, keys that another worker holds. At the end of the table, and
//! every few seconds, it begins at the front again, so that no row is passed over for long.
//!
//! While there is a backlog, a claim now and then takes first what came since. No index leads to it, so that writers do
//! not pay for one: the whole queue is looked through, and the longer that takes, the rarer it is done.

use std::time::{Duration, Instant};

/// The claim begins at the front again after this time, wherever it is: rows that failed or were given back may be
/// there.
const BEGIN_ANEW: Duration = Duration::from_secs(10);
/// Before the first row of a table.
const FRONT: &str = "(0,0)";

/// Rows that came since are looked for so often ..
const LOOK_FOR_FRESH: Duration = Duration::from_millis(100);
/// .. and after so many times as long as the last look took.
const FRESH_SHARE: u32 = 20;

/// The place in the queue after which the next claim looks.
#[derive(Debug)]
pub(crate) struct Cursor {
    after: String,
    began: Instant,
    /// When the backlog was found, by the server's clock. `None` while there is none.
    backlog_since: Option<String>,
    look_for_fresh: Instant,
}

impl Cursor {
    pub(crate) fn front() -> Self {
        Self {
            after: FRONT.to_owned(),
            began: Instant::now(),
            backlog_since: None,
            look_for_fresh: Instant::now(),
        }
    }

    pub(super) fn after(&self) -> &str {
        &self.after
    }

    pub(super) fn move_to(&mut self, row: String) {
        self.after = row;
    }

    pub(super) fn move_to_front(&mut self) {
        FRONT.clone_into(&mut self.after);
        self.began = Instant::now();
    }

    pub(super) fn is_front(&self) -> bool {
        self.after == FRONT
    }

    pub(super) fn is_due_at_the_front(&self) -> bool {
        self.began.elapsed() >= BEGIN_ANEW
    }

    /// The moment after which a row is fresh, if it is time to look for such rows.
    pub(super) fn fresh_since(&self) -> Option<String> {
        self.backlog_since
            .clone()
            .filter(|_| Instant::now() >= self.look_for_fresh)
    }

    /// Fresh rows were looked for, which took so long.
    pub(super) fn has_looked_for_fresh(&mut self, took: Duration) {
        self.look_for_fresh = Instant::now() + LOOK_FOR_FRESH.max(took * FRESH_SHARE);
    }

    /// A claim at this moment left rows for the next one. If there are `more` fresh ones than it took, those become
    /// a part of the backlog: what comes from now on goes before them.
    pub(super) fn left_a_backlog(&mut self, now: String, more_are_fresh: bool) {
        if self.backlog_since.is_none() || more_are_fresh {
            self.backlog_since = Some(now);
        }
    }

    pub(super) fn left_no_backlog(&mut self) {
        self.backlog_since = None;
    }
}
