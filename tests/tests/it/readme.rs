//! The README's code, compiled and run. Its blocks are compared with this file: what is written there works.

use std::sync::Arc;

use async_trait::async_trait;
use migration::Migrator;
use pgai_sea::embedder::{EmbedError, Embeddings, InputType};
use pgai_sea::prelude::Embedder;
use pgai_sea::worker::Worker;
use pgai_sea_tests::providers::embedding_of;
use pgai_sea_tests::{TestResult, on_both_catalogs};
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};

mod blog_post {
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
mod m0001_search {
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

/// Stands in for OpenAI's model: the vectors are made from the text, so that a text is nearest to itself.
#[derive(Clone, Debug)]
struct Model768;

#[async_trait]
impl Embedder for Model768 {
    async fn embed(&self, texts: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
        let vectors = texts
            .iter()
            .map(|text| embedding_of("text-embedding-3-small", text, 768));
        Ok(Embeddings::new(vectors.collect()))
    }
}

#[allow(clippy::print_stdout, reason = "as in the README")]
async fn queries(db: DatabaseConnection, query_vector: Vec<f32>, embedder: Model768) -> TestResult {
    use blog_post::content_embeddings;
    use pgai_sea::prelude::*;

    let similar = content_embeddings::Entity::find()
        .order_by_asc(content_embeddings::Column::Embedding.cosine_distance(query_vector.clone()))
        .limit(5)
        .all(&db)
        .await?;

    let hits = content_embeddings::Entity::search(query_vector)
        .filter(blog_post::Column::Title.contains("postgres"))
        .max_distance(0.6)
        .limit(5)
        .with_source() // one row per hit: chunk, distance and the blog post
        .all(&db)
        .await?;
    for hit in &hits {
        println!("{:.3} {} {}", hit.distance, hit.source.title, hit.embedding.chunk);
    }

    // whole posts, ranked by the best of their chunks
    let question = "how do I index a column?";
    let answers = blog_post::Entity::search_text(&embedder, question)
        .limit(10)
        .all(&db)
        .await?;

    // what is near and also has the words comes first: reciprocal rank fusion with PostgreSQL's full-text search
    let both = blog_post::Entity::search_text(&embedder, question)
        .hybrid(FullText::websearch(question))
        .all(&db)
        .await?;

    // posts like this one
    let related = blog_post::Entity::search_like(1).limit(3).all(&db).await?;

    let posts = blog_post::Entity::load()
        .with(content_embeddings::Entity)
        .all(&db)
        .await?;
    let pairs = blog_post::Entity::find()
        .find_with_related(content_embeddings::Entity)
        .all(&db)
        .await?;

    assert_eq!(similar[0].chunk, "postgres indexes - A B-tree keeps keys in order");
    assert_eq!((hits.len(), hits[0].source.id), (1, 1));
    assert!(hits[0].distance.abs() < 1e-6);
    assert_eq!(answers.len(), 2);
    // neither has a column, so that their distance alone speaks for them
    let ranks: Vec<_> = both.iter().map(|hit| (hit.vector_rank, hit.text_rank)).collect();
    assert_eq!(ranks, [(Some(1), None), (Some(2), None)]);
    assert_eq!(related.iter().map(|hit| hit.source.id).collect::<Vec<_>>(), [2]);
    assert_eq!(posts.len(), 2);
    assert!(posts.iter().all(|post| post.content_embeddings.len() == 1));
    assert_eq!(
        pairs
            .iter()
            .map(|(post, chunks)| (post.id, chunks.len()))
            .collect::<Vec<_>>(),
        [(1, 1), (2, 1)]
    );
    Ok(())
}

#[tokio::test]
async fn what_the_readme_says_works() {
    use sea_orm_migration::{MigrationTrait, SchemaManager};

    on_both_catalogs(async |test| {
        test.execute("create table blog_posts (id int primary key, title text not null, content text not null)").await?;
        m0001_search::Migration.up(&SchemaManager::new(&test.db)).await?;
        test.execute(
            "insert into blog_posts values (1, 'postgres indexes', 'A B-tree keeps keys in order'), (2, 'sourdough', 'Flour')",
        )
        .await?;

        let worker = Worker::new(test.db.clone());
        worker.embedder("openai", "text-embedding-3-small", Arc::new(Model768)).run_once().await?;

        let query = embedding_of("text-embedding-3-small", "postgres indexes - A B-tree keeps keys in order", 768);
        queries(test.db.clone(), query, Model768).await?;
        m0001_search::Migration.down(&SchemaManager::new(&test.db)).await?;
        let left: i64 = test.value("select count(*) from pg_class where relname like 'blog_posts_embedding%'").await?;
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

/// The README's blocks of Rust: the entity, the migration, the worker, the query.
pub(crate) fn blocks() -> impl Iterator<Item = &'static str> {
    let readme = include_str!("../../../README.md");
    let fenced = readme.split("```").skip(1).step_by(2);
    fenced
        .filter(|block| block.starts_with("rust"))
        .filter_map(|block| Some(block.split_once('\n')?.1))
}

#[test]
fn the_readmes_blocks_are_the_code_of_this_file() {
    // rustfmt breaks lines by their indentation, which is another here
    let words = |text: &str| text.split_whitespace().collect::<String>();
    let here = words(include_str!("readme.rs"));
    assert_eq!(blocks().count(), 4, "the README's blocks of Rust");
    for code in blocks() {
        assert!(here.contains(&words(code)), "not in this file:\n{code}");
    }
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
