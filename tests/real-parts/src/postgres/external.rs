//! A server that somebody else started.

use std::thread;
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbErr, Statement};
use url::Url;

use super::Version;
use crate::{Error, Result};

/// `DATABASE_URL`, if it is set.
pub(crate) fn database_url() -> Option<String> {
    std::env::var(DATABASE_URL).ok().filter(|url| !url.trim().is_empty())
}

/// What names a server without the caller doing anything.
pub(crate) const DATABASE_URL: &str = "DATABASE_URL";

pub(crate) fn parse(url: &str, named: &'static str) -> Result<Url> {
    let parsed = Url::parse(url).map_err(|error| Error::Url {
        named,
        reason: error.to_string(),
    })?;
    match parsed.scheme() {
        "postgres" | "postgresql" => Ok(parsed),
        other => Err(Error::Url {
            named,
            reason: format!("`{other}` is not the scheme of a PostgreSQL"),
        }),
    }
}

/// Asks the server whether it has what is needed; answers its major version.
pub(crate) fn check(url: &Url, named: &'static str, wanted: Option<Version>) -> Result<i32> {
    let (found, has_pgvector) = ask(url).map_err(|source| Error::Database {
        url: without_password(url),
        named,
        source,
    })?;
    if let Some(wanted) = wanted.filter(|wanted| wanted.major() != found) {
        return Err(Error::ServerVersion {
            url: without_password(url),
            named,
            found,
            wanted,
        });
    }
    if has_pgvector {
        Ok(found)
    } else {
        Err(Error::NoPgvector {
            url: without_password(url),
            named,
        })
    }
}

/// The server's major version, and whether pgvector can be created there.
fn ask(url: &Url) -> Result<(i32, bool), DbErr> {
    const QUESTION: &str = "select current_setting('server_version_num')::int4 / 10000 as major, \
        exists (select from pg_available_extensions where name = 'vector') as pgvector";
    let mut options = ConnectOptions::new(url.as_str());
    options
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(10))
        .connect_timeout(Duration::from_secs(10))
        .sqlx_logging(false);
    let answer = async {
        let db = Database::connect(options).await?;
        let question = Statement::from_string(db.get_database_backend(), QUESTION);
        let row = db.query_one_raw(question).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("no answer".to_owned()))?;
        let answer = (row.try_get("", "major")?, row.try_get("", "pgvector")?);
        db.close().await?;
        Ok(answer)
    };
    // a thread of its own: the caller may be in a runtime, which must not be blocked on by another
    thread::scope(|scope| {
        let asked = scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| DbErr::Custom(error.to_string()))?
                .block_on(answer)
        });
        asked.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn without_password(url: &Url) -> String {
    let mut url = url.clone();
    // refused for an address without a host, which then has no password either
    let _ = url.set_password(None);
    url.into()
}
