//! The chunks around hits: the same as those that are read one by one, for every kind of search.

use std::collections::BTreeMap;

use pgai_sea::prelude::*;
use pgai_sea::search::{Chunk, ChunkHit, Hits};
use pgai_sea_tests::{Catalog, TestDatabase, on_both_catalogs, on_catalog};
use sea_orm::entity::prelude::*;
use sea_orm::{ConnectionTrait, DbBackend, JoinType, Statement};

use super::hybrid::{lantern, search};
use super::library::{Key, filled, passage, shelf};
use super::reference::give_words;
use super::with_index;

/// The stored chunks, by key and place.
type Store = BTreeMap<(Key, i32), String>;

async fn stored(test: &TestDatabase) -> Result<Store, DbErr> {
    let sql = "select tenant, number, chunk_seq, chunk from passages_embedding_store";
    let rows = test
        .db
        .query_all_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    rows.iter()
        .map(|row| {
            let key = (row.try_get("", "tenant")?, row.try_get("", "number")?);
            Ok(((key, row.try_get("", "chunk_seq")?), row.try_get("", "chunk")?))
        })
        .collect()
}

/// The hits have the neighbours that the store has. Returns how many.
fn assert_surrounded<'a>(
    store: &Store,
    chunks: impl Iterator<Item = &'a Chunk<Key>>,
    before: i32,
    after: i32,
) -> usize {
    let mut count = 0;
    for chunk in chunks {
        let range = chunk.chunk_seq - before..=chunk.chunk_seq + after;
        let expected: Vec<_> = range
            .filter(|seq| *seq != chunk.chunk_seq)
            .filter_map(|seq| Some((seq, store.get(&(chunk.source_key.clone(), seq))?.clone())))
            .collect();
        let found: Vec<_> = chunk
            .neighbours
            .iter()
            .map(|near| (near.chunk_seq, near.chunk.clone()))
            .collect();
        assert_eq!(found, expected, "around {:?} {}", chunk.source_key, chunk.chunk_seq);
        count += expected.len();
    }
    count
}

fn chunks<H: ChunkHit<Key = Key>>(hits: &Hits<H>) -> impl Iterator<Item = &Chunk<Key>> {
    hits.iter().map(ChunkHit::chunk)
}

#[tokio::test]
async fn every_kind_of_search_has_them() {
    on_both_catalogs(async |test| {
        filled(&test).await?;
        give_words(&test).await?;
        let store = stored(&test).await?;
        let around = || search().limit(30).with_neighbours(2, 1);

        let db = &test.db;
        let mut count = 0;
        count += assert_surrounded(&store, chunks(&around().all(db).await?), 2, 1);
        count += assert_surrounded(&store, chunks(&around().exact().all(db).await?), 2, 1);
        count += assert_surrounded(&store, chunks(&around().offset(7).ef_search(20).all(db).await?), 2, 1);
        count += assert_surrounded(&store, chunks(&around().best_per_source().all(db).await?), 2, 1);
        count += assert_surrounded(&store, chunks(&around().with_source().all(db).await?), 2, 1);
        count += assert_surrounded(
            &store,
            chunks(&around().quantized(Quantized::binary()).all(db).await?),
            2,
            1,
        );
        let filtered = || {
            let joined = around().join(JoinType::InnerJoin, passage::Relation::Shelf.def());
            joined
                .filter(shelf::Column::Id.eq(2))
                .filter(passage::chunks::Column::ChunkSeq.gt(0))
        };
        // a filter holds for the hits, not for what is around them
        let hits = filtered().all(db).await?;
        assert!(chunks(&hits).any(|chunk| chunk.neighbours.iter().any(|near| near.chunk_seq == 0)));
        count += assert_surrounded(&store, chunks(&hits), 2, 1);
        count += assert_surrounded(&store, chunks(&filtered().hybrid(lantern()).all(db).await?), 2, 1);
        count += assert_surrounded(&store, chunks(&around().hybrid(lantern()).all(db).await?), 2, 1);
        count += assert_surrounded(&store, chunks(&around().diversify(0.5).all(db).await?), 2, 1);
        let transaction = with_index(&test).await?;
        count += assert_surrounded(&store, chunks(&around().all(&transaction).await?), 2, 1);
        transaction.commit().await?;
        assert!(count > 300, "{count}");

        // none, and all of a row
        assert!(chunks(&search().all(db).await?).all(|chunk| chunk.neighbours.is_empty()));
        assert!(chunks(&search().with_neighbours(0, 0).all(db).await?).all(|chunk| chunk.neighbours.is_empty()));
        let hits = search().limit(1).with_neighbours(u16::MAX, u16::MAX).all(db).await?;
        assert_surrounded(&store, chunks(&hits), i32::from(u16::MAX), i32::from(u16::MAX));
        let passage = &hits.passages()[0];
        let whole: Vec<_> = store
            .iter()
            .filter(|((key, _), _)| *key == hits[0].embedding.source_key)
            .collect();
        assert_eq!(passage.chunk_seq.clone().count(), whole.len());
        Ok(())
    })
    .await;
}

/// The neighbours are read for the page alone, by the store's index on key and place.
#[tokio::test]
async fn the_index_on_vectors_still_serves_the_search() {
    on_catalog(Catalog::Ours, async |test| {
        filled(&test).await?;
        test.execute("create index on passages_embedding_store using hnsw (embedding public.vector_cosine_ops)")
            .await?;
        let transaction = with_index(&test).await?;
        for search in [
            search(),
            search().best_per_source(),
            search().filter(passage::Column::Number.gt(3)),
        ] {
            let explained = search.with_neighbours(1, 1).explain(&transaction).await?;
            assert_eq!(explained.index(), Some("passages_embedding_store_embedding_idx"));
            let plan = explained.to_string();
            assert!(
                plan.contains("passages_embedding_store_tenant_number_chunk_seq_key"),
                "{plan}"
            );
        }
        Ok(())
    })
    .await;
}
