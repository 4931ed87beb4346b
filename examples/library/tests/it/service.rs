//! A library on a database and a folder of its own.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use library::Library;
use library::migration::Migrator;
use pgai_sea::embedder::Local;
use pgai_sea_tests::TestDatabase;
use reqwest::{Client, Response};
use sea_orm_migration::MigratorTrait;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// What a slow machine needs to read a few documents.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running library.
pub(crate) struct Service {
    pub(crate) test: TestDatabase,
    /// Without a slash at its end.
    pub(crate) url: String,
    pub(crate) folder: TempDir,
    client: Client,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), library::Error>>,
}

impl Service {
    pub(crate) async fn start(test: TestDatabase) -> Result<Self> {
        Migrator::up(&test.db, None).await?;
        let folder = tempfile::tempdir()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let parser = Path::new(env!("CARGO_BIN_EXE_library"));
        let library = Library::new(test.db.clone(), folder.path(), Arc::new(model()), parser)?;
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(library::run(library, listener, async { drop(stopped.await) }));
        rustls::crypto::ring::default_provider().install_default().ok();
        Ok(Self {
            test,
            url,
            folder,
            client: Client::builder().no_proxy().build()?,
            stop,
            running,
        })
    }

    /// Drops one of pgai's test documents into the folder.
    pub(crate) fn drop_in(&self, name: &str) -> Result<()> {
        let file = real_parts::documents_dir()?.join(name);
        std::fs::copy(file, self.folder.path().join(name))?;
        Ok(())
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> Result<()> {
        Ok(std::fs::write(self.folder.path().join(name), text)?)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Response> {
        Ok(self.client.get(format!("{}{path}", self.url)).send().await?)
    }

    /// The page for a question, once it has what is waited for.
    pub(crate) async fn page_with(&self, question: &str, has: impl Fn(&str) -> bool) -> Result<String> {
        let started = Instant::now();
        loop {
            let mut url = reqwest::Url::parse(&self.url)?;
            url.query_pairs_mut().append_pair("q", question);
            let page = self.client.get(url).send().await?.error_for_status()?.text().await?;
            if has(&page) {
                return Ok(page);
            }
            assert!(started.elapsed() < PATIENCE, "{question}: {page}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.send(()).ok();
        Ok(self.running.await??)
    }
}

/// The model, loaded once.
fn model() -> Local {
    static MODEL: OnceLock<Local> = OnceLock::new();
    let load = || Local::from_dir(real_parts::minilm_dir().unwrap()).unwrap();
    MODEL.get_or_init(load).clone()
}
