//! `SELECT ai.create_vectorizer(..)`, with literals or with bound values.

use sea_orm::{DbBackend, Statement};

use super::CreateVectorizer;
use crate::config::{
    Chunking, ConfigError, Destination, Embedding, Formatting, Indexing, Loading, Parsing, Processing, Scheduling,
};
use crate::sql::{Arg, Call};

impl CreateVectorizer {
    /// The statement with its values as literals, for people and for `psql`.
    ///
    /// # Errors
    ///
    /// What no database would take, naming the setter; see [`statement`](Self::statement).
    pub fn to_sql(&self) -> Result<String, ConfigError> {
        Ok(format!("SELECT {}", self.call()?.to_sql()))
    }

    /// The statement with bound values. It returns one row: the vectorizer's id, an `i32`.
    ///
    /// # Errors
    ///
    /// A required setter that was not called, and values outside of what pgai's functions take, naming the setter.
    pub fn statement(&self) -> Result<Statement, ConfigError> {
        let (sql, values) = self.call()?.bind();
        Ok(Statement::from_sql_and_values(
            DbBackend::Postgres,
            format!("SELECT {sql}"),
            values,
        ))
    }

    fn call(&self) -> Result<Call, ConfigError> {
        self.check()?;
        let name = |name: &Option<String>| name.clone().map(Arg::Name);
        let create = Call::new("create_vectorizer")
            .arg("source", Some(self.source.arg()))
            .arg("name", self.name.as_ref())
            .arg("destination", self.destination.as_ref().and_then(Destination::call))
            .arg("loading", self.loading.as_ref().and_then(Loading::call))
            .arg("parsing", self.parsing.as_ref().and_then(Parsing::call))
            .arg("embedding", self.embedding.as_ref().and_then(Embedding::call))
            .arg("chunking", self.chunking.as_ref().and_then(Chunking::call))
            .arg("indexing", self.indexing.as_ref().and_then(Indexing::call))
            .arg("formatting", self.formatting.as_ref().and_then(Formatting::call))
            .arg("scheduling", self.scheduling.as_ref().and_then(Scheduling::call))
            .arg("processing", self.processing.as_ref().and_then(Processing::call))
            .arg("queue_schema", name(&self.queue_schema))
            .arg("queue_table", name(&self.queue_table))
            .arg("grant_to", self.grant_to.clone().map(Arg::GrantTo))
            .arg(
                "enqueue_existing",
                self.backfill.as_ref().map_or(self.enqueue_existing, |_| Some(false)),
            )
            .arg("if_not_exists", self.if_not_exists);
        Ok(match &self.backfill {
            Some(backfill) => backfill.call(create),
            None => create,
        })
    }
}
