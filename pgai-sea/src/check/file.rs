//! Declarations as a file, for who checks a database without compiling the application.

use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};

use super::{Findings, Given, Scope, findings};
use crate::catalog::CatalogError;
use crate::config::{self, Chunking, Embedding, Formatting, Indexing, Parsing};
use crate::entity::{Declaration, DeclaredDestination, declarations};
use crate::vectorizer::CreateVectorizer;

/// One declared vectorizer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The path of the module whose `Entity` holds the embeddings.
    entity: String,
    source_schema: Option<String>,
    source_table: String,
    loading_column: String,
    /// Whether the column holds addresses of documents.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    loads_uri: bool,
    dimensions: u32,
    destination: Destination,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parsing: Option<Parsing>,
    embedding: Option<Embedding>,
    chunking: Option<Chunking>,
    formatting: Option<Formatting>,
    indexing: Option<Indexing>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Destination {
    Table {
        target_schema: Option<String>,
        target_table: String,
        view_schema: Option<String>,
        view_name: String,
        /// Whether its vectors are of the type `halfvec`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        halfvec: bool,
    },
    Column {
        embedding_column: String,
    },
}

/// What this program's entities declare, as JSON for `pgai-sea check FILE`.
///
/// Commit the file, and let a test see that it is up to date:
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = std::env::temp_dir();
/// # let file = directory.join(format!("vectorizers-{}.json", std::process::id()));
/// # std::fs::write(&file, pgai_sea::check::declared_json())?;
/// let declared = pgai_sea::check::declared_json();
/// if std::env::var_os("UPDATE").is_some() {
///     std::fs::write(&file, &declared)?;
/// }
/// assert_eq!(std::fs::read_to_string(&file)?, declared, "run the test with UPDATE=1");
/// # std::fs::remove_file(&file)?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn declared_json() -> String {
    let entries: Vec<Entry> = declarations().into_iter().map(Entry::from).collect();
    // these types have a JSON whatever they hold
    serde_json::to_string_pretty(&entries).unwrap_or_default() + "\n"
}

/// As [`check`](super::check()), with what [`declared_json`] wrote in the place of this program's entities.
///
/// # Errors
///
/// [`CatalogError::Declarations`] for another text, and those of [`check`](super::check()).
pub async fn check_declared<C: ConnectionTrait>(db: &C, json: &str) -> Result<Findings, CatalogError> {
    let entries: Vec<Entry> = serde_json::from_str(json).map_err(CatalogError::Declarations)?;
    let given: Vec<Given> = entries.into_iter().map(Entry::given).collect();
    findings(db, given, Scope::Database).await
}

impl From<&'static Declaration> for Entry {
    fn from(declaration: &'static Declaration) -> Self {
        let create = (declaration.vectorizer)();
        let owned = |name: Option<&str>| name.map(str::to_owned);
        Self {
            entity: declaration.module.to_owned(),
            source_schema: owned(declaration.source_schema),
            source_table: declaration.source_table.to_owned(),
            loading_column: declaration.loading_column.to_owned(),
            loads_uri: matches!(create.get_loading(), Some(config::Loading::Uri(_))),
            dimensions: declaration.dimensions,
            destination: match declaration.destination {
                DeclaredDestination::Table {
                    target_schema,
                    target_table,
                    view_schema,
                    view_name,
                    halfvec,
                } => Destination::Table {
                    target_schema: owned(target_schema),
                    target_table: target_table.to_owned(),
                    view_schema: owned(view_schema),
                    view_name: view_name.to_owned(),
                    halfvec,
                },
                DeclaredDestination::Column { embedding_column } => Destination::Column {
                    embedding_column: embedding_column.to_owned(),
                },
            },
            parsing: create.get_parsing().cloned(),
            embedding: create.get_embedding().cloned(),
            chunking: create.get_chunking().cloned(),
            formatting: create.get_formatting().cloned(),
            indexing: create.get_indexing().cloned(),
        }
    }
}

impl Entry {
    /// As the entity would declare it. A declaration is for the life of the program, so its texts are never freed.
    fn given(self) -> Given {
        let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        let destination = match self.destination {
            Destination::Table {
                target_schema,
                target_table,
                view_schema,
                view_name,
                halfvec,
            } => DeclaredDestination::Table {
                target_schema: target_schema.map(leak),
                target_table: leak(target_table),
                view_schema: view_schema.map(leak),
                view_name: leak(view_name),
                halfvec,
            },
            Destination::Column { embedding_column } => DeclaredDestination::Column {
                embedding_column: leak(embedding_column),
            },
        };
        let source = (self.source_schema.map(leak), leak(self.source_table));
        let declaration = Declaration::new(
            leak(self.entity),
            source,
            leak(self.loading_column),
            self.dimensions,
            destination,
            || CreateVectorizer::new(""), // what it would build is `create`
        );
        let mut create = CreateVectorizer::new(source.1).declared_dimensions(self.dimensions);
        match destination {
            DeclaredDestination::Column { embedding_column } => {
                create = create.destination(config::Destination::column(embedding_column));
            }
            DeclaredDestination::Table { halfvec: true, .. } => {
                create = create.destination(config::Destination::table().halfvec());
            }
            DeclaredDestination::Table { .. } => {}
        }
        create = if self.loads_uri {
            create.loading(config::Loading::uri(declaration.loading_column))
        } else {
            create.loading(config::Loading::column(declaration.loading_column))
        };
        if let Some(parsing) = self.parsing {
            create = create.parsing(parsing);
        }
        if let Some(embedding) = self.embedding {
            create = create.embedding(embedding);
        }
        if let Some(chunking) = self.chunking {
            create = create.chunking(chunking);
        }
        if let Some(formatting) = self.formatting {
            create = create.formatting(formatting);
        }
        if let Some(indexing) = self.indexing {
            create = create.indexing(indexing);
        }
        Given {
            declaration: Box::leak(Box::new(declaration)),
            create,
        }
    }
}
