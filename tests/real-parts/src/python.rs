//! Packages of PyPI that run in Python.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::error::last_lines;
use crate::fetch::lock;
use crate::place::parts_dir;
use crate::progress::{Progress, report};
use crate::{Error, Result};

/// Packages that are installed beside the other parts.
pub(crate) struct Packages {
    /// The name of their directory.
    pub(crate) directory: &'static str,
    pub(crate) part: &'static str,
    /// How to do without them.
    pub(crate) instead: &'static str,
    /// What pip is asked for, a line each.
    pub(crate) requirements: &'static str,
    /// What else pip is told.
    pub(crate) options: &'static [&'static str],
}

impl Packages {
    /// Python with these packages: `.command()?.args(["-c", "import .."])`.
    ///
    /// # Errors
    ///
    /// About installing them with pip.
    pub(crate) fn python(&self) -> Result<Command> {
        let mut python = Command::new("python3");
        python
            .env("PYTHONPATH", self.installed()?)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(python)
    }

    fn installed(&self) -> Result<PathBuf> {
        let (part, instead) = (self.part, self.instead);
        let base = parts_dir()?;
        // with a part of the list's hash, so that another list is another directory
        let hash = Sha256::digest(self.requirements);
        let dir = base.join(format!(
            "{}-{:02x}{:02x}{:02x}{:02x}",
            self.directory, hash[0], hash[1], hash[2], hash[3]
        ));
        if dir.is_dir() {
            return Ok(dir);
        }
        fs::create_dir_all(&base).map_err(Error::io("create", &base))?;
        let _lock = lock(&base.join(format!("{}.lock", self.directory)))?;
        if dir.is_dir() {
            return Ok(dir); // by the process that had the lock
        }
        let scratch = base.join(format!("installing-{}", self.directory));
        fs::remove_dir_all(&scratch).ok(); // what an interrupted process left; this one has the lock
        report(Progress::Installing { part });
        let output = Command::new("python3")
            .args(["-m", "pip", "install", "--only-binary=:all:", "--no-compile"])
            .args(["--disable-pip-version-check", "--no-input"])
            .args(self.options)
            .arg("--target")
            .arg(&scratch)
            .args(self.requirements.lines())
            .stdin(Stdio::null())
            .output()
            .map_err(|source| Error::NoPython { part, instead, source })?;
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        if said.contains("No module named pip") {
            return Err(Error::NoPip { part, instead });
        }
        if !output.status.success() {
            return Err(Error::Download {
                part,
                requirement: self.requirements.lines().next().unwrap_or_default().to_owned(),
                instead,
                output: last_lines(&said),
            });
        }
        // a directory of this name is a complete one
        fs::rename(&scratch, &dir).map_err(Error::io("create", &dir))?;
        Ok(dir)
    }
}
