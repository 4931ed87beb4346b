//! Searches on real tables: right, full, and with an index.

mod all;
mod another_length;
mod bits;
mod builder;
mod cursor;
mod edges;
mod embed;
mod explained;
mod expressions;
mod freshness;
mod full_text;
mod granted;
mod grouped;
mod hybrid;
mod indexes;
mod items;
mod library;
mod like;
mod measured;
mod mock;
mod neighbours;
pub(crate) mod notes;
mod outdated;
mod pages;
mod partial;
mod per_value;
mod pooled;
mod quantized;
mod query;
mod random;
mod ranking;
mod reference;
mod restricted;
mod scan;
mod settings;
mod short;
mod telemetry;
mod types;
mod windows;

use pgai_sea_tests::TestDatabase;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, TransactionTrait};

/// A transaction in which PostgreSQL prefers indexes on vectors, as it does by itself on larger tables.
async fn with_index(test: &TestDatabase) -> Result<DatabaseTransaction, DbErr> {
    let transaction = test.db.begin().await?;
    transaction
        .execute_unprepared(
            "set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off;
             set local enable_hashjoin = off",
        )
        .await?;
    Ok(transaction)
}
