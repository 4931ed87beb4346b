//! The same vectors stored as `vector` and as `halfvec`: disk, recall, time.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use pgai_sea::migration::prelude::*;
use pgai_sea::prelude::*;
use pgai_sea_tests::corpus::article;
use pgai_sea_tests::{TestDatabase, TestResult};
use sea_orm::DatabaseConnection;

/// The articles again, with halved vectors.
#[allow(unreachable_pub, dead_code, reason = "what the derives write")]
mod halved {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "articles")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[vectorizer(
            dimensions = 384,
            halfvec,
            name = "embeddings",
            target_table = "halves_store",
            view_name = "halves",
            embedding = Embedding::ollama("none", 384)
        )]
        pub body: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

const K: u64 = 10;

type Vectors = article::embeddings::Entity;
type Halves = halved::embeddings::Entity;

pub(crate) async fn run(test: &TestDatabase, queries: &[Vec<f32>]) -> TestResult {
    SchemaManager::new(&test.db)
        .create_vectorizer(Halves::vectorizer().enqueue_existing(false))
        .await?;
    // as a change writes it
    test.execute(
        "insert into halves_store (id, chunk_seq, chunk, embedding)
            select id, chunk_seq, chunk, embedding from articles_embedding_store order by id",
    )
    .await?;
    let start = Instant::now();
    test.execute(
        "set maintenance_work_mem = '512MB';
         create index halves_hnsw on halves_store using hnsw (embedding halfvec_cosine_ops);
         reset maintenance_work_mem",
    )
    .await?;
    let built = start.elapsed();
    test.execute("vacuum analyze halves_store").await?;

    // what is nearest is what 32 bits say
    let mut nearest = Vec::new();
    for query in queries {
        nearest.push(keys(Vectors::search(query.clone()).exact(), &test.db).await?.0);
    }
    println!(
        "\nvectors and their halves, recall@{K} against exact search of the vectors (HNSW index of the halves built in \
         {:.0} s)",
        built.as_secs_f64()
    );
    println!(
        "{:<10}{:>10}{:>10}{:>10}{:>10}{:>11}{:>11}",
        "", "table", "index", "together", "exact", "by index", "median"
    );
    for (name, store, index) in [
        ("vector", "articles_embedding_store", "articles_hnsw"),
        ("halfvec", "halves_store", "halves_hnsw"),
    ] {
        let size = |what: &str| format!("select pg_table_size('{what}')::int8");
        let table: i64 = test.value(&size(store)).await?;
        let index: i64 = test.value(&size(index)).await?;
        let (mut exact, mut found, mut times) = (0, 0, Vec::new());
        for (query, nearest) in queries.iter().zip(&nearest) {
            let (all, some, took) = if name == "vector" {
                let all = keys(Vectors::search(query.clone()).exact(), &test.db).await?.0;
                let (some, took) = keys(Vectors::search(query.clone()), &test.db).await?;
                (all, some, took)
            } else {
                let all = keys(Halves::search(query.clone()).exact(), &test.db).await?.0;
                let (some, took) = keys(Halves::search(query.clone()), &test.db).await?;
                (all, some, took)
            };
            exact += nearest.intersection(&all).count();
            found += nearest.intersection(&some).count();
            times.push(took);
        }
        times.sort_unstable();
        println!(
            "{name:<10}{:>7} MB{:>7} MB{:>7} MB{:>10.4}{:>11.4}{:>8.2} ms",
            megabytes(table),
            megabytes(index),
            megabytes(table + index),
            share(exact, queries.len()),
            share(found, queries.len()),
            times[times.len() / 2].as_secs_f64() * 1e3
        );
    }
    Ok(())
}

/// The keys of the page, and how long it took.
async fn keys<E, F>(
    search: pgai_sea::search::Search<'static, E, F>,
    db: &DatabaseConnection,
) -> Result<(HashSet<i32>, Duration), SearchError>
where
    E: EmbeddingTrait,
    F: pgai_sea::search::Projection<E, Hit = Hit<i32>>,
{
    let start = Instant::now();
    let hits = search.limit(K).all(db).await?;
    let took = start.elapsed();
    Ok((hits.iter().map(|hit| hit.embedding.source_key).collect(), took))
}

fn megabytes(bytes: i64) -> i64 {
    bytes >> 20
}

#[expect(clippy::cast_precision_loss, reason = "there are few")]
fn share(found: usize, queries: usize) -> f64 {
    found as f64 / (queries as f64 * K as f64)
}
