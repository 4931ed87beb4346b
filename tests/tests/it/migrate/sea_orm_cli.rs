//! SeaORM's own command beside vectorizers: generated entities are the application's, not the vectorizers'.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

use pgai_sea::migration::prelude::*;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use tokio::process::Command;

async fn create(test: &TestDatabase) -> TestResult {
    test.execute(
        "create table seaql_migrations (version text primary key);
         create table posts (id int primary key, body text not null);
         create table tags (id int primary key, name text not null);
         create schema app;
         create table app.notes (id int primary key, body text not null)",
    )
    .await?;
    let manager = SchemaManager::new(&test.db);
    let posts = CreateVectorizer::new("posts")
        .loading(Loading::column("body"))
        .embedding(Embedding::ollama("m", 3))
        .queue_schema("public")
        .queue_table("posts_queue");
    manager.create_vectorizer(posts).await?;
    let tags = CreateVectorizer::new("tags")
        .destination(Destination::column("embedding"))
        .loading(Loading::column("name"))
        .chunking(Chunking::none())
        .embedding(Embedding::ollama("m", 3));
    manager.create_vectorizer(tags).await?;
    let notes = CreateVectorizer::new(("app", "notes"))
        .destination(
            Destination::table()
                .target_schema("public")
                .target_table("embedded_notes"),
        )
        .loading(Loading::column("body"))
        .embedding(Embedding::ollama("m", 3));
    manager.create_vectorizer(notes).await?;
    Ok(())
}

async fn managed_tables(
    test: &TestDatabase,
    arguments: &[&str],
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let output = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
        .args(["managed-tables", "-d", &test.url])
        .args(arguments)
        .env_remove("DATABASE_SCHEMA")
        .output()
        .await?;
    succeeded(&output);
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}

/// The names of the modules that were generated.
async fn generate(
    test: &TestDatabase,
    schema: &str,
    ignore: &str,
    folder: &Path,
) -> Result<BTreeSet<String>, std::io::Error> {
    let output = Command::new(env!("CARGO_BIN_EXE_sea-orm-cli-under-test"))
        .args([
            "generate",
            "entity",
            "--database-url",
            &test.url,
            "--database-schema",
            schema,
        ])
        .args(["--ignore-tables", ignore, "--output-dir"])
        .arg(folder)
        .output()
        .await?;
    succeeded(&output);
    let mut modules = BTreeSet::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        modules.insert(name.trim_end_matches(".rs").to_owned());
    }
    Ok(modules)
}

#[tokio::test]
async fn entities_are_generated_without_the_managed_tables() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        let managed = managed_tables(&test, &[]).await?;
        let folder = tempfile::tempdir()?;
        let modules = generate(&test, "public", &managed, folder.path()).await?;
        assert_eq!(
            modules,
            ["mod", "posts", "prelude", "tags"].map(str::to_owned).into(),
            "without {managed}"
        );
        // what was ignored would have been generated
        let folder = tempfile::tempdir()?;
        let modules = generate(&test, "public", "seaql_migrations", folder.path()).await?;
        assert!(
            modules.contains("posts_embedding_store") && modules.contains("embedded_notes"),
            "{modules:?}"
        );
        // the source's new column is the application's
        let tags = std::fs::read_to_string(folder.path().join("tags.rs"))?;
        assert!(tags.contains("pub embedding:"), "{tags}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn managed_tables_are_those_of_one_schema() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        let names = |list: &str| list.split(',').map(str::to_owned).collect::<BTreeSet<_>>();
        let mut public = names(&managed_tables(&test, &[]).await?);
        // the dead letters' name is the catalog's to choose
        public.retain(|name| !name.starts_with("_vectorizer_q_failed"));
        assert_eq!(
            public,
            names("seaql_migrations,embedded_notes,posts_embedding,posts_embedding_store,posts_queue")
        );
        assert_eq!(
            managed_tables(&test, &["-s", "app"]).await?,
            "seaql_migrations,notes_embedding"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_database_without_a_catalog_manages_nothing() {
    on_catalog(Catalog::Bare, async |test| {
        assert_eq!(managed_tables(&test, &[]).await?, "seaql_migrations");
        Ok(())
    })
    .await;
}
