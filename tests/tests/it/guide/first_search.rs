//! The program of the page, as a process of its own: it reads its environment and the model beside it.

use std::process::Command;

use pgai_sea_tests::{Catalog, on_catalog};

use crate::pages::Page;

const PAGE: Page = Page(include_str!("../../../../pgai-sea/src/guide/first_search.md"));

#[allow(clippy::print_stdout, reason = "as on the page")]
#[rustfmt::skip] // laid out as on the page
mod program {
use std::sync::Arc;

use pgai_sea::embedder::Local;
use pgai_sea::migration::prelude::*;
use pgai_sea::prelude::*;
use pgai_sea::worker::Worker;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, Database, DbBackend, Schema};

mod note {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "notes")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[vectorizer(dimensions = 384, embedding = Embedding::local("all-MiniLM-L6-v2", 384))]
        pub body: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

const NOTES: [&str; 3] = [
    "Coffee stains come out with vinegar and cold water.",
    "The bicycle has to be back at the shop on Friday.",
    "Sourdough needs a warm place and patience.",
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let db = Database::connect(std::env::var("DATABASE_URL")?).await?;

    // once: the table and its vectorizer
    let manager = SchemaManager::new(&db);
    if !manager.has_table("notes").await? {
        let table = Schema::new(DbBackend::Postgres).create_table_from_entity(note::Entity);
        manager.create_table(table).await?;
        manager.install_pgai().await?;
        manager.create_vectorizer(note::body_embeddings::Entity::vectorizer()).await?;
        for body in NOTES {
            let note = note::ActiveModel { body: Set(body.to_owned()), ..Default::default() };
            note.insert(&db).await?;
        }
    }

    // the worker embeds what is new
    let model = Arc::new(Local::from_dir("models/all-MiniLM-L6-v2")?);
    let worker = Worker::new(db.clone()).embedder("local", "all-MiniLM-L6-v2", model.clone());
    worker.run_once().await?;

    // the search
    let question = "How do I clean a shirt?";
    for hit in note::Entity::search_text(&*model, question).all(&db).await? {
        println!("{:.2} {}", hit.distance, hit.source.body);
    }
    Ok(())
}

    /// For the test below, in another process.
    #[test]
    #[ignore = "needs an environment: the_page_s_program_finds_the_coffee runs it"]
    fn is_run() {
        main().unwrap();
    }
}

#[tokio::test]
async fn the_page_s_program_finds_the_coffee() {
    on_catalog(Catalog::Bare, async |test| {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("models"))?;
        let model = tokio::task::spawn_blocking(real_parts::minilm_dir).await??;
        std::os::unix::fs::symlink(model.canonicalize()?, folder.path().join("models/all-MiniLM-L6-v2"))?;
        // twice: the second time everything is there
        for _ in 0..2 {
            let mut program = Command::new(std::env::current_exe()?);
            program
                .args([
                    "guide::first_search::program::is_run",
                    "--exact",
                    "--ignored",
                    "--nocapture",
                ])
                .current_dir(folder.path())
                .env("DATABASE_URL", &test.url);
            let output = tokio::task::spawn_blocking(move || program.output()).await??;
            let printed = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{printed}{errors}");
            let hits: Vec<_> = printed.lines().filter(|line| line.starts_with("0.")).collect();
            assert!(
                hits[0].ends_with("Coffee stains come out with vinegar and cold water."),
                "{printed}"
            );
            assert_eq!(hits.len(), 3, "{printed}");
        }
        Ok(())
    })
    .await;
}

#[test]
fn the_page_is_this_code() {
    PAGE.is_code_of(include_str!("first_search.rs"));
}
