//! Waking: how an idle runner learns of work before its poll interval is over.
//!
//! On this crate's catalog, whoever queues a row notifies, but only while a worker has subscribed: `triggers.sql` says
//! how the two do not miss each other. A runner does not subscribe at once. It looks a few times first, so that under
//! steady writes nobody notifies.
//!
//! pgai's triggers notify nobody. There, and where a transaction may be prepared or a pooler keeps notifications to
//! itself, runners poll.

mod listener;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::{Row as _, query};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use self::listener::Listener;
use super::connection::{Database, On as _};
use super::database_error::DatabaseError;

/// The channel that the triggers notify, with the vectorizer's id.
const CHANNEL: &str = "pgai_sea_wake";
/// The first half of a vectorizer's advisory lock. The second half is its id.
const LOCK: i32 = 1_348_947_831;
/// The pause before the first look for work. It doubles with each look that finds none.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// A runner subscribes after so many looks for nothing.
const LOOKS: u32 = 4;
/// The pause before another attempt to subscribe, where someone was writing or nothing can be heard.
const AGAIN: Duration = Duration::from_millis(50);
/// A runner with a backlog that waits for its turn subscribes after this time. One that waits for less looks often
/// enough by itself.
const HELD_UP: Duration = Duration::from_millis(100);
/// While another worker hears of edits, it tries again after this time.
const BESIDE: Duration = Duration::from_secs(1);

/// What wakes the runners of a worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notifications {
    /// `None` if runners only poll.
    requests: Option<mpsc::UnboundedSender<Request>>,
}

/// What a waiter asks the listener for.
#[derive(Debug)]
enum Request {
    Subscribe(Subscription),
    Unsubscribe(i32),
}

/// A waiter that wants to be woken.
#[derive(Debug)]
struct Subscription {
    vectorizer: i32,
    wake: Arc<Notify>,
    answer: oneshot::Sender<Subscribed>,
}

/// How subscribing went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subscribed {
    /// Every commit from now on wakes the runner.
    Alone,
    /// The same, for as long as another worker has subscribed.
    Beside,
    /// Not yet: somebody is writing.
    NotYet,
    /// Nothing can be heard for so long.
    Deaf(Duration),
}

impl Notifications {
    /// Notifications, and the listener that has to run for them. The listener takes a connection of its own, with the
    /// options of the pool's, once a waiter subscribes.
    pub(crate) fn new(pool: &Database) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (requests, received) = mpsc::unbounded_channel();
        let listener = Listener::new(pool.clone(), received);
        let requests = Some(requests);
        (Self { requests }, listener.run())
    }

    /// A waiter for the runner of a vectorizer.
    pub(crate) async fn waiter(&self, pool: &Database, vectorizer: i32) -> Result<Waiter, DatabaseError> {
        let requests = match &self.requests {
            Some(requests) if triggers_notify(pool, vectorizer).await? => Some(requests.clone()),
            _ => None,
        };
        Ok(Waiter::new(vectorizer, requests))
    }
}

/// Whether the vectorizer's triggers notify. A transaction that notifies cannot be prepared, so they must not where
/// that is possible.
async fn triggers_notify(pool: &Database, vectorizer: i32) -> Result<bool, DatabaseError> {
    let sql = "select current_setting('max_prepared_transactions')::int = 0 and exists ( \
                   select from ai.vectorizer v \
                   join pg_catalog.pg_namespace n on n.nspname = v.queue_schema \
                   join pg_catalog.pg_proc p on p.pronamespace = n.oid and p.proname = v.trigger_name \
                   where v.id = $1 and strpos(p.prosrc, $2) > 0)";
    let row = query(sql).bind(vectorizer).bind(format!("'{CHANNEL}'"));
    Ok(row.one_on(pool).await?.try_get(0)?)
}

/// Waits for work on behalf of one runner.
#[derive(Debug)]
pub(crate) struct Waiter {
    vectorizer: i32,
    /// `None` if it only polls.
    requests: Option<mpsc::UnboundedSender<Request>>,
    wake: Arc<Notify>,
    subscribed: Option<Subscribed>,
    /// Looks that found nothing since there was work. Those that a notification caused count as well.
    looks: u32,
}

impl Waiter {
    fn new(vectorizer: i32, requests: Option<mpsc::UnboundedSender<Request>>) -> Self {
        Self {
            vectorizer,
            requests,
            wake: Arc::default(),
            subscribed: None,
            looks: 0,
        }
    }

    /// The runner has found work. If it left a backlog, and waited for its turn before, it hears of edits as before.
    pub(crate) fn found_work(&mut self, left_a_backlog: bool) {
        self.looks = 0;
        if !left_a_backlog || self.subscribed != Some(Subscribed::Alone) {
            self.unsubscribe();
        }
    }

    /// Waits until rows may have come while the runner waits for its turn. It does not end where nothing can be heard,
    /// nor while another worker hears it.
    pub(crate) async fn heard(&mut self) {
        if self.subscribed.is_some() {
            self.wake.notified().await;
            self.subscribed = None;
            return;
        }
        if self.requests.is_none() {
            return std::future::pending().await;
        }
        sleep(HELD_UP).await;
        loop {
            let subscribed = self.subscribe().await;
            match subscribed {
                // rows may have come before
                Subscribed::Alone => return self.subscribed = Some(subscribed),
                // One worker that looks is enough. It may be gone later.
                Subscribed::Beside => {
                    self.unsubscribe();
                    sleep(BESIDE).await;
                }
                Subscribed::NotYet => sleep(AGAIN).await,
                Subscribed::Deaf(pause) => sleep(pause.max(AGAIN)).await,
            }
        }
    }

    /// Waits until it is time to look for work again, for `longest` at most.
    pub(crate) async fn wait(&mut self, longest: Duration) {
        if self.requests.is_none() {
            return sleep(longest).await;
        }
        if let Some(subscribed) = self.subscribed {
            if timeout(longest, self.wake.notified()).await.is_ok() {
                self.subscribed = None;
                self.looks += 1;
            } else {
                self.looks = LOOKS;
                // the other worker may be gone
                if subscribed == Subscribed::Beside {
                    self.unsubscribe();
                }
            }
            return;
        }
        if self.looks < LOOKS {
            let pause = FIRST_PAUSE * 2_u32.pow(self.looks);
            self.looks += 1;
            return sleep(pause.min(longest)).await;
        }
        // woken for nothing again and again: the rows are in other workers' hands
        if let Some(vain) = (self.looks - LOOKS).checked_sub(2) {
            sleep(AGAIN.saturating_mul(2_u32.saturating_pow(vain)).min(longest)).await;
        }
        let subscribed = timeout(longest, self.subscribe()).await.unwrap_or(Subscribed::NotYet);
        let pause = match subscribed {
            Subscribed::Alone | Subscribed::Beside => {
                self.subscribed = Some(subscribed);
                // the runner looks once more now, as work may have come before the subscription
                return;
            }
            Subscribed::NotYet => AGAIN,
            Subscribed::Deaf(pause) => pause.max(AGAIN),
        };
        self.unsubscribe();
        sleep(pause.min(longest)).await;
    }

    async fn subscribe(&self) -> Subscribed {
        let (answer, subscribed) = oneshot::channel();
        let subscription = Subscription {
            vectorizer: self.vectorizer,
            wake: Arc::clone(&self.wake),
            answer,
        };
        self.request(Request::Subscribe(subscription));
        subscribed.await.unwrap_or(Subscribed::NotYet)
    }

    fn unsubscribe(&mut self) {
        self.subscribed = None;
        self.request(Request::Unsubscribe(self.vectorizer));
    }

    fn request(&self, request: Request) {
        if let Some(requests) = &self.requests {
            // a listener that is gone has no subscriptions either
            requests.send(request).ok();
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.unsubscribe();
    }
}
