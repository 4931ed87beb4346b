//! A folder or a bucket becomes rows of a table.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityName as _, Statement, TransactionSession as _,
    TransactionTrait,
};

use super::error::DocumentError;
use super::settings::Documents;
use crate::sql::{qualified, quote_identifier};

/// Addresses that one statement inserts.
const PAGE: usize = 10_000;

/// Keeps a table's addresses those of the documents in a folder or bucket: new ones become rows, and those that are
/// gone may go. A worker does the rest.
///
/// ```no_run
/// # mod manual {
/// #     use sea_orm::entity::prelude::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "manuals")]
/// #     pub struct Model {
/// #         #[sea_orm(primary_key)]
/// #         pub id: i32,
/// #         pub address: String,
/// #     }
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), Box<dyn std::error::Error>> {
/// use pgai_sea::document::{Documents, SyncPrefix};
///
/// let documents = Documents::in_process().allow_prefix("s3://manuals/");
/// let synced = SyncPrefix::new("s3://manuals/")
///     .remove_missing()
///     .run(&db, &documents, manual::Column::Address)
///     .await?;
/// println!("{} new, {} gone", synced.inserted, synced.deleted);
/// # Ok(())
/// # }
/// ```
///
/// The table's other columns need defaults. Rows whose addresses begin otherwise are left alone. Files whose names
/// begin with a dot are not documents here, and neither are links. Several may do this at
/// once: each waits for the one before.
#[derive(Clone, Debug)]
#[must_use = "nothing is done until `run`"]
pub struct SyncPrefix {
    prefix: String,
    remove_missing: bool,
}

/// What [`SyncPrefix::run`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Synced {
    /// Documents that were found.
    pub found: u64,
    /// Rows that were inserted.
    pub inserted: u64,
    /// Rows that were deleted.
    pub deleted: u64,
}

/// Why a folder or bucket was not written to a table. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// It could not be listed.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The table could not be written.
    #[error("the table of addresses cannot be written: {0}")]
    Db(#[from] DbErr),
}

impl SyncPrefix {
    /// A folder, `/srv/manuals/`, or a bucket or what is below a part of it: `s3://bucket/`, `gs://bucket/manuals/`.
    pub fn new(prefix: impl Into<String>) -> Self {
        let mut prefix = prefix.into();
        if !prefix.ends_with('/') {
            prefix.push('/');
        }
        Self {
            prefix,
            remove_missing: false,
        }
    }

    /// Deletes rows whose addresses begin with the prefix and whose documents are gone.
    pub fn remove_missing(mut self) -> Self {
        self.remove_missing = true;
        self
    }

    /// Lists the documents and writes their addresses into `column`. `documents` has to allow the prefix.
    ///
    /// # Errors
    ///
    /// The prefix cannot be listed to its end, or the table cannot be written.
    pub async fn run<C, T>(&self, db: &C, documents: &Documents, column: T) -> Result<Synced, SyncError>
    where
        C: ConnectionTrait + TransactionTrait,
        T: ColumnTrait,
    {
        let entity = T::EntityName::default();
        let table = match entity.schema_name() {
            Some(schema) => qualified(schema, entity.table_name()),
            None => quote_identifier(entity.table_name()),
        };
        self.run_on(db, documents, &table, column.as_str()).await
    }

    /// The same with a table's name in SQL.
    pub(crate) async fn run_on<C>(
        &self,
        db: &C,
        documents: &Documents,
        table: &str,
        column: &str,
    ) -> Result<Synced, SyncError>
    where
        C: ConnectionTrait + TransactionTrait,
    {
        // all of it before anything is written: half a list would delete the other half
        let found = documents.list(&self.prefix).await?;
        let column = quote_identifier(column);
        let transaction = db.begin().await?;
        let run = async |sql: String, values: Vec<sea_orm::Value>| {
            let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
            Ok::<_, DbErr>(transaction.execute_raw(statement).await?.rows_affected())
        };
        run(
            "SELECT pg_advisory_xact_lock(1348947832, $1::regclass::oid::int)".to_owned(),
            vec![table.into()],
        )
        .await?;
        let mut synced = Synced {
            found: found.len() as u64,
            ..Synced::default()
        };
        for page in found.chunks(PAGE) {
            let insert = format!(
                "INSERT INTO {table} ({column}) SELECT a FROM jsonb_array_elements_text($1) a \
                 WHERE NOT EXISTS (SELECT FROM {table} t WHERE t.{column} = a)"
            );
            synced.inserted += run(insert, vec![serde_json::json!(page).into()]).await?;
        }
        if self.remove_missing {
            let delete = format!(
                "DELETE FROM {table} t WHERE starts_with(t.{column}, $1) \
                 AND NOT EXISTS (SELECT FROM jsonb_array_elements_text($2) a WHERE a = t.{column})"
            );
            let values = vec![self.prefix.as_str().into(), serde_json::json!(found).into()];
            synced.deleted = run(delete, values).await?;
        }
        transaction.commit().await?;
        Ok(synced)
    }
}
