//! Spans and metrics, collected as an application does it: with tracing-opentelemetry's layers and OpenTelemetry's own
//! exporters.

use std::collections::BTreeMap;

use opentelemetry::trace::{SpanKind, Status, TracerProvider as _};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ScopeMetrics};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use pgai_sea::worker::Worker;
use pgai_sea_tests::providers::{Fault, Provider};
use pgai_sea_tests::{Catalog, on_catalog};
use tracing_opentelemetry::MetricsLayer;
use tracing_subscriber::layer::SubscriberExt;

use super::support::DIMENSIONS;

pub(crate) type Attributes = BTreeMap<String, String>;

pub(crate) fn attributes<'a>(pairs: impl Iterator<Item = &'a opentelemetry::KeyValue>) -> Attributes {
    pairs
        .map(|pair| (pair.key.to_string(), pair.value.to_string()))
        .collect()
}

/// Every data point's attributes and sum, by metric.
pub(crate) fn points(exporter: &InMemoryMetricExporter) -> BTreeMap<String, Vec<(Attributes, f64)>> {
    let mut points: BTreeMap<String, Vec<(Attributes, f64)>> = BTreeMap::new();
    let Some(last) = exporter.get_finished_metrics().unwrap().pop() else {
        return points;
    };
    for metric in last.scope_metrics().flat_map(ScopeMetrics::metrics) {
        let points = points.entry(metric.name().to_owned()).or_default();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        match metric.data() {
            AggregatedMetrics::F64(MetricData::Histogram(data)) => {
                points.extend(
                    data.data_points()
                        .map(|point| (attributes(point.attributes()), point.sum())),
                );
            }
            AggregatedMetrics::U64(MetricData::Histogram(data)) => {
                points.extend(
                    data.data_points()
                        .map(|point| (attributes(point.attributes()), point.sum() as f64)),
                );
            }
            AggregatedMetrics::U64(MetricData::Sum(data)) => {
                points.extend(
                    data.data_points()
                        .map(|point| (attributes(point.attributes()), point.value() as f64)),
                );
            }
            AggregatedMetrics::F64(MetricData::Gauge(data)) => {
                points.extend(
                    data.data_points()
                        .map(|point| (attributes(point.attributes()), point.value())),
                );
            }
            AggregatedMetrics::U64(MetricData::Gauge(data)) => {
                points.extend(
                    data.data_points()
                        .map(|point| (attributes(point.attributes()), point.value() as f64)),
                );
            }
            other => panic!("{}: {other:?}", metric.name()),
        }
    }
    points
}

#[tokio::test]
async fn requests_have_the_names_of_the_semantic_conventions() {
    on_catalog(Catalog::Ours, async |test| {
        let provider = Provider::start();
        provider.install("model", DIMENSIONS);
        test.execute(&format!(
            "create table posts (id int primary key, body text);
             insert into posts select i, 'text ' || i from generate_series(1, 3) i;
             select ai.create_vectorizer('posts', name => 'tested', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('model', {DIMENSIONS}, base_url => '{}'))",
            provider.ollama_url()
        ))
        .await?;
        provider.next(Fault::TooManyRequests(None));

        let spans = InMemorySpanExporter::default();
        let tracer = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
        let exporter = InMemoryMetricExporter::default();
        let meter = SdkMeterProvider::builder()
            .with_reader(PeriodicReader::builder(exporter.clone()).build())
            .build();
        let subscriber = tracing_subscriber::registry()
            .with(tracing_opentelemetry::layer().with_tracer(tracer.tracer("test")))
            .with(MetricsLayer::new(meter.clone()));
        // as long as there is one subscriber, the thread that first meets an event decides for all whether it is heard
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        // a test's runtime has one thread
        let guard = tracing::subscriber::set_default(subscriber);
        let report = Worker::new(test.db.clone()).run_once().await?;
        drop(guard);
        tracer.force_flush()?;
        meter.force_flush()?;
        assert_eq!(report.rows(), 3, "{report:?}");

        let port = provider.ollama_url().rsplit_once(':').unwrap().1.to_owned();
        let expected = |more: &[(&str, &str)]| -> Attributes {
            let common = [
                ("gen_ai.operation.name", "embeddings"),
                ("gen_ai.provider.name", "ollama"),
                ("gen_ai.request.model", "model"),
                ("server.address", "127.0.0.1"),
                ("server.port", &port),
                ("pgai_sea.vectorizer", "tested"),
            ];
            let all = common.iter().chain(more);
            all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };

        let spans: Vec<_> = spans
            .get_finished_spans()?
            .into_iter()
            .filter(|span| span.name == "embeddings model")
            .collect();
        assert_eq!(spans.len(), 2, "{spans:?}");
        for (span, error) in spans.iter().zip([Some("429"), None]) {
            assert_eq!(span.span_kind, SpanKind::Client);
            let attributes = attributes(span.attributes.iter());
            let mut wanted = expected(&[("gen_ai.embeddings.dimension.count", "8"), ("pgai_sea.texts", "3")]);
            if let Some(error) = error {
                wanted.insert("error.type".to_owned(), error.to_owned());
                assert!(matches!(span.status, Status::Error { .. }), "{span:?}");
            } else {
                wanted.insert("gen_ai.usage.input_tokens".to_owned(), TOKENS.to_string());
                assert_eq!(span.status, Status::Unset);
            }
            for (name, value) in wanted {
                assert_eq!(attributes.get(&name), Some(&value), "{name} of {attributes:?}");
            }
            assert_eq!(attributes.contains_key("error.type"), error.is_some());
        }

        let points = points(&exporter);
        let durations = &points["gen_ai.client.operation.duration"];
        assert!(durations.iter().all(|(_, seconds)| *seconds > 0.0), "{durations:?}");
        let mut durations: Vec<_> = durations.iter().map(|(attributes, _)| attributes.clone()).collect();
        durations.sort_by_key(BTreeMap::len);
        assert_eq!(durations, [expected(&[]), expected(&[("error.type", "429")])]);
        let tokens = expected(&[("gen_ai.token.type", "input")]);
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let counted = [(tokens, TOKENS as f64)];
        assert_eq!(points["gen_ai.client.token.usage"], counted);
        let vectorizer = Attributes::from([("pgai_sea.vectorizer".to_owned(), "tested".to_owned())]);
        for (name, count) in [
            ("rows", 3.0),
            ("chunks", 3.0),
            ("rows_deferred", 0.0),
            ("dead_letters", 0.0),
        ] {
            assert_eq!(
                points[&format!("pgai_sea.{name}")],
                [(vectorizer.clone(), count)],
                "{name}"
            );
        }
        assert_eq!(report.vectorizers[0].counts.input_tokens, Some(TOKENS));
        Ok(())
    })
    .await;
}

/// What the provider counts in the three texts.
const TOKENS: u64 = 6;

/// The gauges of a vectorizer, as OpenTelemetry collects them.
#[tokio::test]
async fn queues_are_gauges() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(&format!(
            "create table posts (id int primary key, body text);
             insert into posts select i, 'text ' || i from generate_series(1, 3) i;
             select ai.create_vectorizer('posts', name => 'tested', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('model', {DIMENSIONS}));
             select ai.disable_vectorizer_schedule(1)"
        ))
        .await?;
        let exporter = InMemoryMetricExporter::default();
        let meter = SdkMeterProvider::builder()
            .with_reader(PeriodicReader::builder(exporter.clone()).build())
            .build();
        let subscriber = tracing_subscriber::registry().with(MetricsLayer::new(meter.clone()));
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        let guard = tracing::subscriber::set_default(subscriber);
        let (looked, mut heard) = tokio::sync::mpsc::unbounded_channel();
        Worker::new(test.db.clone())
            .observe_every(std::time::Duration::from_secs(1))
            .on_event(move |event| {
                if let pgai_sea::worker::Event::Observed(statuses) = event {
                    looked.send(statuses.len()).ok();
                }
            })
            .run_until(heard.recv())
            .await?;
        drop(guard);
        meter.force_flush()?;
        let points = points(&exporter);
        let value = |name: &str, more: &[(&str, &str)]| {
            let is_it = |attributes: &Attributes| {
                let mut wanted = more.iter().chain(&[("pgai_sea.vectorizer", "tested")]);
                wanted.all(|(name, value)| attributes.get(*name).is_some_and(|its| its == value))
            };
            points[name]
                .iter()
                .find(|(attributes, _)| is_it(attributes))
                .map(|(_, value)| *value)
        };
        assert_eq!(value("pgai_sea.queue.rows", &[]), Some(3.0), "{points:?}");
        assert_eq!(value("pgai_sea.queue.due_rows", &[]), Some(3.0));
        assert!(value("pgai_sea.queue.oldest_age", &[]) > Some(0.0));
        assert_eq!(value("pgai_sea.rows_given_up", &[]), Some(0.0));
        assert_eq!(value("pgai_sea.source.rows", &[]), Some(3.0));
        assert_eq!(value("pgai_sea.source.embedded_rows", &[]), Some(0.0));
        let state = |name| value("pgai_sea.vectorizer.state", &[("pgai_sea.vectorizer.state.name", name)]);
        assert_eq!(
            (state("paused"), state("in sync")),
            (Some(1.0), Some(0.0)),
            "{points:?}"
        );
        Ok(())
    })
    .await;
}
