//! Which vectorizer is meant.

use std::fmt;

use sea_orm::sea_query::Value;

/// Which vectorizer is meant: by its name, by its id, or by the entity that declares it.
///
/// ```
/// use pgai_sea::VectorizerRef;
/// # mod blog_post {
/// #     use pgai_sea::Vectorizer;
/// #     use sea_orm::entity::prelude::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
/// #     #[sea_orm(table_name = "blog_posts")]
/// #     pub struct Model {
/// #         #[sea_orm(primary_key)]
/// #         pub id: i32,
/// #         #[vectorizer(dimensions = 768)]
/// #         pub content: String,
/// #     }
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # fn main() {
/// use blog_post::content_embeddings;
///
/// let by_name = VectorizerRef::from("public_blog_posts_embedding_store");
/// let by_id = VectorizerRef::from(7);
/// let declared = VectorizerRef::from(content_embeddings::Entity);
/// assert_eq!(declared.to_string(), "with the table \"blog_posts_embedding_store\"");
/// # }
/// ```
///
/// An entity with `destination = "column"` converts itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VectorizerRef {
    /// By id.
    Id(i32),
    /// By name.
    Name(String),
    /// By where the embeddings go, whatever the vectorizer's name is.
    Destination {
        /// The table's schema. `None`: along the connection's search path.
        schema: Option<String>,
        /// The target table; with `column` the source table.
        table: String,
        /// The column of the source that holds the vectors, for a column destination.
        column: Option<String>,
    },
}

impl VectorizerRef {
    /// The condition on `row`, an alias of `ai.vectorizer`. A value stands where `place` says.
    pub(crate) fn condition(&self, row: &str, mut place: impl FnMut(Value) -> String) -> String {
        let mut text = |text: &str| place(Value::String(Some(text.to_owned())));
        match self {
            Self::Id(id) => format!("{row}.id = {}", place(Value::Int(Some(*id)))),
            Self::Name(name) => format!("{row}.name = {}", text(name)),
            Self::Destination { schema, table, column } => {
                let table = text(table);
                let schema = schema.as_ref().map_or_else(
                    || {
                        format!(
                            "(SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                             WHERE c.oid = to_regclass(quote_ident({table})))"
                        )
                    },
                    |schema| text(schema),
                );
                match column {
                    None => format!(
                        "{row}.config #>> '{{destination,target_table}}' = {table} \
                         AND {row}.config #>> '{{destination,target_schema}}' = {schema}"
                    ),
                    Some(column) => format!(
                        "{row}.config #>> '{{destination,embedding_column}}' = {} \
                         AND {row}.source_table = {table} AND {row}.source_schema = {schema}",
                        text(column)
                    ),
                }
            }
        }
    }
}

impl From<i32> for VectorizerRef {
    fn from(id: i32) -> Self {
        Self::Id(id)
    }
}

impl From<&str> for VectorizerRef {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for VectorizerRef {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

/// As it stands after "vectorizer": `"posts"`, `7`, `with the table "posts_embedding_store"`.
impl fmt::Display for VectorizerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Name(name) => write!(f, "{name:?}"),
            Self::Destination { schema, table, column } => {
                match column {
                    None => f.write_str("with the table ")?,
                    Some(column) => write!(f, "with the column {column:?} of ")?,
                }
                if let Some(schema) = schema {
                    write!(f, "{schema:?}.")?;
                }
                write!(f, "{table:?}")
            }
        }
    }
}
