//! The page on testing.

use pgai_sea::embedder::InputType;
use pgai_sea::migration::prelude::*;
use pgai_sea::testing::{EmbedAllError, Failure, FakeEmbedder, TestDatabase, embed_all};
use pgai_sea_tests::{Catalog, TestResult, on_both_catalogs, on_catalog};
use sea_orm::{DatabaseConnection, DbBackend, Statement};
use serde_json::json;

use super::blog_post;
use crate::pages::Page;
use crate::readme::m0001_search;

const PAGE: Page = Page(include_str!("../../../../pgai-sea/src/guide/testing.md"));

#[rustfmt::skip] // laid out as on the page
async fn own_database<Migrator: MigratorTrait>(server: String) -> TestResult {
    use pgai_sea::testing::TestDatabase;

    let test = TestDatabase::create(&server).await?; // "postgres://postgres:postgres@localhost/postgres"
    Migrator::up(&test.db, None).await?;

    Ok(())
}

#[rustfmt::skip] // laid out as on the page
async fn first(db: DatabaseConnection) -> TestResult {
    use pgai_sea::prelude::*;
    use pgai_sea::testing::{FakeEmbedder, embed_all};
    use sea_orm::{ActiveModelTrait, ActiveValue::Set};

    // db: that of the test, after Migrator::up
    let embedder = FakeEmbedder::new(768);
    for (title, content) in [("postgres", "A B-tree keeps keys in order"), ("bread", "Flour, water and salt")] {
        let (title, content) = (Set(title.to_owned()), Set(content.to_owned()));
        blog_post::ActiveModel { title, content, ..Default::default() }.insert(&db).await?;
    }
    embed_all(&db, &embedder).await?;

    let best = blog_post::Entity::search_text(&embedder, "flour and water").one(&db).await?;
    assert_eq!(best.map(|hit| hit.source.title).as_deref(), Some("bread"));

    Ok(())
}

async fn scripted(db: DatabaseConnection) -> TestResult {
    use pgai_sea::prelude::*;

    let embedder = FakeEmbedder::new(768);

    embedder.pin("something to eat").near("Flour, water and salt");
    let best = blog_post::Entity::search_text(&embedder, "something to eat")
        .one(&db)
        .await?;
    assert_eq!(best.map(|hit| hit.source.title).as_deref(), Some("bread"));

    let asked = embedder.requests(); // the texts of every request
    assert_eq!(
        asked.last().map(|request| request.texts.join(" ")).as_deref(),
        Some("something to eat")
    );

    Ok(())
}

#[allow(clippy::items_after_statements, reason = "as on the page")]
async fn failing(db: DatabaseConnection) -> TestResult {
    use pgai_sea::prelude::*;

    let embedder = FakeEmbedder::new(768);

    use pgai_sea::testing::Failure;

    embedder.fail_next(Failure::Timeout);
    let answer = blog_post::Entity::search_text(&embedder, "flour").all(&db).await;
    assert!(answer.is_err()); // what does your page say now?

    Ok(())
}

async fn recorded(db: DatabaseConnection, cassette: &std::path::Path) -> TestResult {
    use pgai_sea::prelude::*;

    use pgai_sea::embedder::OpenAi;
    use pgai_sea::testing::Cassette;

    let provider = || OpenAi::from_env("text-embedding-3-small", 768);
    let embedder = Cassette::open(cassette, provider)?; // "tests/cassettes/search.jsonl"
    embed_all(&db, &embedder).await?;
    let best = blog_post::Entity::search_text(&embedder, "How do I bake bread?")
        .one(&db)
        .await?;

    assert_eq!(best.map(|hit| hit.source.title).as_deref(), Some("bread"));
    Ok(())
}

async fn wait(db: DatabaseConnection, id: i32) -> TestResult {
    use std::time::Duration;

    use blog_post::content_embeddings;
    use pgai_sea::catalog::wait_until_embedded;

    wait_until_embedded(&db, content_embeddings::Entity, id, Duration::from_secs(10)).await?;

    Ok(())
}

#[rustfmt::skip] // laid out as on the page
#[tokio::test]
async fn a_mock_database() -> TestResult {
    use pgai_sea::prelude::*;
    use pgai_sea::search::Chunk;
    use pgai_sea::testing::{FakeEmbedder, mock_page};
    use sea_orm::{DatabaseBackend, MockDatabase};

    let bread = blog_post::Model {
        id: 7,
        title: "Bread".to_owned(),
        content: "Flour, water and salt".to_owned(),
    };
    let hits: Hits<_> = vec![HitWithSource::new(Chunk::new(7, 0, "Flour, water and salt"), bread, 0.12)].into();
    let db = MockDatabase::new(DatabaseBackend::Postgres)
        .append_query_results([mock_page::<blog_post::Entity, _>(&hits)])
        .into_connection();

    let embedders = FakeEmbedder::new(768).embedders();
    let found = blog_post::Entity::search_text(&embedders, "something to eat").all(&db).await?;
    assert_eq!(found, hits);

    Ok(())
}

#[test]
fn hits_without_a_database() {
    use pgai_sea::search::{Chunk, HitWithSource, Hits};

    fn titles(hits: &Hits<HitWithSource<i32, blog_post::Model>>) -> Vec<&str> {
        hits.iter().map(|hit| hit.source.title.as_str()).collect()
    }

    let bread = blog_post::Model {
        id: 7,
        title: "Bread".to_owned(),
        content: "Flour, water and salt".to_owned(),
    };
    let chunk = Chunk::new(7, 0, "Flour, water and salt");
    let hits: Hits<_> = vec![HitWithSource::new(chunk, bread, 0.12)].into();
    assert_eq!(titles(&hits), ["Bread"]);
}

/// The page's table and vectorizer.
async fn migrated(test: &pgai_sea_tests::TestDatabase) -> TestResult {
    test.execute("create table blog_posts (id serial primary key, title text not null, content text not null)")
        .await?;
    m0001_search::Migration.up(&SchemaManager::new(&test.db)).await?;
    Ok(())
}

#[tokio::test]
async fn the_tests_of_the_page() {
    on_both_catalogs(async |test| {
        migrated(&test).await?;
        first(test.db.clone()).await?;
        scripted(test.db.clone()).await?;
        failing(test.db.clone()).await?;

        // a recording, made with another embedder than the first ones
        let folder = tempfile::tempdir()?;
        let cassette = folder.path().join("search.jsonl");
        let model = FakeEmbedder::new(768);
        model.pin("How do I bake bread?").near("Flour, water and salt");
        let chunks = [
            "postgres - A B-tree keeps keys in order",
            "bread - Flour, water and salt",
        ];
        let mut lines: Vec<_> = chunks
            .map(|text| json!({"input_type": "document", "text": text, "vector": model.vector(text)}).to_string())
            .into();
        let text = "How do I bake bread?";
        lines.push(json!({"input_type": "query", "text": text, "vector": model.vector(text)}).to_string());
        std::fs::write(&cassette, lines.join("\n"))?;
        test.execute(
            "update blog_posts set content = content || '!'; update blog_posts set content = rtrim(content, '!')",
        )
        .await?;
        recorded(test.db.clone(), &cassette).await?;

        test.execute("insert into blog_posts (id, title, content) values (42, 'late', 'text')")
            .await?;
        let (waited, embedded) = tokio::join!(wait(test.db.clone(), 42), super::embed(&test));
        embedded?;
        waited?;
        let found: i64 = test
            .value("select count(*) from blog_posts_embedding_store where id = 42")
            .await?;
        assert_eq!(found, 1);
        Ok(())
    })
    .await;
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Posts), Box::new(m0001_search::Migration)]
    }
}

#[derive(DeriveMigrationName)]
struct Posts;

#[async_trait::async_trait]
impl MigrationTrait for Posts {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let create = "create table blog_posts (id serial primary key, title text not null, content text not null)";
        manager.get_connection().execute_unprepared(create).await.map(drop)
    }
}

/// It is there while the test runs, is gone afterwards, whatever became of the test, and no two tests have one.
#[tokio::test]
async fn a_test_has_a_database_of_its_own() {
    on_catalog(Catalog::Bare, async |test| {
        own_database::<Migrator>(test.url.clone()).await?;
        let databases = "select count(*) from pg_database where datname = ";
        let [one, other] = [
            TestDatabase::create(&test.url).await?,
            TestDatabase::create(&test.url).await?,
        ];
        let name = "select current_database()::text";
        let mut names = Vec::new();
        for own in [&one, &other] {
            Migrator::up(&own.db, None).await?;
            let row = own
                .db
                .query_one_raw(Statement::from_string(DbBackend::Postgres, name))
                .await?
                .unwrap();
            let name: String = row.try_get_by_index(0)?;
            assert!(own.url().contains(&name));
            assert_eq!(test.value::<i64>(&format!("{databases}'{name}'")).await?, 1);
            names.push(name);
        }
        assert_ne!(names[0], names[1]);
        drop(one);
        let failed = tokio::spawn(async move {
            let _own = other;
            panic!("as a test does that fails");
        });
        failed.await.unwrap_err();
        for name in names {
            assert_eq!(test.value::<i64>(&format!("{databases}'{name}'")).await?, 0);
        }
        let error = TestDatabase::create("postgres://nobody:secret@localhost:1/x")
            .await
            .unwrap_err()
            .to_string();
        assert!(!error.contains("secret"), "{error}");
        Ok(())
    })
    .await;
}

/// A refused row ends as a dead letter without pauses, and holds up no other. What a worker would wait with is an
/// error.
#[tokio::test]
async fn embedding_all_says_what_was_left() {
    on_both_catalogs(async |test| {
        migrated(&test).await?;
        let embedder = FakeEmbedder::new(4); // the vectorizer's 768 are its own matter
        assert_eq!(embed_all(&test.db, &embedder).await?.rows(), 0);

        test.execute(
            "insert into blog_posts (title, content) values ('a', 'fine'), ('b', 'a secret'), ('c', 'fine too')",
        )
        .await?;
        embedder.refuse("secret");
        let report = embed_all(&test.db, &embedder).await?;
        assert_eq!(
            (report.rows(), report.counts().dead_letters, report.waiting()),
            (2, 1, 0)
        );
        let lengths: i64 = test
            .value("select count(*) from blog_posts_embedding_store where public.vector_dims(embedding) = 768")
            .await?;
        assert_eq!(lengths, 2);
        assert!(
            embedder
                .requests()
                .iter()
                .all(|request| request.input_type == InputType::Document)
        );

        test.execute("insert into blog_posts (title, content) values ('d', 'more')")
            .await?;
        embedder.fail_next(Failure::Unauthorized);
        let error = embed_all(&test.db, &embedder).await.unwrap_err();
        assert!(matches!(error, EmbedAllError::Vectorizers(_)), "{error}");
        assert!(error.to_string().contains("the key is wrong (401)"), "{error}");
        // the row may have been claimed once more before the worker knew
        embed_all(&test.db, &embedder).await?;
        let fourth: i64 = test
            .value("select count(*) from blog_posts_embedding_store where chunk like '%more'")
            .await?;
        assert_eq!(fourth, 1);
        Ok(())
    })
    .await;
}

#[test]
fn the_page_is_this_code() {
    PAGE.is_code_of(include_str!("testing.rs"));
}
