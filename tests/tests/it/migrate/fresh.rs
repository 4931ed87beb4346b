//! `migrate fresh` drops the tables of one schema and knows nothing of vectorizers.

use pgai_sea::migration::prelude::*;
use pgai_sea_tests::{TestDatabase, TestResult, on_both_catalogs};
use sea_orm::{ConnectionTrait, DbErr};

/// The store is in a schema that `fresh` does not look at.
struct Elsewhere {
    if_not_exists: bool,
}

impl MigrationName for Elsewhere {
    fn name(&self) -> &'static str {
        "m1_posts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Elsewhere {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.install_pgai().await?;
        let db = manager.get_connection();
        db.execute_unprepared("create table posts (id int primary key, body text); create schema if not exists search")
            .await?;
        let posts = CreateVectorizer::new("posts")
            .destination(Destination::table().target_schema("search"))
            .loading(Loading::column("body"))
            .embedding(Embedding::ollama("m", 3))
            .if_not_exists(self.if_not_exists);
        manager.create_vectorizer(posts).await?;
        Ok(())
    }
}

struct Migrator<const IF_NOT_EXISTS: bool>;

#[async_trait::async_trait]
impl<const IF_NOT_EXISTS: bool> MigratorTrait for Migrator<IF_NOT_EXISTS> {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Elsewhere {
            if_not_exists: IF_NOT_EXISTS,
        })]
    }
}

/// A row comes into the queue, and no embedding of the table before is there.
async fn is_usable(test: &TestDatabase) -> TestResult {
    assert_eq!(
        test.values::<String>("select id::text from search.posts_embedding_store")
            .await?,
        Vec::<String>::new()
    );
    test.execute("insert into posts values (1, 'text')").await?;
    let pending: Vec<i64> = test.values("select pending_items from ai.vectorizer_status").await?;
    assert_eq!(pending, [1]);
    test.execute(
        "insert into search.posts_embedding_store (id, chunk_seq, chunk, embedding) values (1, 0, 'text', '[1,2,3]')",
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_store_in_another_schema_makes_way() {
    on_both_catalogs(async |test| {
        Migrator::<false>::up(&test.db, None).await?;
        is_usable(&test).await?;
        Migrator::<false>::fresh(&test.db).await?;
        is_usable(&test).await?;
        // the one that is there is for the table that was dropped
        Migrator::<true>::fresh(&test.db).await?;
        is_usable(&test).await?;
        Ok(())
    })
    .await;
}

/// The vector's column is in the table already, as a `halfvec` has to be.
#[tokio::test]
async fn a_column_that_was_made_again_makes_way() {
    on_both_catalogs(async |test| {
        let manager = SchemaManager::new(&test.db);
        for _ in 0..2 {
            test.execute(
                "drop table if exists items cascade; create table items (id int primary key, body text, \
                vector halfvec(3))",
            )
            .await?;
            let items = CreateVectorizer::new("items")
                .destination(Destination::column("vector"))
                .loading(Loading::column("body"))
                .chunking(Chunking::none())
                .embedding(Embedding::ollama("m", 3));
            manager.create_vectorizer(items).await?;
            test.execute("insert into items values (1, 'text')").await?;
            let pending: Vec<i64> = test.values("select pending_items from ai.vectorizer_status").await?;
            assert_eq!(pending, [1]);
        }
        Ok(())
    })
    .await;
}

/// Triggers that someone dropped are no table that was dropped: its embeddings stay.
#[tokio::test]
async fn a_table_that_is_there_keeps_its_store() {
    on_both_catalogs(async |test| {
        let manager = SchemaManager::new(&test.db);
        test.execute("create table posts (id int primary key, body text)")
            .await?;
        let posts = |name: &str| {
            CreateVectorizer::new("posts")
                .name(name)
                .destination(Destination::table().destination(name))
                .loading(Loading::column("body"))
                .embedding(Embedding::ollama("m", 3))
        };
        let id = manager.create_vectorizer(posts("one")).await?;
        test.execute(&format!(
            "insert into one_store (id, chunk_seq, chunk, embedding) values (1, 0, 'text', '[1,2,3]');
             drop function ai._vectorizer_src_trg_{id}() cascade"
        ))
        .await?;
        manager.create_vectorizer(posts("two")).await?;
        assert!(manager.has_vectorizer("one").await?);
        assert_eq!(test.value::<i64>("select count(*) from one_store").await?, 1);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_another_role_left_over_is_nobody_else_s_trouble() {
    on_both_catalogs(async |test| {
        let (one, other) = (test.role("one").await?, test.role("other").await?);
        for role in [&one, &other] {
            test.execute(&format!(
                "select ai.grant_vectorizer_usage('{role}'); create schema {role} authorization {role}"
            ))
            .await?;
        }
        let posts = |role: &String| {
            CreateVectorizer::new((role.clone(), "posts"))
                .loading(Loading::column("body"))
                .embedding(Embedding::ollama("m", 3))
        };
        let table = |role: &String| format!("create table {role}.posts (id int primary key, body text)");
        let db = test.connect_as(&one).await?;
        db.execute_unprepared(&table(&one)).await?;
        let left_over = SchemaManager::new(&db).create_vectorizer(posts(&one)).await?;
        db.execute_unprepared(&format!("drop table {one}.posts, {one}.posts_embedding_store cascade"))
            .await?;

        let others = test.connect_as(&other).await?;
        others.execute_unprepared(&table(&other)).await?;
        let manager = SchemaManager::new(&others);
        manager.create_vectorizer(posts(&other)).await?;
        let ids: Vec<i32> = test.values("select id from ai.vectorizer order by id").await?;
        assert_eq!(ids.len(), 2, "{ids:?}");

        // it is its owner's to drop, whatever is created
        db.execute_unprepared(&format!("create table {one}.notes (id int primary key, body text)"))
            .await?;
        let notes = CreateVectorizer::new((one.clone(), "notes"))
            .loading(Loading::column("body"))
            .embedding(Embedding::ollama("m", 3));
        SchemaManager::new(&db).create_vectorizer(notes).await?;
        let ids: Vec<i32> = test.values("select id from ai.vectorizer").await?;
        assert!(ids.len() == 2 && !ids.contains(&left_over), "{ids:?}");
        db.close().await?;
        others.close().await?;
        for role in [&one, &other] {
            test.drop_role(role).await?;
        }
        Ok(())
    })
    .await;
}
