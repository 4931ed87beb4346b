//! The rules that need no database.

use super::CreateVectorizer;
use crate::config::{
    Chunking, ConfigError, Destination, Embedding, Formatting, Indexing, Parsing, Processing, Scheduling,
    check_identifier,
};

impl CreateVectorizer {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Some((schema, table)) = &self.source else {
            return Err(ConfigError::new(
                "source",
                "is a subquery, function or list of values; name a table",
            ));
        };
        check_identifier("source", table)?;
        schema
            .as_ref()
            .map_or(Ok(()), |schema| check_identifier("source", schema))?;
        self.name.as_ref().map_or(Ok(()), |name| check_name(name))?;

        self.destination.as_ref().map_or(Ok(()), Destination::check)?;
        required("loading", "Loading::column(..)", self.loading.as_ref())?.check()?;
        self.parsing.as_ref().map_or(Ok(()), Parsing::check)?;
        let embedding = required(
            "embedding",
            "Embedding::openai(..) or another provider",
            self.embedding.as_ref(),
        )?;
        embedding.check()?;
        self.chunking.as_ref().map_or(Ok(()), Chunking::check)?;
        self.indexing.as_ref().map_or(Ok(()), Indexing::check)?;
        self.formatting.as_ref().map_or(Ok(()), Formatting::check)?;
        self.scheduling.as_ref().map_or(Ok(()), Scheduling::check)?;
        self.processing.as_ref().map_or(Ok(()), Processing::check)?;

        for (setter, name) in [("queue_schema", &self.queue_schema), ("queue_table", &self.queue_table)] {
            name.as_ref().map_or(Ok(()), |name| check_identifier(setter, name))?;
        }
        self.grant_to
            .iter()
            .flatten()
            .try_for_each(|role| check_identifier("grant_to", role))?;
        self.check_together(embedding)
    }

    /// The rules that concern two arguments.
    fn check_together(&self, embedding: &Embedding) -> Result<(), ConfigError> {
        if matches!(self.destination, Some(Destination::Column(_))) && !matches!(self.chunking, Some(Chunking::None(_)))
        {
            let problem = "must be Chunking::none() with Destination::column, which holds one vector per row";
            return Err(ConfigError::new("chunking", problem));
        }
        if let Some(declared) = self.declared_dimensions
            && u32::try_from(embedding.dimensions()).ok() != Some(declared)
        {
            let problem = format!(
                "{} has {} dimensions, the entity declares {declared} in `#[vectorizer(dimensions = {declared})]`; \
                 make them the same",
                embedding.model(),
                embedding.dimensions()
            );
            return Err(ConfigError::new("embedding", problem));
        }
        // pgvector's limit for an index on `vector`
        if matches!(self.indexing, Some(Indexing::Hnsw(_))) && embedding.dimensions() > 2000 {
            let problem = format!(
                "HNSW takes at most 2000 dimensions, {} has {}",
                embedding.model(),
                embedding.dimensions()
            );
            return Err(ConfigError::new("indexing", problem));
        }
        Ok(())
    }
}

fn required<'a, T>(setter: &str, example: &str, value: Option<&'a T>) -> Result<&'a T, ConfigError> {
    value.ok_or_else(|| ConfigError::new(setter, format!("is required; call .{setter}({example})")))
}

/// The catalog's constraint: `^[a-z][a-z_0-9]*$`, and a name's 63 bytes.
fn check_name(name: &str) -> Result<(), ConfigError> {
    check_identifier("name", name)?;
    let pattern = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if pattern {
        return Ok(());
    }
    let problem = format!("{name:?} has other characters than a-z, 0-9 and _, or does not start with a letter");
    Err(ConfigError::new("name", problem))
}
