//! `pgai-sea status`.

use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use sea_orm::prelude::DateTimeWithTimeZone;

use super::CliError;
use super::database::DatabaseArgs;
use crate::catalog::{self, BatchesStatus, Count, Coverage, IndexStatus, StoreState, VectorizerStatus};

#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print a JSON object per vectorizer
    #[arg(long)]
    json: bool,
}

impl Status {
    /// Fails if a vectorizer does.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let db = self.database.connect_installed().await?;
        let statuses = catalog::statuses(&db).await?;
        let mut out = std::io::stdout().lock();
        if self.json {
            for status in &statuses {
                serde_json::to_writer(&mut out, status).map_err(std::io::Error::from)?;
                writeln!(out)?;
            }
        } else if statuses.is_empty() {
            writeln!(out, "{}", catalog::none_to_see(&db).await?)?;
        } else {
            let rows: Vec<_> = statuses.iter().map(line).collect();
            write!(out, "{}", table(&rows))?;
            for remark in statuses.iter().filter_map(remark) {
                write!(out, "\n{remark}")?;
            }
        }
        let failing = statuses.iter().filter(|status| status.state.needs_attention());
        let failing: Vec<String> = failing
            .map(|status| format!("{} is {}", status.name, status.state))
            .collect();
        if failing.is_empty() {
            Ok(())
        } else {
            Err(CliError::Failing { vectorizers: failing })
        }
    }
}

/// Why a vectorizer is in its state, and what to do: a few lines under the table.
fn remark(status: &VectorizerStatus) -> Option<String> {
    let index = status.index.filter(|index| *index != IndexStatus::Built);
    let backfill = status.backfill.as_ref();
    if status.error.is_none() && status.advice.is_none() && index.is_none() && backfill.is_none() {
        return None;
    }
    let mut remark = format!("{} is {}", printable(&status.name), status.state);
    if let Some(error) = &status.error {
        if let Some(since) = error.since {
            remark += &format!(" since {}, {}", moment(since), age(since, status.read_at));
        }
        remark += &format!(": {}\n", one_line(&error.message));
        if let Some(next) = error.next_attempt.filter(|next| *next > status.read_at) {
            remark += &format!(
                "  next attempt in {}\n",
                time((next - status.read_at).to_std().unwrap_or_default())
            );
        }
    } else {
        remark.push('\n');
    }
    if let Some(advice) = &status.advice {
        remark += &format!("  what to do: {}\n", printable(advice));
    }
    if let Some(backfill) = backfill {
        let rows = backfill
            .rows
            .map_or_else(String::new, |rows| format!(" of about {rows}"));
        remark += &format!("  {}{rows} rows that were there are queued", backfill.queued);
        if let Some(waits_for) = &backfill.waits_for {
            remark += &format!("; it waits: {waits_for}");
        }
        remark.push('\n');
        if let Some(batches) = &backfill.batches {
            remark += &format!("  {}\n", of_batches(batches));
        }
    }
    if let Some(index) = index {
        let build = status.index_build.as_ref();
        let build = build.map_or_else(String::new, |build| format!(": {build}"));
        remark += &format!("  its index {index}{build}\n");
    }
    Some(remark)
}

/// `a batch of 12345 texts is at OpenAI since .., 400 done`.
fn of_batches(batches: &BatchesStatus) -> String {
    let Some((count, texts)) = batches.batches.zip(batches.texts) else {
        return "its texts go through batches at OpenAI; this role may not read how many".to_owned();
    };
    let Some(since) = batches.since else {
        return "its texts go through batches at OpenAI, and none is there yet".to_owned();
    };
    let are = match count {
        1 => format!("a batch of {texts} texts is"),
        _ => format!("{count} batches of {texts} texts are"),
    };
    format!(
        "{are} at OpenAI since {}, {} done",
        moment(since),
        batches.done.unwrap_or_default()
    )
}

/// `2026-01-31 12:00:00 UTC`.
pub(super) fn moment(moment: DateTimeWithTimeZone) -> String {
    moment.to_utc().format("%F %T UTC").to_string()
}

/// `for 5m`, by the server's clock.
fn age(since: DateTimeWithTimeZone, now: DateTimeWithTimeZone) -> String {
    format!("for {}", time((now - since).to_std().unwrap_or_default()))
}

/// What somebody wrote, with nothing in it that a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    escaped(text, char::is_control)
}

/// The same of several lines.
pub(super) fn without_controls(text: &str) -> String {
    escaped(text, |c| c.is_control() && c != '\n')
}

/// Also those that turn the direction of what follows, so that it reads as something else.
fn escaped(text: &str, is_control: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_control(c) || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Whatever a provider says.
pub(super) fn one_line(text: &str) -> String {
    printable(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

const HEADINGS: [&str; 11] = [
    "ID",
    "VECTORIZER",
    "SOURCE",
    "EMBEDDED",
    "PENDING",
    "OLDEST",
    "ROWS/S",
    "TIME LEFT",
    "TOKENS",
    "FAILED",
    "STATE",
];
/// What is not known, and what there is none of.
const UNKNOWN: &str = "unknown";
const NONE: &str = "-";

fn line(status: &VectorizerStatus) -> [String; HEADINGS.len()] {
    let pending = status.pending.map(|pending| pending.rows);
    // of a queue that is empty there is nothing to say
    let unless_empty = |text: Option<String>| match pending {
        Some(0) => NONE.to_owned(),
        _ => or_unknown(text),
    };
    let oldest = status.oldest_pending.map(|oldest| {
        let age = time((status.read_at - oldest).to_std().unwrap_or_default());
        match status.pending {
            Some(Count { exact: false, .. }) => format!("over {age}"),
            _ => age,
        }
    });
    [
        status.id.to_string(),
        printable(&status.name),
        printable(&status.source),
        or_unknown(status.coverage.map(coverage)),
        or_unknown(status.pending.map(count)),
        unless_empty(oldest),
        unless_empty(status.rows_per_second.map(rate)),
        unless_empty(status.time_left.map(time)),
        or_unknown(status.input_tokens.map(|tokens| tokens.to_string())),
        or_unknown(status.failed.map(|failed| failed.to_string())),
        match status.store {
            StoreState::Edited | StoreState::EmbeddingAnew(_) => format!("{}, embedding anew", status.state),
            _ => status.state.to_string(),
        },
    ]
}

fn or_unknown(text: Option<String>) -> String {
    text.unwrap_or_else(|| UNKNOWN.to_owned())
}

/// `312`, or `about 2000000`.
fn count(count: Count) -> String {
    if count.exact {
        count.rows.to_string()
    } else {
        format!("about {}", count.rows)
    }
}

/// `312/400, 78%`; only all of it is 100%.
fn coverage(coverage: Coverage) -> String {
    let percent = (coverage.share() * 100.0).floor();
    format!("{}/{}, {percent}%", coverage.embedded.rows, count(coverage.rows))
}

fn rate(rate: f64) -> String {
    match rate {
        ..10.0 => format!("{rate:.1}"),
        _ => format!("{rate:.0}"),
    }
}

/// The two largest units: `2days 3h`.
fn time(time: Duration) -> String {
    let text = humantime::format_duration(Duration::from_secs(time.as_secs())).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// Aligned columns under headings.
fn table(lines: &[[String; HEADINGS.len()]]) -> String {
    let headings = HEADINGS.map(str::to_owned);
    let rows: Vec<_> = std::iter::once(&headings).chain(lines).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    let mut table = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        table.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let cells = [
            "7",
            "posts",
            "public.posts",
            "9/10, 90%",
            "1",
            "2m",
            "0.5",
            "2s",
            UNKNOWN,
            "0",
            "working",
        ];
        assert_eq!(
            table(&[cells.map(str::to_owned)]),
            "ID  VECTORIZER  SOURCE        EMBEDDED   PENDING  OLDEST  ROWS/S  TIME LEFT  TOKENS   FAILED  STATE\n\
             7   posts       public.posts  9/10, 90%  1        2m      0.5     2s         unknown  0       working\n"
        );
    }

    #[test]
    fn figures_are_short_and_promise_nothing() {
        let counted = |rows, exact| Count { rows, exact };
        assert_eq!(count(counted(312, true)), "312");
        assert_eq!(count(counted(2_000_000, false)), "about 2000000");
        let most = Coverage {
            rows: counted(1_000, true),
            embedded: counted(999, true),
        };
        assert_eq!(coverage(most), "999/1000, 99%");
        assert_eq!((rate(0.25), rate(1234.6)), ("0.2".to_owned(), "1235".to_owned()));
        assert_eq!(time(Duration::from_millis(400)), "0s");
        assert_eq!(time(Duration::from_secs(183_845)), "2days 3h");
    }

    /// Whatever this machine's clock says.
    #[test]
    fn ages_are_told_by_the_servers_clock() {
        let read_at: DateTimeWithTimeZone = "2001-01-01T12:00:10Z".parse().unwrap();
        let earlier = |seconds| read_at - Duration::from_secs(seconds);
        let status: VectorizerStatus = catalog::an_example(read_at, earlier(70), earlier(4));
        assert_eq!(line(&status)[5], "1m 10s");
        let remark = remark(&status).unwrap();
        assert!(remark.contains("since 2001-01-01 12:00:06 UTC, for 4s"), "{remark}");
        assert!(remark.contains("next attempt in 6s"), "{remark}");
    }
}
