//! What a store's vectors were made with, and whether that is what its vectorizer's configuration says.
//!
//! Our catalog keeps it in `ai.vectorizer_generation`. On pgai's, the worker keeps it in the comment of the queue.

use sea_orm::prelude::DateTimeWithTimeZone;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Vectorizer;
use super::entities::vectorizer::Model;
use crate::config::HALFVEC;
use crate::sql::qualified;

/// The comment of a queue on pgai's catalog begins with this.
const COMMENT: &str = "pgai-sea: ";

/// Whether a store's vectors are those of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StoreState {
    /// They are.
    Current,
    /// The configuration was edited. The next worker queues all rows.
    Edited,
    /// The configuration was edited, and a worker embeds all rows anew since then. The store has vectors of both.
    EmbeddingAnew(DateTimeWithTimeZone),
    /// Nothing was noted: no worker of this library has served the vectorizer on pgai's catalog.
    Unknown,
}

/// What is kept of a store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) made_by: Value,
    /// As PostgreSQL writes a `timestamptz`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) anew_since: Option<String>,
}

impl Kept {
    /// What a queue's comment says.
    #[cfg(feature = "worker")]
    pub(crate) fn comment(&self) -> String {
        format!("{COMMENT}{}", serde_json::to_string(self).unwrap_or_default())
    }

    pub(crate) fn of_comment(comment: &str) -> Option<Self> {
        serde_json::from_str(comment.strip_prefix(COMMENT)?).ok()
    }
}

/// What of a configuration says which vector a text gets, and which texts a row gives. As `ai._vectorizer_identity`
/// of our catalog.
pub(crate) fn identity(config: &Value) -> Value {
    let without = |value: &Value, keys: &[&str]| {
        let mut object = value.as_object().cloned().unwrap_or_default();
        object.retain(|key, _| !keys.contains(&key.as_str()));
        object
    };
    let embedding = &config["embedding"];
    let place = [
        "config_type",
        "api_key_name",
        "base_url",
        "user",
        "keep_alive",
        "extra_options",
    ];
    let mut model = without(embedding, &place);
    if embedding["extra_options"].is_object() {
        let options = without(&embedding["extra_options"], &["api_base", "api_key", "api_version"]);
        model.insert("extra_options".to_owned(), options.into());
    }
    let chunking = match &config["chunking"] {
        Value::Null => Value::Null,
        chunking => without(chunking, &["config_type"]).into(),
    };
    let mut identity = json!({
        "embedding": Map::from_iter(model),
        "text": {
            "column_name": config["loading"]["column_name"],
            "parsing": config["parsing"]["implementation"],
            "chunking": chunking,
            "template": config["formatting"]["template"],
        },
    });
    // that a column holds the text itself, and the type that every catalog has, are not said
    if config["loading"]["implementation"] == "uri" {
        identity["text"]["loading"] = "uri".into();
    }
    if config["destination"]["vector_type"] == HALFVEC {
        identity["vector_type"] = HALFVEC.into();
    }
    let destination = &config["destination"];
    if !destination["partitions"].is_null() {
        identity["partitions"] = json!({"by": destination["partition_by"], "number": destination["partitions"]});
    }
    identity
}

/// What is kept of a vectorizer's store, if anything is.
pub(crate) async fn kept<C: ConnectionTrait>(db: &C, vectorizer: &Vectorizer) -> Result<Option<Kept>, DbErr> {
    if super::presence::scalar(db, HAS_TABLE).await? {
        let sql = "SELECT made_by, anew_since::text FROM ai.vectorizer_generation WHERE vectorizer_id = $1";
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [vectorizer.id.into()]);
        let Some(row) = db.query_one_raw(statement).await? else {
            return Ok(None);
        };
        return Ok(Some(Kept {
            made_by: row.try_get_by_index(0)?,
            anew_since: row.try_get_by_index(1)?,
        }));
    }
    let (Some(schema), Some(table)) = (&vectorizer.queue_schema, &vectorizer.queue_table) else {
        return Ok(None);
    };
    let sql = "SELECT obj_description(to_regclass($1), 'pg_class')";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [qualified(schema, table).into()]);
    let comment: Option<String> = match db.query_one_raw(statement).await? {
        Some(row) => row.try_get_by_index(0)?,
        None => None,
    };
    Ok(comment.as_deref().and_then(Kept::of_comment))
}

/// Whether the role may read the table of generations, which pgai's catalog has not.
pub(crate) const HAS_TABLE: &str = "SELECT coalesce((SELECT has_table_privilege(c.oid, 'select') FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'ai' AND c.relname = 'vectorizer_generation'), \
    false)";

/// The state of a vectorizer's store.
pub(crate) async fn state<C: ConnectionTrait>(db: &C, vectorizer: &Vectorizer) -> Result<StoreState, DbErr> {
    use sea_orm::EntityTrait as _;
    let Some(kept) = kept(db, vectorizer).await? else {
        return Ok(StoreState::Unknown);
    };
    let model: Option<Model> = super::entities::vectorizer::Entity::find_by_id(vectorizer.id)
        .one(db)
        .await?;
    let Some(model) = model else {
        return Ok(StoreState::Unknown);
    };
    if kept.made_by != identity(&model.config) {
        return Ok(StoreState::Edited);
    }
    let Some(since) = kept.anew_since else {
        return Ok(StoreState::Current);
    };
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT $1::timestamptz", [since.into()]);
    match db.query_one_raw(statement).await? {
        Some(row) => Ok(StoreState::EmbeddingAnew(row.try_get_by_index(0)?)),
        None => Ok(StoreState::Unknown),
    }
}

/// How many numbers of a vector that was made with `there` are the vector that `here` makes of the same text. `nested`
/// are more models, by provider and name, whose shorter vectors are the first numbers of their longer ones.
#[cfg(feature = "worker")]
pub(crate) fn shared_dimensions(here: &Value, there: &Value, nested: &[(String, String)]) -> Option<usize> {
    let dimensions = |of: &Value| usize::try_from(of["dimensions"].as_u64()?).ok();
    if here == there {
        return dimensions(here);
    }
    let (provider, model) = (here["implementation"].as_str()?, here["model"].as_str()?);
    let is_nested = provider == "openai" && model.starts_with("text-embedding-3-")
        || nested.iter().any(|(of, name)| of == provider && name == model);
    let whole = |of: &Value| {
        let mut of = of.clone();
        of["dimensions"] = Value::Null;
        of
    };
    (is_nested && whole(here) == whole(there) && dimensions(here)? < dimensions(there)?)
        .then(|| dimensions(here))
        .flatten()
}

#[cfg(all(test, feature = "worker"))]
mod tests {
    use serde_json::json;

    use super::shared_dimensions;

    #[test]
    fn a_shorter_vector_of_a_nested_model_is_cut_and_no_other() {
        let of = |model: &str, dimensions: u32| {
            let provider = "openai";
            json!({"implementation": provider, "model": model, "dimensions": dimensions})
        };
        let small = |dimensions| of("text-embedding-3-small", dimensions);
        let shared_dimensions = |here: &_, there: &_| shared_dimensions(here, there, &[]);
        assert_eq!(shared_dimensions(&small(768), &small(768)), Some(768));
        assert_eq!(shared_dimensions(&small(384), &small(768)), Some(384));
        assert_eq!(shared_dimensions(&small(768), &small(384)), None);
        assert_eq!(shared_dimensions(&of("ada", 3), &of("ada", 5)), None);
        let said = [("openai".to_owned(), "ada".to_owned())];
        assert_eq!(super::shared_dimensions(&of("ada", 3), &of("ada", 5), &said), Some(3));
        assert_eq!(shared_dimensions(&small(384), &of("text-embedding-3-large", 768)), None);
    }
}
