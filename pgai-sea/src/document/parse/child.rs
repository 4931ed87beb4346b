//! Parsing in a process of its own: both ends.
//!
//! The parent writes the document to the child's standard input and reads the result from its standard output. The
//! child limits itself before it reads anything.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::super::error::DocumentError;
use super::super::parsed::Parsed;
use super::parse;

/// The first argument that makes a process the child.
const CHILD: &str = "pgai-sea-parses-a-document";

/// What a child may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) memory: u64,
    pub(crate) timeout: Duration,
    pub(crate) text: usize,
}

/// Parses a document if this process was started for that, and says how the process should end.
///
/// Call it first in `main`, before any thread and any runtime is started, if [`Documents::in_child`] names this
/// executable:
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     if let Some(code) = pgai_sea::document::run_child() {
///         return code;
///     }
///     // the program
///     ExitCode::SUCCESS
/// }
/// ```
///
/// [`Documents::in_child`]: super::super::Documents::in_child
pub fn run_child() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != CHILD {
        return None;
    }
    let mut number = || arguments.next()?.parse().ok();
    let (Some(memory), Some(seconds), Some(text)) = (number(), number(), number()) else {
        return Some(ExitCode::FAILURE);
    };
    let name = arguments.next().filter(|name| !name.is_empty());
    let answered = limit(memory, seconds).and_then(|()| answer(name.as_deref(), text));
    Some(match answered {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    })
}

/// Takes what a parser does not need: files, memory, time. What is inherited stays open.
#[cfg(unix)]
fn limit(memory: u64, seconds: u64) -> std::io::Result<()> {
    use rlimit::Resource;

    Resource::AS.set(memory, memory)?;
    // a signal at the first limit, the end at the second
    Resource::CPU.set(seconds, seconds + 5)?;
    Resource::FSIZE.set(0, 0)?;
    Resource::CORE.set(0, 0)?;
    // standard input, output and error are there; no other file is opened from here on
    Resource::NOFILE.set(3, 3)
}

#[cfg(not(unix))]
fn limit(_memory: u64, _seconds: u64) -> std::io::Result<()> {
    Err(std::io::Error::new(
        std::io::ErrorKind::Unsupported,
        "this system has no limits for a process: parse with `Documents::in_process`",
    ))
}

fn answer(name: Option<&str>, text: u64) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let parsed = parse(bytes, name, usize::try_from(text).unwrap_or(usize::MAX));
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &parsed)?;
    out.flush()
}

/// Parses in a child.
pub(crate) async fn parse_in_child(
    executable: &Path,
    bytes: &[u8],
    name: Option<&str>,
    limits: Limits,
) -> Result<Parsed, DocumentError> {
    let no_parser = |reason: &dyn std::fmt::Display| DocumentError::Parser {
        reason: format!("{}: {reason}", executable.display()),
    };
    let mut child = Command::new(executable)
        .arg(CHILD)
        .arg(limits.memory.to_string())
        .arg(limits.timeout.as_secs().max(1).to_string())
        .arg(limits.text.to_string())
        .arg(name.unwrap_or_default().replace('\0', ""))
        .env_clear()
        // one thread: each would reserve memory of its own
        .env("RAYON_NUM_THREADS", "1")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| no_parser(&error))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // a child that has given up reads no more, and says why on its other side
            let _ = stdin.write_all(bytes).await;
        }
    };
    // as JSON a byte of text may have six
    let most = limits.text.saturating_mul(6).saturating_add(1 << 20);
    let talk = async {
        let ((), out, said) = tokio::join!(write, read(stdout, most), read(stderr, 4 << 10));
        Ok::<_, std::io::Error>((out?, said?, child.wait().await?))
    };
    let Ok(talked) = tokio::time::timeout(limits.timeout, talk).await else {
        return Err(DocumentError::parse(too_slow(limits)));
    };
    let (out, said, status) = talked.map_err(|error| no_parser(&error))?;
    if !status.success() {
        let said = String::from_utf8_lossy(&said);
        return Err(if status.code().is_some() {
            // it did not get as far as the document, or was not made for this
            no_parser(&format_args!(
                "it ended with {status}: {}. Is it a `pgai-sea` of the same version, with the feature `documents`?",
                said.trim()
            ))
        } else {
            DocumentError::parse(death(status, &said, limits))
        });
    }
    let parsed: Result<Parsed, String> = serde_json::from_slice(&out)
        .map_err(|error| no_parser(&format_args!("its result is not understood: {error}")))?;
    parsed.map_err(DocumentError::parse)
}

/// Reads to the end, and keeps so much of it.
async fn read(from: Option<impl AsyncRead + Unpin>, most: usize) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    if let Some(from) = from {
        let mut from = from.take(most as u64);
        from.read_to_end(&mut kept).await?;
        let mut rest = from.into_inner();
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    }
    Ok(kept)
}

/// What a signal that ended the child says of the document.
fn death(status: ExitStatus, said: &str, limits: Limits) -> String {
    let megabytes = limits.memory >> 20;
    if said.contains("memory allocation") {
        return format!(
            "parsing the document takes more than {megabytes} MB: raise the limit (`Documents::most_memory`, \
             `--document-memory`)"
        );
    }
    if said.contains("overflowed its stack") {
        return "the document is nested too deeply".to_owned();
    }
    #[cfg(unix)]
    if std::os::unix::process::ExitStatusExt::signal(&status) == Some(24) {
        return too_slow(limits); // SIGXCPU
    }
    format!("the parser died on the document ({status}), which is probably damaged")
}

fn too_slow(limits: Limits) -> String {
    format!(
        "parsing the document takes more than {:?}: raise the limit (`Documents::timeout`, `--document-timeout`)",
        limits.timeout
    )
}
