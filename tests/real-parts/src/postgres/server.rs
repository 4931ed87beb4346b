//! A running server, and the watchdog that sees to its end.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{Cluster, Installation};
use crate::error::last_lines;
use crate::progress::{Progress, report};
use crate::{Error, Result};

/// A server that runs until this is dropped, or its process ends.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) port: u16,
    watchdog: Child,
    /// Held open: when it closes, the watchdog stops the server.
    life: Option<ChildStdin>,
    /// There as soon as the server is not. Of this start alone: a kept directory's last server may still be stopping.
    ended: PathBuf,
    cluster: Cluster,
}

/// A kept directory's last server may have to write what it holds, and the next one to recover.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a start ended.
enum Start {
    Ready,
    /// Someone was faster at the port, or the directory's last server is still stopping.
    Again,
    Failed(String),
}

impl Server {
    /// Starts a server on what `cluster` gives, on a free port of the loopback interface.
    pub(crate) fn start(installation: &Installation, mut cluster: impl FnMut() -> Result<Cluster>) -> Result<Self> {
        let started = Instant::now();
        let mut last = String::new();
        while started.elapsed() < PATIENCE {
            let mut server = Self::spawn(installation, cluster()?)?;
            match server.wait()? {
                Start::Ready => return Ok(server),
                Start::Failed(log) => {
                    last = log;
                    break;
                }
                Start::Again => {
                    last = server.log();
                    drop(server);
                    sleep(Duration::from_millis(250));
                }
            }
        }
        Err(Error::Program {
            program: "postgres",
            version: installation.version,
            output: last,
        })
    }

    /// What it runs on.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The superuser's password.
    pub(crate) fn password(&self) -> Result<String> {
        self.cluster.password()
    }

    fn spawn(installation: &Installation, cluster: Cluster) -> Result<Self> {
        report(Progress::Starting {
            version: installation.version,
        });
        let port = free_port().map_err(|source| Error::Io {
            action: "find a free port on 127.0.0.1".to_owned(),
            source,
        })?;
        let ended = cluster.dir.join(format!("ended-{}", Uuid::new_v4().simple()));
        // SIGINT disconnects everyone and writes a checkpoint, SIGQUIT leaves at once
        let signal = if cluster.kept { "INT" } else { "QUIT" };
        let mut command = installation.command(Path::new("/bin/sh"), &cluster.dir);
        command
            .args(["-c", include_str!("watchdog.sh"), "watchdog", signal])
            .arg(&cluster.dir)
            .arg(cluster.kept.to_string())
            .arg(&ended)
            .arg(installation.program("postgres"))
            .arg("-D")
            .arg(cluster.data())
            .args(settings(port, cluster.kept))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // ctrl-c in a terminal goes to the whole group of its foreground process
            .process_group(0);
        let mut watchdog = command.spawn().map_err(|source| Error::Io {
            action: "run /bin/sh".to_owned(),
            source,
        })?;
        Ok(Self {
            port,
            life: watchdog.stdin.take(),
            watchdog,
            ended,
            cluster,
        })
    }

    fn wait(&mut self) -> Result<Start> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if self.is_ready() {
                return Ok(Start::Ready);
            }
            let watching = self
                .watchdog
                .try_wait()
                .map_err(Error::io("watch", &self.cluster.dir))?;
            if watching.is_some() || self.ended.exists() {
                let log = self.log();
                let again = log.contains("Address already in use")
                    || log.contains(r#"lock file "postmaster.pid" already exists"#);
                return Ok(if again { Start::Again } else { Start::Failed(log) });
            }
            sleep(Duration::from_millis(10));
        }
        Ok(Start::Failed(self.log()))
    }

    /// Whether the server says so, in the eighth line of its lock file, as `pg_ctl` has it. Before there is one, the
    /// file may be that of the directory's last server, which listened on another port: the fourth line has it.
    fn is_ready(&self) -> bool {
        let Ok(file) = fs::read_to_string(self.cluster.data().join("postmaster.pid")) else {
            return false;
        };
        let mut lines = file.lines().map(str::trim);
        let ours = lines.nth(3).is_some_and(|port| port == self.port.to_string());
        // a standby says so by this name
        ours && lines
            .nth(3)
            .is_some_and(|status| ["ready", "standby"].contains(&status))
    }

    fn log(&self) -> String {
        let log = fs::read(self.cluster.dir.join("log")).unwrap_or_default();
        last_lines(&String::from_utf8_lossy(&log))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.life.take();
        if let Err(error) = self.watchdog.wait() {
            tracing::warn!(dir = %self.cluster.dir.display(), %error, "the server may still run");
        }
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn settings(port: u16, kept: bool) -> Vec<String> {
    let port = format!("port={port}");
    let mut settings = vec!["listen_addresses=127.0.0.1", &port, "unix_socket_directories="];
    if !kept {
        // nothing of it is read after a crash; tests run many databases at once
        settings.extend([
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "max_connections=300",
        ]);
    }
    settings
        .into_iter()
        .flat_map(|setting| ["-c".to_owned(), setting.to_owned()])
        .collect()
}
