//! Which generation of a vectorizer answers a search.
//!
//! A query's vector is of one model. The statement of a search looks into the catalog whether the table that it reads
//! has the vectors of this model. If it has not, it returns nothing, and the search asks the generation that has, or
//! embeds its text for the one that answers. PostgreSQL looks a table's name up before it takes the statement's
//! snapshot, so the table and the catalog's row are of the same moment.

use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, RuntimeErr, Statement, Value};

use super::error::{SearchError, table_of};
use super::plan::Plan;
use super::query::SearchQuery;
use crate::catalog::{self, CatalogError, Vectorizer};
use crate::config::Destination;
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
    /// The table of another generation than the one that answers.
    pub(super) table: Option<(String, String)>,
    /// The length of its vectors. `None`: the declared one.
    pub(super) dimensions: Option<usize>,
    /// What its model is, for a text that is embedded by the catalog's.
    pub(super) answering: Option<Answering>,
}

/// Which generation a search asks, and asks next.
pub(super) struct Routing<'q> {
    embedders: Option<&'q Embedders>,
    model: Option<&'q str>,
    vectorizer: VectorizerRef,
    asked: Asked,
    tries: u32,
}

impl<'q> Routing<'q> {
    /// Where a search begins. It costs a round trip the first time that these [`Embedders`] embed for an entity.
    pub(super) async fn begin<E: EmbeddingTrait, C: ConnectionTrait>(
        query: &'q SearchQuery<'_>,
        model: Option<&'q str>,
        db: &C,
    ) -> Result<Self, SearchError> {
        let mut routing = Self {
            embedders: query.embedders(),
            model,
            vectorizer: VectorizerRef::from(E::default()),
            asked: Asked::default(),
            tries: 0,
        };
        match (routing.embedders, model) {
            (None, None) => {}
            // as a rule it is the one that answers
            (None, Some(model)) => {
                routing.asked.guard = Some(guard(&routing.vectorizer, |place| {
                    format!("v.config #>> '{{embedding,model}}' = {}", place(model.into()))
                }));
            }
            (Some(embedders), None) => match embedders.known(&routing.vectorizer) {
                Some(known) => routing.ask(&known),
                None => routing.look::<E, C>(db).await?,
            },
            (Some(_), Some(_)) => routing.look::<E, C>(db).await?,
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

    /// Whether to ask again, after an answer that was empty or a refusal. If the generation that was asked is still the
    /// right one, the answer stands.
    pub(super) async fn again<E: EmbeddingTrait, C: ConnectionTrait, T>(
        &mut self,
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
        if self.asked.guard.is_none() || !is_doubtful || self.tries >= TRIES {
            return Ok(false);
        }
        self.tries += 1;
        let before = std::mem::take(&mut self.asked);
        self.look::<E, C>(db).await?;
        let is_error = answer.is_err();
        let is_other = (&before.answering, &before.table) != (&self.asked.answering, &self.asked.table);
        // the first guess of a bound search has no row of the catalog to be compared with
        let was_a_guess = before.answering.is_none() && self.asked.table.is_none() && !is_error;
        Ok(is_error || is_other && !was_a_guess)
    }

    /// Looks into the catalog for the generation to ask.
    async fn look<E: EmbeddingTrait, C: ConnectionTrait>(&mut self, db: &C) -> Result<(), SearchError> {
        let active = catalog::vectorizer(db, self.vectorizer.clone()).await?;
        let Some(model) = self.model else {
            let answering = answering(&active);
            if let Some(embedders) = self.embedders {
                embedders.remember(&self.vectorizer, answering.clone());
            }
            self.ask(&answering);
            return Ok(());
        };
        if active.config.embedding.model() == model {
            self.ask(&answering(&active));
            return Ok(());
        }
        let wrong = || SearchError::WrongModel {
            table: table_of::<E>(),
            model: model.to_owned(),
            stored: active.config.embedding.model().to_owned(),
        };
        let other = other_generation(db, active.id).await?.ok_or_else(wrong)?;
        let Destination::Table(table) = &other.config.destination else {
            return Err(wrong());
        };
        if other.config.embedding.model() != model {
            return Err(wrong());
        }
        let (Some(schema), Some(name)) = (&table.target_schema, &table.target_table) else {
            return Err(wrong());
        };
        let beside = VectorizerRef::Destination {
            schema: Some(schema.clone()),
            table: name.clone(),
            column: None,
        };
        let answering = answering(&other);
        self.asked = asked(&beside, &answering);
        self.asked.table = Some((schema.clone(), name.clone()));
        Ok(())
    }

    fn ask(&mut self, answering: &Answering) {
        self.asked = asked(&self.vectorizer, answering);
    }
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
        table: None,
        dimensions: embedding
            .dimensions()
            .and_then(|dimensions| usize::try_from(dimensions).ok()),
        answering: Some(answering.clone()),
    }
}

/// `EXISTS (SELECT FROM ai.vectorizer v WHERE ..)`. It needs no row of the searched table, so PostgreSQL evaluates it
/// once, before the search.
fn guard(vectorizer: &VectorizerRef, condition: impl FnOnce(&mut dyn FnMut(Value) -> String) -> String) -> Expr {
    let mut values = Vec::new();
    let mut place = |value: Value| {
        values.push(value);
        format!("${}", values.len())
    };
    let condition = condition(&mut place);
    let named = vectorizer.condition("v", &mut place);
    Expr::cust_with_values(
        format!("EXISTS (SELECT FROM ai.vectorizer v WHERE {condition} AND {named})"),
        values,
    )
}

/// The other generation of a vectorizer that is being changed.
async fn other_generation<C: ConnectionTrait>(db: &C, id: i32) -> Result<Option<Vectorizer>, SearchError> {
    let query = |sql: &str, values: Vec<Value>| Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let has_table = db.query_one_raw(query(catalog::identity::HAS_TABLE, Vec::new())).await;
    let has_table = has_table.and_then(|row| row.map_or(Ok(false), |row| row.try_get_by_index(0)));
    if !has_table.map_err(CatalogError::from)? {
        return Ok(None);
    }
    let sql = "SELECT CASE WHEN g.vectorizer_id = $1 THEN g.replaces ELSE g.vectorizer_id END \
               FROM ai.vectorizer_generation g WHERE g.replaces IS NOT NULL AND $1 IN (g.vectorizer_id, g.replaces)";
    let row = db
        .query_one_raw(query(sql, vec![id.into()]))
        .await
        .map_err(CatalogError::from)?;
    let Some(row) = row else { return Ok(None) };
    let other: i32 = row.try_get_by_index(0).map_err(CatalogError::from)?;
    Ok(Some(catalog::vectorizer(db, other).await?))
}

/// Whether the database planned the statement for tables that have other names by now.
fn is_of_another_moment(error: &DbErr) -> bool {
    let (DbErr::Query(RuntimeErr::SqlxError(error)) | DbErr::Exec(RuntimeErr::SqlxError(error))) = error else {
        return false;
    };
    let state = error
        .as_database_error()
        .and_then(sea_orm::sqlx::error::DatabaseError::code);
    // a table that is called otherwise since it was looked up, or has other columns than when the statement was
    // prepared
    matches!(state.as_deref(), Some("42P01" | "0A000"))
}
