//! Migrations that change the type of a column that a vectorizer reads.

use pgai_sea::migration::prelude::*;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::DbErr;

/// Makes the key wider; `TRANSACTION` is what it says of one.
#[derive(Clone, Copy, Debug)]
struct Widen<const TRANSACTION: bool>;

impl<const TRANSACTION: bool> MigrationName for Widen<TRANSACTION> {
    fn name(&self) -> &'static str {
        "m0001_widen"
    }
}

#[async_trait::async_trait]
impl<const TRANSACTION: bool> MigrationTrait for Widen<TRANSACTION> {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.release_vectorizer("posts").await?;
        let id = ColumnDef::new("id").big_integer().take();
        manager
            .alter_table(Table::alter().table("posts").modify_column(id).to_owned())
            .await?;
        manager.refresh_vectorizer("posts").await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(TRANSACTION)
    }
}

#[derive(Clone, Copy, Debug)]
struct Migrator<const TRANSACTION: bool>;

impl<const TRANSACTION: bool> MigratorTrait for Migrator<TRANSACTION> {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Widen::<TRANSACTION>)]
    }
}

async fn posts(test: &TestDatabase, destination: Destination) -> Result<i32, DbErr> {
    test.execute("create table posts (id int primary key, body text); insert into posts values (1, 'one')")
        .await?;
    let create = CreateVectorizer::new("posts")
        .name("posts")
        .destination(destination)
        .loading(Loading::column("body"))
        .chunking(Chunking::none())
        .embedding(Embedding::ollama("m", 3));
    SchemaManager::new(&test.db).create_vectorizer(create).await
}

#[tokio::test]
async fn a_key_becomes_wider_while_its_embeddings_stay() {
    on_both_catalogs(async |test| {
        let id = posts(&test, Destination::table().into()).await?;
        test.execute(
            "insert into posts_embedding_store (id, chunk_seq, chunk, embedding) values (1, 0, 'one', '[1,2,3]')",
        )
        .await?;
        let outside = Migrator::<false>::up(&test.db, None).await.unwrap_err().to_string();
        assert!(
            outside.contains("vectorizer \"posts\" is released in a transaction only"),
            "{outside}"
        );
        if test.catalog == Catalog::Pgai {
            let refused = Migrator::<true>::up(&test.db, None).await.unwrap_err().to_string();
            assert!(
                refused.contains(
                    "release_vectorizer, and this database has pgai's own: leave the columns as they are, \
                    or drop vectorizer \"posts\""
                ),
                "{refused}"
            );
            return Ok(());
        }
        Migrator::<true>::up(&test.db, None).await?;
        assert_eq!(test.values::<i64>("select id from posts_embedding_store").await?, [1]);
        follows(&test, id).await
    })
    .await;
}

#[tokio::test]
async fn one_whose_embeddings_are_in_the_table_itself() {
    on_catalog(Catalog::Ours, async |test| {
        let id = posts(&test, Destination::column("embedding").into()).await?;
        test.execute("update posts set embedding = '[1,2,3]'").await?;
        Migrator::<true>::up(&test.db, None).await?;
        let kept: i64 = test.value("select count(embedding) from posts").await?;
        assert_eq!(kept, 1);
        follows(&test, id).await
    })
    .await;
}

/// The vectorizer sees what is written afterwards, under keys that the narrower type could not hold.
async fn follows(test: &TestDatabase, id: i32) -> TestResult {
    test.execute(&format!(
        "delete from ai._vectorizer_q_{id}; insert into posts (id, body) values (5000000000, 'two'); update posts set \
            body = 'three' where id = 1"
    ))
    .await?;
    let queued: Vec<i64> = test
        .values(&format!("select id from ai._vectorizer_q_{id} order by id"))
        .await?;
    assert_eq!(queued, [1, 5_000_000_000]);
    Ok(())
}
