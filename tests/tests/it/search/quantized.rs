//! Through indexes on smaller vectors.

use pgai_sea::migration::prelude::*;
use pgai_sea::prelude::*;
use pgai_sea_tests::{Random, TestDatabase, TestResult, on_both_catalogs};
use sea_orm::{ColumnTrait, ConnectionTrait};

use super::with_index;

/// Enough dimensions that one bit of each says something.
const DIMENSIONS: usize = 64;
const ROWS: i32 = 900;

mod page {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "pages")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[vectorizer(dimensions = 64, name = "embeddings")]
        pub body: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// As models make them: of length about one, around sixty topics.
fn vectors() -> Vec<Vec<f32>> {
    let mut random = Random::new(64);
    let mut number = move || f32::from(TryInto::<u8>::try_into(random.below(256)).unwrap()) / 128.0 - 0.996;
    let topics: Vec<Vec<f32>> = (0..60).map(|_| (0..DIMENSIONS).map(|_| number()).collect()).collect();
    (0..ROWS)
        .map(|id| {
            let topic = &topics[usize::try_from(id % 60).unwrap()];
            topic.iter().map(|x| x / 5.0 + number() / 20.0).collect()
        })
        .collect()
}

async fn create(test: &TestDatabase, index: &str) -> Result<Vec<Vec<f32>>, Box<dyn std::error::Error + Send + Sync>> {
    test.execute("create table pages (id int primary key, body text not null)")
        .await?;
    SchemaManager::new(&test.db)
        .create_vectorizer(
            CreateVectorizer::new("pages")
                .loading(Loading::column("body"))
                .embedding(Embedding::ollama("m", 64)),
        )
        .await?;
    let vectors = vectors();
    let rows: Vec<String> = (1..)
        .zip(&vectors)
        .map(|(id, vector)| format!("({id}, '{vector:?}'::vector)"))
        .collect();
    test.execute(&format!(
        "insert into pages select id, 'text' from generate_series(1, {ROWS}) id;
         insert into pages_embedding_store (id, chunk_seq, chunk, embedding)
             select id, 0, 'text', vector from (values {}) rows (id, vector)",
        rows.join(",")
    ))
    .await?;
    test.execute(&format!("{}; analyze", small(index))).await?;
    Ok(vectors)
}

/// With enough edges, and a scan that looks at all of them: how the graph was drawn makes no difference.
fn small(index: &str) -> String {
    format!("create index small on pages_embedding_store using hnsw ({index}) with (m = 64, ef_construction = 128)")
}

/// The nearest by the whole vectors, and their distances.
async fn nearest(
    test: &TestDatabase,
    query: &[f32],
    metric: Metric,
    limit: u64,
) -> Result<Vec<(i32, f64)>, SearchError> {
    let hits = page::embeddings::Entity::search(query)
        .metric(metric)
        .limit(limit)
        .exact()
        .all(&test.db)
        .await?;
    Ok(hits
        .iter()
        .map(|hit| (hit.embedding.source_key, hit.distance))
        .collect())
}

async fn finds(test: &TestDatabase, vectors: &[Vec<f32>], metric: Metric, quantized: Quantized) -> TestResult {
    let transaction = with_index(test).await?;
    transaction
        .execute_unprepared("set local hnsw.ef_search = 1000")
        .await?;
    let mut found = 0;
    for query in vectors.iter().step_by(61) {
        let search = || {
            page::embeddings::Entity::search(query)
                .metric(metric)
                .quantized(quantized)
        };
        let explained = search().explain(&transaction).await?;
        assert_eq!(explained.index(), Some("small"), "{explained}");
        // not the index of the other kind, nor one on whole vectors
        let plain = page::embeddings::Entity::search(query)
            .metric(metric)
            .explain(&transaction)
            .await?;
        assert_eq!(plain.index(), None, "{plain}");

        let exact = nearest(test, query, metric, 10).await?;
        let hits = search().all(&transaction).await?;
        let hits: Vec<_> = hits
            .iter()
            .map(|hit| (hit.embedding.source_key, hit.distance))
            .collect();
        assert_eq!(hits.len(), 10);
        assert_eq!(hits[0], exact[0]);
        // whole vectors' distances, in their order
        assert!(hits.is_sorted_by(|a, b| a.1 <= b.1));
        found += hits.iter().filter(|hit| exact.contains(hit)).count();

        // the second page is what follows the first
        let second = search().limit(5).offset(5).all(&transaction).await?;
        let second: Vec<_> = second
            .iter()
            .map(|hit| (hit.embedding.source_key, hit.distance))
            .collect();
        assert_eq!(second, hits[5..]);

        let filtered = search()
            .filter(page::Column::Id.lte(450))
            .limit(20)
            .all(&transaction)
            .await?;
        assert_eq!(filtered.len(), 20);
        assert!(filtered.iter().all(|hit| hit.embedding.source_key <= 450));
        let near = search().max_distance(hits[4].1).all(&transaction).await?;
        assert_eq!(near.len(), 5);
        let grouped = search().best_per_source().all(&transaction).await?;
        assert_eq!(grouped.len(), 10);
    }
    assert!(found >= 140, "found {found} of 150");
    Ok(())
}

#[tokio::test]
async fn half_the_bits_find_what_the_whole_vectors_rank() {
    on_both_catalogs(async |test| {
        let vectors = create(&test, "(embedding::halfvec(64)) halfvec_cosine_ops").await?;
        finds(&test, &vectors, Metric::Cosine, Quantized::halfvec()).await?;
        let by_l2 = small("(embedding::halfvec(64)) halfvec_l2_ops");
        test.execute(&format!("drop index small; {by_l2}")).await?;
        finds(&test, &vectors, Metric::L2, Quantized::halfvec()).await
    })
    .await;
}

#[tokio::test]
async fn a_bit_a_number_finds_what_the_whole_vectors_rank() {
    on_both_catalogs(async |test| {
        let vectors = create(&test, "(binary_quantize(embedding)::bit(64)) bit_hamming_ops").await?;
        finds(&test, &vectors, Metric::Cosine, Quantized::binary()).await?;
        finds(
            &test,
            &vectors,
            Metric::InnerProduct,
            Quantized::binary().oversample(20),
        )
        .await
    })
    .await;
}

/// Vectors of zeros are no hits by their cosine, but their bits may be as near as others'.
#[tokio::test]
async fn vectors_without_a_direction_do_not_take_the_place_of_others() {
    on_both_catalogs(async |test| {
        create(&test, "(binary_quantize(embedding)::bit(64)) bit_hamming_ops").await?;
        test.execute(&format!(
            "update pages_embedding_store set embedding = array_fill(0::real, array[{DIMENSIONS}])::vector where id > \
                20"
        ))
        .await?;
        let mut query = [-0.1; DIMENSIONS];
        query[0] = 1.0;
        let hits = page::embeddings::Entity::search(query)
            .quantized(Quantized::binary())
            .all(&test.db)
            .await?;
        assert_eq!(hits.len(), 10);
        assert!(hits.iter().all(|hit| hit.embedding.source_key <= 20));
        let hits = page::embeddings::Entity::search(query)
            .quantized(Quantized::binary())
            .limit(30)
            .all(&test.db)
            .await?;
        assert_eq!(hits.len(), 20);
        // nor do they fill the window of a hybrid search
        let hits = page::embeddings::Entity::search(query)
            .quantized(Quantized::binary())
            .limit(40)
            .hybrid(FullText::all("text"))
            .window(20)
            .all(&test.db)
            .await?;
        assert_eq!(hits.iter().filter(|hit| hit.vector_rank.is_some()).count(), 20);
        assert_eq!(hits.len(), 20);
        Ok(())
    })
    .await;
}
