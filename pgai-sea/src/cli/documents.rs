//! Which documents may be read, and how much of them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::CliError;
use super::worker::duration;
use crate::document::Documents;

/// For vectorizers with `loading_uri`, and of `bytea` columns.
#[derive(Debug, Args)]
pub(super) struct DocumentArgs {
    /// Let vectorizers of documents load files below this folder; may be given several times. By default none
    #[arg(long = "allow-path", value_name = "DIR", value_delimiter = ',')]
    allowed_paths: Vec<PathBuf>,

    /// Let vectorizers of documents load addresses below this prefix, as https://docs.example.com/manuals/,
    /// s3://bucket/, gs://bucket/ or az://container/; https:// is every host; may be given several times. By default
    /// none. Buckets are read with the credentials of the environment
    #[arg(long = "allow-prefix", value_name = "PREFIX", value_delimiter = ',', value_parser = prefix)]
    allowed_prefixes: Vec<String>,

    /// Let allowed http and https addresses lead into private networks and to this machine
    #[arg(long)]
    allow_private_hosts: bool,

    /// Look at every address once in so long whether its document has changed, and embed what has, as 1h. By default
    /// never
    #[arg(long, value_name = "TIME", value_parser = duration)]
    recheck_documents: Option<Duration>,

    /// Remove the embeddings of a row whose document is gone, instead of giving the row up
    #[arg(long)]
    forget_missing_documents: bool,

    #[command(flatten)]
    limits: DocumentLimits,
}

/// What a document may take.
#[derive(Debug, Args)]
pub(super) struct DocumentLimits {
    /// The largest document, in megabytes
    #[arg(long, value_name = "MB", default_value_t = 64)]
    document_bytes: u32,

    /// The memory of the process that parses a document, in megabytes
    #[arg(long, value_name = "MB", default_value_t = 1024)]
    document_memory: u32,

    /// How long a document may take to load, and how long to parse
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = duration)]
    document_timeout: Duration,
}

/// What any address may begin with.
fn prefix(text: &str) -> Result<String, String> {
    let scheme = text
        .trim()
        .split_once("://")
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("http" | "https" | "s3" | "gs" | "az") => Ok(text.to_owned()),
        _ => Err(
            "write https://host/folder/, s3://bucket/, gs://bucket/ or az://container/, or https:// for every \
                  host; folders are for --allow-path"
                .to_owned(),
        ),
    }
}

impl DocumentArgs {
    pub(super) fn documents(&self) -> Result<Documents, CliError> {
        let mut documents = self.limits.documents()?;
        for path in &self.allowed_paths {
            documents = documents.allow_path(path);
        }
        for prefix in &self.allowed_prefixes {
            documents = documents.allow_prefix(prefix);
        }
        if self.allow_private_hosts {
            documents = documents.allow_private_hosts();
        }
        if let Some(interval) = self.recheck_documents {
            documents = documents.recheck(interval);
        }
        if self.forget_missing_documents {
            documents = documents.forget_missing();
        }
        Ok(documents)
    }
}

impl DocumentLimits {
    /// This executable is the child.
    pub(super) fn documents(&self) -> Result<Documents, CliError> {
        Ok(Documents::in_child(std::env::current_exe()?)
            .most_bytes(u64::from(self.document_bytes) << 20)
            .most_memory(u64::from(self.document_memory) << 20)
            .timeout(self.document_timeout))
    }
}
