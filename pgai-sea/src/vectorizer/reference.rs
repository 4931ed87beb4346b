//! Which vectorizer is meant.

use std::fmt;

use sea_orm::sea_query::Value;

use crate::sql::Arg;

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
                            "(SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = \
                                c.relnamespace \
                             WHERE c.oid = pg_catalog.to_regclass(pg_catalog.quote_ident({table}))::pg_catalog.oid)"
                        )
                    },
                    |schema| text(schema),
                );
                match column {
                    None => format!(
                        "{row}.config -> 'destination'::text ->> 'target_table'::text = {table} \
                         AND {row}.config -> 'destination'::text ->> 'target_schema'::text = {schema}"
                    ),
                    Some(column) => format!(
                        "{row}.config -> 'destination'::text ->> 'embedding_column'::text = {} \
                         AND {row}.source_table = {table} AND {row}.source_schema = {schema}",
                        text(column)
                    ),
                }
            }
        }
    }
}

impl VectorizerRef {
    /// The argument of a function that takes a vectorizer: its name, and its value.
    pub(crate) fn arg(&self) -> (&'static str, Arg) {
        let id = "vectorizer_id";
        match self {
            Self::Id(number) => (id, Arg::Int(*number)),
            Self::Name(name) => ("name", Arg::Text(name.clone())),
            Self::Destination { .. } => {
                let mut texts = Vec::new();
                let condition = self.condition("v", |value| {
                    let number = texts.len();
                    texts.extend(match value {
                        Value::String(text) => text,
                        other => unreachable!("{other:?} is no part of a destination"),
                    });
                    format!("\0{number}\0")
                });
                let sql = format!("SELECT v.id FROM ai.vectorizer v WHERE {condition}");
                (id, Arg::Query(sql, texts))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Call;

    #[test]
    fn a_function_is_given_what_the_catalog_is_asked_for() {
        let call = |vectorizer: VectorizerRef| {
            let (name, value) = vectorizer.arg();
            Call::new("f").arg(name, Some(value)).arg("text", Some("t".to_owned()))
        };
        assert_eq!(call(7.into()).to_sql(), "ai.f(vectorizer_id => 7, text => 't')");
        assert_eq!(call("posts".into()).to_sql(), "ai.f(name => 'posts', text => 't')");
        let destination = |schema: Option<&str>, column: Option<&str>| VectorizerRef::Destination {
            schema: schema.map(str::to_owned),
            table: "it's".to_owned(),
            column: column.map(str::to_owned),
        };
        assert_eq!(
            call(destination(Some("app"), None)).to_sql(),
            "ai.f(vectorizer_id => (SELECT v.id FROM ai.vectorizer v \
             WHERE v.config -> 'destination'::text ->> 'target_table'::text = 'it''s' \
             AND v.config -> 'destination'::text ->> 'target_schema'::text = 'app'), text => 't')"
        );
        let (sql, values) = call(destination(None, Some("vector"))).bind();
        assert_eq!(
            sql,
            "ai.f(vectorizer_id => (SELECT v.id FROM ai.vectorizer v \
             WHERE v.config -> 'destination'::text ->> 'embedding_column'::text = $2 \
             AND v.source_table = $1 AND v.source_schema = (SELECT n.nspname FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = \
             pg_catalog.to_regclass(pg_catalog.quote_ident($1))::pg_catalog.oid)), \
             text => $3)"
        );
        assert_eq!(values.len(), 3);
    }
}
