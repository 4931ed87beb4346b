//! The workers.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A worker's program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    path: PathBuf,
    arguments: &'static [&'static str],
}

impl Program {
    /// Ours first, then pgai's if there is one.
    pub(crate) fn all() -> Vec<Self> {
        let built = || PathBuf::from(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
        let ours = Self {
            name: "pgai-sea",
            path: std::env::var_os("PGAI_SEA_BIN").map_or_else(built, PathBuf::from),
            arguments: &["worker"],
        };
        let theirs = std::env::var_os("PGAI_VENV").map(|venv| Self {
            name: "pgai",
            path: PathBuf::from(venv).join("bin/pgai"),
            arguments: &["vectorizer", "worker"],
        });
        std::iter::once(ours).chain(theirs).collect()
    }

    /// Starts the worker on a database.
    pub(crate) fn start(&self, url: &str, more: &[&str]) -> Child {
        Command::new(&self.path)
            .args(self.arguments)
            .args(["-d", url])
            .args(more)
            .env("OPENAI_API_KEY", "sk-benchmark")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", self.path.display()))
    }
}
