//! The page on declaring.

use pgai_sea_tests::{TestDatabase, TestResult, on_both_catalogs};
use sea_orm::DatabaseConnection;
use sea_orm_migration::SchemaManager;

use crate::pages::Page;

const PAGE: Page = Page(include_str!("../../../../pgai-sea/src/guide/declaring.md"));

mod talk {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "guide_talks")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        #[vectorizer(
            dimensions = 768,
            embedding = Embedding::openai("text-embedding-3-small", 768),
            formatting = "$title: $chunk"
        )]
        pub summary: String,
        #[vectorizer(
            dimensions = 768,
            embedding = Embedding::openai("text-embedding-3-small", 768),
            target_table = "guide_talks_notes",
            view_name = "guide_talks_with_notes"
        )]
        pub notes: Option<String>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod product {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "guide_products")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        #[vectorizer(
            dimensions = 768,
            destination = "column", // of `name`, the only text
            embedding = Embedding::openai("text-embedding-3-small", 768)
        )]
        #[sea_orm(column_type = "Vector(Some(768))", nullable)]
        pub embedding: Option<PgVector>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

async fn create(manager: &SchemaManager<'_>) -> TestResult {
    use pgai_sea::migration::prelude::*;

    manager
        .create_vectorizer(talk::summary_embeddings::Entity::vectorizer())
        .await?;
    let notes = talk::notes_embeddings::Entity::vectorizer().chunking(Chunking::none());
    manager.create_vectorizer(notes).await?;

    manager.create_vectorizer(product::Entity::vectorizer()).await?;
    Ok(())
}

async fn check(db: DatabaseConnection) -> TestResult {
    use pgai_sea::check_module;

    let findings = check_module(&db, module_path!()).await?;
    assert!(findings.is_empty(), "{findings}");

    Ok(())
}

/// The product whose name is this text, by its own vector.
async fn find_product(test: &TestDatabase, name: &str) -> Result<Option<String>, sea_orm::DbErr> {
    use pgai_sea::prelude::*;

    let hit = product::Entity::search_text(&crate::readme::model768(), name)
        .one(&test.db)
        .await?;
    Ok(hit.map(|hit| hit.source.name))
}

#[tokio::test]
async fn what_the_page_declares_is_created_checked_and_found() {
    on_both_catalogs(async |test| {
        test.execute(
            "create table guide_talks (id int primary key, title text not null, summary text not null, notes text);
             create table guide_products (id int primary key, name text not null);
             insert into guide_talks values (1, 'Locks', 'Who waits for whom', 'ask about deadlocks');
             insert into guide_products values (1, 'whisk'), (2, 'ladder')",
        )
        .await?;
        let manager = SchemaManager::new(&test.db);
        // before, a check finds what is missing
        let missing = pgai_sea::check_module(&test.db, module_path!()).await?;
        assert_eq!(missing.len(), 3, "{missing}");
        create(&manager).await?;
        check(test.db.clone()).await?;

        super::embed(&test).await?;
        let chunks = async |store: &str| test.values::<String>(&format!("select chunk from {store}")).await;
        assert_eq!(
            chunks("guide_talks_embedding_store").await?,
            ["Locks: Who waits for whom"]
        );
        assert_eq!(chunks("guide_talks_notes").await?, ["ask about deadlocks"]);
        assert_eq!(find_product(&test, "ladder").await?.as_deref(), Some("ladder"));
        Ok(())
    })
    .await;
}

#[test]
fn the_page_is_this_code() {
    PAGE.is_code_of(include_str!("declaring.rs"));
}
