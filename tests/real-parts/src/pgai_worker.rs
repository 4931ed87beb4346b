//! pgai's worker, in Python, with what it takes to embed text.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::error::last_lines;
use crate::fetch::lock;
use crate::place::parts_dir;
use crate::progress::{Progress, report};
use crate::{Error, Result};

/// pgai 0.12.1, and of what it depends on those packages that a worker of text with Ollama or OpenAI imports: the
/// others, for documents and for other providers, are twenty times as much.
const PACKAGES: &str = include_str!("pgai_worker.txt");
const PART: &str = "pgai's Python worker";
const INSTEAD: &str = "leave out the test that runs it (`-- --skip python_worker`)";

/// A command that runs pgai's program: `pgai_worker()?.args(["vectorizer", "worker", ..])`. It needs Python 3.11 or
/// later.
///
/// # Errors
///
/// About installing it with pip, into a directory beside the other parts.
pub fn pgai_worker() -> Result<Command> {
    let mut python = Command::new("python3");
    python
        .args(["-c", "from pgai.cli import cli; cli()"])
        .env("PYTHONPATH", installed()?)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(python)
}

fn installed() -> Result<PathBuf> {
    let base = parts_dir()?;
    // with a part of the list's hash, so that another list is another directory
    let hash = Sha256::digest(PACKAGES);
    let dir = base.join(format!(
        "pgai-worker-{:02x}{:02x}{:02x}{:02x}",
        hash[0], hash[1], hash[2], hash[3]
    ));
    if dir.is_dir() {
        return Ok(dir);
    }
    fs::create_dir_all(&base).map_err(Error::io("create", &base))?;
    let _lock = lock(&base.join("pgai-worker.lock"))?;
    if dir.is_dir() {
        return Ok(dir); // by the process that had the lock
    }
    let scratch = base.join("installing-pgai-worker");
    fs::remove_dir_all(&scratch).ok(); // what an interrupted process left; this one has the lock
    report(Progress::Installing { part: PART });
    let output = Command::new("python3")
        .args([
            "-m",
            "pip",
            "install",
            "--no-deps",
            "--only-binary=:all:",
            "--no-compile",
        ])
        .args(["--disable-pip-version-check", "--no-input", "--target"])
        .arg(&scratch)
        .args(PACKAGES.lines())
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::NoPython {
            part: PART,
            instead: INSTEAD,
            source,
        })?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if said.contains("No module named pip") {
        return Err(Error::NoPip {
            part: PART,
            instead: INSTEAD,
        });
    }
    if !output.status.success() {
        return Err(Error::Download {
            part: PART,
            requirement: "pgai==0.12.1 and what it imports".to_owned(),
            instead: INSTEAD,
            output: last_lines(&said),
        });
    }
    // a directory of this name is a complete one
    fs::rename(&scratch, &dir).map_err(Error::io("create", &dir))?;
    Ok(dir)
}
