//! The vectorizer of `blog_posts.content`: its embeddings go to `blog_posts_embedding_store`.

use pgai_sea::migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_vectorizer(
                CreateVectorizer::new("blog_posts")
                    .loading(Loading::column("content"))
                    .embedding(Embedding::openai("text-embedding-3-small", 768))
                    .chunking(
                        Chunking::character_text_splitter()
                            .chunk_size(800)
                            .chunk_overlap(400)
                            .separator("."),
                    )
                    .formatting(Formatting::python_template("$title - $chunk")),
            )
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_vectorizer(DropVectorizer::target_table("blog_posts_embedding_store").drop_all(true))
            .await
    }
}
