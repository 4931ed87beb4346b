//! Looking at the queues now and then, for metrics and for the application.

use std::collections::BTreeSet;
use std::time::Duration;

use sea_orm::DatabaseConnection;
use tracing::debug;

use crate::catalog::{self, CatalogError, VectorizerRef, VectorizerStatus};
use crate::worker::embed::telemetry;
use crate::worker::event::{Event, EventHook};

/// Looks at what a worker serves.
#[derive(Debug)]
pub(super) struct Observer {
    pub(super) db: DatabaseConnection,
    /// All, if there are none.
    pub(super) only: Vec<VectorizerRef>,
    pub(super) events: EventHook,
    pub(super) every: Duration,
}

impl Observer {
    /// Never ends.
    pub(super) async fn observe(self) {
        let mut known = BTreeSet::new();
        loop {
            match self.statuses().await {
                Ok(statuses) => {
                    let names: BTreeSet<String> = statuses.iter().map(|status| status.name.clone()).collect();
                    // what is gone has no queue, and no state
                    known.difference(&names).for_each(|gone| telemetry::gone(gone));
                    known = names;
                    statuses.iter().for_each(telemetry::observed);
                    self.events.call(&Event::Observed(statuses));
                }
                Err(error) => debug!(%error, "the queues cannot be looked at"),
            }
            tokio::time::sleep(self.every).await;
        }
    }

    async fn statuses(&self) -> Result<Vec<VectorizerStatus>, CatalogError> {
        if self.only.is_empty() {
            return catalog::statuses(&self.db).await;
        }
        let mut statuses = Vec::new();
        for vectorizer in &self.only {
            match catalog::status(&self.db, vectorizer.clone()).await {
                Ok(status) => statuses.push(status),
                Err(CatalogError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(statuses)
    }
}
