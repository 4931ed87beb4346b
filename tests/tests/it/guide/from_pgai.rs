//! The page for who comes from pgai.

use pgai_sea::embedder::Embedder;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_catalog};
use sea_orm::DatabaseConnection;
use sea_orm_migration::SchemaManager;

use crate::pages::Page;
use crate::readme::model768;

const PAGE: Page = Page(include_str!("../../../../pgai-sea/src/guide/from_pgai.md"));

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

#[rustfmt::skip] // laid out as on the page
async fn create(manager: &SchemaManager<'_>) -> TestResult {
    use pgai_sea::migration::prelude::*;

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

#[rustfmt::skip] // laid out as on the page
async fn query(db: DatabaseConnection) -> TestResult {
    use blog_post::content_embeddings;
    use pgai_sea::prelude::*;
    use sea_orm::{EntityTrait, QueryOrder, QuerySelect};

    let in_database = content_embeddings::Entity::find()
        .order_by_asc(content_embeddings::Column::Embedding.cosine_distance(
            ai::openai_embed("text-embedding-3-small", "search query").dimensions(768),
        ))
        .limit(5)
        .all(&db)
        .await?;

    assert_eq!(in_database.iter().map(|chunk| chunk.id).collect::<Vec<_>>(), [2, 1]);
    Ok(())
}

/// pgai's extension needs a server with Python; a function of its name and arguments stands in for it.
async fn stand_in(test: &TestDatabase) -> TestResult {
    let vector = model768().embed_query("b - search query").await?;
    test.execute(&format!(
        "create function ai.openai_embed(model text, input_text text, dimensions int) returns vector
         language sql immutable as $$ select '{vector:?}'::vector $$"
    ))
    .await?;
    Ok(())
}

/// The same configuration in SQL, as Alembic sends it.
const ALEMBIC: &str =
    "select ai.create_vectorizer('blog_posts', loading => ai.loading_column(column_name => 'content'),
    embedding => ai.embedding_openai(model => 'text-embedding-3-small', dimensions => 768),
    chunking => ai.chunking_character_text_splitter(chunk_size => 800, chunk_overlap => 400, separator => '.'),
    formatting => ai.formatting_python_template(template => '$title - $chunk'))";

#[tokio::test]
async fn a_database_of_pgai_works_unchanged() {
    on_catalog(Catalog::Pgai, async |test| {
        test.execute(
            "create table blog_posts (id int primary key, title text not null, content text not null);
             insert into blog_posts values (1, 'a', 'text'), (2, 'b', 'search query')",
        )
        .await?;
        let config = "select config - 'version' from ai.vectorizer";
        test.execute(ALEMBIC).await?;
        let from_python: serde_json::Value = test.value(config).await?;
        super::embed(&test).await?;
        stand_in(&test).await?;
        query(test.db.clone()).await?;

        // what the builder asks for is the same
        test.execute("select ai.drop_vectorizer(1, drop_all => true)").await?;
        create(&SchemaManager::new(&test.db)).await?;
        assert_eq!(test.value::<serde_json::Value>(config).await?, from_python);
        Ok(())
    })
    .await;
}

#[test]
fn the_page_is_this_code() {
    PAGE.is_code_of(include_str!("from_pgai.rs"));
}
