//! A connection pooler between a test and its database: pgbouncer, which shares sessions by the transaction.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The program, as Debian's package installs it.
const PROGRAM: &str = "pgbouncer";

/// A running pgbouncer. It ends when this is dropped.
#[derive(Debug)]
pub struct Pooler {
    /// The database's address through it.
    pub url: String,
    process: Child,
    _dir: TempDir,
}

impl Pooler {
    /// Shares `sessions` sessions of the database at `url` among all clients.
    ///
    /// # Panics
    ///
    /// If the program is missing (`apt-get install pgbouncer`) or does not start.
    pub fn start(url: &str, sessions: u32) -> Self {
        Self::start_with(url, &format!("default_pool_size = {sessions}\nmax_client_conn = 200"))
    }

    /// The same with limits as its configuration has them, one a line.
    ///
    /// # Panics
    ///
    /// Those of [`start`](Self::start).
    pub fn start_with(url: &str, limits: &str) -> Self {
        let dir = tempfile::Builder::new()
            // as root the program becomes another user
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .expect("a directory");
        let port = free_port();
        let (user, password, server_port, database) = parts(url);
        let config = dir.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n{database} = host=127.0.0.1 port={server_port} user={user} password={password}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = \
             transaction\nlogfile =\n{limits}\n"
        );
        fs::write(&config, text).expect("its configuration");
        fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).expect("readable by it");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(PROGRAM);
        command
            .env("PATH", format!("{path}:/usr/sbin"))
            .args(["-q", "-u", "nobody"])
            .arg(&config)
            .stdin(Stdio::null());
        let process = command
            .spawn()
            .unwrap_or_else(|error| panic!("{PROGRAM} cannot be run: {error}; apt-get install pgbouncer"));
        let pooler = Self {
            url: format!("postgres://{user}@127.0.0.1:{port}/{database}"),
            process,
            _dir: dir,
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < deadline, "{PROGRAM} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        pooler
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its number").port()
}

/// User, password, port and database of an address.
fn parts(url: &str) -> (&str, &str, &str, &str) {
    let (user, rest) = url.trim_start_matches("postgres://").split_once('@').expect("a user");
    let (host, database) = rest.split_once('/').expect("a database");
    let port = host.rsplit_once(':').map_or("5432", |(_, port)| port);
    let database = database.split('?').next().unwrap_or(database);
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    (user, password, port, database)
}
