//! Where the next claim begins.
//!
//! A claim begins where the last one ended, by the rows' places in the table. It so does not look again at what lies
//! before: rows that wait for another attempt, dead rows, keys that another worker holds. At the end of the table, and
//! every few seconds, it begins at the front again, so that no row is passed over for long.
//!
//! While there is a backlog, a claim now and then takes first what came since. No index leads to it, so that writers do
//! not pay for one. But PostgreSQL puts a row where there is room: behind the backlog, or in the place of rows that are
//! done, before the cursor. These two [parts](Part) are looked through often, and the backlog between them seldom.

use std::time::{Duration, Instant};

/// The claim begins at the front again after this time, wherever it is: rows that failed or were given back may be
/// there.
const BEGIN_ANEW: Duration = Duration::from_secs(10);
/// Before the first row of a table.
const FRONT: &str = "(0,0)";
/// After the last row of any table.
pub(super) const BEYOND: &str = "(4294967295,65535)";

/// Rows that came since are looked for in each part so often ..
const LOOK_FOR_FRESH: Duration = Duration::from_millis(50);
/// .. and after so many times as long as the last look made its claim longer.
const FRESH_SHARE: u32 = 20;
/// The same for the whole table.
const FRESH_SHARE_OF_ALL: u32 = 100;
/// Writers fill pages before the last one too: each session has its own, and a table grows by several at once.
const PAGES_BEFORE_THE_END: i64 = 64;

/// A part of the table in which rows that came since are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What lies before the cursor.
    Before,
    /// The pages that were added since there is a backlog. Rows are leased and done there too, and their places taken
    /// again, so a look at the last pages alone would miss some.
    Behind,
    /// Everything: a row in the middle of the backlog may have been deleted, and its place taken.
    All,
}

impl Part {
    const ALL: [Self; 3] = [Self::Before, Self::Behind, Self::All];
}

/// A look for rows that came since.
#[derive(Clone, Debug)]
pub(super) struct Look {
    part: Part,
    /// Rows that were queued after this moment, by the server's clock ..
    pub(super) since: String,
    /// .. and lie between these places.
    pub(super) from: String,
    pub(super) to: String,
}

/// What a claim left behind.
#[derive(Clone, Debug)]
pub(super) struct Left {
    /// When, by the server's clock.
    pub(super) now: String,
    /// The pages that the table has.
    pub(super) pages: i64,
    /// Whether there may be more fresh rows than it took. Those become a part of the backlog: what comes from now on
    /// goes before them.
    pub(super) more_are_fresh: bool,
}

/// Rows that were there before the fresh ones.
#[derive(Debug)]
struct Backlog {
    since: String,
    /// The pages that the table had then, or when it was first claimed from.
    pages: Option<i64>,
    /// When each part is looked at again.
    next: [Instant; Part::ALL.len()],
    /// Whether rows came since some were last found, or everything was last looked at.
    has_unseen: bool,
}

impl Backlog {
    fn new(since: String, pages: Option<i64>) -> Self {
        Self {
            since,
            pages,
            next: [Instant::now(); Part::ALL.len()],
            has_unseen: false,
        }
    }
}

/// The place in the queue after which the next claim looks.
#[derive(Debug)]
pub(crate) struct Cursor {
    after: String,
    began: Instant,
    /// How long the last claim took that looked for no fresh rows.
    plain: Duration,
    /// `None` while there is none.
    backlog: Option<Backlog>,
}

impl Cursor {
    pub(crate) fn front() -> Self {
        Self {
            after: FRONT.to_owned(),
            began: Instant::now(),
            plain: Duration::ZERO,
            backlog: None,
        }
    }

    /// Before the first row. What was queued before this moment, by the server's clock, is a backlog until a claim says
    /// otherwise: a worker with many vectorizers may come to its first claim late, and an edit does not wait for that.
    pub(crate) fn since(moment: String) -> Self {
        Self {
            backlog: Some(Backlog::new(moment, None)),
            ..Self::front()
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

    /// Whether the last claim left rows for the next one.
    pub(crate) fn may_have_backlog(&self) -> bool {
        self.backlog.is_some()
    }

    pub(super) fn is_due_at_the_front(&self) -> bool {
        self.began.elapsed() >= BEGIN_ANEW
    }

    /// Rows came to the backlog. They are looked for until some are found, or everything was looked at.
    pub(crate) fn heard(&mut self) {
        if let Some(backlog) = &mut self.backlog {
            backlog.has_unseen = true;
        }
    }

    /// When the next look for them is due. `None` if nobody heard of any.
    pub(crate) fn looks_at(&self) -> Option<Instant> {
        let backlog = self.backlog.as_ref().filter(|backlog| backlog.has_unseen)?;
        backlog.next.into_iter().min()
    }

    /// The look for fresh rows that is due, if one is.
    pub(super) fn look(&self) -> Option<Look> {
        let backlog = self.backlog.as_ref()?;
        let due = Part::ALL.into_iter().zip(backlog.next);
        let due = due.filter(|(_, next)| *next <= Instant::now());
        // what is claimed from seldom is looked at as a whole: it may be long until the next look
        let (part, _) = due.min_by_key(|(part, next)| (*part != Part::All, *next))?;
        let (from, to) = match part {
            Part::Before => (FRONT.to_owned(), self.after.clone()),
            Part::Behind => {
                let page = (backlog.pages.unwrap_or_default() - PAGES_BEFORE_THE_END).max(0);
                (format!("({page},0)"), BEYOND.to_owned())
            }
            Part::All => (FRONT.to_owned(), BEYOND.to_owned()),
        };
        Some(Look {
            part,
            since: backlog.since.clone(),
            from,
            to,
        })
    }

    /// A claim took so long, with or without a look for fresh rows, and whether that found any.
    pub(super) fn took(&mut self, look: Option<&Look>, took: Duration, found: bool) {
        let Some(look) = look else {
            self.plain = took;
            return;
        };
        // the claim itself would have taken its time without the look, too
        self.plain = self.plain.min(took);
        let Some(backlog) = &mut self.backlog else { return };
        let share = match look.part {
            Part::Before | Part::Behind => FRESH_SHARE,
            Part::All => FRESH_SHARE_OF_ALL,
        };
        if found || look.part == Part::All {
            backlog.has_unseen = false;
        }
        let look_took = took.saturating_sub(self.plain);
        for (part, next) in Part::ALL.into_iter().zip(&mut backlog.next) {
            if part == look.part {
                *next = Instant::now() + LOOK_FOR_FRESH.max(look_took * share);
            } else if look.part == Part::All {
                *next = Instant::now() + LOOK_FOR_FRESH;
            }
        }
    }

    /// A claim left rows for the next one.
    pub(super) fn left_a_backlog(&mut self, left: Left) {
        match &mut self.backlog {
            Some(backlog) => {
                backlog.pages.get_or_insert(left.pages);
                if left.more_are_fresh {
                    backlog.since = left.now;
                }
            }
            None => self.backlog = Some(Backlog::new(left.now, Some(left.pages))),
        }
    }

    pub(super) fn left_no_backlog(&mut self) {
        self.backlog = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(pages: i64) -> Left {
        Left {
            now: "now".to_owned(),
            pages,
            more_are_fresh: false,
        }
    }

    #[test]
    fn what_lies_around_the_backlog_is_looked_at_more_often_than_everything() {
        let mut cursor = Cursor::front();
        assert!(cursor.look().is_none(), "nothing waits");
        cursor.left_a_backlog(left(1_000));
        cursor.move_to("(10,3)".to_owned());
        let look = |cursor: &mut Cursor| {
            let look = cursor.look()?;
            cursor.took(Some(&look), Duration::from_secs(1), false);
            Some((look.from, look.to))
        };
        let place = |from: &str, to: &str| Some((from.to_owned(), to.to_owned()));
        assert_eq!(look(&mut cursor), place(FRONT, BEYOND));
        assert_eq!(look(&mut cursor), None, "it has seen everything");
        let [before, behind, all] = &mut cursor.backlog.as_mut().unwrap().next;
        assert!(before < all && behind < all);
        (*before, *behind) = (Instant::now(), Instant::now());
        assert_eq!(look(&mut cursor), place(FRONT, "(10,3)"));
        assert_eq!(look(&mut cursor), place("(936,0)", BEYOND));
        let [before, behind, all] = cursor.backlog.as_ref().unwrap().next;
        assert!(before < all && behind < all);
        cursor.left_no_backlog();
        assert!(cursor.look().is_none());
    }

    #[test]
    fn what_is_heard_of_is_looked_for_until_everything_was_looked_at() {
        let mut cursor = Cursor::front();
        cursor.left_a_backlog(left(1_000));
        assert!(cursor.looks_at().is_none(), "nobody heard of any");
        let look = |cursor: &mut Cursor, is_found| {
            cursor.heard();
            let look = cursor.look()?;
            cursor.took(Some(&look), Duration::from_micros(1), is_found);
            Some((look.part, cursor.looks_at().is_some()))
        };
        assert_eq!(look(&mut cursor, false), Some((Part::All, false)));
        let now = Instant::now();
        cursor.backlog.as_mut().unwrap().next = [now, now, now + BEGIN_ANEW];
        let before = look(&mut cursor, false);
        assert_eq!(before, Some((Part::Before, true)), "it may lie elsewhere");
        assert_eq!(look(&mut cursor, true), Some((Part::Behind, false)));
    }

    #[test]
    fn a_backlog_may_be_older_than_the_first_claim() {
        let mut cursor = Cursor::since("start".to_owned());
        let look = cursor.look().expect("before the first claim");
        assert_eq!((&*look.since, &*look.from, &*look.to), ("start", FRONT, BEYOND));
        cursor.took(Some(&look), Duration::from_secs(1), false);
        cursor.left_a_backlog(left(1_000));
        cursor.backlog.as_mut().unwrap().next = [Instant::now(), Instant::now(), Instant::now() + BEGIN_ANEW];
        let look = cursor.look().unwrap();
        assert_eq!((look.part, &*look.since), (Part::Before, "start"));
        cursor.took(Some(&look), Duration::from_secs(1), false);
        assert_eq!(
            cursor.look().unwrap().from,
            "(936,0)",
            "of the table as it was first seen"
        );
    }
}
