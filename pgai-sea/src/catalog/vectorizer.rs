//! Reading vectorizers, from either catalog.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::Deserialize;

use super::CatalogError;
use super::entities::vectorizer;
use crate::config::Config;

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

/// A vectorizer's name or id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VectorizerRef {
    /// By id.
    Id(i32),
    /// By name.
    Name(String),
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

impl std::fmt::Display for VectorizerRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Name(name) => write!(f, "{name:?}"),
        }
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

/// One vectorizer, by name or id.
///
/// # Errors
///
/// [`CatalogError::NotFound`] where there is none, [`CatalogError::Unreadable`] for one that this version does not understand.
pub async fn vectorizer<C: ConnectionTrait>(
    db: &C,
    name_or_id: impl Into<VectorizerRef>,
) -> Result<Vectorizer, CatalogError> {
    let reference = name_or_id.into();
    let condition = match &reference {
        VectorizerRef::Id(id) => vectorizer::Column::Id.eq(*id),
        VectorizerRef::Name(name) => vectorizer::Column::Name.eq(name),
    };
    vectorizer::Entity::find()
        .filter(condition)
        .one(db)
        .await?
        .ok_or_else(|| CatalogError::NotFound(reference.to_string()))?
        .try_into()
}

/// Whether the database has a table of vectorizers at all.
pub(crate) async fn has_catalog<C: ConnectionTrait>(db: &C) -> Result<bool, sea_orm::DbErr> {
    // not to_regclass: that takes a right on the schema
    let exists = "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'ai' AND c.relname = 'vectorizer')";
    super::presence::scalar(db, exists).await
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
