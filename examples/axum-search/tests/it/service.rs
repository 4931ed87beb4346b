//! A service on a database of its own.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum_search::{App, migration::Migrator};
use pgai_sea::embedder::Local;
use pgai_sea_tests::TestDatabase;
use reqwest::{Client, Method, Response, StatusCode};
use sea_orm_migration::MigratorTrait;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// What a slow machine needs to embed a few articles.
const PATIENCE: Duration = Duration::from_mins(3);

/// A running service, and a client of it.
pub(crate) struct Service {
    pub(crate) test: TestDatabase,
    /// Without a slash at its end.
    pub(crate) url: String,
    client: Client,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<()>>,
}

impl Service {
    /// With its worker.
    pub(crate) async fn start(test: TestDatabase) -> Result<Self> {
        Self::with(test, |app, listener, stopped| async move {
            Ok(axum_search::run(app, listener, stopped).await?)
        })
        .await
    }

    /// As long as its worker has not begun.
    pub(crate) async fn without_worker(test: TestDatabase) -> Result<Self> {
        Self::with(test, |app, listener, stopped| async move {
            let server = axum::serve(listener, axum_search::router(app));
            Ok(server.with_graceful_shutdown(stopped).await?)
        })
        .await
    }

    async fn with<F, R>(test: TestDatabase, serve: F) -> Result<Self>
    where
        F: FnOnce(App, TcpListener, Stopped) -> R,
        R: Future<Output = Result<()>> + Send + 'static,
    {
        Migrator::up(&test.db, None).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let app = App::new(test.db.clone(), Arc::new(model()));
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(serve(app, listener, Stopped(stopped)));
        Ok(Self {
            test,
            url,
            client: client(),
            stop,
            running,
        })
    }

    /// Lets it finish, and says if it would not.
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.send(()).ok();
        self.running.await?
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Response> {
        Ok(self.client.get(format!("{}{path}", self.url)).send().await?)
    }

    /// Sends JSON, or none for null.
    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Response> {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if !body.is_null() {
            request = request.json(body);
        }
        Ok(request.send().await?)
    }

    /// Sends what may be no JSON.
    pub(crate) async fn post(&self, content_type: &str, body: String) -> Result<Response> {
        let request = self.client.post(format!("{}/articles", self.url));
        Ok(request.header("content-type", content_type).body(body).send().await?)
    }

    /// Adds an article; gives back its number.
    pub(crate) async fn publish(&self, title: &str, body: &str) -> Result<i64> {
        let draft = json!({"title": title, "body": body});
        let response = self.send(Method::POST, "/articles", &draft).await?;
        assert_eq!(response.status(), StatusCode::CREATED, "{title}");
        let article: Value = response.json().await?;
        Ok(article["id"].as_i64().expect("an id"))
    }

    /// A page of hits.
    pub(crate) async fn search(&self, query: &str, page: u64) -> Result<Value> {
        let mut url = reqwest::Url::parse(&self.url)?.join("/search")?;
        url.query_pairs_mut()
            .append_pair("q", query)
            .append_pair("page", &page.to_string());
        let response = self.client.get(url).send().await?;
        assert_eq!(response.status(), StatusCode::OK, "{query}");
        Ok(response.json().await?)
    }

    /// The first page of hits, once everything that was written is indexed.
    pub(crate) async fn search_indexed(&self, query: &str) -> Result<Value> {
        let started = Instant::now();
        loop {
            let answer = self.search(query, 1).await?;
            let indexing = &answer["indexing"];
            if indexing["indexed"] == indexing["articles"] {
                return Ok(answer);
            }
            assert!(started.elapsed() < PATIENCE, "not indexed: {indexing}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Completes when the test is over.
pub(crate) struct Stopped(oneshot::Receiver<()>);

impl Future for Stopped {
    type Output = ();

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        std::pin::Pin::new(&mut self.0).poll(context).map(drop)
    }
}

/// The model, loaded once.
pub(crate) fn model() -> Local {
    static MODEL: OnceLock<Local> = OnceLock::new();
    let load = || Local::from_dir(real_parts::minilm_dir().unwrap()).unwrap();
    MODEL.get_or_init(load).clone()
}

/// A client for this machine alone.
pub(crate) fn client() -> Client {
    // fails where another test has done it
    rustls::crypto::ring::default_provider().install_default().ok();
    Client::builder().no_proxy().build().unwrap()
}

/// The titles of an answer's hits, in order.
pub(crate) fn titles(answer: &Value) -> Vec<&str> {
    let hits = answer["hits"].as_array().expect("a list of hits");
    hits.iter().map(|hit| hit["title"].as_str().expect("a title")).collect()
}
