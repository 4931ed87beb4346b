//! The connection that waits for all lanes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgListener, PgPoolOptions};
use sea_orm::sqlx::{AssertSqlSafe, Error, PgPool, Row as _, query};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use super::change::Snapshot;
use super::{Bed, CHANNEL, LOCK, Laid, Request};
use crate::worker::backoff::Backoff;
use crate::worker::connection::{Database, On as _};
use crate::worker::queue::key_sql::Sql;

/// A peek may take this share of the time, whatever the interval: queues with many dead rows take long to look into.
const SHARE: u32 = 50;
/// A notification to oneself has come by then, or none will.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the connection is asked whether it is still there: one that nothing comes through looks like one on which nobody notifies, ..
const GREET: Duration = Duration::from_secs(20);
/// .. and for how long it may keep an answer to itself.
const SILENCE: Duration = Duration::from_secs(10);

/// Lays the lock and says how that went. An exclusive lock is another sleeper's, shared ones are writers'.
const LIE: &str = "select case when pg_try_advisory_lock($1, $2) then 'asleep' \
                   when not pg_try_advisory_lock_shared($1, $2) then 'beside' \
                   when pg_advisory_unlock_shared($1, $2) then 'not yet' end";
const RISE: &str = "select pg_advisory_unlock($1, $2)";

/// What the connection and the lanes do.
#[derive(Debug)]
enum Event {
    Request(Request),
    /// A notification with its payload.
    Rung(String),
    Peek,
    Greet,
    Lost(Error),
}

/// Waits for notifications, and peeks where there are none.
#[derive(Debug)]
pub(super) struct Watch {
    /// Of one connection.
    own: PgPool,
    pool: Database,
    peek_interval: Duration,
    requests: mpsc::UnboundedReceiver<Request>,
    listener: Option<PgListener>,
    /// Whether notifications come through.
    hears: bool,
    beds: HashMap<i32, Laying>,
    backoff: Backoff,
    connect_at: Instant,
    peek_at: Instant,
    /// What there was when all beds' queues were last peeked into; `None` where a lane came later.
    snapshot: Option<Snapshot>,
    /// Whether the server lets this role wait there.
    may_wait: bool,
    greet_at: Instant,
}

/// How a lane sleeps.
#[derive(Debug)]
struct Laying {
    wake: Arc<Notify>,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// Writers notify.
    Notified {
        /// Because of this worker's lock.
        locked: bool,
    },
    /// Its queue is peeked into.
    Peeked(Sql),
}

impl Watch {
    pub(super) fn new(pool: Database, peek_interval: Duration, requests: mpsc::UnboundedReceiver<Request>) -> Self {
        Self {
            own: own(&pool),
            pool,
            peek_interval,
            requests,
            listener: None,
            hears: false,
            beds: HashMap::new(),
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_mins(1)),
            connect_at: Instant::now(),
            peek_at: Instant::now(),
            snapshot: None,
            may_wait: true,
            greet_at: Instant::now(),
        }
    }

    /// Runs until no lane is left.
    pub(super) async fn run(mut self) {
        while let Some(event) = self.next().await {
            let done = match event {
                Event::Lost(error) => Err(error),
                event => {
                    if let Ok(done) = timeout(SILENCE, self.heed(event)).await {
                        done
                    } else {
                        // the connection cannot be given back to a pool that waits for it
                        self.own = own(&self.pool);
                        Err(lost())
                    }
                }
            };
            if let Err(error) = done {
                debug!(%error, "lanes are not woken by the database for a while");
                self.listener = None;
                self.connect_at = Instant::now() + self.backoff.next(None);
                // locks and what was notified meanwhile are lost
                for (_, laying) in self.beds.drain() {
                    laying.wake.notify_one();
                }
            }
        }
        drop(self.listener);
        self.own.close().await;
    }

    /// What comes next; `None` if no lane is left.
    async fn next(&mut self) -> Option<Event> {
        let Some(listener) = &mut self.listener else {
            return self.requests.recv().await.map(Event::Request);
        };
        let peeks = self.beds.values().any(|laying| matches!(laying.way, Way::Peeked(_)));
        tokio::select! {
            request = self.requests.recv() => request.map(Event::Request),
            notification = listener.try_recv() => Some(match notification {
                Ok(Some(notification)) => Event::Rung(notification.payload().to_owned()),
                Ok(None) => Event::Lost(lost()),
                Err(error) => Event::Lost(error),
            }),
            () = sleep_until(self.peek_at), if peeks => Some(Event::Peek),
            () = sleep_until(self.greet_at) => Some(Event::Greet),
        }
    }

    async fn heed(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Request(Request::Lie(bed)) if self.listener.is_some() => self.lie(bed).await,
            Event::Request(Request::Lie(bed)) if Instant::now() >= self.connect_at => self.connect(bed).await,
            Event::Request(Request::Lie(bed)) => {
                let wait = self.connect_at.saturating_duration_since(Instant::now());
                bed.laid.send(Laid::Deaf(wait)).ok();
                Ok(())
            }
            Event::Request(Request::Rise(vectorizer)) => self.rise(vectorizer).await,
            Event::Rung(payload) => match payload.parse() {
                Ok(vectorizer) => self.ring(vectorizer).await,
                Err(_) => Ok(()),
            },
            Event::Peek => {
                let last = self.snapshot.clone();
                match last.filter(|_| self.waits()) {
                    Some(last) => self.wait(last).await,
                    None => self.peek().await,
                }
            }
            Event::Greet => {
                self.greet_at = Instant::now() + GREET;
                match &mut self.listener {
                    Some(listener) => query("select").execute(listener).await.map(drop),
                    None => Ok(()),
                }
            }
            Event::Lost(error) => Err(error),
        }
    }

    async fn connect(&mut self, bed: Bed) -> Result<(), Error> {
        let mut listener = PgListener::connect_with(&self.own).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        self.hears = hears(&mut listener, &self.pool).await?;
        if !self.hears {
            debug!("notifications do not come through, as with some connection poolers");
        }
        self.listener = Some(listener);
        self.greet_at = Instant::now() + GREET;
        self.snapshot = None;
        self.may_wait = true;
        self.backoff.reset();
        self.lie(bed).await
    }

    async fn lie(&mut self, bed: Bed) -> Result<(), Error> {
        self.rise(bed.vectorizer).await?;
        let Some(listener) = &mut self.listener else {
            return Ok(());
        };
        if bed.is_notified && self.hears {
            let lie = query(LIE).bind(LOCK).bind(bed.vectorizer);
            match lie.fetch_one(listener).await?.try_get(0)? {
                "asleep" => self.lay(bed, Way::Notified { locked: true }, Laid::Asleep),
                "beside" => self.lay(bed, Way::Notified { locked: false }, Laid::Beside),
                // an answer is missed: not yet
                _ => {}
            }
        } else {
            self.snapshot = None;
            self.lay_peeked(bed);
        }
        Ok(())
    }

    fn lay_peeked(&mut self, bed: Bed) {
        let way = Way::Peeked(Sql::clone(&bed.peek));
        self.lay(bed, way, Laid::Asleep);
    }

    fn lay(&mut self, bed: Bed, way: Way, laid: Laid) {
        let laying = Laying { wake: bed.wake, way };
        self.beds.insert(bed.vectorizer, laying);
        // who does not wait for the answer any more is about to say so
        bed.laid.send(laid).ok();
    }

    async fn rise(&mut self, vectorizer: i32) -> Result<(), Error> {
        let locked = self.beds.remove(&vectorizer).map(|laying| laying.way);
        if let (Some(Way::Notified { locked: true }), Some(listener)) = (locked, &mut self.listener) {
            query(RISE).bind(LOCK).bind(vectorizer).execute(listener).await?;
        }
        Ok(())
    }

    async fn ring(&mut self, vectorizer: i32) -> Result<(), Error> {
        if let Some(laying) = self.beds.get(&vectorizer) {
            laying.wake.notify_one();
        }
        // writers need not notify any more
        self.rise(vectorizer).await
    }

    /// Whether the server waits for a change. It sends no notification to a connection meanwhile, and behind a pooler that shares
    /// connections by the transaction it would take one of few.
    fn waits(&self) -> bool {
        let all_are_peeked = self.beds.values().all(|laying| matches!(laying.way, Way::Peeked(_)));
        self.may_wait && self.hears && all_are_peeked && Snapshot::is_waited_for(self.peek_interval)
    }

    /// Lets the server wait until something has happened since `last`, or for a while, and then wakes those whose queues have work.
    /// Lanes come and go meanwhile.
    async fn wait(&mut self, last: Snapshot) -> Result<(), Error> {
        let Some(mut listener) = self.listener.take() else {
            return Ok(());
        };
        let seen = last.seen;
        let mut late = Vec::new();
        let waited = {
            let mut waiting = std::pin::pin!(last.next(self.peek_interval, &mut listener));
            loop {
                let request = tokio::select! {
                    waited = &mut waiting => break waited,
                    request = self.requests.recv() => request,
                };
                match request {
                    // what was committed after it looked is a change since then
                    Some(Request::Lie(bed)) if !bed.is_notified && bed.looked >= seen => self.lay_peeked(bed),
                    Some(Request::Lie(bed)) => late.push(bed),
                    Some(Request::Rise(vectorizer)) => {
                        self.beds.remove(&vectorizer);
                        late.retain(|bed| bed.vectorizer != vectorizer);
                    }
                    None => {
                        // nobody is left to hear of it, and the connection comes back when the server has waited
                        self.own = own(&self.pool);
                        return Ok(());
                    }
                }
            }
        };
        match waited {
            Ok(snapshot) => {
                self.listener = Some(listener);
                self.peek_since(snapshot).await?;
            }
            Err(error @ Error::Database(_)) => {
                debug!(%error, "the server does not wait for changes, which are asked for instead");
                self.may_wait = false;
                query("rollback").execute(&mut listener).await?;
                self.listener = Some(listener);
            }
            Err(error) => return Err(error),
        }
        for bed in late {
            self.lie(bed).await?;
        }
        Ok(())
    }

    /// Asks whether something has happened, and wakes those whose queues have work.
    async fn peek(&mut self) -> Result<(), Error> {
        match &mut self.listener {
            Some(listener) => {
                let snapshot = Snapshot::now(listener).await?;
                self.peek_since(snapshot).await
            }
            None => Ok(()),
        }
    }

    /// Wakes those whose queues have work, unless nothing has happened since they were last peeked into.
    async fn peek_since(&mut self, snapshot: Snapshot) -> Result<(), Error> {
        let started = Instant::now();
        if let Some(listener) = &mut self.listener
            && !self.snapshot.as_ref().is_some_and(|last| last.is_same(&snapshot))
        {
            self.snapshot = Some(snapshot);
            let peeks = self.beds.iter().filter_map(|(vectorizer, laying)| match &laying.way {
                Way::Peeked(sql) => Some((*vectorizer, format!("select {vectorizer} where ({sql})"))),
                Way::Notified { .. } => None,
            });
            let (peeked, sql): (Vec<i32>, Vec<String>) = peeks.unzip();
            let found = if sql.is_empty() {
                Ok(Vec::new())
            } else {
                query(AssertSqlSafe(sql.join(" union all "))).fetch_all(listener).await
            };
            let found: Vec<i32> = match found {
                Ok(rows) => rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?,
                // the lane finds out what is wrong
                Err(Error::Database(_)) => peeked,
                Err(error) => return Err(error),
            };
            for vectorizer in found {
                self.ring(vectorizer).await?;
            }
        }
        let pause = self.peek_interval.max(started.elapsed() * SHARE);
        // the server looks after an interval
        let within = if self.waits() {
            self.peek_interval
        } else {
            Duration::ZERO
        };
        self.peek_at = Instant::now() + pause.saturating_sub(within);
        Ok(())
    }
}

/// Whether what another connection notifies comes through: a pooler that shares connections by the transaction keeps it, and
/// would keep a session's lock for whoever comes next.
async fn hears(listener: &mut PgListener, pool: &Database) -> Result<bool, Error> {
    // a payload that is no vectorizer's
    let token = format!("hello {:?}", std::time::SystemTime::now());
    let notify = query("select pg_notify($1, $2)").bind(CHANNEL).bind(token.clone());
    notify.execute_on(pool).await?;
    let heard = async {
        loop {
            match listener.try_recv().await? {
                Some(notification) if notification.payload() == token => return Ok(true),
                Some(_) => {}
                None => return Err(lost()),
            }
        }
    };
    timeout(PATIENCE, heard).await.unwrap_or(Ok(false))
}

/// Of one connection besides the pool's, with its options.
fn own(pool: &Database) -> PgPool {
    PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(SILENCE)
        .connect_lazy_with(pool.pool().connect_options().as_ref().clone())
}

fn lost() -> Error {
    Error::Io(std::io::ErrorKind::ConnectionAborted.into())
}
