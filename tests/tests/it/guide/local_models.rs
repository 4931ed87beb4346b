//! A model in the process: created, embedded and searched as on the page.

use std::process::Command;

use pgai_sea::migration::prelude::SchemaManager;
use pgai_sea_tests::{Catalog, on_catalog};
use sea_orm::Database;

use crate::pages::Page;

const PAGE: Page = Page(include_str!("../../../../pgai-sea/src/guide/local_models.md"));

#[rustfmt::skip] // laid out as on the page
mod page {
use std::sync::Arc;

use pgai_sea::Embedders;
use pgai_sea::embedder::{Embedder, Hub, Local, LocalError};
use pgai_sea::migration::prelude::*;
use pgai_sea::worker::Worker;

pub(super) async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
let notes = CreateVectorizer::new("notes")
    .loading(Loading::column("body"))
    .embedding(Embedding::local("all-MiniLM-L6-v2", 384));
manager.create_vectorizer(notes).await?;
Ok(())
}

pub(super) async fn run(db: sea_orm::DatabaseConnection) -> Result<Embedders, Box<dyn std::error::Error>> {
let model: Arc<dyn Embedder> = Arc::new(Local::from_dir("models/all-MiniLM-L6-v2")?);
let worker = Worker::new(db.clone()).embedder("local", "all-MiniLM-L6-v2", model.clone());
worker.run_once().await?;
let embedders = Embedders::new().embedder("local", "all-MiniLM-L6-v2", model); // for searches
Ok(embedders)
}

#[allow(dead_code, reason = "the hub is not reached from everywhere; embedder::hub fetches from a stand-in")]
pub(super) fn fetched() -> Result<Local, LocalError> {
let model = Local::from_hub(Hub::new("BAAI/bge-small-en-v1.5").revision("main"))?;
Ok(model)
}
}

/// For the test below, in another process: the model is beside it.
#[tokio::test]
#[ignore = "needs an environment: the_page_s_model_embeds runs it"]
async fn is_run() {
    let db = Database::connect(std::env::var("DATABASE_URL").unwrap()).await.unwrap();
    page::run(db).await.unwrap();
}

#[tokio::test]
async fn the_page_s_model_embeds() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute("create table notes (id int primary key, body text); insert into notes values (1, 'a lamp')")
            .await?;
        page::up(&SchemaManager::new(&test.db)).await?;
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("models"))?;
        let model = tokio::task::spawn_blocking(real_parts::minilm_dir).await??;
        std::os::unix::fs::symlink(model.canonicalize()?, folder.path().join("models/all-MiniLM-L6-v2"))?;

        let mut program = Command::new(std::env::current_exe()?);
        program.args(["guide::local_models::is_run", "--exact", "--ignored"]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
        let commands = PAGE.commands(&test.url);
        assert_eq!(commands.len(), 1);
        command.args(&commands[0]).arg("--once");
        for (row, mut program) in [(1, program), (2, command)] {
            program.current_dir(folder.path()).env("DATABASE_URL", &test.url);
            let output = tokio::task::spawn_blocking(move || program.output()).await??;
            let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
            let embedded: Vec<i32> = test.values("select id from notes_embedding_store order by id").await?;
            assert_eq!(embedded.last(), Some(&row), "{said}");
            test.execute("insert into notes values (2, 'a lighthouse')").await.ok();
        }
        Ok(())
    })
    .await;
}

#[test]
fn the_page_is_this_code() {
    PAGE.is_code_of(include_str!("local_models.rs"));
}
