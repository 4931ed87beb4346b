//! The page on documents.

use std::sync::Arc;

use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestResult, on_catalog};
use sea_orm::DatabaseConnection;
use sea_orm_migration::SchemaManager;
use tokio::process::Command;

use crate::pages::Page;
use crate::readme::model768;

const PAGE: Page = Page(include_str!("../../../../pgai-sea/src/guide/documents.md"));

async fn migrate(manager: &SchemaManager<'_>) -> TestResult {
    use pgai_sea::migration::prelude::*;

    manager
        .create_vectorizer(
            CreateVectorizer::new("manuals")
                .loading(Loading::uri("address"))
                .embedding(Embedding::openai("text-embedding-3-small", 768))
                .formatting(Formatting::python_template("$title: $chunk")),
        )
        .await?;
    Ok(())
}

/// The page's worker. Its child is the command that is tested.
fn worker(db: DatabaseConnection) -> Worker {
    use pgai_sea::document::Documents;

    let documents = Documents::in_child("/usr/local/bin/pgai-sea").allow_path("/srv/manuals");
    let worker = Worker::new(db).documents(documents);

    worker.embedder("openai", "text-embedding-3-small", Arc::new(model768()))
}

#[tokio::test]
async fn a_folder_of_manuals_is_searchable() {
    on_catalog(Catalog::Ours, async |test| {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("manual.html");
        std::fs::write(&file, "<html><body><h1>Pump</h1><p>Open the valve.</p></body></html>")?;
        test.execute("create table manuals (id int primary key, title text, address text)")
            .await?;
        migrate(&SchemaManager::new(&test.db)).await?;
        test.execute("insert into manuals values (1, 'Manual', 'manual.html')")
            .await?;
        let documents = pgai_sea::document::Documents::in_child(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
        let worker = worker(test.db.clone()).documents(documents.allow_path(folder.path()));
        let report = worker.run_once().await?;
        assert_eq!((report.rows(), report.errors().count()), (1, 0));
        let chunks: Vec<String> = test.values("select chunk from manuals_embedding_store").await?;
        assert_eq!(chunks, ["Manual: # Pump\n\nOpen the valve."]);

        // nothing is left for the page's commands, but they are understood
        for arguments in PAGE.commands(&test.url) {
            let output = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
                .args(&arguments)
                .env("OPENAI_API_KEY", "of nobody: nothing is left to embed")
                .current_dir(folder.path())
                .output()
                .await?;
            assert!(output.status.success(), "{arguments:?}: {output:?}");
        }
        Ok(())
    })
    .await;
    PAGE.is_code_of(include_str!("documents.rs"));
}
