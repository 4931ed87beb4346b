//! The README's code, compiled and run.

use std::sync::Arc;

use migration::Migrator;
use pgai_sea::Embedder;
use pgai_sea::testing::FakeEmbedder;
use pgai_sea::worker::Worker;
use pgai_sea_tests::{TestResult, on_both_catalogs};
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};

use crate::pages::Page;

pub(crate) mod blog_post {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "blog_posts")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        #[vectorizer(dimensions = 768)]
        pub content: String,
        pub content_embeddings: HasMany<content_embeddings::Entity>, // optional: eager loading
    }

    impl ActiveModelBehavior for ActiveModel {}
}

#[rustfmt::skip] // laid out as in the README
pub(crate) mod m0001_search {
    use pgai_sea::migration::prelude::*;

    #[derive(DeriveMigrationName)]
    pub struct Migration;

    #[async_trait::async_trait]
    impl MigrationTrait for Migration {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            manager.install_pgai().await?; // once, usually in the first migration
            manager
                .create_vectorizer(
                    CreateVectorizer::new("blog_posts")
                        .loading(Loading::column("content"))
                        .embedding(Embedding::openai("text-embedding-3-small", 768))
                        .chunking(Chunking::character_text_splitter().chunk_size(800).chunk_overlap(400).separator("."))
                        .formatting(Formatting::python_template("$title - $chunk")),
                )
                .await?;
            Ok(())
        }

        async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            manager.drop_vectorizer(DropVectorizer::target_table("blog_posts_embedding_store").drop_all(true)).await
        }
    }
}

/// Stands in for OpenAI's model.
pub(crate) fn model768() -> FakeEmbedder {
    FakeEmbedder::new(768)
}

/// Compiled only: it asks OpenAI. `migrate::outside` runs it, with a server that stands in.
#[allow(dead_code, reason = "compiled only")]
fn embedder() -> impl Embedder {
    use pgai_sea::embedder::OpenAi;

    let embedder = OpenAi::from_env("text-embedding-3-small", 768); // or Local::from_dir("models/all-MiniLM-L6-v2")?

    embedder
}

#[allow(clippy::print_stdout, reason = "as in the README")]
#[rustfmt::skip] // laid out as in the README
async fn queries(db: DatabaseConnection, embedder: impl Embedder) -> TestResult {
    use blog_post::content_embeddings;
    use pgai_sea::prelude::*;

    // posts, ranked by the best of their chunks
    let question = "how do I index a column?";
    let posts = blog_post::Entity::search_text(&embedder, question).limit(5).all(&db).await?;
    for hit in &posts {
        println!("{:.3} {}: {}", hit.distance, hit.source.title, hit.embedding.chunk);
    }

    // by meaning and by words: both rankings are fused
    let hybrid = blog_post::Entity::search_text(&embedder, question).hybrid(FullText::any(question)).all(&db).await?;

    // chunks, with a filter on the posts
    let query_vector = embedder.embed_query(question).await?;
    let hits = content_embeddings::Entity::search(query_vector.clone())
        .filter(blog_post::Column::Title.contains("postgres"))
        .max_distance(0.6)
        .limit(5)
        .with_source() // one row per hit: chunk, distance and the blog post
        .all(&db)
        .await?;

    // plain SeaORM works too
    let similar = content_embeddings::Entity::find()
        .order_by_asc(content_embeddings::Column::Embedding.cosine_distance(query_vector))
        .limit(5)
        .all(&db)
        .await?;

    assert_eq!(posts.len(), 2);
    // one post has words of the question
    let by_words: Vec<_> = hybrid.iter().filter(|hit| hit.text_rank.is_some()).map(|hit| hit.source.id).collect();
    assert_eq!(by_words, [1]);
    assert_eq!(hybrid.len(), 2);
    assert_eq!(hybrid[0].source.id, 1);
    assert_eq!((hits.len(), hits[0].source.id), (1, 1));
    assert!(hits[0].distance < 0.3, "{}", hits[0].distance);
    assert_eq!(similar[0].chunk, "postgres indexes - How do I index a column?");
    Ok(())
}

#[tokio::test]
async fn what_the_readme_says_works() {
    use sea_orm_migration::{MigrationTrait, SchemaManager};

    on_both_catalogs(async |test| {
        test.execute("create table blog_posts (id int primary key, title text not null, content text not null)")
            .await?;
        m0001_search::Migration.up(&SchemaManager::new(&test.db)).await?;
        test.execute(
            "insert into blog_posts values
             (1, 'postgres indexes', 'How do I index a column?'), (2, 'sourdough', 'Flour')",
        )
        .await?;

        let worker = Worker::new(test.db.clone());
        worker
            .embedder("openai", "text-embedding-3-small", Arc::new(model768()))
            .run_once()
            .await?;

        queries(test.db.clone(), model768()).await?;
        m0001_search::Migration.down(&SchemaManager::new(&test.db)).await?;
        let left: i64 = test
            .value("select count(*) from pg_class where relname like 'blog_posts_embedding%'")
            .await?;
        assert_eq!(left, 0);
        Ok(())
    })
    .await;
}

/// One line: `Worker::new(db.clone()).run_until(tokio::signal::ctrl_c()).await?;`
#[allow(dead_code, reason = "compiled only: it runs until someone presses ctrl-c")]
async fn worker(db: DatabaseConnection) -> TestResult {
    Worker::new(db.clone()).run_until(tokio::signal::ctrl_c()).await?;
    Ok(())
}

pub(crate) const README: Page = Page(include_str!("../../../README.md"));

#[test]
fn the_readmes_blocks_are_the_code_of_this_file() {
    README.is_code_of(include_str!("readme.rs"));
    assert_eq!(
        README.blocks("rust").len(),
        5,
        "entity, migration, worker, embedder, query"
    );
}

#[test]
fn the_readme_takes_two_screens() {
    let lines = README.0.lines().count();
    assert!(lines <= 150, "{lines} lines: what is longer belongs into the guide");
}

/// The crate `migration` is the same, as a migrator: the README's loop under sea-orm-cli.
#[tokio::test]
async fn the_migrator_brings_the_same_vectorizer() {
    use sea_orm_migration::MigratorTrait;

    on_both_catalogs(async |test| {
        Migrator::up(&test.db, None).await?;
        let named: i64 = test
            .value("select count(*) from ai.vectorizer where name = 'public_blog_posts_embedding_store'")
            .await?;
        assert_eq!(named, 1);
        Ok(())
    })
    .await;
}
