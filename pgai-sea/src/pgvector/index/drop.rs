//! `DROP INDEX`.

use sea_orm::{DbBackend, Statement};

use super::create::CreateVectorIndex;
use crate::config::{ConfigError, check_identifier};
use crate::sql::{qualified, quote_identifier};

/// Drops an index on vectors, or any other index.
///
/// ```
/// use pgai_sea::pgvector::DropVectorIndex;
///
/// # fn main() -> Result<(), pgai_sea::config::ConfigError> {
/// assert_eq!(
///     DropVectorIndex::new("by_meaning").schema("shop").concurrently(true).if_exists(true).to_sql()?,
///     r#"DROP INDEX CONCURRENTLY IF EXISTS "shop"."by_meaning""#
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct DropVectorIndex {
    schema: Option<String>,
    name: String,
    concurrently: bool,
    if_exists: bool,
}

impl DropVectorIndex {
    /// Drops the index of this name, which PostgreSQL finds along its search path.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            schema: None,
            name: name.into(),
            concurrently: false,
            if_exists: false,
        }
    }

    /// Drops the index that `create` creates, concurrently if it is created so.
    pub fn of(create: &CreateVectorIndex) -> Self {
        Self {
            schema: create.table.as_ref().and_then(|(schema, _)| schema.clone()),
            concurrently: create.concurrently,
            ..Self::new(create.index_name())
        }
    }

    /// The schema of the index, which is that of its table. By default PostgreSQL looks along its search path.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// Whether readers and writers of the table carry on meanwhile. By default they wait. PostgreSQL refuses it inside
    /// a transaction.
    pub fn concurrently(mut self, concurrently: bool) -> Self {
        self.concurrently = concurrently;
        self
    }

    /// Does nothing if there is no such index.
    pub fn if_exists(mut self, if_exists: bool) -> Self {
        self.if_exists = if_exists;
        self
    }

    #[cfg(feature = "migration")]
    pub(crate) fn is_concurrent(&self) -> bool {
        self.concurrently
    }

    /// The statement as text.
    ///
    /// # Errors
    ///
    /// A name that PostgreSQL would refuse. The error names the setter.
    pub fn to_sql(&self) -> Result<String, ConfigError> {
        check_identifier("name", &self.name)?;
        let name = match &self.schema {
            Some(schema) => {
                check_identifier("schema", schema)?;
                qualified(schema, &self.name)
            }
            None => quote_identifier(&self.name),
        };
        let concurrently = if self.concurrently { "CONCURRENTLY " } else { "" };
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        Ok(format!("DROP INDEX {concurrently}{if_exists}{name}"))
    }

    /// The statement.
    ///
    /// # Errors
    ///
    /// As [`to_sql`](Self::to_sql).
    pub fn statement(&self) -> Result<Statement, ConfigError> {
        Ok(Statement::from_string(DbBackend::Postgres, self.to_sql()?))
    }
}
