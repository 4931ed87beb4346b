//! Which generation of a vectorizer answers a search.
//!
//! A query's vector is of one model. The statement of a search looks into the catalog whether the table that it reads
//! has the vectors of this model. If it has not, it returns nothing, and the search asks the generation that has, or
//! embeds its text for the one that answers. PostgreSQL looks a table's name up before it takes the statement's
//! snapshot, so the table and the catalog's row are of the same moment. A transaction at REPEATABLE READ has an older
//! snapshot: there the statement also looks whether its snapshot has the table under this name.

use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, RuntimeErr, Statement, Value};

use super::error::{SearchError, table_of};
use super::plan::Plan;
use super::query::SearchQuery;
use crate::catalog::{self, CatalogError, Vectorizer};
use crate::config::{Destination, Embedding};
use crate::embedder::{Answering, Embedders};
use crate::entity::EmbeddingTrait;
use crate::vectorizer::VectorizerRef;

/// A search is asked again at most so often: a cut-over and a roll-back may come one after the other.
const TRIES: u32 = 5;

/// What a statement has to know of the generation that it asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// Holds while the table has vectors of the query's model.
    pub(super) guard: Option<Expr>,
    /// Where the vectors of another generation are than the one that answers.
    pub(super) place: Option<Place>,
    /// The length of its vectors. `None`: the declared one.
    pub(super) dimensions: Option<usize>,
    /// What its model is, for a text that is embedded by the catalog's.
    pub(super) answering: Option<Answering>,
    /// What tells the table or column of a row's own vectors from another generation's.
    pub(super) origin: Option<i64>,
}

/// Where the vectors of a generation are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Table {
        schema: String,
        table: String,
    },
    /// A column of the source.
    Column(String),
}

/// The model that made a query's vector, as far as the program says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    provider: Option<String>,
    model: String,
    dimensions: Option<i32>,
}

impl Bound {
    /// What the search says, or the attribute of the entity.
    fn new<E: EmbeddingTrait>(query: &SearchQuery<'_>, model: Option<&str>) -> Option<Self> {
        let brings_vector = query.brings_vector();
        let declared = i32::try_from(E::DIMENSIONS).ok().filter(|_| brings_vector);
        if let Some(model) = model {
            return Some(Self {
                provider: None,
                model: model.to_owned(),
                dimensions: declared,
            });
        }
        let embedding = E::vectorizer().declared_embedding().filter(|_| brings_vector)?;
        Some(Self {
            provider: Some(embedding.provider().to_owned()),
            model: embedding.model().to_owned(),
            dimensions: declared,
        })
    }

    fn made(&self, embedding: &Embedding) -> bool {
        let is_provider = self
            .provider
            .as_ref()
            .is_none_or(|provider| provider == embedding.provider());
        let is_length = self.dimensions.is_none() || self.dimensions == embedding.dimensions();
        is_provider && is_length && self.model == embedding.model()
    }

    /// The part of the configuration that says so.
    fn config(&self) -> String {
        let mut config = serde_json::Map::from_iter([("model".to_owned(), self.model.as_str().into())]);
        if let Some(provider) = &self.provider {
            config.insert("implementation".to_owned(), provider.as_str().into());
        }
        if let Some(dimensions) = self.dimensions {
            config.insert("dimensions".to_owned(), dimensions.into());
        }
        serde_json::Value::Object(config).to_string()
    }
}

/// Which generation a search asks, and asks next.
pub(super) struct Routing<'q> {
    embedders: Option<&'q Embedders>,
    bound: Option<Bound>,
    vectorizer: VectorizerRef,
    asked: Asked,
    /// The origin of the last answer that was empty.
    origin: Option<i64>,
    tries: u32,
}

impl<'q> Routing<'q> {
    /// Where a search begins, as far as the catalog need not be read for it.
    pub(super) fn guess<E: EmbeddingTrait>(query: &'q SearchQuery<'_>, model: Option<&str>) -> Self {
        let mut routing = Self {
            embedders: query.embedders(),
            bound: Bound::new::<E>(query, model),
            vectorizer: VectorizerRef::from(E::default()),
            asked: Asked::default(),
            origin: None,
            tries: 0,
        };
        #[cfg(feature = "testing")]
        if let Some(answering) = routing
            .embedders
            .and_then(|embedders| embedders.pretended(E::DIMENSIONS))
        {
            routing.asked.answering = Some(answering);
            return routing;
        }
        match (routing.embedders, &routing.bound) {
            // as a rule it is the one that answers
            (None, Some(bound)) => {
                let config = bound.config();
                routing.asked.guard = Some(guard(&routing.vectorizer, |place| {
                    format!("v.config -> 'embedding' @> {}::jsonb", place(config.into()))
                }));
            }
            (Some(embedders), None) => {
                if let Some(known) = embedders.known(&routing.vectorizer) {
                    routing.ask(&known);
                }
            }
            (None, None) | (Some(_), Some(_)) => {}
        }
        routing
    }

    /// Where a search begins. It costs a round trip the first time that these [`Embedders`] embed for an entity.
    pub(super) async fn begin<E: EmbeddingTrait, C: ConnectionTrait>(
        query: &'q SearchQuery<'_>,
        model: Option<&str>,
        db: &C,
    ) -> Result<Self, SearchError> {
        let mut routing = Self::guess::<E>(query, model);
        if routing.embedders.is_some() && routing.asked.answering.is_none() {
            routing.look::<E, C>(db).await?;
        }
        Ok(routing)
    }

    /// The plan for the generation that is asked.
    pub(super) fn plan(&self, plan: &Plan) -> Plan {
        Plan {
            asked: self.asked.clone(),
            ..plan.clone()
        }
    }

    /// Whether to ask again, after the answer to `plan` was empty or a refusal. If the generation that was asked is
    /// still the right one, the answer stands.
    pub(super) async fn again<E: EmbeddingTrait, C: ConnectionTrait, T>(
        &mut self,
        plan: &Plan,
        answer: &Result<T, SearchError>,
        is_empty: impl FnOnce(&T) -> bool,
        db: &C,
    ) -> Result<bool, SearchError> {
        let is_doubtful = match answer {
            Ok(answer) => is_empty(answer),
            Err(SearchError::StoredDimensions { .. }) => true,
            Err(SearchError::Db { source, .. }) => is_of_another_moment(source),
            Err(_) => false,
        };
        // a mocked catalog has nothing to say
        if !is_doubtful || self.tries >= TRIES || db.is_mock_connection() {
            return Ok(false);
        }
        if plan.asked.origin.is_some() {
            self.tries += 1;
            let before = std::mem::replace(&mut self.origin, plan.asked.origin);
            return Ok(before != self.origin);
        }
        if self.asked.guard.is_none() {
            return Ok(false);
        }
        self.tries += 1;
        let before = std::mem::take(&mut self.asked);
        let looked = self.look::<E, C>(db).await;
        // a first guess is no generation yet
        let is_other = (&before.answering, &before.place) != (&self.asked.answering, &self.asked.place);
        if answer.is_ok() && !(looked.is_ok() && is_other) && is_renamed(&self.vectorizer, db).await? {
            return Err(SearchError::OldSnapshot { table: table_of::<E>() });
        }
        looked?;
        Ok(answer.is_err() || is_other)
    }

    /// Looks into the catalog for the generation to ask.
    async fn look<E: EmbeddingTrait, C: ConnectionTrait>(&mut self, db: &C) -> Result<(), SearchError> {
        let active = catalog::vectorizer(db, self.vectorizer.clone()).await?;
        let Some(bound) = &self.bound else {
            let answering = answering(&active);
            if let Some(embedders) = self.embedders {
                embedders.remember(&self.vectorizer, answering.clone());
            }
            self.ask(&answering);
            return Ok(());
        };
        if bound.made(&active.config.embedding) {
            self.ask(&answering(&active));
            return Ok(());
        }
        let other = other_generation(db, active.id).await?;
        let other = other.filter(|other| bound.made(&other.vectorizer.config.embedding));
        let other = other.ok_or_else(|| SearchError::WrongModel {
            table: table_of::<E>(),
            model: bound.model.clone(),
            stored: active.config.embedding.model().to_owned(),
        })?;
        if !other.is_whole {
            return Err(SearchError::NotEmbeddedYet {
                table: table_of::<E>(),
                model: bound.model.clone(),
            });
        }
        let (place, beside) = place_of(&other.vectorizer)?;
        self.asked = asked(&beside, &answering(&other.vectorizer));
        self.asked.place = Some(place);
        Ok(())
    }

    fn ask(&mut self, answering: &Answering) {
        self.asked = asked(&self.vectorizer, answering);
    }
}

/// Where the vectors of a generation are, and how the catalog knows it by that.
fn place_of(vectorizer: &Vectorizer) -> Result<(Place, VectorizerRef), SearchError> {
    let (schema, table, column, place) = match &vectorizer.config.destination {
        Destination::Table(table) => {
            let (Some(schema), Some(table)) = (&table.target_schema, &table.target_table) else {
                return Err(CatalogError::NotFound(vectorizer.name.clone()).into());
            };
            let place = Place::Table {
                schema: schema.clone(),
                table: table.clone(),
            };
            (schema, table, None, place)
        }
        Destination::Column(column) => {
            let column = column.embedding_column.clone();
            let place = Place::Column(column.clone());
            (&vectorizer.source_schema, &vectorizer.source_table, Some(column), place)
        }
        Destination::Other(_) => return Err(CatalogError::NotFound(vectorizer.name.clone()).into()),
    };
    let reference = VectorizerRef::Destination {
        schema: Some(schema.clone()),
        table: table.clone(),
        column,
    };
    Ok((place, reference))
}

fn answering(vectorizer: &Vectorizer) -> Answering {
    Answering {
        id: vectorizer.id,
        embedding: vectorizer.config.embedding.clone(),
    }
}

fn asked(vectorizer: &VectorizerRef, answering: &Answering) -> Asked {
    let embedding = &answering.embedding;
    let model = serde_json::json!({
        "implementation": embedding.provider(),
        "model": embedding.model(),
        "dimensions": embedding.dimensions(),
    });
    Asked {
        guard: Some(guard(vectorizer, |place| {
            format!(
                "v.id = {} AND v.config -> 'embedding' @> {}::jsonb",
                place(answering.id.into()),
                place(model.to_string().into())
            )
        })),
        dimensions: embedding
            .dimensions()
            .and_then(|dimensions| usize::try_from(dimensions).ok()),
        answering: Some(answering.clone()),
        ..Asked::default()
    }
}

/// `EXISTS (SELECT 1 FROM ai.vectorizer v WHERE ..)`. It needs no row of the searched table, so PostgreSQL evaluates it
/// once, before the search.
fn guard(vectorizer: &VectorizerRef, condition: impl FnOnce(&mut dyn FnMut(Value) -> String) -> String) -> Expr {
    let mut values = Vec::new();
    let mut place = |value: Value| {
        values.push(value);
        format!("${}", values.len())
    };
    let condition = condition(&mut place);
    let named = vectorizer.condition("v", &mut place);
    let today = named_today(vectorizer, &mut place).map_or_else(String::new, |today| format!(" AND {today}"));
    Expr::cust_with_values(
        format!("EXISTS (SELECT 1 FROM ai.vectorizer v WHERE {condition} AND {named}){today}"),
        values,
    )
}

/// Whether the transaction's snapshot has the table, or the column, under the name that it has now.
fn named_today(vectorizer: &VectorizerRef, place: &mut dyn FnMut(Value) -> String) -> Option<String> {
    let VectorizerRef::Destination { schema, table, column } = vectorizer else {
        return None;
    };
    let mut text = |text: &str| place(text.to_owned().into());
    let table = text(table);
    let schema = schema.as_ref().map(|schema| text(schema));
    let schema = schema.map_or_else(String::new, |schema| {
        format!("pg_catalog.quote_ident({schema}) || '.' || ")
    });
    // of this very moment, whatever the snapshot
    let oid = format!("pg_catalog.to_regclass({schema}pg_catalog.quote_ident({table}))::pg_catalog.oid");
    Some(match column {
        None => format!("EXISTS (SELECT 1 FROM pg_catalog.pg_class c WHERE c.oid = {oid} AND c.relname = {table})"),
        Some(column) => format!(
            "EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a WHERE a.attrelid = {oid} AND a.attname = {} \
             AND (pg_catalog.pg_identify_object_as_address('pg_catalog.pg_class'::pg_catalog.regclass, a.attrelid, \
             a.attnum)).object_names[3] = a.attname)",
            text(column)
        ),
    })
}

/// Whether the generations changed places since the transaction's snapshot.
async fn is_renamed<C: ConnectionTrait>(vectorizer: &VectorizerRef, db: &C) -> Result<bool, SearchError> {
    let mut values = Vec::new();
    let today = named_today(vectorizer, &mut |value| {
        values.push(value);
        format!("${}", values.len())
    });
    let Some(today) = today else { return Ok(false) };
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, format!("SELECT NOT {today}"), values);
    let row = db.query_one_raw(statement).await.map_err(CatalogError::from)?;
    let is_renamed = row.map_or(Ok(false), |row| row.try_get_by_index(0));
    Ok(is_renamed.map_err(CatalogError::from)?)
}

/// The other generation of a vectorizer that is being changed.
struct Other {
    vectorizer: Vectorizer,
    /// Whether all rows were embedded for it.
    is_whole: bool,
}

async fn other_generation<C: ConnectionTrait>(db: &C, id: i32) -> Result<Option<Other>, SearchError> {
    let query = |sql: &str, values: Vec<Value>| Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let has_table = db.query_one_raw(query(catalog::identity::HAS_TABLE, Vec::new())).await;
    let has_table = has_table.and_then(|row| row.map_or(Ok(false), |row| row.try_get_by_index(0)));
    if !has_table.map_err(CatalogError::from)? {
        return Ok(None);
    }
    let sql = "SELECT o.vectorizer_id, o.anew_since IS NULL AND o.made_by <> '{}' \
               FROM ai.vectorizer_generation g \
               JOIN ai.vectorizer_generation o \
               ON o.vectorizer_id = CASE WHEN g.vectorizer_id = $1 THEN g.replaces ELSE g.vectorizer_id END \
               WHERE g.replaces IS NOT NULL AND $1 IN (g.vectorizer_id, g.replaces)";
    let row = db
        .query_one_raw(query(sql, vec![id.into()]))
        .await
        .map_err(CatalogError::from)?;
    let Some(row) = row else { return Ok(None) };
    let other: i32 = row.try_get_by_index(0).map_err(CatalogError::from)?;
    Ok(Some(Other {
        vectorizer: catalog::vectorizer(db, other).await?,
        is_whole: row.try_get_by_index(1).map_err(CatalogError::from)?,
    }))
}

/// Whether the database planned the statement for tables that have other names by now.
fn is_of_another_moment(error: &DbErr) -> bool {
    let (DbErr::Query(RuntimeErr::SqlxError(error)) | DbErr::Exec(RuntimeErr::SqlxError(error))) = error else {
        return false;
    };
    let state = error
        .as_database_error()
        .and_then(sea_orm::sqlx::error::DatabaseError::code);
    // a table or a column that is called otherwise since it was looked up, or has another type than when the statement
    // was prepared
    matches!(state.as_deref(), Some("42P01" | "42703" | "0A000"))
}
