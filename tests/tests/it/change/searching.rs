//! Searches while a model is changed: one generation answers, with a vector of its own model.

use std::sync::Arc;

use pgai_sea::change::{self, Compare};
use pgai_sea::config::Embedding;
use pgai_sea::prelude::*;
use pgai_sea::{ChangeVectorizer, Embedders};
use pgai_sea_tests::providers::Provider;
use pgai_sea_tests::{Catalog, TestDatabase, on_catalog};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr, IsolationLevel, Statement,
    TransactionTrait as _,
};

use super::support::{Models, POSTS};

/// The entity as the program before the change has it: eight numbers.
mod post {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "posts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub title: String,
        #[vectorizer(dimensions = 8)]
        pub body: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub use post::body_embeddings::Entity as Bodies;

pub fn embedders(models: &Models) -> Embedders {
    [&models.small, &models.large, &models.other]
        .into_iter()
        .fold(Embedders::new(), |embedders, model| {
            embedders.embedder("ollama", model.name, Arc::clone(model) as Arc<dyn Embedder>)
        })
}

async fn change_to(test: &TestDatabase, models: &Models, model: &str, dimensions: i32) {
    let change = ChangeVectorizer::new("posts").embedding(Embedding::ollama(model, dimensions));
    change::start(&test.db, &change).await.unwrap();
    models.run(test).await;
    change::cut_over(&test.db, "posts").await.unwrap();
}

const TEXT: &str = "T7: text number 7";

#[tokio::test]
async fn a_text_is_embedded_by_the_model_that_answers() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let models = Models::new();
        models.run(&test).await;
        let embedders = embedders(&models);
        let nearest = async || {
            Bodies::search_text(&embedders, TEXT)
                .limit(3)
                .all(&test.db)
                .await
                .unwrap()
        };
        let exact = |hits: &Hits<Hit<i32>>| {
            assert_eq!(hits.len(), 3);
            assert!(
                hits[0].distance.abs() < 1e-6 && hits[0].embedding.chunk == TEXT,
                "{hits:?}"
            );
        };
        exact(&nearest().await);
        for (model, dimensions) in [("large", 12), ("small", 8), ("other", 8)] {
            change_to(&test, &models, model, dimensions).await;
            exact(&nearest().await);
            let count = Bodies::search_text(&embedders, TEXT).count(&test.db).await?;
            assert_eq!(count, 300);
            let hybrid = Bodies::search_text(&embedders, TEXT)
                .limit(3)
                .hybrid(FullText::any("number"))
                .all(&test.db)
                .await?;
            assert_eq!(hybrid.len(), 3);
            change::roll_back(&test.db, "posts").await?;
            exact(&nearest().await);
            change::cut_over(&test.db, "posts").await?;
            exact(&nearest().await);
            change::finish(&test.db, "posts").await?;
            exact(&nearest().await);
        }
        Ok(())
    })
    .await;
}

/// A program that brings vectors is bound to the model that made them.
#[tokio::test]
async fn a_vector_is_compared_with_those_of_its_model_or_refused() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let models = Models::new();
        models.run(&test).await;
        let by = async |model: &str| {
            let vector = models.by_name(model).vector(TEXT);
            Bodies::search(vector).model(model).limit(3).all(&test.db).await
        };
        assert!(by("small").await?[0].distance.abs() < 1e-6);
        let refused = by("other").await.unwrap_err();
        assert!(matches!(refused, SearchError::WrongModel { .. }), "{refused}");

        // the one before answers until it is dropped, the new one from the beginning
        change_to(&test, &models, "other", 8).await;
        for model in ["small", "other"] {
            let hits = by(model).await?;
            assert!(hits.len() == 3 && hits[0].distance.abs() < 1e-6, "{model}: {hits:?}");
        }
        let with_source = Bodies::search(models.small.vector(TEXT))
            .model("small")
            .with_source()
            .filter(post::Column::Id.gt(5))
            .one(&test.db)
            .await?
            .unwrap();
        assert_eq!(with_source.source.id, 7);
        change::finish(&test.db, "posts").await?;
        assert!(by("other").await?[0].distance.abs() < 1e-6);
        let refused = by("small").await.unwrap_err();
        assert!(matches!(refused, SearchError::WrongModel { .. }), "{refused}");
        Ok(())
    })
    .await;
}

/// A name means today's table, also in a transaction that sees the catalog of yesterday.
#[tokio::test]
async fn a_transaction_from_before_the_change_is_told_so() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let models = Models::new();
        models.run(&test).await;
        let embedders = embedders(&models);
        let options = Some(IsolationLevel::RepeatableRead);
        let transaction = test.db.begin_with_config(options, None).await?;
        let text = || Bodies::search_text(&embedders, TEXT).limit(3);
        let vector = || Bodies::search(models.small.vector(TEXT)).model("small").limit(3);
        assert_eq!(text().all(&transaction).await?.len(), 3);
        // of the same length: nothing but the catalog tells them apart. The transaction has read the store, which would
        // hold up the cut-over
        transaction.rollback().await?;
        let transaction = test.db.begin_with_config(options, None).await?;
        assert_eq!(take_snapshot(&transaction).await?, 300);
        change_to(&test, &models, "other", 8).await;
        for found in [text().all(&transaction).await, vector().all(&transaction).await] {
            let refused = found.unwrap_err();
            assert!(matches!(refused, SearchError::OldSnapshot { .. }), "{refused}");
        }
        transaction.rollback().await?;
        assert_eq!(text().all(&test.db).await?.len(), 3);
        assert_eq!(vector().all(&test.db).await?.len(), 3);
        Ok(())
    })
    .await;
}

/// Takes the snapshot without touching the store.
async fn take_snapshot(transaction: &DatabaseTransaction) -> Result<i64, DbErr> {
    let row = transaction.query_one_raw(Statement::from_string(
        DbBackend::Postgres,
        "select count(*) from posts",
    ));
    row.await?.unwrap().try_get_by_index(0)
}

/// An empty table is an empty page, and no error.
#[tokio::test]
async fn a_page_that_is_empty_is_empty() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let models = Models::new();
        let embedders = embedders(&models);
        assert!(Bodies::search_text(&embedders, TEXT).all(&test.db).await?.is_empty());
        let vector = models.small.vector(TEXT);
        assert!(Bodies::search(vector).model("small").all(&test.db).await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn generations_are_compared() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let models = Models::new();
        models.run(&test).await;
        let change = ChangeVectorizer::new("posts").embedding(Embedding::ollama("large", 12));
        change::start(&test.db, &change).await?;
        models.run(&test).await;
        let embedders = embedders(&models);
        let compared = Compare::new()
            .k(5)
            .sample(20)
            .questions(&embedders, ["a question"])
            .run(&test.db, "posts")
            .await?;
        assert_eq!((compared.questions, compared.k, compared.worst.len()), (21, 5, 5));
        // each chunk finds itself, and the fake models agree in nothing else
        assert!((0.15..0.6).contains(&compared.overlap), "{compared:?}");
        assert!(compared.worst[0].before.len() == 5 && compared.worst[0].new.len() == 5);

        // a hosted database has pgvector where the search path does not lead
        let compare = || Compare::new().k(5).sample(20).run(&test.db, "posts");
        let before = compare().await?;
        test.execute("create schema elsewhere; alter extension vector set schema elsewhere")
            .await?;
        assert_eq!(compare().await?, before);
        Ok(())
    })
    .await;
}

/// What a vectorizer's row names is asked only if the application allows it.
#[tokio::test]
async fn a_server_that_the_catalog_names_has_to_be_allowed() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let provider = Provider::start();
        provider.install("small", 8);
        let models = Models::new();
        models.run(&test).await;
        let named = Embedding::ollama("small", 8).base_url(provider.ollama_url());
        change::start(&test.db, &ChangeVectorizer::new("posts").embedding(named)).await?;
        let refused = Bodies::search_text(&Embedders::new(), TEXT)
            .all(&test.db)
            .await
            .unwrap_err();
        let said = refused.to_string();
        for part in ["127.0.0.1", "Embedders::allow_host"] {
            assert!(said.contains(part), "{said}");
        }
        assert!(provider.requests().is_empty(), "nothing was sent");
        let allowing = Embedders::new().allow_host(format!("127.0.0.1:{}", provider.port()));
        let hits = Bodies::search_text(&allowing, TEXT).limit(3).all(&test.db).await?;
        assert!(hits.len() == 3 && hits[0].embedding.chunk == TEXT, "{hits:?}");
        Ok(())
    })
    .await;
}

/// A program is told of a cut-over by its next search: that embeds the question twice, and later ones once.
#[tokio::test]
async fn a_cut_over_costs_one_question() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let models = Models::new();
        models.run(&test).await;
        let embedders = embedders(&models);
        // another question each time: these are remembered
        let search = async |question: &str| Bodies::search_text(&embedders, question).limit(3).all(&test.db).await;
        assert_eq!(search("before").await?.len(), 3);
        change_to(&test, &models, "other", 8).await;
        let (small, other) = (models.small.paid(), models.other.paid());
        for question in ["first", "second", "third"] {
            assert_eq!(search(question).await?.len(), 3);
        }
        assert_eq!((models.small.paid() - small, models.other.paid() - other), (1, 3));
        Ok(())
    })
    .await;
}
