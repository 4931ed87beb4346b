//! pgai's worker, in Python, with what it takes to embed text.

use std::process::Command;

use crate::Result;
use crate::python::Packages;

/// pgai 0.12.1, and of what it depends on those packages that a worker of text with Ollama or OpenAI imports: the
/// others, for documents and for other providers, are twenty times as much.
const PACKAGES: Packages = Packages {
    directory: "pgai-worker",
    part: "pgai's Python worker",
    instead: "leave out the test that runs it (`-- --skip python_worker`)",
    requirements: include_str!("pgai_worker.txt"),
    options: &["--no-deps"],
};

/// A command that runs pgai's program: `pgai_worker()?.args(["vectorizer", "worker", ..])`. It needs Python 3.11 or
/// later.
///
/// # Errors
///
/// About installing it with pip, into a directory beside the other parts.
pub fn pgai_worker() -> Result<Command> {
    let mut python = PACKAGES.python()?;
    python.args(["-c", "from pgai.cli import cli; cli()"]);
    Ok(python)
}
