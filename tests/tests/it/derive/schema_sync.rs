//! SeaORM's schema sync keeps its hands off what a vectorizer manages, and does its work on the rest.

use pgai_sea::migration::prelude::*;
use pgai_sea_tests::{Snapshot, on_both_catalogs};
use sea_orm::DatabaseConnection;
use sea_orm::DbErr;

mod book {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "books")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        #[vectorizer(dimensions = 3)]
        pub blurb: String,
        #[sea_orm(has_many)]
        pub blurb_embeddings: HasMany<blurb_embeddings::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

async fn sync(db: &DatabaseConnection) -> Result<(), DbErr> {
    db.get_schema_registry(module_path!()).sync(db).await
}

#[tokio::test]
async fn before_a_vectorizer_there_is_no_target_table() {
    on_both_catalogs(async |test| {
        sync(&test.db).await?;
        let tables = "select relname::text from pg_class where relkind = 'r' and relname like 'books%'";
        assert_eq!(test.values::<String>(tables).await?, ["books"]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn beside_a_vectorizer_it_changes_the_source_alone() {
    on_both_catalogs(async |test| {
        // an older table, without the column `title`
        test.execute("create table books (id serial primary key, blurb varchar not null)")
            .await?;
        SchemaManager::new(&test.db)
            .create_vectorizer(
                CreateVectorizer::new("books")
                    .loading(Loading::column("blurb"))
                    .embedding(Embedding::ollama("m", 3)),
            )
            .await?;
        let before = Snapshot::of(&test.db).await?;
        sync(&test.db).await?;
        let after = Snapshot::of(&test.db).await?;
        let removed = after.removed_since(&before);
        assert!(removed.is_empty(), "removed: {removed}");
        let added = after.added_since(&before).to_string();
        // the column, and since PostgreSQL 18 its `not null` as a constraint
        let is_the_title =
            |line: &str| line.contains("of public.books: title ") || line.contains("books_title_not_null");
        assert!(!added.is_empty() && added.lines().all(is_the_title), "added: {added}");
        Ok(())
    })
    .await;
}
