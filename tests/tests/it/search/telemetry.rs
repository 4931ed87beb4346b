//! Spans and metrics of searches, as an application collects them.

use std::collections::BTreeMap;

use opentelemetry::trace::{SpanKind, Status, TracerProvider as _};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use pgai_sea::prelude::*;
use pgai_sea::testing::{Failure, FakeEmbedder};
use pgai_sea_tests::{Catalog, on_catalog};
use tracing_opentelemetry::MetricsLayer;
use tracing_subscriber::layer::SubscriberExt;

use super::notes::{create, note, vector};
use crate::worker::telemetry::{attributes, points};

const TABLE: &str = "notes_embedding_store";

#[tokio::test]
async fn a_search_says_what_it_did_and_how_long_it_took() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
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
        let guard = tracing::subscriber::set_default(subscriber);
        let embedder = FakeEmbedder::new(3);
        let _ = note::embeddings::Entity::search_text(&embedder, "a question")
            .limit(4)
            .all(&test.db)
            .await?;
        let _ = note::embeddings::Entity::search(vector(7))
            .exact()
            .hybrid(FullText::any("note"))
            .all(&test.db)
            .await?;
        embedder.fail_next(Failure::Timeout);
        assert!(
            note::embeddings::Entity::search_text(&embedder, "another")
                .all(&test.db)
                .await
                .is_err()
        );
        drop(guard);
        tracer.force_flush()?;
        meter.force_flush()?;

        let spans = spans.get_finished_spans()?;
        let searches: Vec<_> = spans
            .iter()
            .filter(|span| span.name == format!("search {TABLE}"))
            .collect();
        assert_eq!(searches.len(), 3, "{spans:?}");
        for (span, expected) in searches.iter().zip([
            [Some("scan"), Some("4"), None],
            [Some("exact"), Some("10"), None],
            [None, None, Some("embedding")],
        ]) {
            assert_eq!(span.span_kind, SpanKind::Client);
            let attributes = attributes(span.attributes.iter());
            let names = ["pgai_sea.search.method", "pgai_sea.search.hits", "error.type"];
            let found = names.map(|name| attributes.get(name).map(String::as_str));
            assert_eq!(found, expected, "{attributes:?}");
            assert_eq!(attributes["db.system.name"], "postgresql");
            assert_eq!(attributes["db.collection.name"], TABLE);
            assert!(attributes["pgai_sea.search.database_seconds"].parse::<f64>()? >= 0.0);
            assert_eq!(matches!(span.status, Status::Error { .. }), expected[2].is_some());
        }
        let embedded = spans
            .iter()
            .filter(|span| span.name == "embed query")
            .collect::<Vec<_>>();
        assert_eq!(embedded.len(), 2);
        assert!(embedded.iter().all(|span| {
            searches
                .iter()
                .any(|search| search.span_context.span_id() == span.parent_span_id)
        }));

        let points = points(&exporter);
        let of_table = |more: &[(&str, &str)]| -> BTreeMap<String, String> {
            let all = [("db.collection.name", TABLE)].into_iter().chain(more.iter().copied());
            all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        assert_eq!(points["pgai_sea.search.hits"], [(of_table(&[]), 14.0)]);
        assert_eq!(points["pgai_sea.search.missing"], [(of_table(&[]), 0.0)]);
        let mut statements = points["pgai_sea.search.statements"].clone();
        statements.sort_by(|a, b| a.0.cmp(&b.0));
        let method = |method| of_table(&[("pgai_sea.search.method", method)]);
        assert_eq!(statements, [(method("exact"), 1.0), (method("scan"), 1.0)]);
        for part in ["duration", "embedding.duration", "database.duration"] {
            let durations = &points[&format!("pgai_sea.search.{part}")];
            assert_eq!(durations.len(), 2, "{part}: with an error and without");
            assert!(
                durations.iter().any(|(_, seconds)| *seconds > 0.0),
                "{part}: {durations:?}"
            );
        }
        Ok(())
    })
    .await;
}
