//! Spans and metrics of searches. The guide's page on production lists their names.

use std::future::Future;
use std::time::{Duration, Instant};

use tracing::field::Empty;
use tracing::{Instrument, Level, Span, event, info_span};

use super::error::{SearchError, table_of};
use super::hits::Hits;
use super::plan::Attempt;
use crate::entity::EmbeddingTrait;

/// The target of all metrics: events with fields such as `histogram.pgai_sea.search.duration`, as the `MetricsLayer` of
/// the crate tracing-opentelemetry expects them. Without such a layer they cost nothing: their level is TRACE.
pub(crate) const METRICS: &str = "pgai_sea::metrics";

/// One search.
pub(super) struct Telemetry {
    table: String,
    span: Span,
    started: Instant,
    embedding: Duration,
    reranking: Duration,
}

impl Telemetry {
    pub(super) fn begin<E: EmbeddingTrait>(limit: u64) -> Self {
        let table = table_of::<E>();
        let span = info_span!(
            "search",
            otel.name = format!("search {table}"),
            otel.kind = "client",
            otel.status_code = Empty,
            db.system.name = "postgresql",
            db.operation.name = "search",
            db.collection.name = table,
            "error.type" = Empty,
            pgai_sea.search.limit = limit,
            pgai_sea.search.method = Empty,
            pgai_sea.search.hits = Empty,
            pgai_sea.search.missing = Empty,
            pgai_sea.search.embedding_seconds = Empty,
            pgai_sea.search.reranking_seconds = Empty,
            pgai_sea.search.database_seconds = Empty,
        );
        Self {
            table,
            span,
            started: Instant::now(),
            embedding: Duration::ZERO,
            reranking: Duration::ZERO,
        }
    }

    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Waits for the vector of a query. A text is embedded meanwhile.
    pub(super) async fn embedding<T>(&mut self, is_text: bool, future: impl Future<Output = T>) -> T {
        if !is_text {
            return future.await;
        }
        let began = Instant::now();
        let vector = future.instrument(info_span!("embed query")).await;
        self.embedding += began.elapsed();
        vector
    }

    /// Waits for a reranker.
    pub(super) async fn reranking<T>(&mut self, passages: usize, future: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let scores = future
            .instrument(info_span!("rerank", pgai_sea.passages = passages))
            .await;
        self.reranking += began.elapsed();
        scores
    }

    /// Records how the search ended.
    pub(super) fn ended<H>(self, found: &Result<Hits<H>, SearchError>) {
        let Self {
            table,
            span,
            started,
            embedding,
            reranking,
        } = self;
        let time = started.elapsed();
        let database = time.saturating_sub(embedding).saturating_sub(reranking);
        let error = found.as_ref().err().map(error_type);
        span.record("pgai_sea.search.embedding_seconds", embedding.as_secs_f64());
        span.record("pgai_sea.search.reranking_seconds", reranking.as_secs_f64());
        span.record("pgai_sea.search.database_seconds", database.as_secs_f64());
        if let Some(error) = error {
            span.record("error.type", error);
            span.record("otel.status_code", "ERROR");
        }
        event!(target: METRICS, Level::TRACE, {
            histogram.pgai_sea.search.duration = time.as_secs_f64(),
            histogram.pgai_sea.search.embedding.duration = embedding.as_secs_f64(),
            histogram.pgai_sea.search.reranking.duration = reranking.as_secs_f64(),
            histogram.pgai_sea.search.database.duration = database.as_secs_f64(),
            db.collection.name = table,
            "error.type" = error,
        });
        if let Ok(hits) = found {
            let count = hits.len() as u64;
            span.record("pgai_sea.search.hits", count);
            span.record("pgai_sea.search.missing", hits.missing());
            event!(target: METRICS, Level::TRACE, {
                histogram.pgai_sea.search.hits = count,
                monotonic_counter.pgai_sea.search.missing = hits.missing(),
                db.collection.name = table,
            });
        }
    }
}

/// Records that a statement is sent: one that an index on vectors serves, if there is one, or one that reads every row.
/// Of several statements of a search the last one counts.
pub(super) fn asks<E: EmbeddingTrait>(attempt: Attempt) {
    let method = match attempt {
        Attempt::Look { .. } | Attempt::Scan { .. } => "scan",
        Attempt::Exact => "exact",
    };
    Span::current().record("pgai_sea.search.method", method);
    event!(target: METRICS, Level::TRACE, {
        monotonic_counter.pgai_sea.search.statements = 1_u64,
        pgai_sea.search.method = method,
        db.collection.name = table_of::<E>(),
    });
}

fn error_type(error: &SearchError) -> &'static str {
    match error {
        SearchError::Embed(_) => "embedding",
        SearchError::Rerank(_) => "reranking",
        SearchError::Catalog(_) | SearchError::WrongModel { .. } => "catalog",
        SearchError::Db { .. } | SearchError::NoPgvector { .. } | SearchError::StoredDimensions { .. } => "database",
        _ => "refused",
    }
}
