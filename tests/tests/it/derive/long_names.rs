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
            // pgai takes no name of a vectorizer from one with other letters
            .create_vectorizer(archive::body_embeddings::Entity::vectorizer().name("archive"))
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
