//! Where the next claim begins.
//!
//! A claim begins where the last one ended, by the rows' places in the table. It so does not look again at what lies
//! before: rows that wait for another attempt, dead rows, keys that another worker holds. At the end of the table, and
//! every few seconds, it begins at the front again, so that no row is passed over for long.

use std::time::{Duration, Instant};

/// The claim begins at the front again after this time, wherever it is: rows that failed or were given back may be
/// there.
const BEGIN_ANEW: Duration = Duration::from_secs(10);
/// Before the first row of a table.
const FRONT: &str = "(0,0)";

/// The place in the queue after which the next claim looks.
#[derive(Debug)]
pub(crate) struct Cursor {
    after: String,
    began: Instant,
}

impl Cursor {
    pub(crate) fn front() -> Self {
        Self {
            after: FRONT.to_owned(),
            began: Instant::now(),
        }
    }

    pub(super) fn after(&self) -> &str {
        &self.after
    }

    pub(super) fn move_to(&mut self, row: String) {
        self.after = row;
    }

    pub(super) fn is_front(&self) -> bool {
        self.after == FRONT
    }

    pub(super) fn is_due_at_the_front(&self) -> bool {
        self.began.elapsed() >= BEGIN_ANEW
    }
}
