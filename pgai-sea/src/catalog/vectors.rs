//! Where a vectorizer's vectors are, for who knows it by the catalog alone.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, TransactionTrait};

use super::presence::scalar;
use super::vectorizer::Vectorizer;
use crate::config::Destination;
use crate::sql::{qualified, quote_identifier};

/// The table of the vectors, which SQL calls `t`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vectors {
    /// Quoted, with its schema.
    pub(crate) table: String,
    /// The name of the column of vectors.
    pub(crate) column: String,
    /// The columns of the source's key: `t."id"`.
    pub(crate) key: Vec<String>,
    /// Whether it is a store, with chunks, and not the source itself.
    pub(crate) has_chunks: bool,
}

impl Vectors {
    /// `None`: this version does not know the destination.
    pub(crate) fn of(vectorizer: &Vectorizer) -> Option<Self> {
        let (table, column, has_chunks) = match &vectorizer.config.destination {
            Destination::Table(table) => {
                let table = qualified(table.target_schema.as_deref()?, table.target_table.as_deref()?);
                (table, "embedding", true)
            }
            Destination::Column(column) => {
                let source = qualified(&vectorizer.source_schema, &vectorizer.source_table);
                (source, &*column.embedding_column, false)
            }
            Destination::Other(_) => return None,
        };
        let key = vectorizer.source_pk.iter();
        Some(Self {
            table,
            column: column.to_owned(),
            key: key.map(|column| of_row(&column.attname)).collect(),
            has_chunks,
        })
    }

    /// The column of vectors: `t."embedding"`.
    pub(crate) fn vector(&self) -> String {
        of_row(&self.column)
    }
}

fn of_row(column: &str) -> String {
    format!("t.{}", quote_identifier(column))
}

/// Begins a transaction in which names lead to PostgreSQL's own functions and operators alone: those of others would
/// run with the rights of whoever looks. It changes nothing: roll it back.
pub(crate) async fn look<C: TransactionTrait>(db: &C) -> Result<C::Transaction, DbErr> {
    let transaction = db.begin().await?;
    let path = "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)";
    transaction
        .query_one_raw(Statement::from_string(DbBackend::Postgres, path))
        .await?;
    Ok(transaction)
}

/// Refuses what is no table. A view in a table's place would run code of whoever made it.
pub(crate) async fn check_table<C: ConnectionTrait>(db: &C, table: &str) -> Result<(), DbErr> {
    let sql = "SELECT FROM pg_catalog.pg_class c
               WHERE c.oid = pg_catalog.to_regclass($1)::pg_catalog.oid AND c.relkind NOT IN ('r', 'p')";
    let other = Statement::from_sql_and_values(DbBackend::Postgres, sql, [table.into()]);
    if db.query_one_raw(other).await?.is_some() {
        return Err(DbErr::Custom(format!(
            "{table} is not a table, though a row of ai.vectorizer names it as one: correct the row, or drop the \
             vectorizer"
        )));
    }
    Ok(())
}

/// The schema of pgvector, in which its operators are: the connection's search path need not lead to it.
pub(crate) async fn pgvector_schema<C: ConnectionTrait>(db: &C) -> Result<String, DbErr> {
    scalar(
        db,
        "SELECT n.nspname::text FROM pg_catalog.pg_extension e
         JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'",
    )
    .await
}
