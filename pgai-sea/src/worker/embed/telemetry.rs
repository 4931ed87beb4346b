//! Spans and metrics of requests to providers, with the names of OpenTelemetry's semantic conventions for generative
//! AI.
//!
//! Metrics are `tracing` events with fields such as `histogram.gen_ai.client.operation.duration`, as the `MetricsLayer`
//! of the crate tracing-opentelemetry expects them. Without such a layer they cost nothing: their level is TRACE, and
//! they have their own target.

use std::time::Duration;

use sea_orm::prelude::DateTimeWithTimeZone;
use tracing::field::Empty;
use tracing::{Level, Span, event, info_span};

use crate::catalog::{Count, VectorizerState, VectorizerStatus};
use crate::config::Embedding;
use crate::embedder::{EmbedError, ServerAddress};
use crate::pgvector::Dimensions;
use crate::search::METRICS;

/// The provider and model of a vectorizer, in the conventions' words.
#[derive(Clone, Debug)]
pub(crate) struct Telemetry {
    vectorizer: String,
    provider: String,
    model: String,
    dimensions: usize,
    server: Option<ServerAddress>,
}

impl Telemetry {
    pub(crate) fn new(
        vectorizer: &str,
        config: &Embedding,
        dimensions: Dimensions,
        server: Option<ServerAddress>,
    ) -> Self {
        let model = config.model();
        Self {
            vectorizer: vectorizer.to_owned(),
            provider: well_known(config.provider(), model).to_owned(),
            model: model.to_owned(),
            dimensions: dimensions.get(),
            server,
        }
    }

    /// The span of one request.
    pub(crate) fn span(&self, texts: usize) -> Span {
        info_span!(
            "embeddings",
            otel.name = format!("embeddings {}", self.model),
            otel.kind = "client",
            otel.status_code = Empty,
            gen_ai.operation.name = "embeddings",
            gen_ai.provider.name = self.provider,
            gen_ai.request.model = self.model,
            gen_ai.embeddings.dimension.count = self.dimensions,
            gen_ai.usage.input_tokens = Empty,
            server.address = self.address(),
            server.port = self.port(),
            "error.type" = Empty,
            pgai_sea.vectorizer = self.vectorizer,
            pgai_sea.texts = texts,
        )
    }

    fn address(&self) -> Option<&str> {
        self.server.as_ref().map(|server| server.host.as_str())
    }

    fn port(&self) -> Option<u16> {
        self.server.as_ref().and_then(|server| server.port)
    }

    /// Records how a request ended.
    pub(crate) fn ended(&self, span: &Span, time: Duration, tokens: Option<u64>, error: Option<&str>) {
        let (address, port) = (self.address(), self.port());
        if let Some(tokens) = tokens {
            span.record("gen_ai.usage.input_tokens", tokens);
        }
        if let Some(error) = error {
            span.record("error.type", error);
            span.record("otel.status_code", "ERROR");
        }
        let Self {
            vectorizer,
            provider,
            model,
            ..
        } = self;
        event!(target: METRICS, Level::TRACE, {
            histogram.gen_ai.client.operation.duration = time.as_secs_f64(),
            gen_ai.operation.name = "embeddings",
            gen_ai.provider.name = provider,
            gen_ai.request.model = model,
            server.address = address,
            server.port = port,
            "error.type" = error,
            pgai_sea.vectorizer = vectorizer,
        });
        if let Some(tokens) = tokens {
            event!(target: METRICS, Level::TRACE, {
                histogram.gen_ai.client.token.usage = tokens,
                "gen_ai.token.type" = "input",
                gen_ai.operation.name = "embeddings",
                gen_ai.provider.name = provider,
                gen_ai.request.model = model,
                server.address = address,
                server.port = port,
                pgai_sea.vectorizer = vectorizer,
            });
        }
    }
}

/// Counts what a batch did.
pub(crate) fn count(vectorizer: &str, rows: u64, chunks: u64, deferred: u64, dead_letters: u64) {
    event!(target: METRICS, Level::TRACE, {
        monotonic_counter.pgai_sea.rows = rows,
        monotonic_counter.pgai_sea.chunks = chunks,
        monotonic_counter.pgai_sea.rows_deferred = deferred,
        monotonic_counter.pgai_sea.dead_letters = dead_letters,
        pgai_sea.vectorizer = vectorizer,
    });
}

/// Gauges of a vectorizer.
pub(crate) fn observed(status: &VectorizerStatus) {
    let rows = |count: Option<Count>| count.map(|count| count.rows);
    let age = |since: DateTimeWithTimeZone| (status.read_at - since).to_std().unwrap_or_default().as_secs_f64();
    // of an empty queue the oldest row is no age old
    let oldest_age = status.oldest_pending.map_or(0.0, age);
    gauges(
        &status.name,
        [
            rows(status.pending),
            status.due,
            status.failed.and_then(|failed| u64::try_from(failed).ok()),
            rows(status.coverage.map(|coverage| coverage.rows)),
            rows(status.coverage.map(|coverage| coverage.embedded)),
        ],
        oldest_age,
        Some(status.state),
    );
}

/// The vectorizer is gone: nothing of it waits, and it has no state.
pub(crate) fn gone(vectorizer: &str) {
    gauges(vectorizer, [Some(0); 5], 0.0, None);
}

/// What is not known is not said.
fn gauges(vectorizer: &str, rows: [Option<u64>; 5], oldest_age: f64, state: Option<VectorizerState>) {
    let [pending, due, given_up, source, embedded] = rows;
    event!(target: METRICS, Level::TRACE, {
        gauge.pgai_sea.queue.rows = pending,
        gauge.pgai_sea.queue.due_rows = due,
        gauge.pgai_sea.queue.oldest_age = oldest_age,
        gauge.pgai_sea.rows_given_up = given_up,
        gauge.pgai_sea.source.rows = source,
        gauge.pgai_sea.source.embedded_rows = embedded,
        pgai_sea.vectorizer = vectorizer,
    });
    for one in VectorizerState::ALL {
        event!(target: METRICS, Level::TRACE, {
            gauge.pgai_sea.vectorizer.state = u64::from(state == Some(one)),
            pgai_sea.vectorizer.state.name = one.to_string(),
            pgai_sea.vectorizer = vectorizer,
        });
    }
}

/// The conventions' `error.type`: the HTTP status, or the kind of failure.
pub(crate) fn error_type(error: &EmbedError) -> String {
    match error {
        EmbedError::Unavailable { status, .. } | EmbedError::Refused { status, .. } => status.to_string(),
        EmbedError::Unreachable { .. } => "unreachable".to_owned(),
        EmbedError::Configuration { .. } => "configuration".to_owned(),
        EmbedError::Answer { .. } => "unusable_answer".to_owned(),
        EmbedError::Failed { .. } => "failed".to_owned(),
    }
}

/// The conventions' name of a provider, if they have one. The prefix of LiteLLM's models names the provider.
fn well_known<'p>(provider: &'p str, model: &'p str) -> &'p str {
    let provider = match (provider, model.split_once('/')) {
        ("litellm", Some((prefix, _))) => prefix,
        _ => provider,
    };
    match provider {
        "azure" => "azure.ai.openai",
        "bedrock" => "aws.bedrock",
        "gemini" => "gcp.gemini",
        "mistral" => "mistral_ai",
        "vertex_ai" => "gcp.vertex_ai",
        "voyage" => "voyageai",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_have_the_conventions_names() {
        assert_eq!(well_known("openai", "text-embedding-3-small"), "openai");
        assert_eq!(well_known("ollama", "library/all-minilm"), "ollama");
        assert_eq!(well_known("litellm", "mistral/mistral-embed"), "mistral_ai");
        assert_eq!(well_known("litellm", "azure/my-deployment"), "azure.ai.openai");
        assert_eq!(well_known("litellm", "text-embedding-3-small"), "litellm");
    }
}
