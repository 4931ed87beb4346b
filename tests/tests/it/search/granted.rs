//! Roles that search have the rights for it, and no more.

use std::sync::Arc;

use pgai_sea::Embedders;
use pgai_sea::migration::prelude::*;
use pgai_sea::prelude::*;
use pgai_sea::testing::FakeEmbedder;
use pgai_sea::worker::Worker;
use pgai_sea_tests::{TestResult, on_both_catalogs};

mod letter {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "letters")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub tenant: String,
        #[vectorizer(dimensions = 8)]
        pub body: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

#[tokio::test]
async fn a_tenant_searches_its_own_rows_with_everything_that_a_search_can_say() {
    on_both_catalogs(async |test| -> TestResult {
        let tenant = test.role("tenant").await?;
        test.execute(&format!(
            "create table letters (id int primary key, tenant text not null, body text not null);
             insert into letters values (1, '{tenant}', 'ours'), (2, 'other', 'theirs'), (3, '{tenant}', 'ours too');
             alter table letters enable row level security;
             create policy own on letters using (tenant = current_user);
             grant select on letters to {tenant}"
        ))
        .await?;
        let manager = SchemaManager::new(&test.db);
        let create = CreateVectorizer::new("letters")
            .name("letters")
            .loading(Loading::column("body"))
            .embedding(Embedding::ollama("fake", 8));
        manager.create_vectorizer(create).await?;
        manager.grant_search("letters", &[&tenant]).await?;
        // a second time there is nothing to do
        manager.grant_search("letters", &[&tenant]).await?;
        let model: Arc<FakeEmbedder> = Arc::new(FakeEmbedder::new(8));
        Worker::new(test.db.clone())
            .embedder("ollama", "fake", model.clone())
            .run_once()
            .await?;
        test.execute("update letters set body = 'ours, edited' where id = 1")
            .await?;

        let db = test.connect_as(&tenant).await?;
        let embedders = Embedders::new().embedder("ollama", "fake", model);
        let hits = letter::Entity::search_text(&embedders, "ours")
            .with_freshness()
            .all(&db)
            .await?;
        let mut found: Vec<_> = hits.iter().map(|hit| (hit.source.id, hit.waiting)).collect();
        found.sort_unstable();
        assert_eq!(found, [(1, Some(true)), (3, Some(false))]);
        let chunks = letter::body_embeddings::Entity::search_text(&embedders, "theirs")
            .all(&db)
            .await?;
        // pgai's store has no policies
        assert_eq!(
            chunks.len(),
            if test.catalog == pgai_sea_tests::Catalog::Ours {
                2
            } else {
                3
            }
        );
        let refused = db.execute_unprepared("delete from letters_embedding_store").await;
        assert!(refused.unwrap_err().to_string().contains("permission denied"));
        db.close().await?;
        test.drop_role(&tenant).await?;
        Ok(())
    })
    .await;
}
