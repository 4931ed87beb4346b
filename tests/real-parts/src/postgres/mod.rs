//! PostgreSQL with pgvector: the one that `DATABASE_URL` names, or one that is fetched and started.

mod account;
mod cluster;
mod external;
mod installation;
mod server;

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use self::account::Account;
use self::cluster::Cluster;
use self::installation::Installation;
use self::server::Server;
use crate::{Error, Result};

/// The versions of PostgreSQL that can be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Version {
    /// 16.14 with pgvector 0.8.5.
    #[default]
    V16,
    /// 18.4 with pgvector 0.8.5.
    V18,
}

impl Version {
    /// The major version's number.
    pub fn major(self) -> i32 {
        match self {
            Self::V16 => 16,
            Self::V18 => 18,
        }
    }

    /// What `PGAI_SEA_POSTGRES` says, 16 if it is not set.
    fn preferred() -> Result<Self> {
        match std::env::var("PGAI_SEA_POSTGRES")
            .ok()
            .filter(|version| !version.is_empty())
        {
            None => Ok(Self::default()),
            Some(version) => match &*version {
                "16" => Ok(Self::V16),
                "18" => Ok(Self::V18),
                _ => Err(Error::UnknownVersion { found: version }),
            },
        }
    }

    /// The fetched version whose client programs go with a server of this major version.
    fn of_clients(major: i32) -> Self {
        if major > Self::V16.major() {
            Self::V18
        } else {
            Self::V16
        }
    }

    fn directory(self) -> &'static str {
        match self {
            Self::V16 => "pginstall",
            Self::V18 => "pginstall18",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL {}", self.major())
    }
}

/// A PostgreSQL server with pgvector.
///
/// One that was started is stopped when this is dropped or its process ends, in whatever way: a panic, ctrl-c or
/// SIGKILL. It listens on the loopback interface only, with a password of its own.
#[derive(Debug)]
pub struct Postgres {
    url: Url,
    /// Of its client programs.
    version: Version,
    server: Option<Server>,
}

impl Postgres {
    /// The server that `DATABASE_URL` names, else PostgreSQL 16, or 18 if `PGAI_SEA_POSTGRES` says so, fetched (25 MB)
    /// at the first call and started on a free port with an empty data directory, which goes when the server does.
    ///
    /// # Errors
    ///
    /// With `DATABASE_URL`, that the server there does not answer or has no pgvector; else that something could not be
    /// fetched or started. Each says what to do instead.
    pub fn start() -> Result<Self> {
        match external::database_url() {
            Some(url) => Self::at(&url, external::DATABASE_URL),
            None => Self::throw_away(Version::preferred()?),
        }
    }

    /// The same with PostgreSQL of this version, which the server in `DATABASE_URL` has to be of, too.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and [`Error::ServerVersion`](crate::Error::ServerVersion).
    pub fn start_version(version: Version) -> Result<Self> {
        match external::database_url() {
            Some(url) => Self::external(&url, external::DATABASE_URL, Some(version)),
            None => Self::throw_away(version),
        }
    }

    /// The running server at `url`, `postgres://user:password@host:5432/database`. It is never stopped. Errors tell
    /// people to look at what `named` it: an option of the command line, a variable of the environment.
    ///
    /// # Errors
    ///
    /// That it does not answer, or has no pgvector.
    pub fn at(url: &str, named: &'static str) -> Result<Self> {
        Self::external(url, named, None)
    }

    /// PostgreSQL 16 on a data directory that stays: `dir` is made if it is not there, and found as it was left if it
    /// is. `DATABASE_URL` does not count here.
    ///
    /// # Errors
    ///
    /// That `dir` is used by another process ([`Error::InUse`](crate::Error::InUse)), is not reachable for the user
    /// that runs the server ([`Error::Unreachable`](crate::Error::Unreachable)), or holds something else; and those of
    /// [`start`](Self::start).
    pub fn with_data_dir(dir: impl AsRef<Path>) -> Result<Self> {
        let installation = Installation::fetched(Version::default())?;
        Self::started(&installation, || Cluster::kept(&installation, dir.as_ref()))
    }

    /// A standby of this server, which has to have been started with [`with_data_dir`](Self::with_data_dir), in a new
    /// directory. It follows until it is promoted: `select pg_promote()`.
    ///
    /// # Errors
    ///
    /// That this server was not started here ([`Error::NotStarted`](crate::Error::NotStarted)), and those of
    /// [`with_data_dir`](Self::with_data_dir).
    pub fn standby(&self, dir: impl AsRef<Path>) -> Result<Self> {
        let primary = self.server.as_ref().ok_or(crate::Error::NotStarted)?;
        let installation = Installation::fetched(self.version)?;
        let cluster = || Cluster::standby(&installation, dir.as_ref(), primary.cluster(), primary.port);
        Self::started(&installation, cluster)
    }

    /// The address of the maintenance database, as the superuser (with `DATABASE_URL`, exactly that).
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The address of the database called `name` on this server, for the same user.
    pub fn database_url(&self, name: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(&percent_encoded(name));
        url.into()
    }

    /// Whether it was started here, and goes when this does.
    pub fn is_started(&self) -> bool {
        self.server.is_some()
    }

    /// The path of a client program of PostgreSQL's that goes with this server, such as `pg_dump` or `pgbench`. It is
    /// one of those that are fetched, also with `DATABASE_URL`.
    ///
    /// # Errors
    ///
    /// That it could not be fetched.
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        Ok(Installation::fetched(self.version)?.program(name))
    }

    fn external(url: &str, named: &'static str, wanted: Option<Version>) -> Result<Self> {
        let url = external::parse(url, named)?;
        let version = Version::of_clients(external::check(&url, named, wanted)?);
        Ok(Self {
            url,
            version,
            server: None,
        })
    }

    fn throw_away(version: Version) -> Result<Self> {
        let installation = Installation::fetched(version)?;
        Self::started(&installation, || Cluster::throw_away(&installation))
    }

    fn started(installation: &Installation, cluster: impl FnMut() -> Result<Cluster>) -> Result<Self> {
        let server = Server::start(installation, cluster)?;
        // a password of hexadecimal digits needs no encoding
        let url = format!(
            "postgres://postgres:{}@127.0.0.1:{}/postgres",
            server.password()?,
            server.port
        );
        Ok(Self {
            url: external::parse(&url, external::DATABASE_URL)?,
            version: installation.version,
            server: Some(server),
        })
    }
}

/// `name` as one segment of a path. `Url::set_path` would take a `/` or a `%` in it for its own.
fn percent_encoded(name: &str) -> String {
    use std::fmt::Write;
    name.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}"); // a String takes everything
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_of_a_database_fits_into_its_address() -> Result<()> {
        for server in [
            "postgres://me:pw@db:5433/postgres?sslmode=disable",
            "postgresql:///x?host=%2Ftmp",
        ] {
            let postgres = Postgres {
                url: external::parse(server, "a test")?,
                version: Version::default(),
                server: None,
            };
            let url = external::parse(&postgres.database_url("a/b 100%?#é"), "a test")?;
            assert_eq!(url.path(), "/a%2Fb%20100%25%3F%23%C3%A9");
            assert_eq!(url.query(), external::parse(server, "a test")?.query());
        }
        Ok(())
    }

    #[test]
    fn what_is_no_postgresql_is_refused() {
        let error = external::parse("mysql://localhost/x", "--url").expect_err("another database");
        assert!(error.to_string().starts_with("--url should be like"), "{error}");
        assert!(error.to_string().contains("mysql"), "{error}");
        external::parse("localhost:5432", "--url").expect_err("no scheme");
    }
}
