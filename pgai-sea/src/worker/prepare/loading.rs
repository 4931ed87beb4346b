//! Where a vectorizer's text comes from: a text column, documents in a `bytea` column, or the documents at addresses.

use super::{Columns, WorkerSettings, unsupported};
use crate::config::{Loading as Config, Parsing};
use crate::worker::batch::stop_reason::StopReason;

#[cfg(feature = "documents")]
use crate::worker::batch::DocumentReader;

/// Where a vectorizer's text comes from.
pub(super) struct Loading {
    pub(super) column_name: String,
    /// The base type of the column.
    pub(super) column_type: String,
    pub(super) retries: Option<i32>,
    /// Whether the text has headings: a document is Markdown.
    pub(super) has_headings: bool,
    /// How the column's documents are read, if it holds or names some.
    #[cfg(feature = "documents")]
    pub(super) documents: Option<DocumentReader>,
}

/// What the configuration says, and whether this worker can do it.
pub(super) fn loading(columns: &Columns<'_>, settings: &WorkerSettings) -> Result<Loading, StopReason> {
    let config = &columns.vectorizer.config;
    let unknown = |what: &str| unsupported(format!("this worker does not know its `{what}` configuration"));
    let (column_name, retries, address) = match &config.loading {
        Some(Config::Column(loading)) => (&loading.column_name, loading.retries, None),
        Some(Config::Uri(loading)) => (
            &loading.column_name,
            loading.retries,
            Some(loading.aws_role_arn.as_deref()),
        ),
        Some(Config::Other(_)) | None => return Err(unknown("loading")),
    };
    if let Some(Parsing::Other(_)) = &config.parsing {
        return Err(unknown("parsing"));
    }
    let column_type = columns.loaded(column_name)?.base_type.clone();
    let is_bytes = column_type == "bytea";
    if address.is_none() && !is_bytes {
        if let Some(Parsing::Pymupdf(_) | Parsing::Docling(_)) = &config.parsing {
            return Err(unsupported(format!(
                "its `parsing` configuration is for documents, and column `{column_name}` is of type {column_type} and \
                 not bytea"
            )));
        }
        return Ok(Loading {
            column_name: column_name.clone(),
            column_type,
            retries,
            has_headings: false,
            #[cfg(feature = "documents")]
            documents: None,
        });
    }
    let what = if is_bytes {
        format!("column `{column_name}` holds documents (bytea)")
    } else {
        "it loads documents from a uri (`loading_uri`)".to_owned()
    };
    #[cfg(not(feature = "documents"))]
    {
        let _ = settings;
        Err(unsupported(format!(
            "{what}, and this worker was built without the feature `documents`"
        )))
    }
    #[cfg(feature = "documents")]
    {
        let Some(documents) = settings.documents.clone() else {
            return Err(unsupported(format!(
                "{what}, and this worker was not told how to read them: `Worker::documents`"
            )));
        };
        if address.is_some() && documents.allows_no_address() {
            return Err(unsupported(format!(
                "{what}, and this worker may load none: allow folders with `Documents::allow_path` or `pgai-sea worker \
                 --allow-path`, and addresses with `Documents::allow_prefix` or `--allow-prefix`"
            )));
        }
        let role = address.flatten().map(str::to_owned);
        let parses = !matches!(&config.parsing, Some(Parsing::None(_)));
        Ok(Loading {
            column_name: column_name.clone(),
            column_type,
            retries,
            has_headings: true,
            documents: Some(DocumentReader {
                documents,
                role,
                parses,
                loads: address.is_some(),
                log: None,
            }),
        })
    }
}
