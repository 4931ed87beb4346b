//! Which vectorizers a worker serves, as the catalog has them.

use std::collections::HashMap;

use sea_orm::sqlx::{AssertSqlSafe, Row as _, query};
use sea_orm::{DbErr, EntityTrait as _, FromQueryResult as _, QueryTrait as _};

use crate::catalog::entities::vectorizer::{Entity, Model};
use crate::catalog::identity::HAS_TABLE;
use crate::catalog::{CatalogError, Vectorizer, VectorizerRef};
use crate::worker::connection::{Database, On as _};
use crate::worker::database_error::DatabaseError;
use crate::worker::error::WorkerError;
use crate::worker::prepare::Served;
use crate::worker::queue::key_sql::statement;

/// The catalog's vectorizers, and those that were asked for. An entity that names no schema has that of the search
/// path.
pub(super) struct Present {
    pub(super) models: Vec<Model>,
    /// When they were read, by the server's clock.
    pub(super) read_at: String,
    pub(super) only: Vec<VectorizerRef>,
    /// By a generation of a vectorizer that is being changed, the other one.
    pub(super) others: HashMap<i32, i32>,
}

impl Present {
    /// Whether a vectorizer was asked for, or its other generation was.
    pub(super) fn is_meant(&self, wanted: &VectorizerRef, model: &Model) -> bool {
        is_meant(wanted, model)
            || self.others.get(&model.id).is_some_and(|other| {
                let mut others = self.models.iter().filter(|model| model.id == *other);
                others.any(|other| is_meant(wanted, other))
            })
    }
}

/// The generations of vectorizers that are being changed: the new one, and the one before. On pgai's catalog they are
/// known by their names.
const GENERATIONS: &str = "select vectorizer_id, replaces from ai.vectorizer_generation where replaces is not null";
const GENERATIONS_OF_PGAI: &str = "
select n.id, o.id
from ai.vectorizer o
join ai.vectorizer n on n.name = o.name || '_new' and n.source_schema = o.source_schema and n.source_table = \
o.source_table
and n.config #>> '{destination,target_table}' = (o.config #>> '{destination,target_table}') || '_new'";

pub(super) async fn others(pool: &Database) -> Result<HashMap<i32, i32>, DatabaseError> {
    let has_table: bool = query(AssertSqlSafe(HAS_TABLE)).one_on(pool).await?.try_get(0)?;
    let pairs = if has_table { GENERATIONS } else { GENERATIONS_OF_PGAI };
    let mut others = HashMap::new();
    for row in query(pairs).all_on(pool).await? {
        let (one, other): (i32, i32) = (row.try_get(0)?, row.try_get(1)?);
        others.extend([(one, other), (other, one)]);
    }
    Ok(others)
}

/// A vectorizer as the catalog has it now. `None` if it is gone.
pub(super) async fn reload(pool: &Database, id: i32) -> Result<Option<Served>, WorkerError> {
    let failed = |error: DatabaseError| CatalogError::from(DbErr::from(error));
    let find = Entity::find_by_id(id).build(sea_orm::DbBackend::Postgres).sql;
    let row = statement(&find.into()).bind(id).any_on(pool).await.map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    let model = Model::from_query_result(&row.into(), "").map_err(CatalogError::from)?;
    Ok(if model.disabled {
        None
    } else {
        Some(understand(&model)?)
    })
}

pub(super) fn served(present: &Present) -> Vec<Model> {
    let is_wanted =
        |model: &Model| present.only.is_empty() || present.only.iter().any(|wanted| present.is_meant(wanted, model));
    let models = present.models.iter();
    models
        .filter(|model| !model.disabled && is_wanted(model))
        .cloned()
        .collect()
}

pub(super) fn is_meant(wanted: &VectorizerRef, model: &Model) -> bool {
    match wanted {
        VectorizerRef::Id(id) => *id == model.id,
        VectorizerRef::Name(name) => *name == model.name,
        VectorizerRef::Destination { schema, table, column } => {
            let stored = |key: &str| model.config["destination"][key].as_str();
            let found = match column {
                None => (stored("target_schema"), stored("target_table")),
                Some(_) => (Some(&*model.source_schema), Some(&*model.source_table)),
            };
            found == (schema.as_deref(), Some(table.as_str()))
                && schema.is_some()
                && (column.is_none() || stored("embedding_column") == column.as_deref())
        }
    }
}

/// The typed vectorizer, the order in which the catalog has the key's columns, and the configuration as it is stored.
pub(super) fn understand(model: &Model) -> Result<Served, CatalogError> {
    let vectorizer = Vectorizer::try_from(model.clone())?;
    let columns = model.source_pk.as_array().into_iter().flatten();
    let names = columns.filter_map(|column| column.get("attname")?.as_str().map(str::to_owned));
    Ok(Served {
        vectorizer,
        key_order: names.collect(),
        config: model.config.clone(),
    })
}
