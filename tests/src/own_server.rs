//! A server that a test may stop and start again, at an address that stays.

use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use futures::future::join_all;
use real_parts::Postgres;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio::task::{AbortHandle, spawn_blocking};

use crate::run::in_time;
use crate::{Catalog, TestDatabase, TestResult};

/// PostgreSQL with its usual settings for durability, reached through a port that stays when the server is another.
#[derive(Debug)]
pub struct OwnServer {
    dir: TempDir,
    postgres: Mutex<Option<Postgres>>,
    standby: Mutex<Option<Postgres>>,
    /// The server's port, while it may be reached.
    target: watch::Sender<Option<u16>>,
    /// How often connections fell silent.
    silenced: watch::Sender<u32>,
    port: u16,
    proxy: AbortHandle,
    counts: Arc<Counts>,
}

/// What went through the port.
#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    messages: AtomicU64,
}

/// Runs `body` on one catalog, in a database on a server of its own, whatever `DATABASE_URL` says.
pub async fn on_own_server(catalog: Catalog, body: impl AsyncFn(TestDatabase, &OwnServer) -> TestResult) {
    let server = OwnServer::new().await;
    let test = server.database(&server.name(), catalog).await;
    if let Err(error) = in_time(body(test, &server).boxed_local()).await {
        panic!("failed on {catalog}: {error}");
    }
}

/// The same for a benchmark, which has no limit of time.
pub async fn measure_on_own_server(catalog: Catalog, body: impl AsyncFn(TestDatabase, &OwnServer) -> TestResult) {
    let server = OwnServer::new().await;
    let test = server.database(&server.name(), catalog).await;
    if let Err(error) = body(test, &server).await {
        panic!("failed on {catalog}: {error}");
    }
}

/// Runs `body` on our own catalog and on pgai's side by side, each on a server of its own.
pub async fn on_own_servers(body: impl AsyncFn(TestDatabase, &OwnServer) -> TestResult) {
    join_all(Catalog::BOTH.map(|catalog| on_own_server(catalog, &body))).await;
}

impl OwnServer {
    async fn new() -> Self {
        let dir = tempfile::Builder::new()
            // the server may be another user's
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir()
            .expect("a directory");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("its number").port();
        let (target, _) = watch::channel(None);
        let counts = Arc::<Counts>::default();
        let silenced = watch::Sender::new(0);
        let serve = serve(listener, target.subscribe(), silenced.subscribe(), Arc::clone(&counts));
        let proxy = tokio::spawn(serve).abort_handle();
        let server = Self {
            dir,
            postgres: Mutex::new(None),
            standby: Mutex::new(None),
            target,
            silenced,
            port,
            proxy,
            counts,
        };
        server.start().await;
        server
    }

    /// Starts the server on the data that is there.
    pub async fn start(&self) {
        let data = self.dir.path().join("data");
        let started = spawn_blocking(move || Postgres::with_data_dir(data)).await;
        let postgres = started.expect("no panic").expect("a server");
        let port = port_of(postgres.url());
        *self.postgres.lock().await = Some(postgres);
        self.target.send_replace(Some(port));
    }

    /// Stops the server as a restart does: everyone is disconnected.
    pub async fn stop(&self) {
        self.cut();
        let postgres = self.postgres.lock().await.take();
        spawn_blocking(|| drop(postgres)).await.expect("no panic");
    }

    /// Ends the server as a crash does: it has to recover when it is started again.
    pub async fn crash(&self) {
        let file = self.dir.path().join("data/data/postmaster.pid");
        let file = std::fs::read_to_string(file).expect("a running server");
        let pid = file.lines().next().expect("its number").to_owned();
        let killed = tokio::process::Command::new("kill")
            .args(["-QUIT", &pid])
            .status()
            .await;
        assert!(killed.expect("a program kill").success());
        self.stop().await;
    }

    /// Starts a standby that follows the server.
    pub async fn add_standby(&self) {
        let dir = self.dir.path().join("standby");
        let primary = self.postgres.lock().await.take().expect("a running server");
        let made = spawn_blocking(move || {
            let standby = primary.standby(dir);
            (primary, standby)
        });
        let (primary, standby) = made.await.expect("no panic");
        *self.postgres.lock().await = Some(primary);
        *self.standby.lock().await = Some(standby.expect("a standby"));
    }

    /// The same database on the standby, which is not switched to.
    pub async fn of_standby(&self, test: &TestDatabase) -> TestDatabase {
        let port = port_of(self.standby.lock().await.as_ref().expect("a standby").url());
        let mut there = test.clone();
        there.url = test.url.replace(&format!(":{}/", self.port), &format!(":{port}/"));
        there.db = TestDatabase::connect(there.url.clone()).await.expect("a connection");
        there
    }

    /// Executes a statement on the standby, which is not switched to.
    pub async fn on_standby(&self, sql: &str) {
        let url = self.standby.lock().await.as_ref().expect("a standby").url().to_owned();
        let db = TestDatabase::connect(url).await.expect("a connection");
        let done = sea_orm::ConnectionTrait::execute_unprepared(&db, sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
        db.close().await.expect("no error");
    }

    /// Ends the server, whose standby has all that was committed, for good.
    pub async fn lose_primary(&self) {
        self.stop().await;
    }

    /// Lets connections through to the standby, promoted or not.
    pub async fn switch(&self) {
        let standby = self.standby.lock().await.take().expect("a standby");
        let port = port_of(standby.url());
        *self.postgres.lock().await = Some(standby);
        self.target.send_replace(Some(port));
    }

    /// Makes the standby the primary, before or after the [`switch`](Self::switch).
    pub async fn promote(&self) {
        let url = match (&*self.standby.lock().await, &*self.postgres.lock().await) {
            (Some(standby), _) | (None, Some(standby)) => standby.url().to_owned(),
            (None, None) => panic!("no standby"),
        };
        let db = TestDatabase::connect(url).await.expect("a connection");
        let promote = sea_orm::ConnectionTrait::execute_unprepared(&db, "select pg_promote()").await;
        promote.expect("a promotion");
        db.close().await.expect("no error");
    }

    /// Breaks all connections while the server runs on, and lets no new ones through until [`mend`](Self::mend).
    pub fn cut(&self) {
        self.target.send_replace(None);
    }

    /// Lets connections through again.
    pub async fn mend(&self) {
        let postgres = self.postgres.lock().await;
        self.target
            .send_replace(postgres.as_ref().map(|postgres| port_of(postgres.url())));
    }

    /// Lets nothing through any more on the connections that there are, without closing them: as if the machine was
    /// lost. New ones get through.
    pub fn silence(&self) {
        self.silenced.send_modify(|times| *times += 1);
    }

    /// How often someone connected, or tried to.
    pub fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::Relaxed)
    }

    /// A name for a database: traces of workers say whose they are by the database's name.
    fn name(&self) -> String {
        format!("own_{}", self.port)
    }

    /// What was sent to the server, in pieces as they came: about one for each statement.
    pub fn messages(&self) -> u64 {
        self.counts.messages.load(Ordering::Relaxed)
    }

    /// Makes a database.
    pub async fn database(&self, name: &str, catalog: Catalog) -> TestDatabase {
        let url = {
            let postgres = self.postgres.lock().await;
            postgres.as_ref().expect("a running server").url().to_owned()
        };
        let url = url.replace(&format!(":{}/", port_of(&url)), &format!(":{}/", self.port));
        let made = TestDatabase::made_at(&url, name, catalog).await;
        made.unwrap_or_else(|error| panic!("no database with {catalog}: {error}"))
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.proxy.abort();
    }
}

/// Passes connections on to wherever the server is.
async fn serve(
    listener: TcpListener,
    target: watch::Receiver<Option<u16>>,
    silenced: watch::Receiver<u32>,
    counts: Arc<Counts>,
) {
    while let Ok((client, _)) = listener.accept().await {
        counts.connections.fetch_add(1, Ordering::Relaxed);
        let (mut target, mut silenced, counts) = (target.clone(), silenced.clone(), Arc::clone(&counts));
        tokio::spawn(async move {
            let Some(port) = *target.borrow_and_update() else {
                return;
            };
            silenced.mark_unchanged();
            if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                // as clients and servers set it, so that nothing is held back for more
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let (mut questions, mut to_client) = client.into_split();
                let (mut answers, mut to_server) = server.into_split();
                tokio::select! {
                    _ = pass_on(&mut questions, &mut to_server, &counts.messages) => {}
                    _ = copy(&mut answers, &mut to_client) => {}
                    _ = target.changed() => {}
                    // both ends stay open until the server is stopped
                    Ok(()) = silenced.changed() => drop(target.changed().await),
                }
            }
        });
    }
}

async fn pass_on(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, count: &AtomicU64) -> io::Result<()> {
    let mut piece = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        count.fetch_add(1, Ordering::Relaxed);
        to.write_all(&piece[..length]).await?;
    }
}

/// `5432` of `postgres://user:password@127.0.0.1:5432/postgres`.
fn port_of(url: &str) -> u16 {
    let host = url.rsplit('@').next().unwrap_or(url);
    let port = host.split(['/', '?']).next().and_then(|host| host.rsplit(':').next());
    port.and_then(|port| port.parse().ok()).expect("an address with a port")
}
