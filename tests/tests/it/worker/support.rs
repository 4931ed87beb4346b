//! An embedder that waits on demand, a table with a vectorizer, and the check that every row has exactly its
//! embeddings.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pgai_sea::catalog;
use pgai_sea::config::{Formatting, Loading};
use pgai_sea::embedder::{EmbedError, Embedder, Embeddings, InputType, RequestLimits};
use pgai_sea::worker::{Report, Worker, WorkerError};
use pgai_sea_tests::TestDatabase;
use pgai_sea_tests::providers::embedding_of;
use sea_orm::{ConnectionTrait, Statement};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tracing::Level;
use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

pub(super) const DIMENSIONS: usize = 8;

/// Embeds as the test servers do, keeps what it was asked, waits while it is held, refuses what it is told to.
#[derive(Debug)]
pub(super) struct Gate {
    /// How many requests are let through.
    open: watch::Sender<usize>,
    calls: Mutex<Vec<Vec<String>>>,
    arrived: watch::Sender<usize>,
    refused: Mutex<Option<String>>,
    faults: AtomicUsize,
    inputs: usize,
}

impl Gate {
    pub(super) fn new() -> Arc<Self> {
        Self::with_inputs(2048)
    }

    /// A gate that takes so many texts in a request.
    pub(super) fn with_inputs(inputs: usize) -> Arc<Self> {
        Arc::new(Self {
            open: watch::Sender::new(usize::MAX),
            calls: Mutex::default(),
            arrived: watch::Sender::new(0),
            refused: Mutex::default(),
            faults: AtomicUsize::new(0),
            inputs,
        })
    }

    pub(super) fn hold(&self) {
        let calls = self.calls.lock().unwrap().len();
        self.open.send_replace(calls);
    }

    /// Lets one request more through while it is held.
    pub(super) fn admit(&self) {
        self.open.send_modify(|open| *open += 1);
    }

    pub(super) fn release(&self) {
        self.open.send_replace(usize::MAX);
    }

    /// Refuses every request with a text that contains `part`.
    pub(super) fn refuse(&self, part: &str) {
        *self.refused.lock().unwrap() = Some(part.to_owned());
    }

    /// The next requests fail as if the provider was down.
    pub(super) fn be_down_for(&self, requests: usize) {
        self.faults.store(requests, Ordering::SeqCst);
    }

    /// All texts of all requests so far.
    pub(super) fn texts(&self) -> Vec<String> {
        self.calls.lock().unwrap().concat()
    }

    pub(super) fn calls(&self) -> Vec<Vec<String>> {
        self.calls.lock().unwrap().clone()
    }

    /// Waits until there were so many requests.
    pub(super) async fn wait_for(&self, requests: usize) {
        let mut arrived = self.arrived.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(20), arrived.wait_for(|&count| count >= requests)).await;
        waited
            .unwrap_or_else(|_| panic!("{requests} requests did not come"))
            .unwrap();
    }
}

#[async_trait]
impl Embedder for Gate {
    async fn embed(&self, texts: &[&str], input_type: InputType) -> Result<Embeddings, EmbedError> {
        assert_eq!(input_type, InputType::Document);
        assert!((1..=self.inputs).contains(&texts.len()), "{} texts", texts.len());
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(texts.iter().copied().map(str::to_owned).collect());
            calls.len()
        };
        self.arrived.send_modify(|count| *count += 1);
        self.open.subscribe().wait_for(|open| number <= *open).await.unwrap();
        if self
            .faults
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok()
        {
            return Err(EmbedError::Unavailable {
                provider: "gate",
                status: 503,
                message: "down for a test".into(),
                retry_after: None,
            });
        }
        let refused = self.refused.lock().unwrap().clone();
        if refused.is_some_and(|part| texts.iter().any(|text| text.contains(&part))) {
            return Err(EmbedError::Refused {
                provider: "gate",
                status: 400,
                message: "not this one".into(),
            });
        }
        let vectors = texts.iter().map(|text| embedding_of("gate", text, DIMENSIONS));
        Ok(Embeddings::new(vectors.collect()))
    }

    fn limits(&self) -> RequestLimits {
        RequestLimits::inputs(self.inputs)
    }
}

/// A worker that embeds with `gate`.
pub(super) fn worker(test: &TestDatabase, gate: &Arc<Gate>) -> Worker {
    LazyLock::force(&STATEMENTS);
    Worker::new(test.db.clone())
        .embedder("ollama", "gate", Arc::clone(gate) as Arc<dyn Embedder>)
        .poll_interval(Duration::from_millis(50))
        .retry_delay(Duration::from_millis(1))
}

/// A worker that runs until it is stopped.
#[derive(Debug)]
pub(super) struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<Report, WorkerError>>,
}

/// Starts a worker.
pub(super) fn start(worker: Worker) -> Running {
    LazyLock::force(&STATEMENTS);
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(async move { worker.run_until(stopped).await });
    Running { stop, task }
}

impl Running {
    /// Stops it after the batches in hand.
    pub(super) async fn stop(self) -> Report {
        self.stop.send(()).ok();
        self.task.await.unwrap().unwrap()
    }

    /// Drops it where it stands.
    pub(super) async fn abort(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

/// Runs a worker until nothing is left.
pub(super) async fn run(test: &TestDatabase, gate: &Arc<Gate>) -> Report {
    worker(test, gate).run_once().await.unwrap()
}

/// `posts (id, title, body)`, embedded with title and in small chunks.
pub(super) async fn posts(test: &TestDatabase) -> Result<(), sea_orm::DbErr> {
    test.execute("create table posts (id int primary key, title text, body text, likes int not null default 0)")
        .await?;
    vectorizer(test, "posts", "body", "$title: $chunk", "").await
}

/// A vectorizer on `source`, called as the table.
pub(super) async fn vectorizer(
    test: &TestDatabase,
    source: &str,
    column: &str,
    template: &str,
    more: &str,
) -> Result<(), sea_orm::DbErr> {
    let quoted = source.replace('"', "\"\"").replace('\'', "''");
    test.execute(&format!(
        "select ai.create_vectorizer('\"{quoted}\"'::regclass, name => 'tested', loading => \
            ai.loading_column('{column}'),
            embedding => ai.embedding_ollama('gate', {DIMENSIONS}),
            chunking => ai.chunking_character_text_splitter(chunk_size => 20, chunk_overlap => 4, separator => ' '),
            formatting => ai.formatting_python_template('{template}') {more})"
    ))
    .await
}

/// Every source row has exactly the chunks of its text with their vectors, nothing else is in the store, and the queue
/// is empty.
pub(super) async fn assert_in_sync(test: &TestDatabase) {
    assert_eq!(queued(test).await, 0, "rows in the queue");
    assert_exact(test).await;
}

/// The same, whatever is in the queue.
pub(super) async fn assert_exact(database: &TestDatabase) {
    let vectorizer = catalog::vectorizer(&database.db, "tested").await.unwrap();
    let (Some(Loading::Column(loading)), Formatting::PythonTemplate(template)) =
        (&vectorizer.config.loading, &vectorizer.config.formatting)
    else {
        panic!("{vectorizer:?}")
    };
    let quote = pgai_sea::sql::quote_identifier;
    let key: Vec<String> = vectorizer
        .source_pk
        .iter()
        .map(|column| quote(&column.attname))
        .collect();
    let key = format!("concat_ws('|', {})", key.join(", "));
    let source = pgai_sea::sql::qualified(&vectorizer.source_schema, &vectorizer.source_table);
    let rows = query(
        database,
        &format!(
            "select {key}, to_jsonb(s)::text, s.{}::text from {source} s",
            quote(&loading.column_name)
        ),
    )
    .await;
    let mut expected = BTreeSet::new();
    for row in rows {
        let (key, json, text): (String, String, Option<String>) = row;
        let values: serde_json::Value = serde_json::from_str(&json).unwrap();
        let chunks = match text.as_deref() {
            None | Some("") => Vec::new(),
            Some(text) => vectorizer.config.chunking.split(text).unwrap(),
        };
        for (seq, chunk) in chunks.iter().enumerate() {
            let value = |name: &str| match &values[name] {
                serde_json::Value::Null => Some("None".to_owned()),
                serde_json::Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            };
            let text = template.render(chunk, value).unwrap();
            expected.insert((
                key.clone(),
                seq.to_string(),
                text.clone(),
                bits(&embedding_of("gate", &text, DIMENSIONS)),
            ));
        }
    }
    let store = format!("{}_embedding_store", vectorizer.source_table);
    let store = pgai_sea::sql::qualified(&vectorizer.source_schema, &store);
    let chunks = query(
        database,
        &format!("select {key}, chunk_seq || e'\\t' || chunk, embedding::text from {store}"),
    )
    .await;
    let count = chunks.len();
    let stored: BTreeSet<_> = chunks
        .into_iter()
        .map(|(key, chunk, vector)| {
            let (seq, text) = chunk.split_once('\t').unwrap();
            let vector = vector.unwrap();
            let vector: Vec<f32> = vector
                .trim_matches(['[', ']'])
                .split(',')
                .map(|number| number.parse().unwrap())
                .collect();
            (key, seq.to_owned(), text.to_owned(), bits(&vector))
        })
        .collect();
    assert_eq!(count, stored.len(), "equal rows in the store");
    assert_eq!(stored, expected);
}

/// A vector that can be put in order.
fn bits(vector: &[f32]) -> Vec<u32> {
    vector.iter().map(|number| number.to_bits()).collect()
}

async fn query(test: &TestDatabase, sql: &str) -> Vec<(String, String, Option<String>)> {
    let rows = test
        .db
        .query_all_raw(Statement::from_string(test.db.get_database_backend(), sql))
        .await
        .unwrap();
    let column = |row: &sea_orm::QueryResult| {
        (
            row.try_get_by_index(0).unwrap(),
            row.try_get_by_index(1).unwrap(),
            row.try_get_by_index(2).unwrap(),
        )
    };
    rows.iter().map(column).collect()
}

/// Rows in the queue.
pub(super) async fn queued(test: &TestDatabase) -> i64 {
    let queue: String = test
        .value("select format('%I.%I', queue_schema, queue_table) from ai.vectorizer where name = 'tested'")
        .await
        .unwrap();
    test.value(&format!("select count(*) from {queue}")).await.unwrap()
}

/// The look at the catalog for vectorizers.
pub(super) const LOOK: &str = r#"FROM "ai"."vectorizer""#;
/// The first statement of an attempt to prepare a vectorizer.
pub(super) const PREPARE: &str = "with named as (";
/// A claim.
pub(super) const CLAIM: &str = "skip locked";

/// Waits until the worker has begun so many more statements with `pattern`, and so done what came before the last
/// of them.
pub(super) async fn statements(test: &TestDatabase, pattern: &str, more: usize) {
    let mut statements = STATEMENTS.subscribe();
    let before = begun(test, pattern);
    let waited = tokio::time::timeout(
        Duration::from_mins(1),
        statements.wait_for(|statements| count(statements, test, pattern) > before + more),
    );
    waited
        .await
        .unwrap_or_else(|_| panic!("the worker no longer asks for {pattern}"))
        .unwrap();
}

/// The statements with `pattern` that workers have begun.
pub(super) fn begun(test: &TestDatabase, pattern: &str) -> usize {
    count(&STATEMENTS.borrow(), test, pattern)
}

fn count(statements: &[(String, String)], test: &TestDatabase, pattern: &str) -> usize {
    let database = test.url.split('?').next().unwrap_or_default();
    let database = database.rsplit('/').next().unwrap_or_default();
    let of = statements
        .iter()
        .filter(|(of, sql)| of == database && sql.contains(pattern));
    of.count()
}

/// The statements of all workers of this process, with their databases.
static STATEMENTS: LazyLock<watch::Sender<Vec<(String, String)>>> = LazyLock::new(|| {
    let layer = Statements.with_filter(Targets::new().with_target("pgai_sea::worker::connection", Level::TRACE));
    tracing_subscriber::registry().with(layer).init();
    watch::Sender::new(Vec::new())
});

/// Hears of a worker's statements.
#[derive(Debug)]
struct Statements;

/// A statement of a worker.
#[derive(Debug, Default)]
struct Heard {
    database: String,
    sql: String,
}

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut heard = Heard::default();
        event.record(&mut heard);
        if !heard.sql.is_empty() {
            STATEMENTS.send_modify(|statements| statements.push((heard.database, heard.sql)));
        }
    }
}

impl Visit for Heard {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "database" => value.clone_into(&mut self.database),
            "sql" => value.clone_into(&mut self.sql),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

/// Waits until it is so, but not for ever.
pub(crate) async fn soon(is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !is_so().await {
        assert!(Instant::now() < deadline, "it does not come to that");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
