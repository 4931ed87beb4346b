//! Reading vectorizers, from either catalog.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, FromQueryResult as _, QueryFilter, QueryOrder, QueryResult, QueryTrait,
};
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
    rows(db).await?.into_iter().map(Vectorizer::try_from).collect()
}

/// The rows of all vectorizers, by id, whatever they say.
pub(crate) async fn rows<C: ConnectionTrait>(db: &C) -> Result<Vec<vectorizer::Model>, DbErr> {
    let find = vectorizer::Entity::find().order_by_asc(vectorizer::Column::Id);
    let rows = db.query_all_raw(find.build(db.get_database_backend())).await?;
    rows.iter().map(model).collect()
}

/// A row of `ai.vectorizer`. Its owner may write JSON that PostgreSQL takes and nobody else: a number that is out of
/// range, or lists in lists without end. In its place stands why it is not read, so that only this vectorizer fails.
pub(crate) fn model(row: &QueryResult) -> Result<vectorizer::Model, DbErr> {
    vectorizer::Model::from_query_result(row, "").or_else(|_| {
        let json = |column| {
            let read = row.try_get("", column);
            read.unwrap_or_else(|error: DbErr| serde_json::Value::String(error.to_string()))
        };
        Ok(vectorizer::Model {
            id: row.try_get("", "id")?,
            source_schema: row.try_get("", "source_schema")?,
            source_table: row.try_get("", "source_table")?,
            source_pk: json("source_pk"),
            trigger_name: row.try_get("", "trigger_name")?,
            queue_schema: row.try_get("", "queue_schema")?,
            queue_table: row.try_get("", "queue_table")?,
            config: json("config"),
            disabled: row.try_get("", "disabled")?,
            queue_failed_table: row.try_get("", "queue_failed_table")?,
            name: row.try_get("", "name")?,
        })
    })
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
    let find = vectorizer::Entity::find().filter(is(reference));
    let row = db.query_one_raw(find.build(db.get_database_backend())).await?;
    let row = row.ok_or_else(|| CatalogError::NotFound(reference.to_string()))?;
    Ok(model(&row)?)
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

/// What to say where no vectorizer is seen: there may be some that the role was not granted.
#[cfg(feature = "cli")]
pub(crate) async fn none_to_see<C: ConnectionTrait>(db: &C) -> Result<String, DbErr> {
    let hidden = "SELECT CASE WHEN pg_catalog.row_security_active('ai.vectorizer') THEN current_user::text END";
    let role: Option<String> = super::presence::scalar(db, hidden).await?;
    Ok(match role {
        Some(role) => format!(
            "role {role} sees no vectorizer. It sees those that it owns, and those that were granted to it: create one \
             in a migration, or change one with `grant_to`"
        ),
        None => "no vectorizers: create one in a migration".to_owned(),
    })
}

/// Whether the database has a table of vectorizers at all.
pub(crate) async fn has_catalog<C: ConnectionTrait>(db: &C) -> Result<bool, DbErr> {
    // not to_regclass: that takes a right on the schema
    let exists =
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'ai' AND c.relname = 'vectorizer')";
    super::presence::scalar(db, exists).await
}

/// Whether vectorizers may name a model of the worker's process: not on pgai's catalog, nor on an older one of ours.
#[cfg(feature = "migration")]
pub(crate) async fn has_local_embedding<C: ConnectionTrait>(db: &C) -> Result<bool, DbErr> {
    let exists =
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname = 'ai' AND p.proname = 'embedding_local')";
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
