//! An index of one bit a number, declared.

use pgai_sea::check::{Aspect, Problem, check_module};
use pgai_sea::migration::prelude::*;
use pgai_sea_tests::{Catalog, TestResult, on_both_catalogs, on_catalog};

mod declared {
    pub(super) mod song {
        use pgai_sea::Vectorizer;
        use sea_orm::entity::prelude::*;

        #[sea_orm::model]
        #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
        #[sea_orm(table_name = "songs")]
        pub struct Model {
            #[sea_orm(primary_key)]
            pub id: i32,
            // longer than an index of whole vectors could be
            #[vectorizer(
                dimensions = 5_000,
                embedding = Embedding::ollama("m", 5_000),
                indexing = Indexing::hnsw().m(8).binary()
            )]
            pub lyrics: String,
        }

        impl ActiveModelBehavior for ActiveModel {}
    }
}

/// The same table by an entity that says nothing of the index.
mod silent {
    pub(super) mod song {
        use pgai_sea::Vectorizer;
        use sea_orm::entity::prelude::*;

        #[sea_orm::model]
        #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
        #[sea_orm(table_name = "songs")]
        pub struct Model {
            #[sea_orm(primary_key)]
            pub id: i32,
            #[vectorizer(dimensions = 5_000, embedding = Embedding::ollama("m", 5_000))]
            pub lyrics: String,
        }

        impl ActiveModelBehavior for ActiveModel {}
    }
}

const TABLE: &str = "create table songs (id int primary key, lyrics text not null)";

fn module(of: &str) -> String {
    format!("{}::{of}", module_path!())
}

/// What differs in the index, here and there, and what mends it.
async fn differs(test: &pgai_sea_tests::TestDatabase, of: &str) -> Option<(String, String, String)> {
    let findings = check_module(&test.db, &module(of)).await.unwrap();
    let mut of_index = findings.iter().filter_map(|finding| match &finding.problem {
        Problem::Differs {
            aspect: Aspect::Indexing,
            declared,
            actual,
        } => Some((declared.clone(), actual.clone(), finding.mending())),
        _ => None,
    });
    let first = of_index.next();
    assert_eq!(findings.iter().count(), usize::from(first.is_some()), "{findings}");
    first
}

#[tokio::test]
async fn a_check_compares_it_with_the_database() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        test.execute(TABLE).await?;
        let manager = SchemaManager::new(&test.db);
        let declared = declared::song::lyrics_embeddings::Entity::vectorizer();
        manager.create_vectorizer(declared).await?;
        assert_eq!(differs(&test, "declared").await, None);
        let (here, there, mending) = differs(&test, "silent").await.unwrap();
        assert_eq!((here.as_str(), there.as_str()), ("not declared", "quantized binary"));
        assert!(mending.contains("indexing = Indexing::hnsw().binary()"), "{mending}");

        test.execute("update ai.vectorizer set config = config #- '{indexing,quantized}'")
            .await?;
        assert_eq!(differs(&test, "silent").await, None);
        let (here, there, mending) = differs(&test, "declared").await.unwrap();
        assert_eq!(
            (here.as_str(), there.as_str()),
            ("quantized binary", "quantized not set")
        );
        assert!(mending.contains("manager.change_vectorizer("), "{mending}");
        // as it says
        let change = declared::song::lyrics_embeddings::Entity;
        manager.change_vectorizer(change.into()).await?;
        assert_eq!(differs(&test, "declared").await, None);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn pgais_catalog_refuses_it_and_can_be_checked() {
    on_both_catalogs(async |test| -> TestResult {
        if test.catalog == Catalog::Ours {
            return Ok(());
        }
        test.execute(TABLE).await?;
        let manager = SchemaManager::new(&test.db);
        let declared = declared::song::lyrics_embeddings::Entity::vectorizer;
        let refused = manager.create_vectorizer(declared()).await.unwrap_err().to_string();
        assert!(refused.contains("has no index of bits"), "{refused}");
        assert!(refused.contains("CreateVectorIndex::hnsw_of(..).binary()"), "{refused}");
        let id = manager
            .create_vectorizer(silent::song::lyrics_embeddings::Entity::vectorizer())
            .await?;
        let set = manager.set_scheduling(id, Scheduling::none(), Indexing::hnsw().binary());
        let refused = set.await.unwrap_err().to_string();
        assert!(refused.contains("has no index of bits"), "{refused}");
        let change = ChangeVectorizer::new(id).indexing(Indexing::hnsw().binary());
        let refused = manager.change_vectorizer(change).await.unwrap_err().to_string();
        assert!(refused.contains("build an index of bits"), "{refused}");
        let (here, there, _) = differs(&test, "declared").await.unwrap();
        assert_eq!((here.as_str(), there.as_str()), ("hnsw", "none"));
        Ok(())
    })
    .await;
}
