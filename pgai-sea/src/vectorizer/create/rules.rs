//! The rules that need no database.

use super::CreateVectorizer;
use crate::config::{
    Chunking, ConfigError, Destination, Embedding, Formatting, Indexing, Loading, Parsing, Processing, Scheduling,
    check_identifier,
};
use crate::pgvector::VectorType;

impl CreateVectorizer {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.check_given()?;
        required("loading", "Loading::column(..)", self.loading.as_ref())?;
        required(
            "embedding",
            "Embedding::openai(..) or another provider",
            self.embedding.as_ref(),
        )?;
        Ok(())
    }

    /// The rules for what is set already: a declaration may leave out what a migration adds.
    pub(crate) fn check_given(&self) -> Result<(), ConfigError> {
        let schema = self.source.schema.as_ref();
        check_identifier("source", &self.source.table)?;
        schema.map_or(Ok(()), |schema| check_identifier("source", schema))?;
        self.name.as_ref().map_or(Ok(()), |name| check_name(name))?;

        self.destination.as_ref().map_or(Ok(()), Destination::check)?;
        self.loading.as_ref().map_or(Ok(()), Loading::check)?;
        self.parsing.as_ref().map_or(Ok(()), Parsing::check)?;
        self.embedding.as_ref().map_or(Ok(()), Embedding::check)?;
        self.chunking.as_ref().map_or(Ok(()), Chunking::check)?;
        self.indexing.as_ref().map_or(Ok(()), Indexing::check)?;
        self.formatting.as_ref().map_or(Ok(()), Formatting::check)?;
        self.scheduling.as_ref().map_or(Ok(()), Scheduling::check)?;
        self.processing.as_ref().map_or(Ok(()), Processing::check)?;

        for (setter, name) in [("queue_schema", &self.queue_schema), ("queue_table", &self.queue_table)] {
            name.as_ref().map_or(Ok(()), |name| check_identifier(setter, name))?;
        }
        self.backfill.as_ref().map_or(Ok(()), super::Backfill::check)?;
        self.grant_to
            .iter()
            .flatten()
            .try_for_each(|role| check_identifier("grant_to", role))?;
        self.check_together()
    }

    /// The rules that concern two arguments.
    fn check_together(&self) -> Result<(), ConfigError> {
        if self.backfill.is_some() && self.enqueue_existing.is_some() {
            let problem = "queues the rows that are there itself; leave out .enqueue_existing(..)";
            return Err(ConfigError::new("backfill", problem));
        }
        if self.backfill.is_some() && self.if_not_exists == Some(true) {
            let problem = "would queue all rows of a vectorizer that exists already; leave out .if_not_exists(true)";
            return Err(ConfigError::new("backfill", problem));
        }
        let in_column = matches!(self.destination, Some(Destination::Column(_)));
        if in_column && !matches!(self.chunking, Some(Chunking::None(_))) {
            let problem = "must be Chunking::none() with Destination::column, which holds one vector per row";
            return Err(ConfigError::new("chunking", problem));
        }
        let embedding = self.embedding.as_ref();
        let embedding = embedding.and_then(|embedding| Some((embedding.model(), embedding.dimensions()?)));
        let Some((model, dimensions)) = embedding else {
            return Ok(());
        };
        if let Some(declared) = self.declared_dimensions
            && u32::try_from(dimensions).ok() != Some(declared)
        {
            let problem = format!(
                "{model} has {dimensions} dimensions, the entity declares {declared} in `#[vectorizer(dimensions = \
                 {declared})]`; \
                 make them the same"
            );
            return Err(ConfigError::new("embedding", problem));
        }
        // A column of the source may have the type `halfvec`, which only the database knows.
        let (widest, of_what, instead) = match &self.destination {
            Some(Destination::Column(_)) => (VectorType::HalfVec, ", in a column of halfvec", ""),
            Some(destination) if destination.is_halfvec() => (VectorType::HalfVec, " of a halfvec", ""),
            _ => (VectorType::Vector, "", "; Destination::table().halfvec() takes 4000"),
        };
        if let (Some(Indexing::Hnsw(hnsw)), Some(most)) = (&self.indexing, widest.max_dimensions())
            && !hnsw.is_binary()
            && u32::try_from(dimensions).is_ok_and(|dimensions| dimensions > most)
        {
            let problem = format!(
                "HNSW takes at most {most} dimensions{of_what}, {model} has {dimensions}{instead}; \
                 Indexing::hnsw().binary() takes any number"
            );
            return Err(ConfigError::new("indexing", problem));
        }
        Ok(())
    }
}

fn required<'a, T>(setter: &str, example: &str, value: Option<&'a T>) -> Result<&'a T, ConfigError> {
    value.ok_or_else(|| ConfigError::new(setter, format!("is required; call .{setter}({example})")))
}

/// The catalog's constraint: `^[a-z][a-z_0-9]*$`.
pub(crate) fn is_vectorizer_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The constraint, and a name's 63 bytes.
fn check_name(name: &str) -> Result<(), ConfigError> {
    check_identifier("name", name)?;
    if is_vectorizer_name(name) {
        return Ok(());
    }
    let problem = format!("{name:?} has other characters than a-z, 0-9 and _, or does not start with a letter");
    Err(ConfigError::new("name", problem))
}

#[cfg(test)]
mod tests;
