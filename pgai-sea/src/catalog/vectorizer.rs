//! Reading vectorizers, from either catalog.

use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};
use serde::Deserialize;

use super::CatalogError;
use super::entities::vectorizer;
use crate::config::Config;
use crate::vectorizer::VectorizerRef;

/// A vectorizer, as the catalog has it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Vectorizer {
    /// Its number.
    pub id: i32,
    /// Its name, unique.
    pub name: String,
    /// The schema of the table that is embedded.
    pub source_schema: String,
    /// The table that is embedded.
    pub source_table: String,
    /// The columns of its primary key, in the order of the table's columns.
    pub source_pk: Vec<KeyColumn>,
    /// The schema of queue and dead letters. A vectorizer without a queue cannot be worked on.
    pub queue_schema: Option<String>,
    /// The queue.
    pub queue_table: Option<String>,
    /// The dead letters.
    pub queue_failed_table: Option<String>,
    /// What it does.
    pub config: Config,
    /// Whether workers pass it over.
    pub disabled: bool,
}

/// A column of a source's primary key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct KeyColumn {
    /// Its number in the table, from 1.
    pub attnum: i16,
    /// Its place in the key, from 1.
    pub pknum: i32,
    /// Its name.
    pub attname: String,
    /// Its type as PostgreSQL writes it: `integer`, `character varying(20)`.
    pub typname: String,
}

/// For what takes a [`VectorizerRef`].
impl From<&Vectorizer> for VectorizerRef {
    fn from(vectorizer: &Vectorizer) -> Self {
        Self::Id(vectorizer.id)
    }
}

/// All vectorizers of a database, by id.
///
/// # Errors
///
/// [`CatalogError::Unreadable`] for one that this version does not understand.
pub async fn vectorizers<C: ConnectionTrait>(db: &C) -> Result<Vec<Vectorizer>, CatalogError> {
    vectorizer::Entity::find()
        .order_by_asc(vectorizer::Column::Id)
        .all(db)
        .await?
        .into_iter()
        .map(Vectorizer::try_from)
        .collect()
}

/// One vectorizer, by name, by id, or by the entity that declares it.
///
/// ```no_run
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
/// # use blog_post::content_embeddings;
/// # async fn f(db: sea_orm::DatabaseConnection) -> Result<(), pgai_sea::catalog::CatalogError> {
/// use pgai_sea::catalog;
///
/// let vectorizer = catalog::vectorizer(&db, content_embeddings::Entity).await?;
/// println!("{} embeds {}", vectorizer.name, vectorizer.source_table);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`CatalogError::NotFound`] where there is none, [`CatalogError::Unreadable`] for one that this version does not
/// understand.
pub async fn vectorizer<C: ConnectionTrait>(
    db: &C,
    vectorizer: impl Into<VectorizerRef>,
) -> Result<Vectorizer, CatalogError> {
    row(db, &vectorizer.into()).await?.try_into()
}

/// Its row, whatever that says.
pub(super) async fn row<C: ConnectionTrait>(
    db: &C,
    reference: &VectorizerRef,
) -> Result<vectorizer::Model, CatalogError> {
    vectorizer::Entity::find()
        .filter(is(reference))
        .one(db)
        .await?
        .ok_or_else(|| CatalogError::NotFound(reference.to_string()))
}

/// Its id alone, if there is one.
#[cfg(feature = "migration")]
pub(crate) async fn id<C: ConnectionTrait>(db: &C, reference: &VectorizerRef) -> Result<Option<i32>, DbErr> {
    use sea_orm::QuerySelect as _;
    vectorizer::Entity::find()
        .select_only()
        .column(vectorizer::Column::Id)
        .filter(is(reference))
        .into_tuple()
        .one(db)
        .await
}

/// The condition on the table, as SeaORM calls it.
fn is(reference: &VectorizerRef) -> Expr {
    let mut values = Vec::new();
    let condition = reference.condition("vectorizer", |value| {
        values.push(value);
        format!("${}", values.len())
    });
    Expr::cust_with_values(condition, values)
}

/// Whether the database has a table of vectorizers at all.
pub(crate) async fn has_catalog<C: ConnectionTrait>(db: &C) -> Result<bool, DbErr> {
    // not to_regclass: that takes a right on the schema
    let exists =
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'ai' AND c.relname = 'vectorizer')";
    super::presence::scalar(db, exists).await
}

/// Whether the schema is this crate's.
#[cfg(feature = "migration")]
pub(crate) async fn is_ours<C: ConnectionTrait>(db: &C) -> Result<bool, CatalogError> {
    use super::presence::{Presence, presence};
    Ok(matches!(presence(db).await?, Presence::Ours(_)))
}

impl TryFrom<vectorizer::Model> for Vectorizer {
    type Error = CatalogError;

    fn try_from(row: vectorizer::Model) -> Result<Self, Self::Error> {
        let unreadable = |column| {
            let name = row.name.clone();
            move |source| CatalogError::Unreadable { name, column, source }
        };
        let mut source_pk: Vec<KeyColumn> = serde_json::from_value(row.source_pk).map_err(unreadable("source_pk"))?;
        source_pk.sort_by_key(|column| column.attnum);
        Ok(Self {
            id: row.id,
            config: serde_json::from_value(row.config).map_err(unreadable("config"))?,
            name: row.name,
            source_schema: row.source_schema,
            source_table: row.source_table,
            source_pk,
            queue_schema: row.queue_schema,
            queue_table: row.queue_table,
            queue_failed_table: row.queue_failed_table,
            disabled: row.disabled,
        })
    }
}
