//! Pages are full, or say what they miss.

use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, Statement};

use super::notes::{NOTES, create, note, vector};
use super::with_index;

const QUERY: [f32; 3] = [1.0, 2.0, -0.5];

async fn count(db: &impl ConnectionTrait, sql: &str) -> Result<i64, DbErr> {
    let row = db
        .query_one_raw(Statement::from_string(db.get_database_backend(), sql))
        .await?;
    row.ok_or_else(|| DbErr::RecordNotFound(sql.to_owned()))?
        .try_get_by_index(0)
}

/// The connection stops after 500 rows; the ones that are wanted are the farthest of 3,000.
#[tokio::test]
async fn a_filter_that_no_scan_of_the_index_satisfies_is_satisfied_without_it() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        test.execute(
            "insert into notes select i, case when i % 120 = 0 then 'far' else 'common' end, 'text' from \
                generate_series(3001, 6000) i;
             truncate notes_embedding_store;
             insert into notes_embedding_store (id, chunk_seq, chunk, embedding)
                 select id, 0, 'text', case author when 'far' then array[-1, -2, 0.5 + id / 1e6]
                     else array[1 + id * 7 % 101 / 1e3, 2 + id * 11 % 103 / 1e3, -0.5 + id * 13 % 107 / 1e3] \
                     end::vector from notes where id > 3000;
             create index on notes_embedding_store using hnsw (embedding vector_cosine_ops)",
        )
        .await?;
        test.execute("vacuum analyze notes").await?;
        test.execute("vacuum analyze notes_embedding_store").await?;
        let transaction = with_index(&test).await?;
        let bare = "select count(*) from (select s.id from notes_embedding_store s join notes n on n.id = s.id
                    where n.author = 'far' order by s.embedding <=> '[1,2,-0.5]' limit 20) hits";
        transaction
            .execute_unprepared("set local hnsw.iterative_scan = strict_order; set local hnsw.max_scan_tuples = 500")
            .await?;
        let bare = count(&transaction, bare).await?;
        assert!(bare < 20, "the scan found all {bare}");

        let search = || note::embeddings::Entity::search(QUERY).filter(note::Column::Author.eq("far"));
        for limit in [20, 25] {
            let hits = search().limit(limit).all(&transaction).await?;
            assert_eq!((hits.len() as u64, hits.missing()), (limit, 0));
        }
        // there are no more than that
        let hits = search().limit(30).all(&transaction).await?;
        assert_eq!((hits.len(), hits.missing()), (25, 0));
        let rows = search()
            .limit(20)
            .best_per_source()
            .with_source()
            .all(&transaction)
            .await?;
        assert_eq!(rows.len(), 20);
        assert!(rows.iter().all(|hit| hit.source.author == "far"));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn rows_that_were_deleted_from_under_an_index_are_made_up_for() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        // what is deleted stays in the index until it is vacuumed
        test.execute(
            "alter table notes_embedding_store set (autovacuum_enabled = off);
             create index on notes_embedding_store using hnsw (embedding vector_cosine_ops);
             delete from notes_embedding_store where id in
                 (select id from notes_embedding_store order by embedding <=> '[1,2,-0.5]' limit 600);
             analyze",
        )
        .await?;
        let transaction = with_index(&test).await?;
        let bare = "select count(*) from (select id from notes_embedding_store order by embedding <=> '[1,2,-0.5]' \
            limit 10) hits";
        assert_eq!(count(&transaction, bare).await?, 0, "dead rows are no trouble");
        let search = || note::embeddings::Entity::search(QUERY);
        // what the index has when it is carried on with: all that is nearest, or nearly so
        transaction
            .execute_unprepared("set local hnsw.iterative_scan = strict_order")
            .await?;
        let nearest = "select id from notes_embedding_store order by embedding <=> '[1,2,-0.5]' limit 10";
        let nearest = transaction
            .query_all_raw(Statement::from_string(transaction.get_database_backend(), nearest))
            .await?;
        let nearest: Vec<i32> = nearest
            .iter()
            .map(|row| row.try_get_by_index(0))
            .collect::<Result<_, _>>()?;
        assert_eq!(nearest.len(), 10);
        transaction
            .execute_unprepared("set local hnsw.iterative_scan = off")
            .await?;
        for search in [search(), search().offset(0).limit(10)] {
            let hits = search.all(&transaction).await?;
            assert_eq!((hits.len(), hits.missing()), (10, 0));
            let found: Vec<i32> = hits.iter().map(|hit| hit.embedding.source_key).collect();
            assert_eq!(found, nearest);
        }
        // told to give up, it says how many there would have been
        let hits = search().iterative_scan(IterativeScan::Off).all(&transaction).await?;
        assert_eq!((hits.len(), hits.missing()), (0, 10));
        // carried on with: nothing has to look at all rows, only at as many as fill a page
        let reads = || "select seq_tup_read from pg_stat_xact_user_tables where relname = 'notes_embedding_store'";
        let before = count(&transaction, reads()).await?;
        assert_eq!(search().all(&transaction).await?.len(), 10);
        assert!(count(&transaction, reads()).await? <= before + 10);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_a_bounded_scan_leaves_out_is_counted_exactly() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        test.execute("create index on notes_embedding_store using hnsw (embedding vector_cosine_ops); analyze")
            .await?;
        let transaction = with_index(&test).await?;
        let rare = u64::try_from(NOTES / 100)?;
        let search = || note::embeddings::Entity::search(QUERY).filter(note::Column::Author.eq("rare"));
        for (offset, limit) in [
            (0, 10),
            (0, 20),
            (0, 50),
            (5, 10),
            (15, 10),
            (19, 10),
            (20, 10),
            (500, 10),
        ] {
            let all = search().offset(offset).limit(limit).exact().all(&transaction).await?;
            assert_eq!(
                (all.len() as u64, all.missing()),
                (limit.min(rare.saturating_sub(offset)), 0)
            );
            for bounded in [
                search().iterative_scan(IterativeScan::Off),
                search().max_scan_tuples(1),
                search().max_scan_tuples(300),
                search().max_scan_tuples(1).best_per_source(),
            ] {
                let hits = bounded.offset(offset).limit(limit).all(&transaction).await?;
                assert_eq!(hits.len() as u64 + hits.missing(), all.len() as u64, "{offset} {limit}");
            }
        }
        let off = search()
            .iterative_scan(IterativeScan::Off)
            .limit(20)
            .all(&transaction)
            .await?;
        assert!(off.missing() > 0);
        Ok(())
    })
    .await;
}

/// A scan that gives up may have come by rows that are too far away and not by all that are near enough.
#[tokio::test]
async fn what_is_too_far_away_does_not_stand_in_for_what_is_missing() {
    const LISTS: u32 = 40;
    on_both_catalogs(async |test| {
        create(&test).await?;
        test.execute(&format!(
            "create index on notes_embedding_store using ivfflat (embedding vector_l2_ops) with (lists = {LISTS}); \
                analyze"
        ))
        .await?;
        let transaction = with_index(&test).await?;
        // between two lists
        let query =
            "with farthest as (select avg(embedding) as a from notes_embedding_store) select a::text from farthest";
        let row = transaction
            .query_one_raw(Statement::from_string(transaction.get_database_backend(), query))
            .await?;
        let query: String = row.ok_or("no row")?.try_get_by_index(0)?;
        let query: Vec<f32> = serde_json::from_str(&query)?;
        let search = || {
            note::embeddings::Entity::search(query.clone())
                .metric(Metric::L2)
                .limit(500)
        };
        // more than a list has: where its lists are is drawn by lot
        let near = 240;
        let nearest = search().limit(near).exact().all(&transaction).await?;
        let max = nearest.last().ok_or("no row")?.distance;
        let search = || search().max_distance(max);
        let hits = search().iterative_scan(IterativeScan::Off).all(&transaction).await?;
        assert!(hits.iter().all(|hit| hit.distance <= max));
        assert!((hits.len() as u64) < near, "one list has them all");
        assert_eq!(hits.missing(), near - hits.len() as u64);
        // a scan that carries on fills its page before the cut, list by list, and misses what is in later lists
        let hits = search().all(&transaction).await?;
        assert!(hits.iter().all(|hit| hit.distance <= max));
        // all lists at once miss nothing, nor does a search without the index
        for complete in [search().probes(LISTS), search().exact()] {
            let hits = complete.all(&transaction).await?;
            assert_eq!((hits.len() as u64, hits.missing()), (near, 0));
        }
        Ok(())
    })
    .await;
}

/// The list that is looked at fills the page before what is too far away is cut off, and the lists beside it have more
/// that is near.
#[tokio::test]
async fn a_page_that_is_full_before_the_cut_says_what_it_misses() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        test.execute(
            "create index on notes_embedding_store using ivfflat (embedding vector_l2_ops) with (lists = 40); analyze",
        )
        .await?;
        let transaction = with_index(&test).await?;
        for id in (1..=NOTES).step_by(100) {
            for wanted in [5, 15, 20, 30] {
                let search = || {
                    note::embeddings::Entity::search(vector(id))
                        .metric(Metric::L2)
                        .limit(20)
                };
                let nearest = search().limit(wanted).exact().all(&transaction).await?;
                let max = nearest.last().ok_or("no row")?.distance;
                let near = search().max_distance(max).count(&transaction).await?;
                for bounded in [search().iterative_scan(IterativeScan::Off), search().max_probes(1)] {
                    let hits = bounded.max_distance(max).all(&transaction).await?;
                    assert!(hits.iter().all(|hit| hit.distance <= max));
                    assert_eq!(hits.len() as u64 + hits.missing(), near.min(20), "{id} {wanted}");
                }
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_last_page_is_as_long_as_there_are_rows_and_none_follows_it() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        test.execute("create index on notes_embedding_store using hnsw (embedding vector_cosine_ops); analyze")
            .await?;
        let transaction = with_index(&test).await?;
        let all = u64::try_from(NOTES)?;
        for (offset, rows) in [(all - 7, 7), (all, 0), (all + 5_000, 0)] {
            let search = || note::embeddings::Entity::search(QUERY).offset(offset).limit(20);
            for search in [search(), search().best_per_source(), search().exact()] {
                let hits = search.all(&transaction).await?;
                assert_eq!((hits.len() as u64, hits.missing()), (rows, 0), "{offset}");
            }
        }
        Ok(())
    })
    .await;
}
