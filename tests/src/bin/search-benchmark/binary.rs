//! Searches through an index of one bit a number: disk, recall, time, beside the index of whole vectors.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use pgai_sea::prelude::*;
use pgai_sea::search::{Chunks, Search};
use pgai_sea_tests::corpus::{Corpus, DIMENSIONS, article};
use pgai_sea_tests::{TestDatabase, TestResult};
use sea_orm::DatabaseConnection;

/// The articles again, with the other index.
#[allow(unreachable_pub, dead_code, reason = "what the derives write")]
mod quantized {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "articles")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[vectorizer(dimensions = 384, name = "embeddings", indexing = Indexing::hnsw().binary())]
        pub body: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

const K: u64 = 10;
const OVERSAMPLE: [u32; 4] = [5, 10, 20, 40];

type Whole = article::embeddings::Entity;
type Bits = quantized::embeddings::Entity;

pub(crate) async fn run(test: &TestDatabase, rows: i32, queries: usize) -> TestResult {
    let mut corpus = Corpus::new(1);
    corpus.fill(test, rows).await?;
    let start = Instant::now();
    Corpus::index(test).await?;
    let whole = start.elapsed();
    let start = Instant::now();
    test.execute(&format!(
        "set maintenance_work_mem = '1GB'; set max_parallel_maintenance_workers = 4;
         create index articles_bits on articles_embedding_store
             using hnsw ((binary_quantize(embedding)::bit({DIMENSIONS})) bit_hamming_ops);
         reset maintenance_work_mem; reset max_parallel_maintenance_workers"
    ))
    .await?;
    println!(
        "{rows} rows of {DIMENSIONS} dimensions, recall@{K} over {queries} queries; the index of whole vectors was \
         built in {:.0} s, that of bits in {:.0} s",
        whole.as_secs_f64(),
        start.elapsed().as_secs_f64()
    );
    for index in ["articles_hnsw", "articles_bits"] {
        let size: i64 = test.value(&format!("select pg_table_size('{index}')::int8")).await?;
        println!("{index}: {} MB", size >> 20);
    }
    let queries: Vec<Vec<f32>> = (0..queries).map(|_| corpus.vector()).collect();
    let mut nearest = Vec::new();
    for query in &queries {
        nearest.push(keys(Whole::search(query.clone()).exact(), &test.db).await?.0);
    }
    println!("\n{:<44}{:>8}{:>11}{:>11}", "", "recall", "median", "p95");
    measure("whole vectors, default", &queries, &nearest, test, |query| {
        Whole::search(query)
    })
    .await?;
    measure("bits, default", &queries, &nearest, test, Bits::search).await?;
    for times in OVERSAMPLE {
        let search = |query| Bits::search(query).quantized(Quantized::binary().oversample(times));
        measure(
            &format!("bits, {times} times as many"),
            &queries,
            &nearest,
            test,
            search,
        )
        .await?;
        let window = (times * 10).max(40);
        let name = format!("bits, {times} times as many, ef_search {window}");
        measure(&name, &queries, &nearest, test, |query| search(query).ef_search(window)).await?;
    }
    let explained = Bits::search(queries[0].clone()).explain(&test.db).await?;
    println!("{}", explained.choice());
    Ok(())
}

async fn measure<E>(
    name: &str,
    queries: &[Vec<f32>],
    nearest: &[HashSet<i32>],
    test: &TestDatabase,
    search: impl Fn(Vec<f32>) -> Search<'static, E, Chunks>,
) -> TestResult
where
    E: EmbeddingTrait,
    Chunks: pgai_sea::search::Projection<E, Hit = Hit<i32>>,
{
    let (mut found, mut times) = (0, Vec::new());
    for (query, nearest) in queries.iter().zip(nearest) {
        let (keys, took) = keys(search(query.clone()), &test.db).await?;
        found += keys.intersection(nearest).count();
        times.push(took);
    }
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
    println!(
        "{name:<44}{:>8.3}{:>8.2} ms{:>8.2} ms",
        share(found, queries.len()),
        at(50),
        at(95)
    );
    Ok(())
}

async fn keys<E>(
    search: Search<'static, E, Chunks>,
    db: &DatabaseConnection,
) -> Result<(HashSet<i32>, Duration), SearchError>
where
    E: EmbeddingTrait,
    Chunks: pgai_sea::search::Projection<E, Hit = Hit<i32>>,
{
    let start = Instant::now();
    let hits = search.limit(K).all(db).await?;
    let took = start.elapsed();
    Ok((hits.iter().map(|hit| hit.embedding.source_key).collect(), took))
}

#[expect(clippy::cast_precision_loss, reason = "there are few")]
fn share(found: usize, queries: usize) -> f64 {
    found as f64 / (queries as f64 * K as f64)
}
