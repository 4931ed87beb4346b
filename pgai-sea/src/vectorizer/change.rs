//! `ai.change_vectorizer`.

use sea_orm::{DbBackend, Statement};

use super::reference::VectorizerRef;
use crate::config::{
    Chunking, ConfigError, Embedding, Formatting, Indexing, Loading, Parsing, Processing, Scheduling, check_identifier,
    check_partitions,
};
use crate::pgvector::VectorType;
use crate::sql::{Arg, Call, quote_literal};

/// Changes a vectorizer that is in use. Setters carry the names of the arguments of `ai.create_vectorizer`. What is not
/// set stays as it is.
///
/// Another model, chunking, template, parsing, type of vectors or number of partitions makes a second generation beside
/// the first; see
/// [`change`](crate::change). Everything else is changed in place.
///
/// ```
/// use pgai_sea::ChangeVectorizer;
/// use pgai_sea::config::{Chunking, Embedding};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let change = ChangeVectorizer::new("public_blog_posts_embedding_store")
///     .embedding(Embedding::openai("text-embedding-3-large", 1024))
///     .chunking(Chunking::recursive_character_text_splitter().chunk_size(400));
///
/// assert_eq!(
///     change.to_sql()?,
///     "SELECT ai.change_vectorizer(name => 'public_blog_posts_embedding_store', \
///      embedding => ai.embedding_openai(model => 'text-embedding-3-large', dimensions => 1024), \
///      chunking => ai.chunking_recursive_character_text_splitter(chunk_size => 400))"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeVectorizer {
    vectorizer: VectorizerRef,
    loading: Option<Loading>,
    parsing: Option<Parsing>,
    embedding: Option<Embedding>,
    chunking: Option<Chunking>,
    indexing: Option<Indexing>,
    formatting: Option<Formatting>,
    scheduling: Option<Scheduling>,
    processing: Option<Processing>,
    grant_to: Option<Vec<String>>,
    view_name: Option<String>,
    vector_type: Option<VectorType>,
    partitions: Option<i32>,
    partition_by: Option<String>,
}

impl ChangeVectorizer {
    /// The vectorizer by its name, by its id, or by the entity that declares it.
    #[must_use]
    pub fn new(vectorizer: impl Into<VectorizerRef>) -> Self {
        Self {
            vectorizer: vectorizer.into(),
            loading: None,
            parsing: None,
            embedding: None,
            chunking: None,
            indexing: None,
            formatting: None,
            scheduling: None,
            processing: None,
            grant_to: None,
            view_name: None,
            vector_type: None,
            partitions: None,
            partition_by: None,
        }
    }

    /// Where text comes from. Other `retries` alone are changed in place.
    #[must_use]
    pub fn loading(mut self, loading: impl Into<Loading>) -> Self {
        self.loading = Some(loading.into());
        self
    }

    /// How documents become text.
    #[must_use]
    pub fn parsing(mut self, parsing: impl Into<Parsing>) -> Self {
        self.parsing = Some(parsing.into());
        self
    }

    /// The provider and model. Another address or another name of the key alone is changed in place.
    #[must_use]
    pub fn embedding(mut self, embedding: impl Into<Embedding>) -> Self {
        self.embedding = Some(embedding.into());
        self
    }

    /// How text is cut.
    #[must_use]
    pub fn chunking(mut self, chunking: impl Into<Chunking>) -> Self {
        self.chunking = Some(chunking.into());
        self
    }

    /// The index over the embeddings. An index that is there already stays.
    #[must_use]
    pub fn indexing(mut self, indexing: impl Into<Indexing>) -> Self {
        self.indexing = Some(indexing.into());
        self
    }

    /// What is embedded of a chunk and its row.
    #[must_use]
    pub fn formatting(mut self, formatting: impl Into<Formatting>) -> Self {
        self.formatting = Some(formatting.into());
        self
    }

    /// Who runs the worker.
    #[must_use]
    pub fn scheduling(mut self, scheduling: impl Into<Scheduling>) -> Self {
        self.scheduling = Some(scheduling.into());
        self
    }

    /// How much the worker does at once. For a second generation it is the budget of its backfill.
    #[must_use]
    pub fn processing(mut self, processing: impl Into<Processing>) -> Self {
        self.processing = Some(processing.into());
        self
    }

    /// More roles that may read the embeddings and run a worker.
    #[must_use]
    pub fn grant_to<S: Into<String>>(mut self, roles: impl IntoIterator<Item = S>) -> Self {
        self.grant_to = Some(roles.into_iter().map(Into::into).collect());
        self
    }

    /// Another name for the view that joins embeddings and rows. Let the attribute say `view_name`, too.
    #[must_use]
    pub fn view_name(mut self, view_name: impl Into<String>) -> Self {
        self.view_name = Some(view_name.into());
        self
    }

    /// The type that the vectors are stored as: [`VectorType::HalfVec`] or [`VectorType::Vector`]. A worker casts the
    /// vectors that are there, and pays for none. A `vector` that was a `halfvec` keeps the rounded numbers. Only this
    /// crate's catalog can do this, and only for a table.
    ///
    /// ```
    /// use pgai_sea::ChangeVectorizer;
    /// use pgai_sea::pgvector::VectorType;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let smaller = ChangeVectorizer::new("posts").vector_type(VectorType::HalfVec);
    /// assert_eq!(
    ///     smaller.to_sql()?,
    ///     "SELECT ai.change_vectorizer(name => 'posts', vector_type => 'halfvec')"
    /// );
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn vector_type(mut self, vector_type: VectorType) -> Self {
        self.vector_type = Some(vector_type);
        self
    }

    /// The partitions of the table of embeddings, from 1 to 256, as in
    /// [`Destination::table`](crate::config::DestinationTable::partitions); 1 is a table without partitions. A worker
    /// copies the vectors that are there, and pays for none. Only this crate's catalog can do this, and only for a
    /// table.
    ///
    /// ```
    /// use pgai_sea::ChangeVectorizer;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let split = ChangeVectorizer::new("posts").partitions(16).partition_by("tenant_id");
    /// assert_eq!(
    ///     split.to_sql()?,
    ///     "SELECT ai.change_vectorizer(name => 'posts', partitions => 16, partition_by => 'tenant_id')"
    /// );
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// The column of the source's key that the table of embeddings is partitioned by; by default the first.
    #[must_use]
    pub fn partition_by(mut self, column: impl Into<String>) -> Self {
        self.partition_by = Some(column.into());
        self
    }

    /// The vectorizer that is changed.
    #[must_use]
    pub fn vectorizer(&self) -> &VectorizerRef {
        &self.vectorizer
    }

    /// The statement with its values as literals, for people and for `psql`.
    ///
    /// # Errors
    ///
    /// What no database would take, naming the setter.
    pub fn to_sql(&self) -> Result<String, ConfigError> {
        Ok(format!("SELECT {}", self.call()?.to_sql()))
    }

    /// The statement with bound values. It returns one row: the id of the new generation, or of the vectorizer where
    /// none is needed, an `i32`.
    ///
    /// # Errors
    ///
    /// What no database would take, naming the setter.
    pub fn statement(&self) -> Result<Statement, ConfigError> {
        let (sql, values) = self.call()?.bind();
        Ok(Statement::from_sql_and_values(
            DbBackend::Postgres,
            format!("SELECT {sql}"),
            values,
        ))
    }

    pub(crate) fn get_vector_type(&self) -> Option<VectorType> {
        self.vector_type
    }

    pub(crate) fn changes_partitions(&self) -> bool {
        self.partitions.is_some() || self.partition_by.is_some()
    }

    pub(crate) fn get_embedding(&self) -> Option<&Embedding> {
        self.embedding.as_ref()
    }

    pub(crate) fn get_indexing(&self) -> Option<&Indexing> {
        self.indexing.as_ref()
    }

    /// On pgai's catalog: creates the second generation with what both catalogs have. It returns its id.
    pub(crate) fn beside(&self, vectorizer: i32) -> Result<Statement, ConfigError> {
        self.check()?;
        let options = self.options().map(|(name, call)| {
            let stored = format!("v.config -> '{name}'");
            let value = call.map_or_else(|| stored.clone(), |call| call.to_sql());
            format!(", {name} => {value}")
        });
        let sql = format!(
            "SELECT ai.create_vectorizer(source => pg_catalog.format('%I.%I', v.source_schema, \
             v.source_table)::regclass, \
             name => v.name || '_new', \
             destination => ai.destination_table(target_schema => (v.config #>> \
             '{{destination,target_schema}}')::name, \
             target_table => (v.config #>> '{{destination,target_table}}' || '_new')::name, \
             view_schema => (v.config #>> '{{destination,view_schema}}')::name, \
             view_name => (v.config #>> '{{destination,view_name}}' || '_new')::name){}) \
             FROM ai.vectorizer v WHERE v.id = $1",
            options.concat()
        );
        Ok(Statement::from_sql_and_values(
            DbBackend::Postgres,
            sql,
            [vectorizer.into()],
        ))
    }

    /// The configuration that is stored, and the one that would be: two texts of JSON.
    pub(crate) fn configs(&self, vectorizer: i32) -> Result<Statement, ConfigError> {
        self.check()?;
        let wanted: String = self
            .options()
            .into_iter()
            .filter_map(|(name, call)| Some(format!(" || jsonb_build_object('{name}', {})", call?.to_sql())))
            .collect();
        // a type that every catalog has is not said
        let vector_type = match self.vector_type {
            None => "",
            Some(VectorType::HalfVec) => {
                " || jsonb_build_object('destination', (v.config -> 'destination') || '{\"vector_type\": \"halfvec\"}')"
            }
            Some(_) => " || jsonb_build_object('destination', (v.config -> 'destination') - 'vector_type')",
        };
        let partitions = self.changed_partitions();
        let sql = format!(
            "SELECT c.was::text, ({partitions})::text FROM ai.vectorizer v \
             CROSS JOIN LATERAL (SELECT v.config AS was, v.config{wanted}{vector_type} AS config) c WHERE v.id = $1"
        );
        Ok(Statement::from_sql_and_values(
            DbBackend::Postgres,
            sql,
            [vectorizer.into()],
        ))
    }

    /// The configuration `c.config` with the partitions that are wanted.
    fn changed_partitions(&self) -> String {
        if !self.changes_partitions() {
            return "c.config".to_owned();
        }
        let partitions = self.partitions.map_or_else(
            || "c.config #> '{destination,partitions}'".to_owned(),
            |partitions| format!("to_jsonb({partitions})"),
        );
        let by = match &self.partition_by {
            Some(column) => format!("to_jsonb({}::text)", quote_literal(column)),
            None => "coalesce(c.config #> '{destination,partition_by}', v.source_pk #> '{0,attname}')".to_owned(),
        };
        if self.partitions == Some(1) {
            return "c.config #- '{destination,partitions}' #- '{destination,partition_by}'".to_owned();
        }
        format!(
            "c.config || jsonb_build_object('destination', (c.config -> 'destination') \
             || jsonb_build_object('partitions', {partitions}, 'partition_by', {by}))"
        )
    }

    /// What is said of each part of the configuration.
    fn options(&self) -> [(&'static str, Option<Call>); 8] {
        [
            ("loading", self.loading.as_ref().and_then(Loading::call)),
            ("parsing", self.parsing.as_ref().and_then(Parsing::call)),
            ("embedding", self.embedding.as_ref().and_then(Embedding::call)),
            ("chunking", self.chunking.as_ref().and_then(Chunking::call)),
            ("indexing", self.indexing.as_ref().and_then(Indexing::call)),
            ("formatting", self.formatting.as_ref().and_then(Formatting::call)),
            ("scheduling", self.scheduling.as_ref().and_then(Scheduling::call)),
            ("processing", self.processing.as_ref().and_then(Processing::call)),
        ]
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.loading.as_ref().map_or(Ok(()), Loading::check)?;
        self.parsing.as_ref().map_or(Ok(()), Parsing::check)?;
        self.embedding.as_ref().map_or(Ok(()), Embedding::check)?;
        self.chunking.as_ref().map_or(Ok(()), Chunking::check)?;
        self.indexing.as_ref().map_or(Ok(()), Indexing::check)?;
        self.formatting.as_ref().map_or(Ok(()), Formatting::check)?;
        self.scheduling.as_ref().map_or(Ok(()), Scheduling::check)?;
        self.processing.as_ref().map_or(Ok(()), Processing::check)?;
        if let Some(view_name) = &self.view_name {
            check_identifier("view_name", view_name)?;
        }
        if let Some(other @ (VectorType::SparseVec | VectorType::Bit)) = self.vector_type {
            let problem = format!(
                "{} is no type that a model's vectors are stored as: use HalfVec or Vector",
                other.name()
            );
            return Err(ConfigError::new("vector_type", problem));
        }
        check_partitions(self.partitions, self.partition_by.as_deref())?;
        let mut roles = self.grant_to.iter().flatten();
        roles.try_for_each(|role| check_identifier("grant_to", role))
    }

    fn call(&self) -> Result<Call, ConfigError> {
        self.check()?;
        let (name, vectorizer) = self.vectorizer.arg();
        let call = Call::new("change_vectorizer").arg(name, Some(vectorizer));
        let options = self.options().into_iter();
        Ok(options
            .fold(call, |call, (name, option)| call.arg(name, option))
            .arg("grant_to", self.grant_to.clone().map(Arg::GrantTo))
            .arg("view_name", self.view_name.clone().map(Arg::Name))
            .arg(
                "vector_type",
                self.vector_type
                    .map(|vector_type| Arg::Name(vector_type.name().to_owned())),
            )
            .arg("partitions", self.partitions)
            .arg("partition_by", self.partition_by.clone().map(Arg::Name)))
    }
}
