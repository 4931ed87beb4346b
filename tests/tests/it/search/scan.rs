//! A filtered search over an index fills its page, and leaves the connection as it was.

use pgai_sea::prelude::*;
use pgai_sea_tests::{TestDatabase, TestResult, on_both_catalogs};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement};

use super::notes::{create, note};
use super::with_index;

const QUERY: [f32; 3] = [1.0, 2.0, -0.5];

/// Of twenty: a graph is drawn by lot, and may have no way to one or the other.
const WANTED: u64 = 12;

async fn index(test: &TestDatabase) -> TestResult {
    create(test).await?;
    test.execute("create index on notes_embedding_store using hnsw (embedding vector_cosine_ops)")
        .await?;
    test.execute("analyze notes; analyze notes_embedding_store").await?;
    Ok(())
}

async fn value<T: sea_orm::TryGetable>(db: &DatabaseTransaction, sql: &str) -> Result<T, DbErr> {
    let row = db
        .query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?
        .ok_or_else(|| DbErr::Custom("no row".to_owned()))?;
    row.try_get_by_index(0)
}

async fn setting(db: &DatabaseTransaction) -> Result<String, DbErr> {
    value(db, "select current_setting('hnsw.iterative_scan')").await
}

/// How often all rows were looked at.
async fn reads(db: &DatabaseTransaction) -> Result<i64, DbErr> {
    value(
        db,
        "select seq_scan from pg_stat_xact_user_tables where relname = 'notes_embedding_store'",
    )
    .await
}

#[tokio::test]
async fn a_filtered_page_is_full_and_the_transactions_settings_stay() {
    on_both_catalogs(async |test| {
        index(&test).await?;
        let transaction = with_index(&test).await?;
        let search = || {
            note::embeddings::Entity::search(QUERY)
                .filter(note::Column::Author.eq("rare"))
                .limit(WANTED)
                .iterative_scan(IterativeScan::Strict)
        };

        // the same page without iterative scan, so that this test cannot pass by chance
        let bare = "select count(*) from (select s.id from notes_embedding_store s join notes n on n.id = s.id \
                    where n.author = 'rare' order by s.embedding <=> '[1,2,-0.5]' limit 12) hits";
        let row = transaction
            .query_one_raw(Statement::from_string(DbBackend::Postgres, bare))
            .await?
            .ok_or("no row")?;
        assert!(
            row.try_get_by_index::<i64>(0)?.unsigned_abs() < WANTED,
            "the index is not used"
        );

        let before = reads(&transaction).await?;
        let hits = search().all(&transaction).await?;
        assert_eq!(hits.len() as u64, WANTED);
        assert_eq!(reads(&transaction).await?, before, "the index did not find them all");
        assert!(hits.is_sorted_by(|a, b| a.distance <= b.distance));
        assert_eq!(setting(&transaction).await?, "off");

        // also where nothing is found, and where the caller had set something
        transaction
            .execute_unprepared("set local hnsw.iterative_scan = relaxed_order")
            .await?;
        let none = search()
            .filter(note::Column::Author.eq("nobody"))
            .all(&transaction)
            .await?;
        assert!(none.is_empty());
        assert_eq!(setting(&transaction).await?, "relaxed_order");
        transaction.commit().await?;
        Ok(())
    })
    .await;
}

/// If a look finds few rows that pass, PostgreSQL's estimate decides.
#[tokio::test]
async fn few_rows_that_pass_are_compared_and_many_are_looked_for() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        test.execute(
            "insert into notes select i, 'common', 'text' from generate_series(3001, 40000) i;
             truncate notes_embedding_store;
             insert into notes_embedding_store (id, chunk_seq, chunk, embedding)
                 select i, 0, 'text', array[(i::int8 * 33331 % 40009 - 20004)::int,
                     (i::int8 * 25771 % 40009 - 20004)::int, (i::int8 * 10139 % 40009 - 20004)::int]::vector
                 from notes n (i);
             update notes set author = 'far' where id % 1000 = 0;
             create function is_far(id int) returns bool immutable language plpgsql
                 as 'begin return id % 1000 = 0; end';
             create index notes_hnsw on notes_embedding_store using hnsw (embedding vector_cosine_ops)",
        )
        .await?;
        test.execute("vacuum analyze notes").await?;
        test.execute("vacuum analyze notes_embedding_store").await?;
        let transaction = with_index(&test).await?;
        let scans =
            async || value::<i64>(&transaction, "select pg_stat_get_xact_numscans('notes_hnsw'::regclass)").await;
        let search = || note::embeddings::Entity::search(QUERY);
        // it expects 40 rows of one, and of the other a third of all
        let (few, many) = (
            search().filter(note::Column::Author.eq("far")),
            search().filter(Expr::cust("is_far(notes.id)")),
        );
        for (filtered, expected) in [(few, 1), (many, 2)] {
            let before = scans().await?;
            let hits = filtered.clone().all(&transaction).await?;
            assert_eq!(scans().await? - before, expected);
            assert_eq!(hits.len(), 10);
            assert!(hits.iter().all(|hit| hit.embedding.source_key % 1000 == 0));
            let before = scans().await?;
            let fused = filtered
                .clone()
                .hybrid(FullText::all("nowhere"))
                .all(&transaction)
                .await?;
            assert_eq!((fused.len(), scans().await? - before), (10, expected));
            if expected == 1 {
                let exact = filtered.exact().all(&transaction).await?;
                let keys =
                    |hits: &[Hit<i32>]| -> Vec<i32> { hits.iter().map(|hit| hit.embedding.source_key).collect() };
                assert_eq!(keys(&hits), keys(&exact));
            }
        }
        // PostgreSQL expects 200 of both. Of the first a look finds a page, of the second a good part, and it goes on
        for (filter, limit, expected) in [("notes.id % 2 = 0", 10, 1), ("notes.id % 5 = 0", 40, 2)] {
            let before = scans().await?;
            let hits = search().filter(Expr::cust(filter)).limit(limit);
            let hits = hits.all(&transaction).await?;
            assert_eq!(
                (hits.len() as u64, scans().await? - before),
                (limit, expected),
                "{filter}"
            );
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_page_longer_than_one_scan_of_the_index_is_full() {
    on_both_catalogs(async |test| {
        index(&test).await?;
        let transaction = with_index(&test).await?;
        let before = reads(&transaction).await?;
        for limit in [40, 41, 300] {
            let hits = note::embeddings::Entity::search(QUERY)
                .limit(limit)
                .all(&transaction)
                .await?;
            assert_eq!(hits.len() as u64, limit);
            assert_eq!(reads(&transaction).await?, before, "the index did not find them all");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_index_serves_the_order() {
    on_both_catalogs(async |test| {
        index(&test).await?;
        let transaction = with_index(&test).await?;
        for statement in [
            note::embeddings::Entity::search(QUERY).limit(5).statement()?,
            note::embeddings::Entity::search(QUERY)
                .limit(5)
                .max_distance(0.5)
                .with_source()
                .statement()?,
            note::embeddings::Entity::search(QUERY)
                .filter(note::Column::Author.eq("rare"))
                .statement()?,
        ] {
            let explain = Statement {
                sql: format!("explain {}", statement.sql),
                ..statement
            };
            let plan: Vec<String> = transaction
                .query_all_raw(explain)
                .await?
                .iter()
                .map(|row| row.try_get_by_index(0))
                .collect::<Result<_, _>>()?;
            let plan = plan.join("\n");
            assert!(
                plan.contains("Index Scan using notes_embedding_store_embedding_idx"),
                "{plan}"
            );
        }
        Ok(())
    })
    .await;
}
