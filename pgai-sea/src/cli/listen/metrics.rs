//! The worker's metrics, heard as `tracing` events and told as OpenMetrics text: what OpenTelemetry collects from the
//! same events, by the names that its exporters make of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

type Labels = Vec<(String, String)>;

/// The boundaries that the semantic conventions for generative AI advise.
const SECONDS: [f64; 14] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// Fields of an event that are metrics begin with these.
const COUNTER: &str = "monotonic_counter.";
const GAUGE: &str = "gauge.";
const HISTOGRAM: &str = "histogram.";

#[derive(Debug)]
enum Metric {
    Counter(Family<Labels, Counter>),
    Gauge(Family<Labels, Gauge<f64, AtomicU64>>),
    Histogram(Family<Labels, Histogram>),
}

/// All metrics that were heard.
#[derive(Debug)]
pub(in crate::cli) struct Metrics {
    metrics: HashMap<&'static str, Metric>,
    registry: Mutex<Registry>,
}

impl Metrics {
    pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    pub(in crate::cli) fn new() -> Self {
        let mut registry = Registry::default();
        let mut metrics = HashMap::new();
        for (name, help) in [
            ("pgai_sea.rows", "Source rows whose embeddings were made right"),
            ("pgai_sea.chunks", "Chunks that were written with a new embedding"),
            (
                "pgai_sea.rows_deferred",
                "Failed attempts after which the row is tried again",
            ),
            ("pgai_sea.dead_letters", "Rows that failed for the last time"),
        ] {
            let family = Family::default();
            registry.register(plain(name), help, family.clone());
            metrics.insert(name, Metric::Counter(family));
        }
        for (name, help, unit) in [
            ("pgai_sea.queue.rows", "Rows in the queue", None),
            (
                "pgai_sea.queue.due_rows",
                "Rows in the queue that a worker may claim now, counted up to 10000",
                None,
            ),
            (
                "pgai_sea.queue.oldest_age",
                "How long the oldest row has been in the queue",
                Some(Unit::Seconds),
            ),
            (
                "pgai_sea.rows_given_up",
                "Rows that were given up and not tried again",
                None,
            ),
            ("pgai_sea.source.rows", "Source rows that have a text", None),
            (
                "pgai_sea.source.embedded_rows",
                "Source rows that have embeddings",
                None,
            ),
            (
                "pgai_sea.vectorizer.state",
                "1 for the state that the vectorizer is in",
                None,
            ),
        ] {
            let family = Family::default();
            match unit {
                Some(unit) => registry.register_with_unit(plain(name), help, unit, family.clone()),
                None => registry.register(plain(name), help, family.clone()),
            }
            metrics.insert(name, Metric::Gauge(family));
        }
        let name = "gen_ai.client.operation.duration";
        let family = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram);
        registry.register_with_unit(plain(name), "Requests to providers", Unit::Seconds, family.clone());
        metrics.insert(name, Metric::Histogram(family));
        let name = "gen_ai.client.token.usage";
        let family = Family::new_with_constructor((|| Histogram::new(TOKENS)) as fn() -> Histogram);
        registry.register(
            plain(name),
            "Tokens in each request, as the provider counts them",
            family.clone(),
        );
        metrics.insert(name, Metric::Histogram(family));
        Self {
            metrics,
            registry: Mutex::new(registry),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // a String takes everything
        let _ = encode(&mut text, &registry);
        text
    }

    fn record(&self, name: &str, value: f64, labels: &Labels) {
        match self.metrics.get(name) {
            Some(Metric::Gauge(family)) => {
                family.get_or_create(labels).set(value);
            }
            Some(Metric::Histogram(family)) => family.get_or_create(labels).observe(value),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a number of rows"
            )]
            Some(Metric::Counter(family)) => {
                family.get_or_create(labels).inc_by(value as u64);
            }
            None => {}
        }
    }
}

/// `pgai_sea_queue_rows` of `pgai_sea.queue.rows`.
fn plain(name: &str) -> String {
    name.replace('.', "_")
}

/// Hears the events whose fields are metrics.
#[derive(Debug)]
pub(in crate::cli) struct MetricsLayer(pub(in crate::cli) Arc<Metrics>);

impl<S: Subscriber> Layer<S> for MetricsLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for (name, value) in fields.metrics {
            self.0.record(name, value, &fields.labels);
        }
    }
}

/// An event's metrics, and what it says besides.
#[derive(Default)]
struct Fields {
    metrics: Vec<(&'static str, f64)>,
    labels: Labels,
}

impl Fields {
    fn number(&mut self, field: &Field, value: f64, text: impl fmt::Display) {
        let name = field.name();
        match [COUNTER, GAUGE, HISTOGRAM]
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix))
        {
            Some(name) => self.metrics.push((name, value)),
            None => self.labels.push((plain(name), text.to_string())),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.number(field, value, value);
    }

    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value as f64, value);
    }

    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value as f64, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.labels.push((plain(field.name()), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.labels.push((plain(field.name()), format!("{value:?}")));
    }
}
