//! `ai.drop_vectorizer`.

use sea_orm::sea_query::Value;
use sea_orm::{DbBackend, Statement};

use super::reference::VectorizerRef;
use crate::config::{ConfigError, check_identifier, check_text};
use crate::sql::quote_literal;

/// Drops a vectorizer: its triggers and queue, and with [`drop_all`](Self::drop_all) the view and the embeddings.
///
/// ```
/// use pgai_sea::DropVectorizer;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// assert_eq!(
///     DropVectorizer::name("public_blog_posts_embedding_store").drop_all(true).to_sql()?,
///     "SELECT ai.drop_vectorizer(vectorizer_id => v.id, drop_all => true) FROM ai.vectorizer v \
///      WHERE v.name = 'public_blog_posts_embedding_store'"
/// );
/// assert_eq!(
///     DropVectorizer::target_table("blog_posts_embedding_store").to_sql()?,
///     "SELECT ai.drop_vectorizer(vectorizer_id => v.id) FROM ai.vectorizer v \
///      WHERE v.config -> 'destination'::text ->> 'target_table'::text = 'blog_posts_embedding_store'"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropVectorizer {
    target: Target,
    target_schema: Option<String>,
    drop_all: Option<bool>,
    if_exists: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Ref(VectorizerRef),
    /// In whichever schema.
    Table(String),
}

impl DropVectorizer {
    fn of(target: Target) -> Self {
        Self {
            target,
            target_schema: None,
            drop_all: None,
            if_exists: false,
        }
    }

    /// By its name, by its id, or by the entity that declares it: `DropVectorizer::new(content_embeddings::Entity)`.
    #[must_use]
    pub fn new(vectorizer: impl Into<VectorizerRef>) -> Self {
        Self::of(Target::Ref(vectorizer.into()))
    }

    /// By its name.
    #[must_use]
    pub fn name(name: impl Into<String>) -> Self {
        Self::new(VectorizerRef::Name(name.into()))
    }

    /// By its id, which `create_vectorizer` returned.
    #[must_use]
    pub fn id(vectorizer_id: i32) -> Self {
        Self::new(VectorizerRef::Id(vectorizer_id))
    }

    /// By the table that holds its embeddings.
    ///
    /// Where tables of several schemas are called so, a migration drops none of them and asks for
    /// [`target_schema`](Self::target_schema). The statement alone, run by other means, drops them all.
    #[must_use]
    pub fn target_table(target_table: impl Into<String>) -> Self {
        Self::of(Target::Table(target_table.into()))
    }

    /// With [`target_table`](Self::target_table): the table's schema, needed where two schemas have one of that name.
    #[must_use]
    pub fn target_schema(mut self, target_schema: impl Into<String>) -> Self {
        self.target_schema = Some(target_schema.into());
        self
    }

    /// Whether the view and the table of embeddings go as well; by default they stay.
    #[must_use]
    pub fn drop_all(mut self, drop_all: bool) -> Self {
        self.drop_all = Some(drop_all);
        self
    }

    /// Whether it is fine that there is none; by default a migration fails.
    #[must_use]
    pub fn if_exists(mut self, if_exists: bool) -> Self {
        self.if_exists = if_exists;
        self
    }

    /// Whether it is fine that there is none.
    #[cfg(feature = "migration")]
    pub(crate) fn may_be_missing(&self) -> bool {
        self.if_exists
    }

    /// Which vectorizers it would drop: name and target schema of each.
    #[cfg(feature = "migration")]
    pub(crate) fn candidates(&self) -> Result<Statement, ConfigError> {
        self.bound(|_| "SELECT v.name::text, v.config -> 'destination'::text ->> 'target_schema'::text".to_owned())
    }

    /// What is dropped, as it stands after "vectorizer".
    #[cfg(feature = "migration")]
    pub(crate) fn describe(&self) -> String {
        let schema = self
            .target_schema
            .as_ref()
            .map(|schema| format!(" in schema {schema:?}"))
            .unwrap_or_default();
        match &self.target {
            Target::Ref(vectorizer) => format!("{vectorizer}{schema}"),
            Target::Table(table) => format!("with the table {table:?}{schema}"),
        }
    }

    /// The statement with its values as literals. It returns one row per vectorizer dropped.
    ///
    /// # Errors
    ///
    /// A name that cannot exist, naming the setter.
    pub fn to_sql(&self) -> Result<String, ConfigError> {
        self.check()?;
        Ok(self.of_candidates(&self.drop(), |value| match value {
            Value::Int(Some(id)) => id.to_string(),
            Value::String(Some(text)) => quote_literal(&text),
            other => unreachable!("{other:?} is no value of this statement"),
        }))
    }

    /// The statement with bound values. It returns one row per vectorizer dropped: none where there is none.
    ///
    /// # Errors
    ///
    /// A name that cannot exist, naming the setter.
    pub fn statement(&self) -> Result<Statement, ConfigError> {
        self.bound(Self::drop)
    }

    fn bound(&self, select: impl FnOnce(&Self) -> String) -> Result<Statement, ConfigError> {
        self.check()?;
        let mut values = Vec::new();
        let sql = self.of_candidates(&select(self), |value| {
            values.push(value);
            format!("${}", values.len())
        });
        Ok(Statement::from_sql_and_values(DbBackend::Postgres, sql, values))
    }

    fn drop(&self) -> String {
        let drop_all = self
            .drop_all
            .map(|drop_all| format!(", drop_all => {drop_all}"))
            .unwrap_or_default();
        format!("SELECT ai.drop_vectorizer(vectorizer_id => v.id{drop_all})")
    }

    fn of_candidates(&self, select: &str, mut place: impl FnMut(Value) -> String) -> String {
        let condition = match &self.target {
            Target::Ref(vectorizer) => vectorizer.condition("v", &mut place),
            Target::Table(table) => {
                let table = place(Value::String(Some(table.clone())));
                format!("v.config -> 'destination'::text ->> 'target_table'::text = {table}")
            }
        };
        let mut sql = format!("{select} FROM ai.vectorizer v WHERE {condition}");
        if let Some(schema) = &self.target_schema {
            sql.push_str(" AND v.config -> 'destination'::text ->> 'target_schema'::text = ");
            sql.push_str(&place(Value::String(Some(schema.clone()))));
        }
        sql
    }

    fn check(&self) -> Result<(), ConfigError> {
        match &self.target {
            Target::Ref(VectorizerRef::Name(name)) => check_text("name", name),
            Target::Ref(_) => Ok(()),
            Target::Table(table) => check_identifier("target_table", table),
        }?;
        self.target_schema
            .as_ref()
            .map_or(Ok(()), |schema| check_identifier("target_schema", schema))
    }
}
