//! More like this row.

use pgai_sea::migration::prelude::*;
use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::library::{Key, Stored, filled, found, grouped, page, passage, ranked, store};

/// As pgvector has it: sums in double, the result in single precision.
fn mean(chunks: &[Stored], key: &Key) -> Option<[f32; 3]> {
    let of: Vec<_> = chunks.iter().filter(|chunk| chunk.key == *key).collect();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a few small numbers"
    )]
    let mean = |i: usize| (of.iter().map(|chunk| f64::from(chunk.vector[i])).sum::<f64>() / of.len() as f64) as f32;
    (!of.is_empty()).then(|| [0, 1, 2].map(mean))
}

#[tokio::test]
async fn a_row_of_many_chunks_is_compared_by_their_mean_and_is_no_hit_itself() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        let short = chunks.last().ok_or("no chunks")?.key.clone();
        for key in [("a".to_owned(), 3), short] {
            let query = mean(&chunks, &key).ok_or("no chunks")?;
            // the mean is no whole number: to the bit only what single precision adds exactly
            let all = ranked(&chunks, Metric::L1, &query, |chunk| chunk.key != key);
            let hits = passage::chunks::Entity::search_like(key.clone())
                .metric(Metric::L1)
                .limit(5_000)
                .exact()
                .all(&test.db)
                .await?;
            assert_eq!(hits.len(), all.len());
            for (hit, expected) in hits.iter().zip(&all) {
                assert!((hit.distance - expected.0).abs() < 1e-5, "{hit:?} {expected:?}");
                assert_ne!(hit.embedding.source_key, key);
            }
            let search = passage::chunks::Entity::search_like(key.clone());
            assert_eq!(search.count(&test.db).await?, all.len() as u64);
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn rows_like_a_row_are_found_on_the_source_and_filtered() {
    on_both_catalogs(async |test| {
        // one chunk each: the mean is the vector
        let chunks: Vec<_> = filled(&test)
            .await?
            .into_iter()
            .filter(|chunk| chunk.seq == 0)
            .collect();
        store(&test, &chunks).await?;
        let key = ("c".to_owned(), 4);
        let query = mean(&chunks, &key).ok_or("no chunks")?;
        let all = grouped(&ranked(&chunks, Metric::Cosine, &query, |chunk| {
            chunk.key != key && chunk.key.0 == "c"
        }));
        let hits = passage::Entity::search_like(key)
            .filter(passage::Column::Tenant.eq("c"))
            .limit(4)
            .exact()
            .all(&test.db)
            .await?;
        let hits: Vec<_> = hits
            .iter()
            .map(|hit| (hit.distance, (hit.source.tenant.clone(), hit.source.number), 0))
            .collect();
        assert_eq!(hits, page(&all, 0, 4));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_row_that_is_not_embedded_and_one_that_is_not_there_are_said_to_be_so() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        let bare = super::library::keys()
            .into_iter()
            .find(|key| mean(&chunks, key).is_none())
            .ok_or("all are embedded")?;
        for key in [bare.clone(), ("nobody".to_owned(), -1)] {
            let refused = passage::chunks::Entity::search_like(key.clone())
                .all(&test.db)
                .await
                .unwrap_err();
            let SearchError::RowWithoutVectors { table, .. } = &refused else {
                return Err(refused.into());
            };
            assert_eq!(table, "passages_embedding_store");
            let said = refused.to_string();
            assert!(said.contains(&key.0) && said.contains(&key.1.to_string()), "{said}");
            let refused = passage::Entity::search_like(key.clone())
                .count(&test.db)
                .await
                .unwrap_err();
            assert_eq!(refused.to_string(), said);
        }
        Ok(())
    })
    .await;
}

/// Opposite chunks cancel each other out: there is no direction to compare by.
#[tokio::test]
async fn a_mean_of_zeros_has_no_cosine_distance() {
    on_catalog(Catalog::Ours, async |test| {
        filled(&test).await?;
        let stored = |number, seq, vector| Stored {
            key: ("a".to_owned(), number),
            seq,
            vector,
        };
        let chunks = [
            stored(1, 0, [1.0, 2.0, -3.0]),
            stored(1, 1, [-1.0, -2.0, 3.0]),
            stored(2, 0, [1.0, 0.0, 0.0]),
        ];
        store(&test, &chunks).await?;
        let search = || passage::chunks::Entity::search_like(("a".to_owned(), 1));
        let refused = search().all(&test.db).await.unwrap_err();
        assert!(matches!(refused, SearchError::ZeroVector), "{refused}");
        let hits = search().metric(Metric::L2).all(&test.db).await?;
        assert_eq!(found(&hits), [(1.0, ("a".to_owned(), 2), 0)]);
        Ok(())
    })
    .await;
}

pub(super) mod label {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "labels")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[vectorizer(dimensions = 3, destination = "column", loading = "text")]
        #[sea_orm(column_type = "Vector(Some(3))", nullable)]
        pub embedding: Option<PgVector>,
        pub text: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) async fn labels(test: &TestDatabase) -> TestResult {
    test.execute("create table labels (id int primary key, text text not null)")
        .await?;
    SchemaManager::new(&test.db)
        .create_vectorizer(
            CreateVectorizer::new("labels")
                .destination(Destination::column("embedding"))
                .loading(Loading::column("text"))
                .embedding(Embedding::ollama("m", 3))
                .chunking(Chunking::none()),
        )
        .await?;
    test.execute(
        "insert into labels (id, text, embedding) values
             (1, 'one', '[1,0,0]'), (2, 'two', '[1,1,0]'), (3, 'three', '[0,0,1]'), (4, 'four', null), (5, 'five', \
             null)",
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn rows_with_a_vector_of_their_own_are_compared_and_those_that_wait_for_one_are_no_hits() {
    on_both_catalogs(async |test| {
        labels(&test).await?;
        let hits = label::Entity::search_like(1).all(&test.db).await?;
        let ids: Vec<_> = hits.iter().map(|hit| hit.source.id).collect();
        assert_eq!(ids, [2, 3]);
        assert!(
            hits.iter().all(|hit| hit.source.embedding.is_none()),
            "vectors nobody asked for"
        );
        assert_eq!(label::Entity::search_like(1).count(&test.db).await?, 2);

        for key in [4, 99] {
            let refused = label::Entity::search_like(key).all(&test.db).await.unwrap_err();
            let said = format!("there is no embedding of the row with key {key} in labels");
            assert!(refused.to_string().starts_with(&said), "{refused}");
        }

        // the vector is null, not far away: also by the metrics that have no largest distance
        for metric in [Metric::Cosine, Metric::L2, Metric::InnerProduct, Metric::L1] {
            for search in [
                label::Entity::search([1.0, 0.5, 0.0]),
                label::Entity::search([1.0, 0.5, 0.0]).exact(),
            ] {
                let hits = search.metric(metric).with_vectors().limit(100).all(&test.db).await?;
                assert_eq!(hits.len(), 3);
                assert!(hits.iter().all(|hit| hit.source.embedding.is_some()));
            }
        }
        test.execute("update labels set embedding = null").await?;
        assert!(label::Entity::search([1.0, 0.5, 0.0]).all(&test.db).await?.is_empty());
        assert_eq!(label::Entity::search([1.0, 0.5, 0.0]).count(&test.db).await?, 0);
        let ids = label::Entity::find()
            .filter(label::Column::Embedding.is_null())
            .all(&test.db)
            .await?;
        assert_eq!(ids.len(), 5);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_index_on_a_column_of_the_source_serves_its_search() {
    on_both_catalogs(async |test| {
        labels(&test).await?;
        SchemaManager::new(&test.db)
            .create_vector_index(CreateVectorIndex::hnsw_of(label::Column::Embedding).name("nearest"))
            .await?;
        let transaction = super::with_index(&test).await?;
        let search = || label::Entity::search([1.0, 0.5, 0.0]);
        for search in [
            search(),
            search().filter(label::Column::Text.ne("one")),
            search().ef_search(20),
        ] {
            let explained = search.explain(&transaction).await?;
            assert_eq!(explained.index(), Some("nearest"), "{explained}");
        }
        let ids = |hits: &[RowHit<label::Model>]| hits.iter().map(|hit| hit.source.id).collect::<Vec<_>>();
        assert_eq!(ids(&search().all(&transaction).await?), [2, 1, 3]);
        let kept = search().filter(label::Column::Text.ne("one")).all(&transaction).await?;
        assert_eq!(ids(&kept), [2, 3]);
        Ok(())
    })
    .await;
}
