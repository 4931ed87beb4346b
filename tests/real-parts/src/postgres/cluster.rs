//! A data directory and what belongs to it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use uuid::Uuid;

use super::Installation;
use crate::fetch::lock;
use crate::progress::{Progress, report};
use crate::{Error, Result};

/// A directory with PostgreSQL's data directory in it, the superuser's password, the server's log, and a file that is
/// locked as long as a process owns it.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) dir: PathBuf,
    /// Whether it outlives its server.
    pub(crate) kept: bool,
    _owner: File,
}

impl Cluster {
    /// A new one that goes when its server does; copied, as `initdb` takes ten times as long.
    pub(crate) fn throw_away(installation: &Installation) -> Result<Self> {
        let template = template(installation)?;
        remove_abandoned(&installation.servers);
        let dir = installation
            .servers
            .join(format!("{RUNNING}{}", Uuid::new_v4().simple()));
        let cluster = Self::owned(installation, dir, false)?;
        let mut copy = installation.command(Path::new("cp"), &installation.servers);
        copy.arg("-Rp").arg(template.join(".")).arg(&cluster.dir);
        installation.run("cp", &mut copy)?;
        Ok(cluster)
    }

    /// The one in `dir`, made there if it is not.
    pub(crate) fn kept(installation: &Installation, dir: &Path) -> Result<Self> {
        let dir = std::path::absolute(dir).map_err(Error::io("find", dir))?;
        let parent = dir.parent().unwrap_or(&dir);
        if !installation.account.reaches(parent) {
            return Err(Error::Unreachable { dir });
        }
        let empty = fs::read_dir(&dir).map_or(true, |mut entries| entries.next().is_none());
        if !empty && !dir.join(OWNER).is_file() {
            let message = "it holds something else than a server's data: name an empty or a new directory";
            return Err(Error::io("use", &dir)(std::io::Error::other(message)));
        }
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        let cluster = Self::owned(installation, dir, true)?;
        if !cluster.data().is_dir() {
            initialise(installation, &cluster.dir, true)?;
        }
        Ok(cluster)
    }

    /// A copy of `primary`, which runs at `port`, in `dir`. A server on it follows the primary until it is promoted.
    pub(crate) fn standby(installation: &Installation, dir: &Path, primary: &Self, port: u16) -> Result<Self> {
        let cluster = Self::owned(installation, dir.to_owned(), true)?;
        if !cluster.data().is_dir() {
            let password = primary.password()?;
            let mut copy = installation.command(&installation.program("pg_basebackup"), &cluster.dir);
            copy.args([
                "--host=127.0.0.1",
                "--username=postgres",
                "--checkpoint=fast",
                "--write-recovery-conf",
            ])
            .arg(format!("--port={port}"))
            .arg(option("--pgdata=", &cluster.data()))
            .env("PGPASSWORD", &password);
            installation.run("pg_basebackup", &mut copy)?;
            let file = cluster.dir.join(PASSWORD);
            fs::write(&file, password).map_err(Error::io("write", &file))?;
            installation.account.own(&file)?;
        }
        Ok(cluster)
    }

    /// PostgreSQL's data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join(DATA)
    }

    /// The superuser's password.
    pub(crate) fn password(&self) -> Result<String> {
        let file = self.dir.join(PASSWORD);
        fs::read_to_string(&file).map_err(Error::io("read", &file))
    }

    /// Takes `dir` for this process, or says that another has it.
    fn owned(installation: &Installation, dir: PathBuf, kept: bool) -> Result<Self> {
        if !dir.is_dir() {
            fs::create_dir(&dir).map_err(Error::io("create", &dir))?;
        }
        installation.account.own(&dir)?;
        let owner = dir.join(OWNER);
        let file = File::create(&owner).map_err(Error::io("create", &owner))?;
        match file.try_lock() {
            Ok(()) => Ok(Self {
                dir,
                kept,
                _owner: file,
            }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse { dir }),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", &owner)(error)),
        }
    }
}

const DATA: &str = "data";
const OWNER: &str = "owner";
const PASSWORD: &str = "password";
const RUNNING: &str = "running-";

/// An initialised directory that is only ever copied; one per version.
fn template(installation: &Installation) -> Result<PathBuf> {
    let name = format!("template-{}", installation.version.major());
    let dir = installation.servers.join(&name);
    if dir.join(DATA).is_dir() {
        return Ok(dir);
    }
    let _lock = lock(&installation.servers.join(format!("{name}.lock")))?;
    if !dir.join(DATA).is_dir() {
        fs::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
        installation.account.own(&dir)?;
        initialise(installation, &dir, false)?;
    }
    Ok(dir)
}

/// Runs `initdb` for `dir/data`, which is there afterwards in whole or not at all.
fn initialise(installation: &Installation, dir: &Path, kept: bool) -> Result<()> {
    report(Progress::Initialising {
        version: installation.version,
    });
    let password = dir.join(PASSWORD);
    let unfinished = dir.join("unfinished");
    for left in [&password, &unfinished] {
        remove(left)?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&password)
        .and_then(|mut file| write!(file, "{}", Uuid::new_v4().simple()))
        .map_err(Error::io("write", &password))?;
    installation.account.own(&password)?;

    let mut initdb = installation.command(&installation.program("initdb"), dir);
    initdb
        .args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8"])
        .args(["--locale=C", "--no-instructions"])
        .arg(option("--pwfile=", &password))
        .arg(option("--pgdata=", &unfinished));
    if !kept {
        // every start copies it: one megabyte of write-ahead log rather than sixteen
        initdb.args(["--no-sync", "--wal-segsize=1"]);
    }
    installation.run("initdb", &mut initdb)?;
    let data = dir.join(DATA);
    fs::rename(&unfinished, &data).map_err(Error::io("create", &data))
}

fn option(name: &str, path: &Path) -> std::ffi::OsString {
    let mut option = std::ffi::OsString::from(name);
    option.push(path);
    option
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else if path.exists() {
        fs::remove_file(path)
    } else {
        Ok(())
    };
    removed.map_err(Error::io("remove", path))
}

/// Removes what a power cut left of earlier servers: no process owns it, and no watchdog took it away.
fn remove_abandoned(servers: &Path) {
    /// A watchdog is done long before.
    const AGE: Duration = Duration::from_mins(2);
    let abandoned = |dir: &Path| {
        let old = fs::metadata(dir)
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > AGE));
        old && File::open(dir.join(OWNER)).is_ok_and(|file| file.try_lock().is_ok())
    };
    for entry in fs::read_dir(servers).into_iter().flatten().flatten() {
        let dir = entry.path();
        if entry.file_name().to_string_lossy().starts_with(RUNNING)
            && abandoned(&dir)
            && let Err(error) = fs::remove_dir_all(&dir)
        {
            tracing::debug!(dir = %dir.display(), %error, "an abandoned server's data stays");
        }
    }
}
