//! The derive refuses names of columns because the database does: the same ones, on both catalogs.

use pgai_sea::migration::prelude::*;
use pgai_sea_tests::{TestDatabase, on_both_catalogs};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Never,
    WithTable,
    Always,
}

use Refused::{Always, Never, WithTable};

/// A column of the source, with what the database says to it as a column of the key and as another.
const NAMES: [(&str, Refused, Refused); 11] = [
    ("chunk", Always, Always),
    ("embedding", WithTable, WithTable),
    ("chunk_seq", WithTable, WithTable),
    ("embedding_uuid", WithTable, WithTable),
    ("queued_at", Always, Never),
    ("loading_retries", Always, Never),
    ("loading_retry_after", Always, Never),
    ("created_at", Always, Never),
    ("failure_step", Always, Never),
    ("source", Never, Never),
    ("attempts", Never, Never),
];

async fn refuses(
    test: &TestDatabase,
    columns: &str,
    destination: impl Into<Destination>,
    chunking: impl Into<Chunking>,
) -> Result<bool, sea_orm::DbErr> {
    test.execute(&format!("create table posts ({columns}, body text)"))
        .await?;
    let manager = SchemaManager::new(&test.db);
    let created = manager
        .create_vectorizer(
            CreateVectorizer::new("posts")
                .name("posts")
                .destination(destination)
                .chunking(chunking)
                .loading(Loading::column("body"))
                .embedding(Embedding::ollama("m", 3)),
        )
        .await;
    if created.is_ok() {
        manager
            .drop_vectorizer(DropVectorizer::name("posts").drop_all(true))
            .await?;
    }
    test.execute("drop table posts").await?;
    Ok(created.is_err())
}

#[tokio::test]
async fn names_that_the_derive_refuses() {
    on_both_catalogs(async |test| {
        for (name, key, other) in NAMES {
            for (columns, refused) in [
                (format!("{name} text primary key"), key),
                (format!("id int primary key, {name} text"), other),
            ] {
                let table = refuses(&test, &columns, Destination::table(), Chunking::none()).await?;
                assert_eq!(table, refused != Never, "{columns}, with a table");
                let column = refuses(&test, &columns, Destination::column("vector"), Chunking::none()).await?;
                assert_eq!(column, refused == Always, "{columns}, with a column");
            }
        }
        Ok(())
    })
    .await;
}
