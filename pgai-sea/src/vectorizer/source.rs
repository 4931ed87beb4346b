//! The table that a vectorizer embeds.

use sea_orm::EntityName;
use sea_orm::sea_query::{SchemaName, TableName};

use crate::sql::Arg;
#[cfg(feature = "migration")]
use crate::sql::relation_text;

/// The table that a vectorizer embeds: `"blog_posts"`, found along the search path, or `("website", "blog_posts")`.
///
/// A name is taken as it is: `"website.blog"` is a table with a dot in its name.
///
/// An entity that derives [`Vectorizer`](crate::Vectorizer) converts as well, with its `schema_name`. Other entities go
/// into [`CreateVectorizer::entity`](crate::CreateVectorizer::entity), and identifiers of `DeriveIden` into a
/// `TableName` first:
///
/// ```
/// use pgai_sea::CreateVectorizer;
/// use sea_orm::sea_query::TableName;
///
/// #[derive(sea_orm::DeriveIden)]
/// enum BlogPosts {
///     Table,
/// }
///
/// let create = CreateVectorizer::new(TableName::from(BlogPosts::Table));
/// # assert_eq!(create, CreateVectorizer::new("blog_posts"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTable {
    pub(super) schema: Option<String>,
    pub(super) table: String,
}

impl SourceTable {
    /// The table of a SeaORM entity, with its schema.
    pub fn entity(entity: impl EntityName) -> Self {
        Self {
            schema: entity.schema_name().map(str::to_owned),
            table: entity.table_name().to_owned(),
        }
    }

    pub(super) fn arg(&self) -> Arg {
        Arg::Relation(self.schema.clone(), self.table.clone())
    }

    /// As text for `regclass`.
    #[cfg(feature = "migration")]
    pub(super) fn regclass(&self) -> String {
        relation_text(self.schema.as_deref(), &self.table)
    }
}

impl From<&str> for SourceTable {
    fn from(table: &str) -> Self {
        Self::from(table.to_owned())
    }
}

impl From<String> for SourceTable {
    fn from(table: String) -> Self {
        Self { schema: None, table }
    }
}

impl<S: Into<String>, T: Into<String>> From<(S, T)> for SourceTable {
    fn from((schema, table): (S, T)) -> Self {
        Self {
            schema: Some(schema.into()),
            table: table.into(),
        }
    }
}

impl From<TableName> for SourceTable {
    fn from(TableName(schema, table): TableName) -> Self {
        Self {
            schema: schema.map(|SchemaName(_, schema)| schema.inner().into_owned()),
            table: table.inner().into_owned(),
        }
    }
}
