//! The configuration that a batch was made by.

use sea_orm::sqlx::{PgConnection, Row as _, query};
use serde_json::Value;

use crate::worker::database_error::DatabaseError;

/// What must not change between preparing a vectorizer and writing: what its vectors are made with, and where they go.
#[derive(Debug)]
pub(crate) struct Configuration {
    id: i32,
    known: String,
}

impl Configuration {
    pub(crate) fn new(id: i32, config: &Value) -> Self {
        Self {
            id,
            known: config.to_string(),
        }
    }

    /// Fails if the configuration is another one by now. Nothing may be written then: the vectors may be another
    /// model's, and after a cut-over the table of that name is another generation's. The caller holds a lock on what it
    /// writes to, so that no cut-over comes after this look.
    pub(crate) async fn check(&self, connection: &mut PgConnection) -> Result<(), DatabaseError> {
        let same = "select v.config - '{indexing,scheduling,processing}'::text[] \
                    = $2::jsonb - '{indexing,scheduling,processing}'::text[] from ai.vectorizer v where v.id = $1";
        let same = query(same)
            .persistent(false) // a named one may be another client's behind a pooler
            .bind(self.id)
            .bind(self.known.as_str())
            .fetch_optional(connection)
            .await?;
        match same {
            Some(row) if row.try_get(0)? => Ok(()),
            Some(_) => Err(DatabaseError::Reconfigured),
            // dropped, which the next statement says better
            None => Ok(()),
        }
    }
}
