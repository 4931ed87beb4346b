//! How documents are read: what may be loaded, where it is parsed, and how much of anything.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::error::DocumentError;
#[cfg(feature = "worker")]
use super::load::Now;
use super::load::{Allowed, Loaded, Loader};
use super::parse::child::{Limits, parse_in_child};
use super::parse::parse;
#[cfg(feature = "worker")]
use super::parse::unparsed;
use super::parsed::Parsed;

/// How documents are read. The [room](super) has the options. Clones share connections, and the number of documents
/// that are parsed at once: one for each core.
#[derive(Clone, Debug)]
pub struct Documents {
    /// The executable that parses; `None` for this process.
    child: Option<PathBuf>,
    allowed: Allowed,
    loader: Loader,
    most_bytes: u64,
    limits: Limits,
    parsing: Arc<Semaphore>,
    recheck: Option<Duration>,
    forget_missing: bool,
}

impl Documents {
    /// Parses each document in a process of its own. `executable` is the path of `pgai-sea`, of this version and with
    /// the feature `documents`, or of your program if it calls [`run_child`](super::run_child) first.
    ///
    /// Only on Unix. macOS has no limit of memory.
    #[must_use]
    pub fn in_child(executable: impl Into<PathBuf>) -> Self {
        let executable = executable.into();
        // the child works in another folder
        Self::new(Some(std::path::absolute(&executable).unwrap_or(executable)))
    }

    /// Parses in this process: [`most_memory`](Self::most_memory) does not hold, and a document can end the process.
    #[must_use]
    pub fn in_process() -> Self {
        Self::new(None)
    }

    fn new(child: Option<PathBuf>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            child,
            allowed: Allowed::default(),
            loader: Loader::default(),
            most_bytes: 64 << 20,
            limits: Limits {
                memory: 1 << 30,
                timeout: Duration::from_mins(1),
                text: 32 << 20,
            },
            parsing: Arc::new(Semaphore::new(cores)),
            recheck: None,
            forget_missing: false,
        }
    }

    /// Allows the files below a folder, as `/srv/documents`. Links that lead out of it are refused. Do not let those
    /// who write addresses write into the folder as well.
    ///
    /// An address that is a relative path is looked for below each allowed folder.
    #[must_use]
    pub fn allow_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.allowed.allow_path(path.into());
        self
    }

    /// Allows the addresses below a prefix: `https://docs.example.com/manuals/`, `s3://bucket/`. `https://` allows
    /// every host. Objects are read with the credentials of the environment, as AWS, Google and Azure name them.
    #[must_use]
    pub fn allow_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.allowed.allow_prefix(prefix.into());
        self
    }

    /// Lets allowed http and https addresses lead into private networks and to this machine. Otherwise they are
    /// refused, also behind a redirect or a name. Link-local addresses, where clouds serve credentials, stay refused.
    #[must_use]
    pub fn allow_private_hosts(mut self) -> Self {
        self.allowed.allow_private_hosts();
        self
    }

    /// The largest document, in bytes. Default: 64 MB.
    #[must_use]
    pub fn most_bytes(mut self, bytes: u64) -> Self {
        self.most_bytes = bytes;
        self
    }

    /// The longest text of a document, in bytes. Default: 32 MB.
    #[must_use]
    pub fn most_text(mut self, bytes: usize) -> Self {
        self.limits.text = bytes;
        self
    }

    /// The memory of a process that parses, in bytes of address space. Default: 1 GB.
    #[must_use]
    pub fn most_memory(mut self, bytes: u64) -> Self {
        self.limits.memory = bytes;
        self
    }

    /// How long a document may take to load, and how long to parse. Default: 1 minute; at least 1 second.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout.max(Duration::from_secs(1));
        self
    }

    /// Looks at every address once in so long whether its document has changed, and embeds what has. Default: never.
    ///
    /// A server is asked by the document's tag or date, a bucket for the object's version, a file system for the time
    /// of the last write. Where none of them says anything, the document is loaded again. The first time, documents
    /// that were embedded without this setting are loaded once more. It needs this crate's catalog.
    #[must_use]
    pub fn recheck(mut self, interval: Duration) -> Self {
        self.recheck = Some(interval);
        self
    }

    /// A row whose document is gone loses its embeddings at once, and is no failure. Otherwise it is tried again, as
    /// `retries` says, and then is a dead letter without embeddings.
    #[must_use]
    pub fn forget_missing(mut self) -> Self {
        self.forget_missing = true;
        self
    }

    /// Loads and parses what is at an address. It has to be allowed.
    ///
    /// # Errors
    ///
    /// The address is not allowed, nothing is there, or it is not understood.
    pub async fn read(&self, address: &str) -> Result<Parsed, DocumentError> {
        let loaded = self.load(address, None).await?;
        self.parse(loaded.bytes, Some(&loaded.name)).await
    }

    async fn load(&self, address: &str, role: Option<&str>) -> Result<Loaded, DocumentError> {
        let limits = (self.most_bytes, self.limits.timeout);
        self.loader.load(address, role, &self.allowed, limits).await
    }

    /// Loads what is at an address, in S3 as that role, and parses it or takes it as text, whatever it is. Returns its
    /// version too, also if it is not understood.
    #[cfg(feature = "worker")]
    pub(crate) async fn read_as(
        &self,
        address: &str,
        role: Option<&str>,
        parses: bool,
    ) -> (Result<Parsed, DocumentError>, Option<String>) {
        let loaded = match self.load(address, role).await {
            Ok(loaded) => loaded,
            Err(DocumentError::Missing { .. }) if self.forget_missing => {
                return (Ok(Parsed::text(String::new())), None);
            }
            Err(error) => return (Err(error), None),
        };
        let parsed = if parses {
            self.parse(loaded.bytes, Some(&loaded.name)).await
        } else {
            unparsed(&loaded.bytes, self.limits.text).map_err(DocumentError::parse)
        };
        (parsed, loaded.version)
    }

    /// Whether the document at an address is still that version.
    #[cfg(feature = "worker")]
    pub(crate) async fn now(
        &self,
        address: &str,
        role: Option<&str>,
        version: Option<&str>,
    ) -> Result<Now, DocumentError> {
        let limits = (version, self.limits.timeout);
        self.loader.now(address, role, &self.allowed, limits).await
    }

    /// How often documents are looked at again.
    #[cfg(feature = "worker")]
    pub(crate) fn rechecks(&self) -> Option<Duration> {
        self.recheck
    }

    /// The addresses of the documents below a folder or in a bucket: `/srv/manuals/`, `s3://bucket/manuals/`. It has
    /// to be allowed. [`SyncPrefix`](super::SyncPrefix) writes them into a table.
    ///
    /// # Errors
    ///
    /// The prefix is not allowed, is not there, or cannot be read to its end.
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, DocumentError> {
        self.loader.list(prefix, &self.allowed).await
    }

    /// Whether there is no address that may be loaded.
    #[cfg(feature = "worker")]
    pub(crate) fn allows_no_address(&self) -> bool {
        self.allowed.is_empty()
    }

    /// Parses a document. `name` is a file's name, an address, or a media type; only CSV is known by it.
    ///
    /// # Errors
    ///
    /// It is too large, or it is not understood.
    pub async fn parse(&self, bytes: Vec<u8>, name: Option<&str>) -> Result<Parsed, DocumentError> {
        let most = self.most_bytes;
        if bytes.len() as u64 > most {
            return Err(DocumentError::TooLarge { most });
        }
        // it is never closed
        let _one = self.parsing.acquire().await;
        if let Some(executable) = &self.child {
            return parse_in_child(executable, &bytes, name, self.limits).await;
        }
        let (name, limits) = (name.map(str::to_owned), self.limits);
        let work = tokio::task::spawn_blocking(move || parse(bytes, name.as_deref(), limits.text));
        match tokio::time::timeout(limits.timeout, work).await {
            Ok(Ok(parsed)) => parsed.map_err(DocumentError::parse),
            Ok(Err(error)) => Err(DocumentError::parse(format_args!(
                "the parser stopped unexpectedly: {error}"
            ))),
            Err(_) => Err(DocumentError::parse(format_args!(
                "parsing the document takes more than {:?}: raise the limit (`Documents::timeout`)",
                limits.timeout
            ))),
        }
    }
}
