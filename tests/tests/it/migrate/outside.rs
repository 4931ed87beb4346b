//! A crate outside of the workspace, as the README tells a new user to write it. sea-orm-cli lays out its migrations.
//! The README's blocks are its entity, migration, embedder and query. sea-orm-cli runs it up and down with data in the
//! tables.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use pgai_sea::embedder::OpenAi;
use pgai_sea::worker::Worker;
use pgai_sea_tests::providers::Provider;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_catalog};
use tokio::process::Command;
use tokio::time::timeout;

use crate::readme::README;

type Error = Box<dyn std::error::Error + Send + Sync>;

const MANIFEST: &str = r#"
[package]
name = "blog"
edition = "2024"

[workspace]
members = ["migration"]

[dependencies]
migration = { path = "migration" }
pgai-sea = { path = "PGAI-SEA", features = ["embedder"] }
sea-orm = { version = "2.0", default-features = false, features = ["macros", "runtime-tokio-rustls", "sqlx-postgres"] }
tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
"#;

const MAIN: &str = r#"
mod blog_post;

use sea_orm::entity::prelude::*;
use sea_orm::{Database, QueryOrder, QuerySelect};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let db = Database::connect(std::env::var("DATABASE_URL")?).await?;

    EMBEDDER

    QUERY

    assert_eq!(similar.len(), posts.len());
    for hit in &hybrid {
        println!("{}: {}", hit.source.title, hit.embedding.chunk);
    }
    Ok(())
}
"#;

/// The crate, where it is.
struct Outside {
    folder: tempfile::TempDir,
}

impl Outside {
    async fn new() -> Result<Self, Error> {
        let outside = Self {
            folder: tempfile::tempdir()?,
        };
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        let library = workspace.join("pgai-sea");
        let library = library.to_str().ok_or("a path that is no text")?;
        outside.write("Cargo.toml", &MANIFEST.replace("PGAI-SEA", library))?;
        // the versions that everything else is tested with; nothing is fetched
        std::fs::copy(workspace.join("Cargo.lock"), outside.path("Cargo.lock"))?;
        let block = |words: &str| README.block("rust", words);
        outside.write("src/blog_post.rs", &block("DeriveEntityModel"))?;
        let main = MAIN
            .replace("EMBEDDER", &block("from_env"))
            .replace("QUERY", &block("Entity::search("));
        outside.write("src/main.rs", &main)?;

        outside.sea_orm_cli(&["init"], None).await?;
        let manifest = std::fs::read_to_string(outside.path("migration/Cargo.toml"))?;
        let manifest = ["runtime-tokio-rustls", "sqlx-postgres"]
            .iter()
            .fold(manifest, |manifest, feature| {
                manifest.replace(&format!("# \"{feature}\""), &format!("\"{feature}\""))
            });
        let dependency = format!("[dependencies]\npgai-sea = {{ path = {library:?}, features = [\"migration\"] }}");
        outside.write(
            "migration/Cargo.toml",
            &manifest.replacen("[dependencies]", &dependency, 1),
        )?;
        let create_table = workspace.join("migration/src/m20260101_000002_create_blog_posts.rs");
        std::fs::copy(
            create_table,
            outside.path("migration/src/m20220101_000001_create_table.rs"),
        )?;
        outside.sea_orm_cli(&["generate", "search"], None).await?;
        outside.write(&outside.generated()?, &block("create_vectorizer"))?;
        Ok(outside)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str) -> std::io::Result<()> {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
        std::fs::write(path, text)
    }

    /// The file that `sea-orm-cli migrate generate search` made.
    fn generated(&self) -> Result<String, Error> {
        for entry in std::fs::read_dir(self.path("migration/src"))? {
            let name = entry?.file_name().into_string().unwrap_or_default();
            if name.ends_with("_search.rs") {
                return Ok(format!("migration/src/{name}"));
            }
        }
        Err("no migration was generated".into())
    }

    /// A program in the crate's folder. It compiles, and waits for the tests that run meanwhile.
    fn command(&self, program: &str, db: Option<&TestDatabase>) -> Command {
        let mut command = Command::new("nice");
        command
            .arg(program)
            .current_dir(self.folder.path())
            // what the workspace has compiled already need not be again
            .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join(".."))
            .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
            .env("CARGO_NET_OFFLINE", "true")
            .env_remove("DATABASE_SCHEMA")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(test) = db {
            command.env("DATABASE_URL", &test.url);
        }
        command
    }

    async fn sea_orm_cli(&self, arguments: &[&str], db: Option<&TestDatabase>) -> Result<String, Error> {
        let mut command = self.command(env!("CARGO_BIN_EXE_sea-orm-cli-under-test"), db);
        command.arg("migrate").args(arguments).args(["-d", "migration"]);
        said(command, arguments).await
    }

    async fn cargo(&self, arguments: &[&str], db: Option<&TestDatabase>) -> Result<String, Error> {
        let mut command = self.command("cargo", db);
        command.args(arguments);
        said(command, arguments).await
    }
}

async fn said(mut command: Command, arguments: &[&str]) -> Result<String, Error> {
    /// It compiles, and may have to wait until another cargo is done with the folder of compiled crates.
    const PATIENCE: Duration = Duration::from_mins(20);
    let output = timeout(PATIENCE, command.output())
        .await
        .map_err(|_| format!("{arguments:?} still ran after {PATIENCE:?}"))??;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(format!("{arguments:?}: {}\n{}", text(&output.stdout), text(&output.stderr)).into())
}

/// Rows with embeddings, and one that waits for its own.
async fn fill(test: &TestDatabase, provider: &Provider) -> TestResult {
    let openai = OpenAi::new("text-embedding-3-small", 768)
        .api_key(Provider::API_KEY)
        .base_url(provider.openai_url());
    test.execute("insert into blog_posts (title, content) values ('postgres', 'rows'), ('sourdough', 'flour')")
        .await?;
    Worker::new(test.db.clone())
        .embedder("openai", "text-embedding-3-small", Arc::new(openai))
        .run_once()
        .await?;
    assert_eq!(
        test.value::<i64>("select count(*) from blog_posts_embedding_store")
            .await?,
        2
    );
    test.execute("insert into blog_posts (title, content) values ('late', 'waits')")
        .await?;
    Ok(())
}

/// Which of its tables a database has, and how many rows wait.
async fn state(test: &TestDatabase) -> Result<(bool, bool, i64), sea_orm::DbErr> {
    let there = |table: &str| format!("select to_regclass('{table}') is not null");
    let store = test.value(&there("blog_posts_embedding_store")).await?;
    let pending = if store {
        "select pending_items from ai.vectorizer_status"
    } else {
        "select 0::bigint"
    };
    Ok((
        test.value(&there("blog_posts")).await?,
        store,
        test.value(pending).await?,
    ))
}

#[tokio::test]
async fn a_crate_outside_of_the_workspace() -> TestResult {
    let outside = &Outside::new().await?;
    let provider = &Provider::start();
    outside.cargo(&["build"], None).await?;
    // with the schema that the README's migration installs, and with pgai's
    for catalog in [Catalog::Bare, Catalog::Pgai] {
        on_catalog(catalog, async |test| {
            let migrate = async |arguments: &[&str]| outside.sea_orm_cli(arguments, Some(&test)).await;
            let status = migrate(&["status"]).await?;
            assert_eq!(status.matches("Pending").count(), 2, "{status}");
            for (arguments, then) in [
                (&["up"][..], (true, true, 0)),
                (&["refresh"], (true, true, 0)),
                (&["fresh"], (true, true, 0)),
                (&["down"], (true, false, 0)),
                // what was there before the vectorizer is queued
                (&["up"], (true, true, 3)),
                (&["reset"], (false, false, 0)),
                (&["up", "-n", "1"], (true, false, 0)),
                (&["up"], (true, true, 0)),
            ] {
                migrate(arguments).await?;
                assert_eq!(
                    state(&test).await?,
                    then,
                    "table, store and waiting rows after {arguments:?}"
                );
                if then == (true, true, 0) {
                    fill(&test, provider).await?;
                }
            }
            let status = migrate(&["status"]).await?;
            assert_eq!(status.matches("Applied").count(), 2, "{status}");

            test.execute("delete from blog_posts where title = 'late'").await?;
            let mut program = outside.command("cargo", Some(&test));
            program
                .args(["run", "--quiet"])
                .env("OPENAI_API_KEY", Provider::API_KEY)
                .env("OPENAI_BASE_URL", provider.openai_url());
            let found = said(program, &["run"]).await?;
            // the README prints a line that begins with the distance, and then `MAIN` prints its own
            let (distances, mut lines): (Vec<_>, Vec<_>) = found
                .lines()
                .partition(|line| line.starts_with(|first: char| first.is_ascii_digit()));
            lines.sort_unstable();
            assert_eq!(lines, ["postgres: postgres - rows", "sourdough: sourdough - flour"]);
            assert_eq!(distances.len(), 2, "{found}");
            Ok(())
        })
        .await;
    }
    Ok(())
}
