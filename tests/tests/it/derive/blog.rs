//! Authors, their posts, and the posts' embeddings: three dense entities in a row.

use pgai_sea::migration::prelude::*;
use pgai_sea_tests::{TestDatabase, TestResult};

pub(super) mod author {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "authors")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        #[sea_orm(has_many)]
        pub posts: HasMany<super::blog_post::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod blog_post {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "blog_posts")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub author_id: i32,
        pub title: String,
        #[vectorizer(dimensions = 3)]
        pub content: String,
        pub content_embeddings: HasMany<content_embeddings::Entity>,
        #[sea_orm(belongs_to, from = "author_id", to = "id")]
        pub author: BelongsTo<super::author::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Two authors with two posts and one; three chunks, two and none. Creates the vectorizer, and embeds as a worker
/// would.
pub(super) async fn create(test: &TestDatabase) -> TestResult {
    test.execute(
        "create table authors (id int primary key, name text not null);
         create table blog_posts (id int primary key, author_id int not null, title text not null, content text not \
         null)",
    )
    .await?;
    SchemaManager::new(&test.db)
        .create_vectorizer(
            CreateVectorizer::new("blog_posts")
                .loading(Loading::column("content"))
                .embedding(Embedding::ollama("m", 3)),
        )
        .await?;
    test.execute(
        "insert into authors values (1, 'ada'), (2, 'bob');
         insert into blog_posts values (10, 1, 'cats', 'c'), (11, 1, 'dogs', 'd'), (12, 2, 'none', '');
         insert into blog_posts_embedding_store (id, chunk_seq, chunk, embedding) values
             (10, 1, 'cat one', '[0,1,0]'), (10, 0, 'cat zero', '[1,0,0]'), (10, 2, 'cat two', '[0,0,1]'),
             (11, 0, 'dog zero', '[1,1,0]'), (11, 1, 'dog one', '[0,1,1]')",
    )
    .await?;
    Ok(())
}
