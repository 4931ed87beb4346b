//! The same on PostgreSQL 18, from the entity to the hit and back.

use pgai_sea::migration::prelude::*;
use pgai_sea::prelude::*;
use pgai_sea_tests::{Snapshot, TestResult};
use real_parts::{Postgres, Version};
use sea_orm::{ColumnTrait, ConnectionTrait, Database, EntityTrait};

mod note {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "notes")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[vectorizer(dimensions = 3, embedding = Embedding::ollama("m", 3))]
        pub body: String,
        #[vectorizer(
            dimensions = 2,
            destination = "column",
            loading = "body",
            embedding = Embedding::ollama("m2", 2)
        )]
        #[sea_orm(column_type = "Vector(Some(2))", nullable)]
        pub vector: Option<PgVector>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

use note::body_embeddings;

#[tokio::test]
async fn declared_created_searched_checked_and_dropped() -> TestResult {
    // with DATABASE_URL, the server there is what everything is tested on
    if std::env::var_os("DATABASE_URL").is_some() {
        return Ok(());
    }
    let postgres = Postgres::start_version(Version::V18)?;
    let db = Database::connect(postgres.url()).await?;
    db.execute_unprepared("create extension vector; create table notes (id int primary key, body text)")
        .await?;
    let before = Snapshot::of(&db).await?;
    let manager = SchemaManager::new(&db);
    manager.install_pgai().await?;
    manager.create_vectorizer(body_embeddings::Entity::vectorizer()).await?;
    manager.create_vectorizer(note::Entity::vectorizer()).await?;
    let module = concat!(module_path!(), "::note");
    let findings = pgai_sea::check::check_module(&db, module).await?;
    assert!(findings.is_empty(), "{findings}");
    db.get_schema_registry(module).sync(&db).await?;

    db.execute_unprepared(
        "insert into notes values (1, 'a', '[1,0]'), (2, 'b', '[0,1]');
         insert into notes_embedding_store (id, chunk_seq, chunk, embedding) values (1, 0, 'a', '[1,0,0]'), (2, 0, \
         'b', '[0,0,1]')",
    )
    .await?;
    let in_table = body_embeddings::Entity::search([0.0, 0.0, 1.0])
        .with_source()
        .one(&db)
        .await?;
    assert_eq!(in_table.ok_or("no hit")?.source.id, 2);
    let in_row = note::Entity::search([1.0, 0.1])
        .filter(note::Column::Id.gt(0))
        .one(&db)
        .await?;
    assert_eq!(in_row.ok_or("no hit")?.source.id, 1);
    let pairs = note::Entity::find()
        .find_with_related(body_embeddings::Entity)
        .all(&db)
        .await?;
    assert_eq!(pairs.len(), 2);

    manager
        .disable_vectorizer_schedule("public_notes_embedding_store")
        .await?;
    for target in ["public_notes_embedding_store", "public_notes_vector"] {
        manager
            .drop_vectorizer(DropVectorizer::name(target).drop_all(true))
            .await?;
    }
    db.execute_unprepared("alter table notes drop column vector").await?;
    manager.uninstall_pgai().await?;
    let after = Snapshot::of(&db).await?;
    assert_eq!(after.added_since(&before).to_string(), "");
    assert_eq!(after.removed_since(&before).to_string(), "");
    db.close().await?;
    Ok(())
}
