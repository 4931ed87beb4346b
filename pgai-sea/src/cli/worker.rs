//! `pgai-sea worker`.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use tracing::{Level, warn};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use super::CliError;
use super::allowance::{Allowance, budgets};
use super::bar::Bars;
use super::database::DatabaseArgs;
#[cfg(feature = "documents")]
use super::documents::DocumentArgs;
use super::listen::{Metrics, MetricsLayer, Pages};
use super::local_model::{LocalModel, with_local_models};
use super::redact::Redacting;
use crate::catalog::VectorizerRef;
use crate::worker::{Event, METRICS, Report, SHORTEST_LEASE, SHORTEST_POLL_INTERVAL, Worker};

/// A process that was told to stop ends within this time.
const MOST_OF_STOPPING: Duration = Duration::from_millis(9_500);
/// As shells report a program that ctrl-c has ended.
const STOPPED_AT_ONCE: i32 = 130;

/// Options have the names of pgai's worker's.
#[derive(Debug, Args)]
pub(super) struct WorkerCommand {
    #[command(flatten)]
    database: DatabaseArgs,

    /// Serve only this vectorizer, by id or name; may be given several times. By default all
    #[arg(
        short = 'i',
        long = "vectorizer-id",
        visible_alias = "vectorizer",
        value_name = "ID",
        env = "PGAI_VECTORIZER_WORKER_VECTORIZER_IDS",
        value_delimiter = ',',
        value_parser = names
    )]
    vectorizers: Vec<Names>,

    /// Requests at once for each vectorizer, instead of what its configuration says
    #[arg(short, long, value_name = "N", env = "PGAI_VECTORIZER_WORKER_CONCURRENCY")]
    concurrency: Option<std::num::NonZeroUsize>,

    /// At most so many requests a minute to each provider, of all workers together; openai=3000 or
    /// openai/text-embedding-3-small=3000 speaks of one provider or model, and may be given several times
    #[arg(long, value_name = "[PROVIDER=]N", value_delimiter = ',')]
    requests_per_minute: Vec<Allowance>,

    /// At most so many tokens a minute, in the same way
    #[arg(long, value_name = "[PROVIDER=]N", value_delimiter = ',')]
    tokens_per_minute: Vec<Allowance>,

    /// A limit of spending: at most so many tokens a day (UTC), in the same way
    #[arg(long, value_name = "[PROVIDER=]N", value_delimiter = ',')]
    tokens_per_day: Vec<Allowance>,

    /// At most so many rows a second where rows that are there are queued in the background, or all rows of a
    /// vectorizer are embedded anew, as after `pgai-sea change start`; edits and other vectorizers go on at once
    #[arg(long, visible_alias = "backfill-rate", value_name = "ROWS")]
    backfill_rows_per_second: Option<std::num::NonZeroU32>,

    /// Queue no more rows in the background while a standby is more megabytes behind than this. The role needs
    /// pg_read_all_stats for it
    #[arg(long, value_name = "MB")]
    backfill_max_lag: Option<u32>,

    /// A shorter vector of this model is the beginning of a longer one: a change to a shorter length cuts the vectors
    /// that are there. ollama/nomic-embed-text, may be given several times. OpenAI's text-embedding-3 models are known
    #[arg(long = "nested-model", value_name = "PROVIDER/MODEL", value_parser = nested)]
    nested_models: Vec<Nested>,

    /// Let vectorizers name this server in their configuration (base_url), as gpu or 10.0.0.5:8080, * for any; may be
    /// given several times. By default the providers' own servers and those of the environment are asked, and others if
    /// the vectorizer is a superuser's, of the owner of the schema ai, or of the worker's own role
    #[arg(long = "allow-host", value_name = "HOST", value_delimiter = ',')]
    allowed_hosts: Vec<String>,

    /// Let vectorizers name this environment variable as api_key_name; may be given several times. Names that end in
    /// _API_KEY are always allowed, others as with --allow-host
    #[arg(long = "allow-key", value_name = "NAME", value_delimiter = ',')]
    allowed_keys: Vec<String>,

    #[cfg(feature = "documents")]
    #[command(flatten)]
    documents: DocumentArgs,

    /// How often to look for work at least when idle: 500ms, 30s, 5m, a number of seconds
    #[arg(
        long,
        value_name = "TIME",
        default_value = "1s",
        value_parser = poll_interval,
        env = "PGAI_VECTORIZER_WORKER_POLL_INTERVAL"
    )]
    poll_interval: Duration,

    /// How long rows that this worker holds are kept from others if it dies
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = lease)]
    lease: Duration,

    /// Stop when nothing is left to embed; exits with 1 if something could not be: a vectorizer failed, rows wait for
    /// another attempt or were given up, or a signal came first
    #[arg(long, env = "PGAI_VECTORIZER_WORKER_ONCE", value_parser = BoolishValueParser::new())]
    once: bool,

    /// Stop and exit with 1 when a provider, the database or a vectorizer's configuration fails, instead of waiting
    /// until it works again. With --once it is the default, and says only whether the exit status is 1: the other
    /// vectorizers are served all the same
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
        env = "PGAI_VECTORIZER_WORKER_EXIT_ON_ERROR"
    )]
    exit_on_error: Option<bool>,

    /// Embed in this process: bge-small=/models/bge-small serves the vectorizers whose embedding is local and has this
    /// name, ollama/all-minilm=/models/all-MiniLM-L6-v2 those that name this provider and model. Without a directory
    /// the model is fetched from the Hugging Face hub by its name. May be given several times
    #[arg(long = "local-model", value_name = "[PROVIDER/]MODEL[=DIR]")]
    local_models: Vec<LocalModel>,

    /// Serve /livez, /readyz and /metrics over HTTP at this address, for whoever watches: 127.0.0.1:9187
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "once")]
    listen: Option<String>,

    /// /livez says 503 when no row was done for so long although rows are due
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration, requires = "listen")]
    stalled_after: Duration,

    /// How much to log, on standard error; RUST_LOG says it in more detail
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "info",
        ignore_case = true,
        env = "PGAI_VECTORIZER_WORKER_LOG_LEVEL"
    )]
    log_level: LogLevel,

    /// Log lines of JSON
    #[arg(long)]
    json: bool,
}

/// What stands between commas: in its environment variable pgai's worker wants blanks there.
type Names = Vec<String>;

#[expect(clippy::unnecessary_wraps, reason = "clap's")]
fn names(text: &str) -> Result<Names, std::convert::Infallible> {
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

/// A model, with its provider.
#[derive(Clone, Debug)]
pub(super) struct Nested {
    pub(super) provider: String,
    pub(super) model: String,
}

pub(super) fn nested(text: &str) -> Result<Nested, &'static str> {
    let (provider, model) = text
        .split_once('/')
        .filter(|(provider, model)| !provider.is_empty() && !model.is_empty())
        .ok_or("write provider/model, as openai/text-embedding-3-small")?;
    Ok(Nested {
        provider: provider.to_owned(),
        model: model.to_owned(),
    })
}

/// An id or a name. A database's address in this place is refused, and not repeated.
pub(super) fn name(text: &str) -> Result<String, &'static str> {
    if text
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    {
        Ok(text.to_owned())
    } else {
        Err("a vectorizer's name has lower-case letters, digits and underscores; the database goes after -d")
    }
}

/// A time with its unit, or as pgai's worker takes it too a number of seconds.
pub(super) fn duration(text: &str) -> Result<Duration, humantime::DurationError> {
    match text.trim().parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text),
    }
}

/// A time of which there has to be some.
fn at_least(least: Duration, text: &str) -> Result<Duration, String> {
    let time = duration(text).map_err(|error| error.to_string())?;
    if time < least {
        return Err(format!("it takes {} at least", humantime::format_duration(least)));
    }
    Ok(time)
}

pub(super) fn poll_interval(text: &str) -> Result<Duration, String> {
    at_least(SHORTEST_POLL_INTERVAL, text)
}

pub(super) fn lease(text: &str) -> Result<Duration, String> {
    at_least(SHORTEST_LEASE, text)
}

/// pgai's words for levels, and tracing's.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogLevel {
    Trace,
    Debug,
    Info,
    #[value(alias = "warning")]
    Warn,
    #[value(alias = "critical")]
    Error,
}

impl WorkerCommand {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let bars = (self.once && !self.json && std::io::stderr().is_terminal()).then(Bars::new);
        let metrics = self.listen.as_ref().map(|_| Arc::new(Metrics::new()));
        self.log(bars.as_ref(), metrics.clone());
        let pages = match self.listen.as_deref().zip(metrics) {
            Some((address, metrics)) => Some(Pages::serve(address, self.stalled_after, metrics).await?),
            None => None,
        };
        // a connection for each batch that is written, and some for claiming and tracking
        let db = if self.once || self.exit_on_error == Some(true) {
            self.database.connect_worker(10).await?
        } else {
            self.database.connect_in_time(10).await?
        };
        let mut worker = Worker::new(db)
            .vectorizers(self.vectorizers.iter().flatten().map(|name| reference(name)))
            .poll_interval(self.poll_interval)
            .stop_on_error(!self.once && self.exit_on_error == Some(true))
            .lease(self.lease);
        if let Some(concurrency) = self.concurrency {
            worker = worker.concurrency(concurrency.get());
        }
        for (provider, budget) in budgets(&self.requests_per_minute, &self.tokens_per_minute, &self.tokens_per_day) {
            worker = match provider {
                Some(provider) => worker.budget_of(provider, budget),
                None => worker.budget(budget),
            };
        }
        if let Some(rows) = self.backfill_rows_per_second {
            worker = worker.backfill_rows_per_second(rows.get());
        }
        if let Some(lag) = self.backfill_max_lag {
            worker = worker.backfill_max_lag(lag);
        }
        for Nested { provider, model } in &self.nested_models {
            worker = worker.nested_model(provider, model);
        }
        for host in &self.allowed_hosts {
            worker = worker.allow_host(host);
        }
        for key in &self.allowed_keys {
            worker = worker.allow_key(key);
        }
        worker = with_local_models(worker, &self.local_models)?;
        #[cfg(feature = "documents")]
        {
            worker = worker.documents(self.documents.documents()?);
        }
        if let Some(bars) = bars.clone() {
            worker = worker.on_event(move |event| {
                if let Event::Progress(progress) = event {
                    bars.show(progress);
                }
            });
        }

        if let Some(pages) = &pages {
            worker = pages.watch(worker);
        }

        let report = if self.once {
            worker.run_once_until(told_to_stop()).await?
        } else {
            worker.run_until(told_to_stop()).await?
        };
        if let Some(bars) = &bars {
            bars.finish();
        }
        writeln!(std::io::stdout(), "{}", summary(&report))?;
        let errors = left(&report);
        if self.once && !errors.is_empty() {
            let error = CliError::Unserved { errors };
            if self.exit_on_error == Some(false) {
                warn!("{error}");
            } else {
                return Err(error);
            }
        }
        Ok(())
    }

    fn log(&self, bars: Option<&Bars>, metrics: Option<Arc<Metrics>>) {
        // a line in the middle of a progress bar helps nobody: then only what went wrong
        let level = match (self.log_level, bars) {
            (LogLevel::Info, Some(_)) => LogLevel::Warn,
            (level, _) => level,
        };
        let level = level
            .to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned());
        let filter =
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("warn,pgai_sea={level}")));
        let logs = tracing_subscriber::fmt::layer().with_writer(Redacting);
        let logs = if self.json {
            logs.json().with_filter(filter).boxed()
        } else {
            logs.with_ansi(std::io::stderr().is_terminal())
                .with_filter(filter)
                .boxed()
        };
        let metrics = metrics.map(|metrics| {
            let alone = Targets::new().with_target(METRICS, Level::TRACE);
            MetricsLayer(metrics).with_filter(alone)
        });
        // a second subscriber in one process (a test) is no reason to stop
        let _ = tracing_subscriber::registry().with(logs).with(metrics).try_init();
    }
}

/// A number is an id: names begin with a letter.
pub(super) fn reference(vectorizer: &str) -> VectorizerRef {
    vectorizer
        .parse()
        .map_or_else(|_| VectorizerRef::from(vectorizer), VectorizerRef::Id)
}

fn summary(report: &Report) -> String {
    let counts = report.counts();
    let mut parts = vec![
        format!("{} rows in sync", counts.rows),
        format!("{} chunks embedded", counts.chunks_written),
        format!("{} unchanged", counts.chunks_kept),
    ];
    if report.waiting() > 0 {
        parts.push(format!("{} rows wait for their next attempt", report.waiting()));
    }
    if counts.dead_letters > 0 {
        parts.push(format!("{} rows given up", counts.dead_letters));
    }
    parts.join(", ")
}

/// What a single run could not do, a line each.
fn left(report: &Report) -> Vec<String> {
    let mut left = Vec::new();
    for vectorizer in &report.vectorizers {
        let mut say = |what: String| left.push(format!("{}: {what}", vectorizer.name));
        vectorizer.errors.iter().cloned().for_each(&mut say);
        if vectorizer.waiting > 0 {
            say(format!(
                "{} rows failed and wait for their next attempt, the reasons are in ai.vectorizer_errors",
                vectorizer.waiting
            ));
        }
        if vectorizer.counts.dead_letters > 0 {
            say(format!(
                "{} rows were given up, see `pgai-sea failed list`",
                vectorizer.counts.dead_letters
            ));
        }
        if vectorizer.is_unfinished {
            say("stopped with rows left in the queue".to_owned());
        }
    }
    left
}

/// Ends when the process is told to stop; the second time it ends at once.
async fn told_to_stop() {
    signal().await;
    // A provider, the database and a model in this process all have less time. Whatever it is, the process ends.
    std::thread::spawn(|| {
        std::thread::sleep(MOST_OF_STOPPING);
        warn!("it does not stop by itself: ends now, what is in hand is another worker's when its lease has run out");
        std::process::exit(STOPPED_AT_ONCE);
    });
    tokio::spawn(async {
        signal().await;
        warn!("stopped a second time: ends at once, what is in hand is another worker's when its lease has run out");
        std::process::exit(STOPPED_AT_ONCE);
    });
}

/// Ctrl-c, or SIGTERM, by which service managers stop a process.
async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix;
        if let Ok(mut terminate) = unix::signal(unix::SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // without a handler there is nothing to wait for: the signal ends the process
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
