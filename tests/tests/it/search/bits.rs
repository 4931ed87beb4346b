//! An index of one bit a number that the vectorizer has: built, used by itself, and compared exactly.

use std::collections::HashSet;

use pgai_sea::catalog::{IndexStatus, status};
use pgai_sea::embedder::{EmbedError, Embeddings, InputType};
use pgai_sea::migration::prelude::*;
use pgai_sea::prelude::*;
use pgai_sea::search::{Choice, Chunks, Projection, Search, Searched};
use pgai_sea::worker::Worker;
use pgai_sea_tests::corpus::{Corpus, TENANTS};
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_catalog};
use sea_orm::sea_query::{Condition, Expr};
use sea_orm::{ConnectionTrait, DatabaseTransaction, EntityTrait};

use super::with_index;

/// The table of [`Corpus`], by another declaration.
macro_rules! articles {
    ($module:ident $(, $halfvec:ident)?) => {
        #[allow(dead_code, reason = "what the derives write")]
        mod $module {
            use pgai_sea::Vectorizer;
            use sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
            #[sea_orm(table_name = "articles")]
            pub struct Model {
                #[sea_orm(primary_key)]
                pub id: i32,
                pub tenant: i32,
                #[vectorizer(
                    dimensions = 384,
                    name = "embeddings",
                    $($halfvec,)?
                    embedding = Embedding::ollama("none", 384),
                    indexing = Indexing::hnsw().min_rows(super::ROWS).binary()
                )]
                pub body: String,
            }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}

articles!(whole);
articles!(half, halfvec);

const ROWS: i32 = 4_000;
const QUERIES: u32 = 30;
const INDEX: &str = "_vectorizer_1_hnsw_binary";

/// Nothing is left to embed.
#[derive(Debug)]
struct Nobody;

#[async_trait::async_trait]
impl Embedder for Nobody {
    async fn embed(&self, texts: &[&str], _: InputType) -> Result<Embeddings, EmbedError> {
        panic!("asked for {}", texts.len())
    }
}

async fn builds(test: &TestDatabase) -> TestResult {
    test.execute("delete from ai._vectorizer_q_1").await?;
    let worker = Worker::new(test.db.clone()).embedder("ollama", "none", std::sync::Arc::new(Nobody));
    let report = worker.run_once().await?;
    assert!(report.vectorizers[0].index_built, "{report:?}");
    test.execute("vacuum analyze articles").await?;
    test.execute("vacuum analyze articles_embedding_store").await?;
    Ok(())
}

async fn keys<E, C>(search: Search<'static, E>, db: &C) -> Result<Vec<i32>, SearchError>
where
    E: EmbeddingTrait + Searched<Embeddings = E, Projection = Chunks>,
    Chunks: Projection<E, Hit = Hit<i32>>,
    C: ConnectionTrait,
{
    let hits = search.all(db).await?;
    assert!(hits.iter().is_sorted_by(|a, b| a.distance <= b.distance));
    Ok(hits.iter().map(|hit| hit.embedding.source_key).collect())
}

/// The mean share of the ten nearest rows that come back, of pages that are full.
async fn recall<E>(
    db: &DatabaseTransaction,
    queries: &[Vec<f32>],
    filter: impl Fn() -> Condition,
) -> Result<f64, SearchError>
where
    E: EmbeddingTrait + Searched<Embeddings = E, Projection = Chunks>,
    Chunks: Projection<E, Hit = Hit<i32>>,
{
    let mut found = 0_usize;
    for query in queries {
        let search = || E::search(query.clone()).filter(filter());
        let nearest: HashSet<i32> = keys(search().exact(), db).await?.into_iter().collect();
        let page = keys(search(), db).await?;
        assert_eq!(page.len(), 10);
        found += page.iter().filter(|key| nearest.contains(key)).count();
    }
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    Ok(found as f64 / (10 * queries.len()) as f64)
}

async fn is_built_and_used<E>(test: &TestDatabase) -> TestResult
where
    E: EmbeddingTrait + Searched<Embeddings = E, Projection = Chunks>,
    Chunks: Projection<E, Hit = Hit<i32>>,
    pgai_sea::vectorizer::VectorizerRef: From<E>,
{
    let mut corpus = Corpus::new(3);
    corpus.fill_for(test, ROWS, E::vectorizer()).await?;
    let queries: Vec<Vec<f32>> = (0..QUERIES).map(|_| corpus.vector()).collect();
    let search = || E::search(queries[0].clone());
    let nearest = keys(search().exact(), &test.db).await?;
    // there is none yet: it is not for the hits to say, nor where the search gives up early
    let exact = async |test: &TestDatabase| {
        assert_eq!(search().explain(&test.db).await?.choice(), &Choice::EveryRow);
        assert_eq!(keys(search(), &test.db).await?, nearest);
        let bounded = search().max_scan_tuples(50).all(&test.db).await?;
        assert_eq!((bounded.len(), bounded.missing()), (10, 0));
        let hybrid = search().hybrid(FullText::all("nothing")).all(&test.db).await?;
        assert_eq!(hybrid.len(), 10);
        Ok::<_, SearchError>(())
    };
    exact(test).await?;
    let name: String = test.value("select name::text from ai.vectorizer").await?;
    let index = async || status(&test.db, name.as_str()).await.unwrap().index;
    assert_eq!(index().await, Some(IndexStatus::WaitsForQueue));
    builds(test).await?;
    assert_eq!(index().await, Some(IndexStatus::Built));

    let transaction = with_index(test).await?;
    let filtered = || search().filter(Expr::col(("articles", "tenant")).eq(7));
    for served in [search(), filtered(), search().best_per_source()] {
        let explained = served.explain(&transaction).await?;
        let expected = Choice::Nearest {
            index: INDEX.to_owned(),
            is_partial: false,
            is_iterative: true,
            is_quantized: true,
        };
        assert_eq!(explained.choice(), &expected, "{explained}");
    }
    // what angles say nothing of, and what is not known before
    for unserved in [search().exact(), search().metric(Metric::L2)] {
        assert_eq!(unserved.explain(&transaction).await?.index(), None);
    }
    let every = || Condition::all();
    let of_all = recall::<E>(&transaction, &queries, every).await?;
    assert!(of_all >= 0.95, "{of_all}");
    let some = || Condition::all().add(Expr::col(("articles", "tenant")).lt(TENANTS / 4));
    let of_some = recall::<E>(&transaction, &queries, some).await?;
    assert!(of_some >= 0.95, "{of_some}");
    let few = || Condition::all().add(Expr::col(("articles", "tenant")).eq(7));
    let of_few = recall::<E>(&transaction, &queries, few).await?;
    assert!(of_few >= 0.95, "{of_few}");
    let pages = keys(search().limit(5).offset(5), &transaction).await?;
    assert_eq!(pages.len(), 5);
    let hybrid = search().hybrid(FullText::all("nothing")).all(&transaction).await?;
    assert_eq!(hybrid.len(), 10);
    transaction.rollback().await?;

    let transaction = with_index(test).await?;
    let report = E::recall(10, 20).settings([200]).run(&transaction).await?;
    assert_eq!(report.index.as_deref(), Some(INDEX));
    assert!(report.default.recall >= 0.95, "{report}");
    transaction.rollback().await?;

    // one that a build has left behind, a partial one and one of another length serve nobody
    test.execute(&format!("drop index {INDEX}")).await?;
    exact(test).await?;
    assert_eq!(index().await, Some(IndexStatus::Due));
    test.execute(
        "create index on articles_embedding_store using hnsw ((binary_quantize(embedding)::bit(384)) bit_hamming_ops)
             where id < 100;
         create index on articles_embedding_store
             using hnsw ((binary_quantize(embedding)::bit(8)) bit_hamming_ops);
         create index on articles_embedding_store
             using hnsw ((binary_quantize(embedding)::bit(384)) bit_jaccard_ops);
         create index killed on articles_embedding_store
             using hnsw ((binary_quantize(embedding)::bit(384)) bit_hamming_ops);
         update pg_index set indisvalid = false where indexrelid = 'killed'::regclass",
    )
    .await?;
    exact(test).await?;
    assert_eq!(index().await, Some(IndexStatus::Building));
    Ok(())
}

#[tokio::test]
async fn it_is_built_and_used_by_itself() {
    on_catalog(Catalog::Ours, async |test| {
        is_built_and_used::<whole::embeddings::Entity>(&test).await
    })
    .await;
}

#[tokio::test]
async fn it_is_built_over_halves_and_used_by_itself() {
    on_catalog(Catalog::Ours, async |test| {
        is_built_and_used::<half::embeddings::Entity>(&test).await
    })
    .await;
}

/// The row that others are to be like is no hit, and a source is found by its best chunk.
#[tokio::test]
async fn rows_like_one_and_rows_of_the_source_are_found_through_it() {
    on_catalog(Catalog::Ours, async |test| {
        let mut corpus = Corpus::new(4);
        corpus
            .fill_for(&test, ROWS, whole::embeddings::Entity::vectorizer())
            .await?;
        builds(&test).await?;
        let transaction = with_index(&test).await?;
        let search = || whole::Entity::search_like(17);
        assert_eq!(search().explain(&transaction).await?.index(), Some(INDEX));
        let hits = search().all(&transaction).await?;
        assert_eq!(hits.len(), 10);
        assert!(hits.iter().all(|hit| hit.source.id != 17));
        let exact = search().exact().all(&transaction).await?;
        assert_eq!(hits[0].source.id, exact[0].source.id);
        let pages: HashSet<i32> = whole::Entity::find()
            .all(&transaction)
            .await?
            .iter()
            .map(|article| article.id)
            .collect();
        assert_eq!(pages.len(), usize::try_from(ROWS)?);
        Ok(())
    })
    .await;
}
