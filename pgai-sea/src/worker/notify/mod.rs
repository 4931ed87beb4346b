//! Waking up: how a lane that has nothing to do learns of work before its poll interval is over, at next to no cost to anyone.
//!
//! On this crate's catalog whoever queues a row notifies, but only while a worker sleeps: the triggers in `sql/triggers.sql` say how the two
//! do not miss each other. A lane does not lie down at once but looks a few times first, so that under steady writes, where it is
//! needed least, nobody notifies.
//!
//! Elsewhere (pgai's triggers notify nobody; so do ours where a transaction may be prepared, or where a pooler swallows notifications), one
//! connection for all lanes peeks: first whether any transaction of the server has ended since, which is one small number to compare, and only then
//! into the queues of those that sleep. The number is compared by the server, so that while nothing happens nothing is sent but one statement a
//! second.

mod change;
mod listener;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::{Error, Row as _, query};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use self::listener::Watch;
use crate::worker::connection::{Database, On as _};
use crate::worker::queue::key_sql::Sql;

/// The channel that the triggers notify, with the vectorizer's id.
const CHANNEL: &str = "pgai_sea_wake";
/// The first half of a vectorizer's advisory lock; the second is its id.
const LOCK: i32 = 1_348_947_831;
/// Looks before a lane lies down, and the pause before each.
const LOOKS: [Duration; 4] = [
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(40),
];
/// The pause before it tries again to lie down, where someone was writing just then, or where it was woken for nothing.
const AGAIN: Duration = Duration::from_millis(50);

/// What wakes the lanes of a worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alarm {
    /// `None` if lanes sleep for their whole poll interval.
    requests: Option<mpsc::UnboundedSender<Request>>,
}

/// What a lane asks for.
#[derive(Debug)]
enum Request {
    Lie(Bed),
    Rise(i32),
}

/// A lane that wants to be woken.
#[derive(Debug)]
struct Bed {
    vectorizer: i32,
    /// Whether its triggers notify.
    is_notified: bool,
    /// Selects whether there is work.
    peek: Sql,
    /// The lane last looked for work after this, and found none.
    looked: Instant,
    wake: Arc<Notify>,
    laid: oneshot::Sender<Laid>,
}

/// How lying down went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Laid {
    /// What is committed from now on wakes the lane.
    Asleep,
    /// The same for as long as another worker sleeps.
    Beside,
    /// Somebody is writing.
    NotYet,
    /// Nothing can wake anyone for so long, after which it is worth asking again.
    Deaf(Duration),
}

impl Alarm {
    /// An alarm, and what has to run for it. It takes a connection of its own, with the options of the pool's, once a lane has nothing to do.
    pub(crate) fn new(pool: &Database, peek_interval: Duration) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (requests, received) = mpsc::unbounded_channel();
        let watch = Watch::new(pool.clone(), peek_interval, received);
        (
            Self {
                requests: Some(requests),
            },
            watch.run(),
        )
    }

    /// For the lane of a vectorizer; `peek` selects whether its queue has work.
    pub(crate) async fn sleeper(&self, pool: &Database, vectorizer: i32, peek: Sql) -> Result<Sleeper, Error> {
        let is_notified = match self.requests {
            Some(_) => is_notified(pool, vectorizer).await?,
            None => false,
        };
        Ok(Sleeper {
            vectorizer,
            is_notified,
            peek,
            requests: self.requests.clone(),
            looked: Instant::now(),
            wake: Arc::default(),
            laid: Laid::NotYet,
            looks: 0,
            vain: 0,
        })
    }
}

/// Whether the vectorizer's triggers notify, and nobody's transaction fails for it.
async fn is_notified(pool: &Database, vectorizer: i32) -> Result<bool, Error> {
    let sql = "select current_setting('max_prepared_transactions')::int = 0 and exists ( \
                   select from ai.vectorizer v \
                   join pg_catalog.pg_namespace n on n.nspname = v.queue_schema \
                   join pg_catalog.pg_proc p on p.pronamespace = n.oid and p.proname = v.trigger_name \
                   where v.id = $1 and strpos(p.prosrc, $2) > 0)";
    let row = query(sql).bind(vectorizer).bind(format!("'{CHANNEL}'"));
    row.one_on(pool).await?.try_get(0)
}

/// One lane's sleep.
#[derive(Debug)]
pub(crate) struct Sleeper {
    vectorizer: i32,
    is_notified: bool,
    peek: Sql,
    requests: Option<mpsc::UnboundedSender<Request>>,
    /// When a rest was last over: after that the lane looks for work.
    looked: Instant,
    wake: Arc<Notify>,
    laid: Laid,
    /// Looks for nothing since there was work.
    looks: usize,
    /// How often it was woken since, for nothing.
    vain: u32,
}

impl Sleeper {
    /// There is work.
    pub(crate) fn rise(&mut self) {
        self.leave();
        (self.looks, self.vain) = (0, 0);
    }

    /// Waits after a look that found no work until it is time for another, for `longest` at most.
    pub(crate) async fn rest(&mut self, longest: Duration) {
        self.pause(longest).await;
        self.looked = Instant::now();
    }

    async fn pause(&mut self, longest: Duration) {
        if self.requests.is_none() {
            return sleep(longest).await;
        }
        if self.laid != Laid::NotYet {
            if timeout(longest, self.wake.notified()).await.is_ok() {
                self.laid = Laid::NotYet;
                self.vain += 1;
            } else {
                self.vain = 0;
                if self.laid == Laid::Beside {
                    self.leave();
                }
            }
            return;
        }
        if let Some(&pause) = LOOKS.get(self.looks) {
            self.looks += 1;
            return sleep(pause.min(longest)).await;
        }
        if let Some(more) = self.vain.checked_sub(2) {
            sleep(AGAIN.saturating_mul(2_u32.saturating_pow(more)).min(longest)).await;
        }
        let wait = match timeout(longest, self.lie()).await.unwrap_or(Laid::NotYet) {
            Laid::NotYet => AGAIN,
            Laid::Deaf(wait) => wait.max(AGAIN),
            laid => {
                self.laid = laid;
                return;
            }
        };
        self.leave();
        sleep(wait.min(longest)).await;
    }

    async fn lie(&self) -> Laid {
        let (laid, answer) = oneshot::channel();
        let bed = Bed {
            vectorizer: self.vectorizer,
            is_notified: self.is_notified,
            peek: Sql::clone(&self.peek),
            looked: self.looked,
            wake: Arc::clone(&self.wake),
            laid,
        };
        match self.requests.as_ref().map(|requests| requests.send(Request::Lie(bed))) {
            Some(Ok(())) => answer.await.unwrap_or(Laid::NotYet),
            _ => Laid::NotYet,
        }
    }

    fn leave(&mut self) {
        self.laid = Laid::NotYet;
        if let Some(requests) = &self.requests {
            // whoever does not listen any more has no bed either
            requests.send(Request::Rise(self.vectorizer)).ok();
        }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.leave();
    }
}
