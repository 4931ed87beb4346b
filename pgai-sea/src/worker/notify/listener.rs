//! The connection that listens for all runners.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgListener, PgPoolOptions};
use sea_orm::sqlx::{Error, PgPool, Row as _, query, raw_sql};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use super::{CHANNEL, LOCK, Request, Subscribed, Subscription};
use crate::worker::backoff::Backoff;
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;

/// A notification to oneself arrives within this time, or none ever will.
const PATIENCE: Duration = Duration::from_secs(1);
/// The time between two checks of the connection. A broken one looks like one on which nobody notifies.
const CHECK: Duration = Duration::from_secs(20);
/// Where notifications do not come through, or there is no room for one more connection, it is not tried again before
/// this time.
const DEAF: Duration = Duration::from_mins(10);
/// The longest time of an answer.
const SILENCE: Duration = Duration::from_secs(10);

/// So many requests are answered at once: a hundred vectorizers take one round trip.
const MOST_REQUESTS: usize = 1_000;

/// Takes the locks that make writers notify. If another worker has one exclusively, writers notify already. If writers
/// have it shared, they may have looked for a subscription before.
const SUBSCRIBE: &str = "select v.id, case when pg_catalog.pg_try_advisory_lock($1, v.id) then 'alone' \
                         when not pg_catalog.pg_try_advisory_lock_shared($1, v.id) then 'beside' \
                         when pg_catalog.pg_advisory_unlock_shared($1, v.id) then 'not yet' end \
                         from pg_catalog.unnest($2) v (id)";
const UNSUBSCRIBE: &str = "select pg_catalog.pg_advisory_unlock($1, v.id) from pg_catalog.unnest($2) v (id)";
/// Whether the role may have so few connections that none should be taken for listening.
const IS_TIGHT: &str = "select exists (select from pg_catalog.pg_roles r, pg_catalog.pg_database d \
                        where r.rolname = session_user and d.datname = current_database() \
                        and (r.rolconnlimit between 0 and 2 or d.datconnlimit between 0 and 2))";
/// A session that listens is idle.
const PATIENT: &str = "select pg_catalog.set_config(s.name, '0', false) from pg_catalog.pg_settings s \
                       where s.name in ('idle_session_timeout', 'transaction_timeout')";

/// What happens to the listener.
#[derive(Debug)]
enum Happening {
    Requests(Vec<Request>),
    /// A notification with its payload.
    Notification(String),
    Check,
    /// The server has no room for the pool's connections.
    Crowded,
    Lost(DatabaseError),
}

/// Listens for all runners of a worker.
#[derive(Debug)]
pub(super) struct Listener {
    /// A pool of one connection.
    own: PgPool,
    database: Database,
    requests: mpsc::UnboundedReceiver<Request>,
    /// A connection on which notifications come through.
    connection: Option<PgListener>,
    subscribers: HashMap<i32, Subscriber>,
    backoff: Backoff,
    connect_at: Instant,
    check_at: Instant,
}

#[derive(Debug)]
struct Subscriber {
    wake: Arc<Notify>,
    /// Whether this worker has the lock that makes writers notify.
    has_lock: bool,
}

impl Listener {
    pub(super) fn new(database: Database, requests: mpsc::UnboundedReceiver<Request>) -> Self {
        Self {
            own: own(&database),
            database,
            requests,
            connection: None,
            subscribers: HashMap::new(),
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_mins(1)),
            connect_at: Instant::now(),
            check_at: Instant::now(),
        }
    }

    /// Runs until no runner is left.
    pub(super) async fn run(mut self) {
        while let Some(happening) = self.next().await {
            let done = if let Ok(done) = timeout(SILENCE, self.handle(happening)).await {
                done
            } else {
                // the pool would wait for the silent connection
                self.own = own(&self.database);
                Err(DatabaseError::NoAnswer(SILENCE))
            };
            if let Err(error) = done {
                debug!(%error, "cannot listen for notifications; runners poll for a while");
                let pause = self.backoff.next(None);
                self.disconnect(pause).await;
            }
        }
        drop(self.connection);
        self.own.close().await;
    }

    /// What happens next. `None` if no runner is left.
    async fn next(&mut self) -> Option<Happening> {
        let mut requests = Vec::new();
        let Some(connection) = &mut self.connection else {
            let received = self.requests.recv_many(&mut requests, MOST_REQUESTS).await;
            return (received > 0).then_some(Happening::Requests(requests));
        };
        tokio::select! {
            received = self.requests.recv_many(&mut requests, MOST_REQUESTS) => {
                (received > 0).then_some(Happening::Requests(requests))
            }
            notification = connection.try_recv() => Some(match notification {
                Ok(Some(notification)) => Happening::Notification(notification.payload().to_owned()),
                Ok(None) => Happening::Lost(lost()),
                Err(error) => Happening::Lost(error.into()),
            }),
            () = sleep_until(self.check_at) => Some(Happening::Check),
            () = self.database.scarcity().felt() => Some(Happening::Crowded),
        }
    }

    async fn handle(&mut self, happening: Happening) -> Result<(), DatabaseError> {
        match happening {
            Happening::Requests(requests) => {
                let mut subscriptions = HashMap::new();
                let mut vectorizers = Vec::new();
                for request in requests {
                    // the last word of each
                    let (vectorizer, subscription) = match request {
                        Request::Subscribe(subscription) => (subscription.vectorizer, Some(subscription)),
                        Request::Unsubscribe(vectorizer) => (vectorizer, None),
                    };
                    vectorizers.push(vectorizer);
                    subscriptions.insert(vectorizer, subscription);
                }
                self.unsubscribe(vectorizers).await?;
                self.subscribe(subscriptions.into_values().flatten().collect()).await
            }
            Happening::Notification(payload) => match payload.parse() {
                Ok(vectorizer) => {
                    if let Some(subscriber) = self.subscribers.get(&vectorizer) {
                        subscriber.wake.notify_one();
                    }
                    // writers need not notify any more
                    self.unsubscribe(vec![vectorizer]).await
                }
                Err(_) => Ok(()),
            },
            Happening::Check => {
                self.check_at = Instant::now() + CHECK;
                if let Some(connection) = &mut self.connection {
                    raw_sql("select").execute(connection).await?;
                }
                Ok(())
            }
            Happening::Crowded => {
                debug!("the server has no room for the pool's connections; runners poll, and the listener's is free");
                self.disconnect(DEAF).await;
                Ok(())
            }
            Happening::Lost(error) => Err(error),
        }
    }

    /// Gives the connection up for a while. Its locks and notifications are lost with it.
    async fn disconnect(&mut self, pause: Duration) {
        if let Some(connection) = self.connection.take() {
            drop(connection);
            // an orderly end, for which nobody waits long
            timeout(PATIENCE, self.own.close()).await.ok();
            self.own = own(&self.database);
        }
        self.connect_at = Instant::now() + pause;
        for (_, subscriber) in self.subscribers.drain() {
            subscriber.wake.notify_one();
        }
    }

    async fn connect(&mut self) -> Result<(), DatabaseError> {
        if query(IS_TIGHT).one_on(&self.database).await?.try_get(0)? {
            debug!("the role may have few connections, and none is taken for notifications; runners poll");
            self.connect_at = Instant::now() + DEAF;
            return Ok(());
        }
        let mut connection = PgListener::connect_with(&self.own).await?;
        connection.eager_reconnect(false);
        connection.listen(CHANNEL).await?;
        let hears = hears(&mut connection, &self.database).await?;
        let connection = self.connection.insert(connection);
        if !hears {
            debug!("notifications do not come through, as behind some connection poolers; runners poll");
            self.disconnect(DEAF).await;
            return Ok(());
        }
        // a session of its own: no pooler gives it to anybody else
        query(PATIENT).execute(connection).await?;
        self.check_at = Instant::now() + CHECK;
        self.backoff.reset();
        Ok(())
    }

    async fn subscribe(&mut self, subscriptions: Vec<Subscription>) -> Result<(), DatabaseError> {
        if subscriptions.is_empty() {
            return Ok(());
        }
        if self.connection.is_none() && Instant::now() >= self.connect_at {
            self.connect().await?;
        }
        let mut answers = HashMap::new();
        if let Some(connection) = &mut self.connection {
            let vectorizers = subscriptions.iter().map(|subscription| subscription.vectorizer);
            let subscribe = query(SUBSCRIBE).bind(LOCK).bind(vectorizers.collect::<Vec<i32>>());
            for row in subscribe.fetch_all(connection).await? {
                let subscribed = match row.try_get(1)? {
                    "alone" => Subscribed::Alone,
                    "beside" => Subscribed::Beside,
                    _ => Subscribed::NotYet,
                };
                answers.insert(row.try_get::<i32, _>(0)?, subscribed);
            }
        }
        for subscription in subscriptions {
            let subscribed = answers.remove(&subscription.vectorizer).unwrap_or_else(|| {
                // without a connection
                Subscribed::Deaf(self.connect_at.saturating_duration_since(Instant::now()))
            });
            if matches!(subscribed, Subscribed::Alone | Subscribed::Beside) {
                let subscriber = Subscriber {
                    wake: subscription.wake,
                    has_lock: subscribed == Subscribed::Alone,
                };
                self.subscribers.insert(subscription.vectorizer, subscriber);
            }
            // a waiter that does not wait for the answer any more is about to unsubscribe
            subscription.answer.send(subscribed).ok();
        }
        Ok(())
    }

    async fn unsubscribe(&mut self, vectorizers: Vec<i32>) -> Result<(), DatabaseError> {
        let subscribers = &mut self.subscribers;
        let locked = |vectorizer: &i32| {
            subscribers
                .remove(vectorizer)
                .is_some_and(|subscriber| subscriber.has_lock)
        };
        let locked: Vec<i32> = vectorizers.into_iter().filter(locked).collect();
        if let Some(connection) = self.connection.as_mut().filter(|_| !locked.is_empty()) {
            query(UNSUBSCRIBE).bind(LOCK).bind(locked).execute(connection).await?;
        }
        Ok(())
    }
}

/// Whether a notification by another connection arrives. A pooler that shares connections by the transaction keeps it,
/// and would leave a session's lock to whoever comes next: then writers would notify, and nobody would hear them.
async fn hears(connection: &mut PgListener, database: &Database) -> Result<bool, DatabaseError> {
    // this payload is no vectorizer's
    let token = format!("hello {:?}", std::time::SystemTime::now());
    let notify = query("select pg_notify($1, $2)").bind(CHANNEL).bind(token.clone());
    notify.execute_on(database).await?;
    let heard = async {
        loop {
            match connection.try_recv().await? {
                Some(notification) if notification.payload() == token => return Ok(true),
                Some(_) => {}
                None => return Err(lost()),
            }
        }
    };
    timeout(PATIENCE, heard).await.unwrap_or(Ok(false))
}

/// One connection besides the pool's, with its options.
fn own(database: &Database) -> PgPool {
    PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(SILENCE)
        .connect_lazy_with(database.pool().connect_options().as_ref().clone())
}

fn lost() -> DatabaseError {
    Error::Io(std::io::ErrorKind::ConnectionAborted.into()).into()
}
