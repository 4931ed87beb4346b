//! Looking at the queues now and then, for metrics and for the application.

use std::collections::BTreeSet;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionTrait};
use tracing::debug;

use crate::catalog::{self, CatalogError, VectorizerRef, VectorizerStatus};
use crate::pooled::{Pooled, is_of_a_pooler};
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
    /// What it looks through where the worker's pool goes through a pooler that keeps no prepared statements.
    pub(super) pooled: Option<Pooled>,
}

impl Observer {
    /// Never ends.
    pub(super) async fn observe(mut self) {
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

    async fn statuses(&mut self) -> Result<Vec<VectorizerStatus>, CatalogError> {
        if let Some(pooled) = &self.pooled {
            return self.look(pooled).await;
        }
        match self.look(&self.db).await {
            Err(CatalogError::Db(error)) if is_of_a_pooler(&error) => {
                let pooled = self.pooled.insert(Pooled::beside(&self.db)).clone();
                self.look(&pooled).await
            }
            looked => looked,
        }
    }

    async fn look<C: ConnectionTrait + TransactionTrait>(&self, db: &C) -> Result<Vec<VectorizerStatus>, CatalogError> {
        if self.only.is_empty() {
            return catalog::statuses(db).await;
        }
        let mut statuses = Vec::new();
        for vectorizer in &self.only {
            match catalog::status(db, vectorizer.clone()).await {
                Ok(status) => statuses.push(status),
                Err(CatalogError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(statuses)
    }
}
