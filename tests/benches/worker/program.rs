//! The workers.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A worker's program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    path: PathBuf,
    arguments: &'static [&'static str],
    /// OpenAI's table of tokens, which pgai brings along and would download nevertheless.
    tokens: Option<PathBuf>,
}

impl Program {
    /// Ours first, then pgai's if there is one.
    pub(crate) fn all() -> Vec<Self> {
        let built = || PathBuf::from(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
        let ours = Self {
            name: "pgai-sea",
            path: std::env::var_os("PGAI_SEA_BIN").map_or_else(built, PathBuf::from),
            arguments: &["worker"],
            tokens: None,
        };
        let theirs = std::env::var_os("PGAI_VENV").map(|venv| Self {
            name: "pgai",
            path: Path::new(&venv).join("bin/pgai"),
            arguments: &["vectorizer", "worker"],
            tokens: tokens(Path::new(&venv)),
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
            .envs(self.tokens.iter().map(|tokens| ("TIKTOKEN_CACHE_DIR", tokens)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", self.path.display()))
    }
}

/// Where a Python environment has pgai's copy of the table.
fn tokens(venv: &Path) -> Option<PathBuf> {
    let versions = std::fs::read_dir(venv.join("lib")).ok()?;
    let mut tables = versions
        .flatten()
        .map(|version| version.path().join("site-packages/pgai/vectorizer/tiktoken_cache"));
    tables.find(|table| table.is_dir())
}
