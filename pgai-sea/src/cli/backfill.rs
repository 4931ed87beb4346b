//! `pgai-sea backfill`.

use std::io::{IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::CliError;
use super::database::DatabaseArgs;
#[cfg(feature = "documents")]
use super::documents::DocumentArgs;
use super::status::one_line;
use super::worker::{lease, name, poll_interval, reference};
use crate::worker::{BatchEvent, BatchReport, OpenAiBatch, Worker};

/// Connections: for batches that are written, for the hold that is renewed, and for looking.
const CONNECTIONS: u32 = 6;

#[derive(Debug, Args)]
pub(super) struct BackfillCommand {
    #[command(flatten)]
    database: DatabaseArgs,

    /// The vectorizer, by id or name; while it is being changed, its new generation is meant
    #[arg(value_name = "VECTORIZER", value_parser = name)]
    vectorizer: String,

    /// Through OpenAI's batch interface
    #[arg(long, required_unless_present = "cancel")]
    openai_batch: bool,

    /// Give it up: batches that are at OpenAI are cancelled, and workers embed the rows that are left
    #[arg(long, conflicts_with = "openai_batch")]
    cancel: bool,

    /// How often to ask how far the batches are: 30s, 5m, a number of seconds
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = poll_interval)]
    poll: Duration,

    /// At most about so many texts in a batch; by default as many as 128 MB of vectors are, 50000 at most
    #[arg(long, value_name = "N")]
    texts: Option<NonZeroUsize>,

    /// So many batches at the same time
    #[arg(long, value_name = "N", default_value = "4")]
    at_once: NonZeroUsize,

    /// How long the rows that it writes, and the backfill itself, are kept from others if it dies
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = lease)]
    lease: Duration,

    /// Let the vectorizer name this server in its configuration (base_url), as for the worker
    #[arg(long = "allow-host", value_name = "HOST", value_delimiter = ',')]
    allowed_hosts: Vec<String>,

    /// Let the vectorizer name this environment variable as api_key_name, as for the worker
    #[arg(long = "allow-key", value_name = "NAME", value_delimiter = ',')]
    allowed_keys: Vec<String>,

    #[cfg(feature = "documents")]
    #[command(flatten)]
    documents: DocumentArgs,

    /// Print a JSON object at the end, and nothing before it
    #[arg(long)]
    json: bool,
}

impl BackfillCommand {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let mut worker = Worker::new(self.database.connect_worker(CONNECTIONS).await?).lease(self.lease);
        for host in &self.allowed_hosts {
            worker = worker.allow_host(host);
        }
        for key in &self.allowed_keys {
            worker = worker.allow_key(key);
        }
        #[cfg(feature = "documents")]
        {
            worker = worker.documents(self.documents.documents()?);
        }
        let mut options = OpenAiBatch::new().poll_interval(self.poll).at_once(self.at_once.get());
        if let Some(texts) = self.texts {
            options = options.texts(texts.get());
        }
        let vectorizer = reference(&self.vectorizer);
        if self.cancel {
            let cancelled = worker.cancel_openai_batch(vectorizer, &options).await?;
            return say(&match cancelled {
                None => format!("{}: no backfill through batches is under way", self.vectorizer),
                Some(batches) => format!(
                    "{}: {batches} batches are cancelled at OpenAI, and workers embed the rows that are left",
                    self.vectorizer
                ),
            });
        }
        let bar = (!self.json && std::io::stderr().is_terminal()).then(bar);
        if let Some(bar) = bar.clone() {
            options = options.on_event(move |event| show(&bar, event));
        } else if !self.json {
            options = options.on_event(print);
        }
        let report = worker.backfill_by_openai_batch(vectorizer, &options).await;
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        let report = report?;
        if self.json {
            let json = serde_json::to_string(&report).map_err(std::io::Error::from)?;
            return say(&json);
        }
        say(&summary(&self.vectorizer, &report))
    }
}

fn say(line: &str) -> Result<(), CliError> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} texts, {elapsed}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn show(bar: &ProgressBar, event: &BatchEvent) {
    if let BatchEvent::LookedAt { batches, texts, done } = event {
        bar.set_message(format!("{batches} batches at OpenAI"));
        bar.set_length(*texts);
        bar.set_position(*done);
    } else if let Some(line) = line(event) {
        bar.println(line);
    }
}

/// A line for each thing that happens.
#[expect(clippy::print_stderr, reason = "where a command says what it is at")]
fn print(event: &BatchEvent) {
    if let Some(line) = line(event) {
        eprintln!("{line}");
    }
}

/// `None` for what happens all the time.
fn line(event: &BatchEvent) -> Option<String> {
    match event {
        BatchEvent::HandedIn { batch, texts } => Some(format!("{} with {texts} texts is at OpenAI", one_line(batch))),
        BatchEvent::LookedAt { .. } => None,
        BatchEvent::Written { batch, .. } if batch.is_empty() => None,
        BatchEvent::Written {
            batch,
            texts,
            failed,
            reason,
            rows,
        } => {
            let failed = reason.as_ref().map_or_else(String::new, |reason| {
                format!(
                    ", {failed} more are embedded at the ordinary price: {}",
                    one_line(reason)
                )
            });
            Some(format!(
                "{} is written: {texts} texts{failed}; {rows} rows in sync",
                one_line(batch)
            ))
        }
        BatchEvent::Waiting { reason } => Some(format!("it waits: {}", one_line(reason))),
    }
}

fn summary(asked: &str, report: &BatchReport) -> String {
    let Some(vectorizer) = &report.vectorizer else {
        return format!(
            "{asked}: nothing is left of a backfill. A vectorizer has one if it was created with `.backfill(..)`, or \
             is being changed"
        );
    };
    format!(
        "{vectorizer}: {} rows in sync, {} texts for half the price in {} batches, {} at the ordinary price",
        report.rows, report.texts, report.batches, report.ordinary_texts
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_costs_more_and_why() {
        let written = BatchEvent::Written {
            batch: "batch_1".to_owned(),
            texts: 90,
            failed: 10,
            reason: Some("the batch has expired".to_owned()),
            rows: 50,
        };
        assert_eq!(
            line(&written).unwrap(),
            "batch_1 is written: 90 texts, 10 more are embedded at the ordinary price: the batch has expired; 50 rows \
             in sync"
        );
        assert!(summary("posts", &BatchReport::default()).starts_with("posts: nothing is left"));
    }
}
