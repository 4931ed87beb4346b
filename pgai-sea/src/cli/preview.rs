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

    /// How many characters two chunks share at most [default: 400, or 0 with --structure]
    #[arg(long, value_name = "N")]
    chunk_overlap: Option<i32>,

    /// Cut by the structure of Markdown, or by the syntax of rust, python, javascript or go
    #[arg(long, value_name = "markdown|LANGUAGE")]
    structure: Option<String>,

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
        let passages = parsed.passages(&self.chunking())?;
        for (seq, passage) in passages.iter().enumerate() {
            let place = &passage.place;
            if self.json {
                let line = serde_json::json!({
                    "chunk_seq": seq,
                    "chunk": passage.text,
                    "bytes": [place.bytes.start, place.bytes.end],
                    "characters": [place.characters.start, place.characters.end],
                    "page": place.page,
                    "headings": place.headings,
                });
                writeln!(out, "{line}")?;
                continue;
            }
            match place.to_string() {
                place if place.is_empty() => writeln!(out, "-- chunk {seq}")?,
                place => writeln!(out, "-- chunk {seq}, {place}")?,
            }
            writeln!(out, "{}", passage.text)?;
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

    fn chunking(&self) -> Chunking {
        let size = self.chunk_size;
        match self.structure.as_deref() {
            None => Chunking::recursive_character_text_splitter()
                .chunk_size(size)
                .chunk_overlap(self.chunk_overlap.unwrap_or(400))
                .into(),
            Some("markdown") => Chunking::markdown()
                .chunk_size(size)
                .chunk_overlap(self.chunk_overlap.unwrap_or(0))
                .into(),
            Some(language) => Chunking::code(language)
                .chunk_size(size)
                .chunk_overlap(self.chunk_overlap.unwrap_or(0))
                .into(),
        }
    }
}
