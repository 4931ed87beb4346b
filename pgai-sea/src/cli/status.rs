//! `pgai-sea status`.

use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use sea_orm::prelude::{DateTimeUtc, DateTimeWithTimeZone};

use super::CliError;
use super::database::DatabaseArgs;
use crate::catalog::{self, Count, Coverage, VectorizerStatus};

#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print a JSON object per vectorizer
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let db = self.database.connect(1).await?;
        if !catalog::has_catalog(&db).await? {
            return Err(CliError::NotInstalled);
        }
        let mut statuses = Vec::new();
        for vectorizer in catalog::vectorizers(&db).await? {
            statuses.push(catalog::status(&db, &vectorizer).await?);
        }
        let mut out = std::io::stdout().lock();
        if self.json {
            for status in &statuses {
                serde_json::to_writer(&mut out, status).map_err(std::io::Error::from)?;
                writeln!(out)?;
            }
        } else if statuses.is_empty() {
            writeln!(out, "no vectorizers: create one in a migration")?;
        } else {
            let now = now();
            let rows: Vec<_> = statuses.iter().map(|status| line(status, now)).collect();
            write!(out, "{}", table(&rows))?;
        }
        Ok(())
    }
}

/// The database's clock and this one may differ by a little, which does not matter to a person.
fn now() -> DateTimeWithTimeZone {
    DateTimeUtc::from(std::time::SystemTime::now()).into()
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

fn line(status: &VectorizerStatus, now: DateTimeWithTimeZone) -> [String; HEADINGS.len()] {
    let pending = status.pending.map(|pending| pending.rows);
    let state = match (status.disabled, pending) {
        (true, _) => "disabled",
        (false, Some(0)) => "in sync",
        (false, Some(_)) => "pending",
        (false, None) => UNKNOWN,
    };
    // of a queue that is empty there is nothing to say
    let unless_empty = |text: Option<String>| match pending {
        Some(0) => NONE.to_owned(),
        _ => or_unknown(text),
    };
    let oldest = status.oldest_pending.map(|oldest| {
        let age = time((now - oldest).to_std().unwrap_or_default());
        match status.pending {
            Some(Count { exact: false, .. }) => format!("over {age}"),
            _ => age,
        }
    });
    [
        status.id.to_string(),
        status.name.clone(),
        status.source.clone(),
        or_unknown(status.coverage.map(coverage)),
        status.pending.map_or_else(|| "no access".to_owned(), count),
        unless_empty(oldest),
        unless_empty(status.rows_per_second.map(rate)),
        unless_empty(status.time_left.map(time)),
        or_unknown(status.input_tokens.map(|tokens| tokens.to_string())),
        status
            .failed
            .map_or_else(|| "no access".to_owned(), |failed| failed.to_string()),
        state.to_owned(),
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
            "pending",
        ];
        assert_eq!(
            table(&[cells.map(str::to_owned)]),
            "ID  VECTORIZER  SOURCE        EMBEDDED   PENDING  OLDEST  ROWS/S  TIME LEFT  TOKENS   FAILED  STATE\n\
             7   posts       public.posts  9/10, 90%  1        2m      0.5     2s         unknown  0       pending\n"
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
}
