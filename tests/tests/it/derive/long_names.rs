//! A table whose name leaves no room for the suffixes of what is made for it.

use pgai_sea::check::check_module;
use pgai_sea::migration::prelude::*;
use pgai_sea_tests::{TestResult, on_both_catalogs};
use sea_orm::{EntityName, EntityTrait, PaginatorTrait};

mod archive {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "articles_of_the_archive_of_the_städtische_bücherei_since_1850")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[vectorizer(dimensions = 3, embedding = Embedding::ollama("all-minilm", 3))]
        pub body: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// In capitals, which no name of a vectorizer has.
mod capitals {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "BlogPosts", schema_name = "Website")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[vectorizer(dimensions = 3, embedding = Embedding::ollama("all-minilm", 3))]
        pub body: String,
        #[vectorizer(
            dimensions = 3,
            destination = "column",
            loading = "body",
            embedding = Embedding::ollama("all-minilm", 3)
        )]
        pub vector: Option<PgVector>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

#[tokio::test]
async fn a_vectorizer_of_capitals_has_a_name_that_both_take() {
    on_both_catalogs(async |test| -> TestResult {
        test.execute(
            r#"create schema "Website"; create table "Website"."BlogPosts" (id int primary key, body text not null)"#,
        )
        .await?;
        let manager = SchemaManager::new(&test.db);
        manager
            .create_vectorizer(capitals::body_embeddings::Entity::vectorizer())
            .await?;
        manager.create_vectorizer(capitals::Entity::vectorizer()).await?;
        let names: Vec<String> = test.values("select name::text from ai.vectorizer order by id").await?;
        assert_eq!(names, ["website_blogposts_embedding_store", "website_blogposts_vector"]);
        let findings = check_module(&test.db, concat!(module_path!(), "::capitals")).await?;
        assert!(findings.is_empty(), "{findings}");
        Ok(())
    })
    .await;
}

/// The derive, the list of managed tables, the check and either catalog mean the same tables.
#[tokio::test]
async fn everyone_cuts_it_alike() {
    on_both_catalogs(async |test| -> TestResult {
        let table = archive::Entity.table_name();
        assert_eq!(table.len(), 63);
        test.execute(&format!(
            "create table {table} (id int primary key, body text not null)"
        ))
        .await?;
        let manager = SchemaManager::new(&test.db);
        manager
            .create_vectorizer(archive::body_embeddings::Entity::vectorizer())
            .await?;
        let findings = check_module(&test.db, concat!(module_path!(), "::archive")).await?;
        assert!(findings.is_empty(), "{findings}");
        let (store, view) = (
            "articles_of_the_archive_of_the_städtische_büc_embedding_store",
            "articles_of_the_archive_of_the_städtische_bücherei__embedding",
        );
        assert_eq!(archive::body_embeddings::Entity.table_name(), store);
        assert_eq!(archive::body_embeddings::Entity::find().count(&test.db).await?, 0);
        assert_eq!(test.value::<i64>(&format!("select count(*) from {view}")).await?, 0);
        let managed = pgai_sea::managed_tables();
        assert!(
            managed.iter().any(|table| (table.store, table.view) == (store, view)),
            "{managed:?}"
        );
        Ok(())
    })
    .await;
}
