//! Renewing a lease while a batch is embedded.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::warn;

use super::key_sql::Key;
use super::{Queue, Stamp};
use crate::worker::connection::Database;

/// Renews a lease three times in its length, until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct LeaseRenewer {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Stamp>,
    stamp: Stamp,
}

impl LeaseRenewer {
    pub(crate) fn start(pool: Database, queue: Arc<Queue>, keys: Vec<Key>, stamp: Stamp, lease: Duration) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self {
            stop: Some(stop),
            task: tokio::spawn(renew(pool, queue, keys, stamp, lease, stopped)),
            stamp,
        }
    }

    /// Stops renewing, after a renewal that is under way. Nobody else changes the stamp from then on.
    pub(crate) async fn stop(mut self) -> Stamp {
        self.stop.take();
        self.task.await.unwrap_or(self.stamp)
    }
}

async fn renew(
    pool: Database,
    queue: Arc<Queue>,
    keys: Vec<Key>,
    mut stamp: Stamp,
    lease: Duration,
    mut stopped: oneshot::Receiver<()>,
) -> Stamp {
    let keys: Vec<&Key> = keys.iter().collect();
    loop {
        tokio::select! {
            _ = &mut stopped => return stamp,
            () = tokio::time::sleep(lease / 3) => {}
        }
        match queue.renew(&pool, &keys, stamp, lease).await {
            Ok(Some(renewed)) => stamp = renewed,
            Ok(None) => {
                warn!(keys = keys.len(), "the lease was lost; another worker carries on");
                let _ = (&mut stopped).await;
                return stamp;
            }
            Err(error) => warn!(%error, "the lease could not be renewed"),
        }
    }
}
