//! `ai.create_vectorizer`.

mod backfill;
mod rules;
mod statement;

pub use self::backfill::Backfill;
pub(crate) use self::rules::is_vectorizer_name;

use sea_orm::EntityName;

use super::change::ChangeVectorizer;
use super::reference::VectorizerRef;
use super::source::SourceTable;
use crate::config::{Chunking, Destination, Embedding, Formatting, Indexing, Loading, Parsing, Processing, Scheduling};
use crate::pgvector::VectorType;

/// Creates a vectorizer. Setters carry the names of the arguments of `ai.create_vectorizer`; what is not set is not
/// sent.
///
/// ```
/// use pgai_sea::config::{Chunking, Embedding, Formatting, Loading};
/// use pgai_sea::CreateVectorizer;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let create = CreateVectorizer::new("blog_posts")
///     .loading(Loading::column("content"))
///     .embedding(Embedding::openai("text-embedding-3-small", 768))
///     .chunking(Chunking::character_text_splitter().chunk_size(800).chunk_overlap(400).separator("."))
///     .formatting(Formatting::python_template("$title - $chunk"));
///
/// assert_eq!(
///     create.to_sql()?,
///     "SELECT ai.create_vectorizer(source => 'blog_posts', \
///      loading => ai.loading_column(column_name => 'content'), \
///      embedding => ai.embedding_openai(model => 'text-embedding-3-small', dimensions => 768), \
///      chunking => ai.chunking_character_text_splitter(chunk_size => 800, chunk_overlap => 400, separator => '.'), \
///      formatting => ai.formatting_python_template(template => '$title - $chunk'))"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CreateVectorizer {
    source: SourceTable,
    name: Option<String>,
    destination: Option<Destination>,
    loading: Option<Loading>,
    parsing: Option<Parsing>,
    embedding: Option<Embedding>,
    chunking: Option<Chunking>,
    indexing: Option<Indexing>,
    formatting: Option<Formatting>,
    scheduling: Option<Scheduling>,
    processing: Option<Processing>,
    queue_schema: Option<String>,
    queue_table: Option<String>,
    grant_to: Option<Vec<String>>,
    enqueue_existing: Option<bool>,
    backfill: Option<Backfill>,
    if_not_exists: Option<bool>,
    /// The dimensions that an entity declares, which the embedding has to have.
    declared_dimensions: Option<u32>,
}

impl CreateVectorizer {
    /// The change that gives a vectorizer in use what this one has of embedding, chunking and formatting, and the type
    /// of its vectors.
    pub(crate) fn change_of(self, vectorizer: VectorizerRef) -> ChangeVectorizer {
        let change = ChangeVectorizer::new(vectorizer);
        let change = self.parsing.into_iter().fold(change, ChangeVectorizer::parsing);
        let change = self.embedding.into_iter().fold(change, ChangeVectorizer::embedding);
        let change = self.chunking.into_iter().fold(change, ChangeVectorizer::chunking);
        let change = self.formatting.into_iter().fold(change, ChangeVectorizer::formatting);
        // of what it does not declare it says nothing: pgai's catalog knows one type alone
        let is_halfvec = self.destination.is_some_and(|destination| destination.is_halfvec());
        let change = if is_halfvec {
            change.vector_type(VectorType::HalfVec)
        } else {
            change
        };
        self.indexing.into_iter().fold(change, ChangeVectorizer::indexing)
    }

    /// The embedding that it has, if any.
    pub(crate) fn declared_embedding(self) -> Option<Embedding> {
        self.embedding
    }

    /// For a table: `"blog_posts"`, found along the search path, or `("website", "blog_posts")`.
    ///
    /// A name is taken as it is: `"website.blog"` is a table with a dot in its name. For an entity call
    /// [`entity`](Self::entity).
    #[must_use]
    pub fn new(source: impl Into<SourceTable>) -> Self {
        Self {
            source: source.into(),
            name: None,
            destination: None,
            loading: None,
            parsing: None,
            embedding: None,
            chunking: None,
            indexing: None,
            formatting: None,
            scheduling: None,
            processing: None,
            queue_schema: None,
            queue_table: None,
            grant_to: None,
            enqueue_existing: None,
            backfill: None,
            if_not_exists: None,
            declared_dimensions: None,
        }
    }

    /// For the table of a SeaORM entity, with its schema.
    ///
    /// ```
    /// # mod blog_post {
    /// #     use sea_orm::entity::prelude::*;
    /// #     #[sea_orm::model]
    /// #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    /// #     #[sea_orm(table_name = "blog_posts", schema_name = "website")]
    /// #     pub struct Model {
    /// #         #[sea_orm(primary_key)]
    /// #         pub id: i32,
    /// #         pub content: String,
    /// #     }
    /// #     impl ActiveModelBehavior for ActiveModel {}
    /// # }
    /// use pgai_sea::CreateVectorizer;
    /// use pgai_sea::config::{Embedding, Loading};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // of `#[sea_orm(table_name = "blog_posts", schema_name = "website")]`
    /// let create = CreateVectorizer::entity(blog_post::Entity)
    ///     .loading(Loading::column("content"))
    ///     .embedding(Embedding::ollama("all-minilm", 384));
    ///
    /// assert_eq!(
    ///     create.to_sql()?,
    ///     "SELECT ai.create_vectorizer(source => 'website.blog_posts', \
    ///      loading => ai.loading_column(column_name => 'content'), \
    ///      embedding => ai.embedding_ollama(model => 'all-minilm', dimensions => 384))"
    /// );
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn entity(source: impl EntityName) -> Self {
        Self::new(SourceTable::entity(source))
    }

    /// The vectorizer's name: lower-case letters, digits and underscores. By default `<target_schema>_<target_table>`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Where embeddings go; by default a table `<source>_embedding_store` and a view `<source>_embedding`.
    #[must_use]
    pub fn destination(mut self, destination: impl Into<Destination>) -> Self {
        self.destination = Some(destination.into());
        self
    }

    /// Where text comes from. Required.
    #[must_use]
    pub fn loading(mut self, loading: impl Into<Loading>) -> Self {
        self.loading = Some(loading.into());
        self
    }

    /// How documents become text; by default by their type.
    #[must_use]
    pub fn parsing(mut self, parsing: impl Into<Parsing>) -> Self {
        self.parsing = Some(parsing.into());
        self
    }

    /// The provider and model. Required.
    #[must_use]
    pub fn embedding(mut self, embedding: impl Into<Embedding>) -> Self {
        self.embedding = Some(embedding.into());
        self
    }

    /// How text is cut; by default by the recursive splitter into 800 characters.
    #[must_use]
    pub fn chunking(mut self, chunking: impl Into<Chunking>) -> Self {
        self.chunking = Some(chunking.into());
        self
    }

    /// The index over the embeddings; by default what the database's settings say, else none.
    #[must_use]
    pub fn indexing(mut self, indexing: impl Into<Indexing>) -> Self {
        self.indexing = Some(indexing.into());
        self
    }

    /// What is embedded of a chunk and its row; by default the chunk.
    #[must_use]
    pub fn formatting(mut self, formatting: impl Into<Formatting>) -> Self {
        self.formatting = Some(formatting.into());
        self
    }

    /// Who runs the worker; by default what the database's settings say, else a worker outside of the database.
    #[must_use]
    pub fn scheduling(mut self, scheduling: impl Into<Scheduling>) -> Self {
        self.scheduling = Some(scheduling.into());
        self
    }

    /// How much the worker does at once.
    #[must_use]
    pub fn processing(mut self, processing: impl Into<Processing>) -> Self {
        self.processing = Some(processing.into());
        self
    }

    /// The queue's schema; by default `ai`.
    #[must_use]
    pub fn queue_schema(mut self, queue_schema: impl Into<String>) -> Self {
        self.queue_schema = Some(queue_schema.into());
        self
    }

    /// The queue; by default `_vectorizer_q_<id>`.
    #[must_use]
    pub fn queue_table(mut self, queue_table: impl Into<String>) -> Self {
        self.queue_table = Some(queue_table.into());
        self
    }

    /// Roles that may read the embeddings and run a worker, beside those of the setting `ai.grant_to_default`.
    #[must_use]
    pub fn grant_to<S: Into<String>>(mut self, roles: impl IntoIterator<Item = S>) -> Self {
        self.grant_to = Some(roles.into_iter().map(Into::into).collect());
        self
    }

    /// Whether rows that exist already are embedded; by default so.
    #[must_use]
    pub fn enqueue_existing(mut self, enqueue_existing: bool) -> Self {
        self.enqueue_existing = Some(enqueue_existing);
        self
    }

    /// Queues the rows that are there in the background, and not in the transaction that creates the vectorizer. Until
    /// that transaction ends nobody can write to the table, so a large one should not be queued in it. Workers queue
    /// such rows a few at a time, as fast as they are embedded; edits and new rows go before them.
    /// [`status`](crate::catalog::status) says how far that is.
    ///
    /// Only the schema that [`install_pgai`](crate::catalog::install) brings can do this. Someone who waits for a row
    /// until it [is embedded](crate::catalog::wait_until_embedded) does not wait for one that is not queued yet.
    ///
    /// ```
    /// use pgai_sea::config::{Embedding, Loading};
    /// use pgai_sea::{Backfill, CreateVectorizer};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let create = CreateVectorizer::new("events")
    ///     .loading(Loading::column("body"))
    ///     .embedding(Embedding::ollama("all-minilm", 384))
    ///     .backfill(Backfill::order_by("created_at").descending());
    ///
    /// assert_eq!(
    ///     create.to_sql()?,
    ///     "SELECT ai.backfill_vectorizer(vectorizer_id => ai.create_vectorizer(source => 'events', \
    ///      loading => ai.loading_column(column_name => 'body'), \
    ///      embedding => ai.embedding_ollama(model => 'all-minilm', dimensions => 384), \
    ///      enqueue_existing => false), order_by => 'created_at', descending => true)"
    /// );
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn backfill(mut self, backfill: Backfill) -> Self {
        self.backfill = Some(backfill);
        self
    }

    /// Whether a vectorizer of this name that exists already is left as it is; by default it is an error.
    #[must_use]
    pub fn if_not_exists(mut self, if_not_exists: bool) -> Self {
        self.if_not_exists = Some(if_not_exists);
        self
    }

    pub(crate) fn declared_dimensions(mut self, dimensions: u32) -> Self {
        self.declared_dimensions = Some(dimensions);
        self
    }

    /// The source, as text for `regclass`.
    #[cfg(feature = "migration")]
    pub(crate) fn has_backfill(&self) -> bool {
        self.backfill.is_some()
    }

    #[cfg(feature = "migration")]
    pub(crate) fn regclass(&self) -> String {
        self.source.regclass()
    }

    pub(crate) fn get_loading(&self) -> Option<&Loading> {
        self.loading.as_ref()
    }

    /// Whether only this crate's catalog can make it.
    #[cfg(feature = "migration")]
    pub(crate) fn is_by_structure(&self) -> bool {
        self.chunking.as_ref().is_some_and(Chunking::is_by_structure)
    }

    /// Whether its store has the type that only this crate's catalog knows.
    #[cfg(feature = "migration")]
    pub(crate) fn is_halfvec(&self) -> bool {
        self.destination.as_ref().is_some_and(Destination::is_halfvec)
    }

    /// Whether its store is partitioned, which only this crate's catalog knows.
    #[cfg(feature = "migration")]
    pub(crate) fn is_partitioned(&self) -> bool {
        self.destination.as_ref().is_some_and(Destination::is_partitioned)
    }

    pub(crate) fn get_parsing(&self) -> Option<&Parsing> {
        self.parsing.as_ref()
    }

    pub(crate) fn get_embedding(&self) -> Option<&Embedding> {
        self.embedding.as_ref()
    }

    pub(crate) fn get_chunking(&self) -> Option<&Chunking> {
        self.chunking.as_ref()
    }

    pub(crate) fn get_indexing(&self) -> Option<&Indexing> {
        self.indexing.as_ref()
    }

    pub(crate) fn get_formatting(&self) -> Option<&Formatting> {
        self.formatting.as_ref()
    }
}

#[cfg(test)]
mod tests;
