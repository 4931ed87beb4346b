//! Indexes for full-text searches, for migrations.

use sea_orm::sea_query::{IntoIden, IntoTableRef};
use sea_orm::{DbBackend, Statement};

use crate::config::{ConfigError, check_identifier};
use crate::sql::{qualified, quote_identifier, quote_literal, table_name};

/// Creates the index that serves a [`FullText`](super::FullText) search.
///
/// ```
/// use pgai_sea::search::CreateTextIndex;
///
/// # fn main() -> Result<(), pgai_sea::config::ConfigError> {
/// // FullText::any(..)
/// assert_eq!(
///     CreateTextIndex::new("blog_posts_embedding_store", "chunk").to_sql()?,
///     r#"CREATE INDEX "blog_posts_embedding_store_chunk_english" ON "blog_posts_embedding_store" "#.to_owned()
///         + r#"USING gin (to_tsvector('english'::regconfig, "chunk"))"#
/// );
/// // FullText::any(..).on(..): a column of type tsvector
/// assert_eq!(
///     CreateTextIndex::on_tsvector(("shop", "items"), "words").concurrently(true).to_sql()?,
///     r#"CREATE INDEX CONCURRENTLY "items_words_gin" ON "shop"."items" USING gin ("words")"#
/// );
/// # Ok(())
/// # }
/// ```
///
/// With the feature `migration`, `manager.create_text_index(..)` runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct CreateTextIndex {
    /// `None` if the table was given as something else, such as a subquery.
    table: Option<(Option<String>, String)>,
    column: String,
    kind: Kind,
    language: String,
    name: Option<String>,
    concurrently: bool,
    if_not_exists: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    TsVector,
    PgTextsearch,
    PgSearch { key: String },
}

impl CreateTextIndex {
    /// A GIN index on the words of a column of text. Name the table `"items"`, or `("shop", "items")`.
    pub fn new(table: impl IntoTableRef, column: impl IntoIden) -> Self {
        Self::of(Kind::Text, table, column)
    }

    /// A GIN index on a column of type `tsvector`, such as a generated one.
    pub fn on_tsvector(table: impl IntoTableRef, column: impl IntoIden) -> Self {
        Self::of(Kind::TsVector, table, column)
    }

    /// A BM25 index of the extension pg_textsearch, for [`FullText::pg_textsearch`](super::FullText::pg_textsearch).
    ///
    /// ```
    /// use pgai_sea::search::CreateTextIndex;
    ///
    /// # fn main() -> Result<(), pgai_sea::config::ConfigError> {
    /// assert_eq!(
    ///     CreateTextIndex::pg_textsearch("posts", "body").to_sql()?,
    ///     r#"CREATE INDEX "posts_body_bm25" ON "posts" USING bm25 ("body") WITH (text_config = 'english')"#
    /// );
    /// # Ok(())
    /// # }
    /// ```
    pub fn pg_textsearch(table: impl IntoTableRef, column: impl IntoIden) -> Self {
        Self::of(Kind::PgTextsearch, table, column)
    }

    /// A BM25 index of the extension pg_search, for [`FullText::pg_search`](super::FullText::pg_search). `key` is a
    /// unique column: `embedding_uuid` of a store. It has its own tokenizer instead of a [language](Self::language).
    ///
    /// ```
    /// use pgai_sea::search::CreateTextIndex;
    ///
    /// # fn main() -> Result<(), pgai_sea::config::ConfigError> {
    /// assert_eq!(
    ///     CreateTextIndex::pg_search("posts", "body", "id").to_sql()?,
    ///     r#"CREATE INDEX "posts_body_bm25" ON "posts" USING bm25 ("id", "body") WITH (key_field = 'id')"#
    /// );
    /// # Ok(())
    /// # }
    /// ```
    pub fn pg_search(table: impl IntoTableRef, column: impl IntoIden, key: impl IntoIden) -> Self {
        let key = key.into_iden().inner().into_owned();
        Self::of(Kind::PgSearch { key }, table, column)
    }

    fn of(kind: Kind, table: impl IntoTableRef, column: impl IntoIden) -> Self {
        Self {
            table: table_name(table),
            column: column.into_iden().inner().into_owned(),
            kind,
            language: "english".to_owned(),
            name: None,
            concurrently: false,
            if_not_exists: false,
        }
    }

    /// The text search configuration, by default `english`: that of the search.
    pub fn language(mut self, language: impl Into<String>) -> Self {
        self.language = language.into();
        self
    }

    /// The name of the index. The default has table, column and language.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Whether writers carry on while the index is built. PostgreSQL refuses it inside a transaction.
    pub fn concurrently(mut self, concurrently: bool) -> Self {
        self.concurrently = concurrently;
        self
    }

    /// Does nothing if there is an index of this name already, whatever it is on.
    pub fn if_not_exists(mut self, if_not_exists: bool) -> Self {
        self.if_not_exists = if_not_exists;
        self
    }

    #[cfg(feature = "migration")]
    pub(crate) fn is_concurrent(&self) -> bool {
        self.concurrently
    }

    /// The name of the index, set or by default.
    #[must_use]
    pub fn index_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let table = self.table.as_ref().map_or("", |(_, table)| table);
            let kind = match &self.kind {
                Kind::Text => &self.language,
                Kind::TsVector => "gin",
                Kind::PgTextsearch | Kind::PgSearch { .. } => "bm25",
            };
            format!("{table}_{}_{kind}", self.column)
        })
    }

    /// The statement as text.
    ///
    /// # Errors
    ///
    /// A name that PostgreSQL would refuse. The error names the setter.
    pub fn to_sql(&self) -> Result<String, ConfigError> {
        let Some((schema, table)) = &self.table else {
            return Err(ConfigError::new("table", "is not the name of a table"));
        };
        let name = self.index_name();
        check_identifier("table", table)?;
        check_identifier("column", &self.column)?;
        check_identifier("name", &name)?;
        let table = match schema {
            Some(schema) => {
                check_identifier("schema", schema)?;
                qualified(schema, table)
            }
            None => quote_identifier(table),
        };
        let (column, language) = (quote_identifier(&self.column), quote_literal(&self.language));
        let using = match &self.kind {
            Kind::Text => format!("gin (to_tsvector({language}::regconfig, {column}))"),
            Kind::TsVector => format!("gin ({column})"),
            Kind::PgTextsearch => format!("bm25 ({column}) WITH (text_config = {language})"),
            Kind::PgSearch { key } => {
                check_identifier("key", key)?;
                let (quoted, literal) = (quote_identifier(key), quote_literal(key));
                format!("bm25 ({quoted}, {column}) WITH (key_field = {literal})")
            }
        };
        let concurrently = if self.concurrently { "CONCURRENTLY " } else { "" };
        let if_not_exists = if self.if_not_exists { "IF NOT EXISTS " } else { "" };
        let name = quote_identifier(&name);
        Ok(format!(
            "CREATE INDEX {concurrently}{if_not_exists}{name} ON {table} USING {using}"
        ))
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
