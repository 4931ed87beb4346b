//! The options that an attribute spells out, as the database would store them.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::finding::{Aspect, Problem};
use super::renames::{self, Names};
use crate::catalog::CatalogError;
use crate::config::{Chunking, Config, Embedding, Formatting, Indexing, Loading, Parsing};
use crate::vectorizer::CreateVectorizer;

/// What a declaration has of them, with the database's defaults for what it leaves out of an option.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// Whether the column holds addresses of documents, if that is declared.
    loads_uri: Option<bool>,
    parsing: Option<Parsing>,
    embedding: Option<Embedding>,
    chunking: Option<Chunking>,
    formatting: Option<Formatting>,
    indexing: Option<Indexing>,
}

/// Asks the functions that `create_vectorizer` would be called with; they change nothing.
pub(super) async fn as_stored<C: ConnectionTrait>(db: &C, create: &CreateVectorizer) -> Result<Options, CatalogError> {
    Ok(Options {
        loads_uri: create.get_loading().map(|loading| matches!(loading, Loading::Uri(_))),
        parsing: stored(db, create.get_parsing().map(Parsing::to_sql)).await?,
        embedding: match create.get_embedding() {
            // pgai's catalog has no function for it
            Some(local @ Embedding::Local(_)) => Some(local.clone()),
            embedding => stored(db, embedding.map(Embedding::to_sql)).await?,
        },
        chunking: stored(db, create.get_chunking().map(Chunking::to_sql)).await?,
        formatting: stored(db, create.get_formatting().map(Formatting::to_sql)).await?,
        indexing: indexing(db, create.get_indexing()).await?,
    })
}

/// pgai's catalog has no function for an index of bits.
async fn indexing<C: ConnectionTrait>(db: &C, declared: Option<&Indexing>) -> Result<Option<Indexing>, CatalogError> {
    let Some(Indexing::Hnsw(hnsw)) = declared.filter(|declared| declared.is_binary()) else {
        return stored(db, declared.map(Indexing::to_sql)).await;
    };
    let mut whole = hnsw.clone();
    whole.quantized = None;
    let of_whole: Option<Indexing> = stored(db, Some(whole.to_sql())).await?;
    Ok(of_whole.map(|indexing| match indexing {
        Indexing::Hnsw(hnsw) => hnsw.binary().into(),
        other => other,
    }))
}

async fn stored<C: ConnectionTrait, T: DeserializeOwned>(
    db: &C,
    call: Option<String>,
) -> Result<Option<T>, CatalogError> {
    let Some(call) = call else { return Ok(None) };
    let statement = Statement::from_string(DbBackend::Postgres, format!("SELECT {call}"));
    let Some(row) = db.query_one_raw(statement).await? else {
        return Ok(None);
    };
    let json: Option<Value> = row.try_get_by_index(0)?;
    // what this version does not know is read as `Other`
    Ok(json.and_then(|json| serde_json::from_value(json).ok()))
}

impl Options {
    /// Differences from what a vectorizer has. What was not declared is not compared, and dimensions are compared by
    /// themselves.
    pub(super) fn differences(&self, config: &Config, today: Option<&Names>) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(
            self.loads_uri
                .and_then(|declared| loading(declared, config.loading.as_ref())),
        );
        let parsing = self.parsing.as_ref();
        problems.extend(parsing.and_then(|declared| differs(Aspect::Parsing, declared, config.parsing.as_ref())));
        problems.extend(
            self.embedding
                .as_ref()
                .and_then(|declared| embedding(declared, &config.embedding)),
        );
        let chunking = self.chunking.as_ref();
        problems.extend(chunking.and_then(|declared| differs(Aspect::Chunking, declared, Some(&config.chunking))));
        let formatting = self.formatting.as_ref();
        problems.extend(formatting.and_then(|declared| template(declared, &config.formatting, today)));
        // what the database's settings said when the vectorizer was created is no longer known
        let indexing = self
            .indexing
            .as_ref()
            .filter(|declared| !matches!(declared, Indexing::Default(_)));
        problems.extend(indexing.and_then(|declared| differs(Aspect::Indexing, declared, config.indexing.as_ref())));
        // searches do not know of it then
        if indexing.is_none() && config.indexing.as_ref().is_some_and(Indexing::is_binary) {
            problems.push(Problem::Differs {
                aspect: Aspect::Indexing,
                declared: "not declared".to_owned(),
                actual: "quantized binary".to_owned(),
            });
        }
        problems
    }
}

/// As it is written in a migration.
pub(super) fn written(loading: Option<&Loading>) -> String {
    match loading {
        Some(Loading::Uri(loading)) => format!("Loading::uri({:?})", loading.column_name),
        Some(Loading::Column(loading)) => format!("Loading::column({:?})", loading.column_name),
        Some(Loading::Other(_)) | None => String::new(),
    }
}

/// Whether what is embedded is the column's own content, or what its addresses lead to.
fn loading(declared: bool, actual: Option<&Loading>) -> Option<Problem> {
    let of = |loads_uri: bool| {
        if loads_uri {
            "the documents that its addresses lead to (uri)"
        } else {
            "its own content (column)"
        }
    };
    let actual = matches!(actual?, Loading::Uri(_));
    (declared != actual).then(|| Problem::Differs {
        aspect: Aspect::Loading,
        declared: of(declared).to_owned(),
        actual: of(actual).to_owned(),
    })
}

/// Another model is said in short; another option of the same model by its name.
fn embedding(declared: &Embedding, actual: &Embedding) -> Option<Problem> {
    let model = |embedding: &Embedding| format!("{} of {}", embedding.model(), embedding.provider());
    if model(declared) != model(actual) {
        return Some(Problem::Differs {
            aspect: Aspect::Embedding,
            declared: model(declared),
            actual: model(actual),
        });
    }
    differs(Aspect::Embedding, declared, Some(actual))
}

/// `$title` and `${title}` are the same, and so is what names a column as it was called before.
fn template(declared: &Formatting, actual: &Formatting, today: Option<&Names>) -> Option<Problem> {
    let difference = differs(Aspect::Formatting, declared, Some(actual))?;
    let (Formatting::PythonTemplate(here), Formatting::PythonTemplate(there)) = (declared, actual) else {
        return Some(difference);
    };
    let (Some(here), Some(there)) = (&here.template, &there.template) else {
        return Some(difference);
    };
    let same = |name| name;
    let named = renames::template(here, same);
    let now = renames::template(there, |name| today.map_or(name, |today| today.column(name)));
    if named != now {
        return Some(difference);
    }
    (named != renames::template(there, same)).then(|| Problem::Renamed {
        aspect: Aspect::Formatting,
        declared: here.clone(),
        actual: there.clone(),
    })
}

fn differs<T: Serialize>(aspect: Aspect, declared: &T, actual: Option<&T>) -> Option<Problem> {
    let (declared, actual) = (object(Some(declared)), object(actual));
    let mut keys: Vec<_> = declared.keys().chain(actual.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.retain(|key| *key != "dimensions" && declared.get(*key) != actual.get(*key));
    // of another kind altogether: the options are not each other's
    let kind = "implementation".to_owned();
    if keys.contains(&&kind) {
        keys = vec![&kind];
    }
    (!keys.is_empty()).then(|| Problem::Differs {
        aspect,
        declared: some_of(&declared, &keys),
        actual: some_of(&actual, &keys),
    })
}

fn object<T: Serialize>(option: Option<&T>) -> Map<String, Value> {
    match serde_json::to_value(option) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

/// `chunk_size 800, chunk_overlap 400`; of a single text, such as a template or the name of an implementation, the
/// text.
fn some_of(object: &Map<String, Value>, keys: &[&String]) -> String {
    let text = |key: &String| match object.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "not set".to_owned(),
    };
    match keys {
        [key] if matches!(key.as_str(), "implementation" | "template") => text(key),
        keys => {
            let values: Vec<_> = keys.iter().map(|key| format!("{key} {}", text(key))).collect();
            values.join(", ")
        }
    }
}
