//! A vectorizer that names a model of the process that embeds.

use std::sync::Arc;

use pgai_sea::Embedders;
use pgai_sea::embedder::{Embedder, Local};
use pgai_sea::migration::prelude::*;
use pgai_sea::prelude::*;
use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, on_catalog};
use tokio::process::Command;

use crate::embedder::families::golden;

mod note {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "notes")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[vectorizer(
            dimensions = 24,
            name = "embeddings",
            embedding = pgai_sea::config::Embedding::local("owner/tiny", 24)
        )]
        pub body: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn create() -> CreateVectorizer {
    CreateVectorizer::new("notes")
        .name("notes")
        .loading(Loading::column("body"))
        .embedding(Embedding::local("owner/tiny", 24))
}

const TABLE: &str = "create table notes (id int primary key, body text);
    insert into notes values (1, 'w7 w8 w9'), (2, 'w40 w41'), (3, 'w50')";

#[tokio::test]
async fn who_was_given_the_model_embeds_with_it_and_others_say_what_is_missing() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(TABLE).await?;
        SchemaManager::new(&test.db).create_vectorizer(create()).await?;

        let report = Worker::new(test.db.clone()).run_once().await?;
        let errors: Vec<(&str, &str)> = report.errors().collect();
        assert!(
            matches!(errors[..], [("notes", error)] if error.contains("--local-model owner/tiny=DIR")),
            "{errors:?}"
        );

        let dir = golden("static").write(|_, _| {});
        let argument = format!("owner/tiny={}", dir.path().display());
        let output = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
            .args(["worker", "--once", "-d", &test.url, "--local-model", &argument])
            .output()
            .await?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(
            test.value::<i64>("select count(*) from notes_embedding_store").await?,
            3
        );

        let search = |embedders| {
            let db = test.db.clone();
            async move {
                note::embeddings::Entity::search_text(&embedders, "w40 w41")
                    .all(&db)
                    .await
            }
        };
        let model: Arc<dyn Embedder> = Arc::new(Local::from_dir(dir.path())?);
        let hits = search(Embedders::new().embedder("local", "owner/tiny", model)).await?;
        assert_eq!(hits[0].embedding.source_key, 2, "{hits:?}");
        let error = search(Embedders::new()).await.unwrap_err().to_string();
        assert!(error.contains("owner/tiny") && error.contains("Embedders"), "{error}");

        let error = test
            .value::<String>("select ai.vectorizer_embed('notes', 'text')::text")
            .await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("runs in the process that embeds"), "{error}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn pgais_catalog_refuses_it_and_says_why() {
    on_catalog(Catalog::Pgai, async |test| {
        test.execute(TABLE).await?;
        let manager = SchemaManager::new(&test.db);
        let error = manager.create_vectorizer(create()).await.unwrap_err().to_string();
        assert!(
            error.contains("no ai.embedding_local") && error.contains("Embedding::ollama"),
            "{error}"
        );
        manager
            .create_vectorizer(create().embedding(Embedding::ollama("all-minilm", 24)))
            .await?;
        let change = ChangeVectorizer::new("notes").embedding(Embedding::local("owner/tiny", 24));
        let error = manager.change_vectorizer(change).await.unwrap_err().to_string();
        assert!(
            error.contains("Embedding::local") && error.contains("--local-model"),
            "{error}"
        );
        Ok(())
    })
    .await;
}
