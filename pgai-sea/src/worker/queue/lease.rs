//! Keeping a lease while a batch is being embedded.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::worker::connection::Database;
use crate::worker::queue::key_sql::Key;
use crate::worker::queue::{Queue, Stamp};

/// Renews a lease three times in its length, until told to stop or dropped.
#[derive(Debug)]
pub(crate) struct Keeper {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Stamp>,
    stamp: Stamp,
}

impl Keeper {
    pub(crate) fn start(pool: Database, queue: Arc<Queue>, keys: Vec<Key>, stamp: Stamp, lease: Duration) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self {
            stop: Some(stop),
            task: tokio::spawn(keep(pool, queue, keys, stamp, lease, stopped)),
            stamp,
        }
    }

    /// Stops renewing; a renewal that is under way is waited for. The stamp is then the batch's alone.
    pub(crate) async fn stop(mut self) -> Stamp {
        self.stop.take();
        self.task.await.unwrap_or(self.stamp)
    }
}

async fn keep(
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
