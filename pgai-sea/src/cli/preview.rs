//! `pgai-sea preview`.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::CliError;
use super::documents::DocumentLimits;
use crate::config::Chunking;

#[derive(Debug, Args)]
pub(super) struct Preview {
    /// The document: PDF, Word, PowerPoint, Excel, EPUB, HTML, e-mail, CSV, Markdown or text
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The most characters of a chunk
    #[arg(long, value_name = "N", default_value_t = 800)]
    chunk_size: i32,

    /// How many characters two chunks share at most
    #[arg(long, value_name = "N", default_value_t = 400)]
    chunk_overlap: i32,

    /// Show the text alone
    #[arg(long, conflicts_with = "json")]
    text: bool,

    /// Print a JSON object per chunk
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    limits: DocumentLimits,
}

impl Preview {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let bytes = std::fs::read(&self.file).map_err(|error| CliError::File {
            file: self.file.display().to_string(),
            error,
        })?;
        let parsed = self.limits.documents()?.parse(bytes, self.file.to_str()).await?;
        let mut out = std::io::stdout().lock();
        if self.text {
            writeln!(out, "{}", parsed.markdown())?;
            return Ok(());
        }
        let chunking = Chunking::recursive_character_text_splitter()
            .chunk_size(self.chunk_size)
            .chunk_overlap(self.chunk_overlap);
        let passages = parsed.passages(&chunking.into())?;
        for (seq, passage) in passages.iter().enumerate() {
            if self.json {
                let line = serde_json::json!({
                    "chunk_seq": seq,
                    "chunk": passage.text,
                    "offset": passage.offset,
                    "page": passage.page,
                    "headings": passage.headings,
                });
                writeln!(out, "{line}")?;
                continue;
            }
            write!(out, "-- chunk {seq}")?;
            if let Some(page) = passage.page {
                write!(out, ", page {page}")?;
            }
            if !passage.headings.is_empty() {
                write!(out, ", {}", passage.headings.join(" > "))?;
            }
            writeln!(out, "\n{}", passage.text)?;
        }
        if !self.json {
            let characters = parsed.markdown().chars().count();
            writeln!(
                out,
                "-- {}, {characters} characters, {} chunks",
                parsed.format(),
                passages.len()
            )?;
        }
        Ok(())
    }
}
