//! A process that holds a server, as a test run or the quickstart does.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement, TryGetable};

/// The program that prints the address of a server and holds it, without a setting of the test run's environment.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_real-postgres"));
    command
        .env_remove("DATABASE_URL")
        .env_remove("PGAI_SEA_POSTGRES")
        .env_remove("PIP_FIND_LINKS")
        .stdin(Stdio::null());
    command
}

/// The program as a terminal starts it: what runs in a script's background ignores ctrl-c, and so would all that it
/// starts.
pub(crate) fn interruptible_program() -> Command {
    const RUN: &str =
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])";
    let program = program();
    let mut command = Command::new("python3");
    command
        .args(["-c", RUN])
        .arg(program.get_program())
        .stdin(Stdio::null());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Runs it where it is bound to fail, and gives back what it said.
pub(crate) fn refusal(command: &mut Command) -> String {
    match Holder::launch(command) {
        Ok(holder) => panic!("it started: {}", holder.url),
        Err(said) => said,
    }
}

/// The running program.
pub(crate) struct Holder {
    process: Child,
    pub(crate) url: String,
}

impl Holder {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::launch(command).unwrap_or_else(|said| panic!("no server: {said}"))
    }

    /// Waits for its address, or for its end: that is what it said then.
    fn launch(command: &mut Command) -> Result<Self, String> {
        /// It may have to fetch a server first.
        const PATIENCE: Duration = Duration::from_mins(10);
        let mut process = command
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, mut stderr) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
        let mut holder = Self {
            process,
            url: String::new(),
        };
        let errors = thread::spawn(move || {
            let mut said = String::new();
            stderr.read_to_string(&mut said).unwrap();
            said
        });
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).unwrap();
            sender.send(line.trim().to_owned()).ok();
        });
        holder.url = lines.recv_timeout(PATIENCE).expect("neither an address nor an end");
        if !holder.url.is_empty() {
            return Ok(holder);
        }
        assert!(
            !holder.process.wait().unwrap().success(),
            "it ended well, without a word"
        );
        Err(errors.join().unwrap())
    }

    /// Ends it with a signal to its process group, which is what ctrl-c in a terminal does.
    pub(crate) fn kill(mut self, signal: &str) {
        let group = format!("-{}", self.process.id());
        let sent = Command::new("kill").args(["-s", signal, "--", &group]).status();
        assert!(sent.unwrap().success());
        let started = Instant::now();
        while self.process.try_wait().unwrap().is_none() {
            assert!(
                started.elapsed() <= Duration::from_secs(30),
                "the signal {signal} did not end the process"
            );
            sleep(Duration::from_millis(10));
        }
    }
}

/// A test that failed leaves no process behind.
impl Drop for Holder {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _status = self.process.wait();
    }
}

pub(crate) async fn connect(url: &str) -> DatabaseConnection {
    Database::connect(url).await.unwrap()
}

/// The one value that `sql` selects.
pub(crate) async fn value<T: TryGetable>(url: &str, sql: &str) -> T {
    let db = connect(url).await;
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    let value = row.try_get_by_index(0).unwrap();
    db.close().await.unwrap();
    value
}

/// Sends a signal to a process; says whether it was there.
pub(crate) fn send(signal: &str, process: &str) -> bool {
    let status = Command::new("kill")
        .args(["-s", signal, process])
        .stderr(Stdio::null())
        .status();
    status.unwrap().success()
}

/// A server as the operating system sees it.
pub(crate) struct Traces {
    pub(crate) data: PathBuf,
    id: String,
}

impl Traces {
    pub(crate) async fn of(url: &str) -> Self {
        let data = PathBuf::from(value::<String>(url, "show data_directory").await);
        let lock = std::fs::read_to_string(data.join("postmaster.pid")).unwrap();
        Self {
            data,
            id: lock.lines().next().unwrap().to_owned(),
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        send("0", &self.id)
    }

    /// The process that sees to the server's end.
    #[cfg(target_os = "linux")]
    pub(crate) fn watchdog(&self) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id)).unwrap();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        parent.unwrap().trim().to_owned()
    }

    /// The directory around the data directory, with everything that belongs to the server.
    pub(crate) fn dir(&self) -> &Path {
        self.data.parent().unwrap()
    }

    /// Waits until server and directory are gone.
    pub(crate) fn wait_until_gone(&self) {
        self.wait_while(|| self.is_running() || self.dir().exists());
    }

    /// Waits until the server has stopped, whose directory stays.
    pub(crate) fn wait_until_stopped(&self) {
        self.wait_while(|| self.is_running());
    }

    fn wait_while(&self, condition: impl Fn() -> bool) {
        let started = Instant::now();
        while condition() {
            let waited = started.elapsed();
            assert!(
                waited < Duration::from_secs(30),
                "after {waited:?} the server runs: {}, its directory {} exists: {}",
                self.is_running(),
                self.dir().display(),
                self.dir().exists(),
            );
            sleep(Duration::from_millis(20));
        }
    }
}

/// A directory that every user can look into; a temporary one is closed to others.
pub(crate) fn open_dir() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::Permissions::from_mode(0o755);
    tempfile::Builder::new().permissions(mode).tempdir().unwrap()
}

/// An executable file with this text.
pub(crate) fn script(path: impl AsRef<Path>, text: impl AsRef<OsStr>) {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(&path, text.as_ref().as_bytes()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
