//! A connection of its own, beside the pool's.

use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{AssertSqlSafe, Connection as _, Error, PgConnection, raw_sql};
use tokio::time::timeout;

use super::{Database, TRANSACTION_TIMEOUT, is_no_room};
use crate::sql::quote_literal;
use crate::worker::database_error::DatabaseError;

impl Database {
    /// A connection of its own without timeouts, for one statement that may take hours and cannot be in a transaction.
    ///
    /// The timeouts, and `more` settings, are asked for when it connects. A pooler may refuse that, and then they are
    /// what they are: to set them afterwards would set them for the pooler's next client. Where the server has no room
    /// for one more connection, the pool gives one away.
    pub(crate) async fn own_connection(&self, more: &[(&str, String)]) -> Result<PgConnection, DatabaseError> {
        let mut transaction = self.begin(self.patience).await?;
        let version = transaction.connection().server_version_num().unwrap_or_default();
        transaction.end(Ok(())).await?;
        // where there is room for one only, it is needed
        drop(transaction);
        // an index is built outside of a transaction, which could say so itself
        let since = [
            (0, "statement_timeout", "0"),
            (0, "lock_timeout", "0"),
            (0, "default_transaction_read_only", "off"),
            (TRANSACTION_TIMEOUT, "transaction_timeout", "0"),
        ];
        let settings = since.iter().filter(|(since, ..)| *since <= version);
        let settings = settings.map(|(_, setting, value)| (*setting, (*value).to_owned()));
        let settings: Vec<(&str, String)> = settings.chain(more.iter().cloned()).collect();
        let options = self.pool.connect_options();
        let patient = options.as_ref().clone().options(settings.clone());
        let mut refused = match self.connect(&patient).await {
            Err(refused) => refused,
            connected => return connected,
        };
        let is_pooler = refused.has_state(&["08P01"]);
        if is_pooler && !is_full(&refused) {
            refused = match self.connect(&options).await {
                Err(refused) => refused,
                connected => return connected,
            };
        }
        if !is_full(&refused) {
            return Err(refused);
        }
        let (mut connection, _) = self.acquire().await?;
        connection.close_on_drop();
        if !is_pooler {
            let set = settings
                .iter()
                .map(|(name, value)| format!("set {name} = {}; ", quote_literal(value)));
            let set: String = set.collect();
            raw_sql(AssertSqlSafe(set)).execute(&mut *connection).await?;
        }
        Ok(connection.detach())
    }

    async fn connect(&self, options: &PgConnectOptions) -> Result<PgConnection, DatabaseError> {
        let connected = timeout(self.patience, PgConnection::connect_with(options)).await;
        Ok(connected.map_err(|_| DatabaseError::NoAnswer(self.patience))??)
    }
}

/// Whether there is no room for one more connection.
fn is_full(refused: &DatabaseError) -> bool {
    matches!(refused, DatabaseError::Statement(Error::Database(refused)) if is_no_room(&**refused))
}
