//! What a search says about the scan of an index holds for this search alone.

use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectOptions, ConnectionTrait, Database, DbErr, Statement, TransactionTrait};

use super::notes::{NOTES, create, note, vector};
use super::with_index;

const QUERY: [f32; 3] = [1.0, 2.0, -0.5];

const SETTINGS: [&str; 6] = [
    "hnsw.ef_search",
    "hnsw.iterative_scan",
    "hnsw.max_scan_tuples",
    "ivfflat.iterative_scan",
    "ivfflat.max_probes",
    "ivfflat.probes",
];

async fn index(test: &TestDatabase, using: &str) -> TestResult {
    create(test).await?;
    test.execute(&format!("create index on notes_embedding_store using {using}; analyze"))
        .await
        .map_err(Into::into)
}

async fn value(db: &impl ConnectionTrait, sql: &str) -> Result<String, DbErr> {
    let row = db
        .query_one_raw(Statement::from_string(db.get_database_backend(), sql))
        .await?;
    row.ok_or_else(|| DbErr::RecordNotFound(sql.to_owned()))?
        .try_get_by_index(0)
}

/// All settings, as the connection has them now.
async fn settings(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let mut settings = Vec::new();
    for name in SETTINGS {
        settings.push(
            value(
                db,
                &format!("select coalesce(current_setting('{name}', true), 'unknown')"),
            )
            .await?,
        );
    }
    Ok(settings)
}

fn search() -> pgai_sea::search::Search<'static, note::embeddings::Entity> {
    note::embeddings::Entity::search(QUERY)
}

/// A search that says everything about its scan.
fn with_everything() -> pgai_sea::search::Search<'static, note::embeddings::Entity> {
    search()
        .ef_search(17)
        .probes(2)
        .iterative_scan(IterativeScan::Relaxed)
        .max_scan_tuples(500)
        .max_probes(3)
        .limit(3)
}

/// What the settings are while the statement runs: a function says so in the error that it raises.
async fn during(transaction: &impl ConnectionTrait, setting: &str) -> TestResult {
    transaction
        .execute_unprepared(&format!(
            "create or replace function tell(id int) returns bool language plpgsql as
                 $$ begin raise exception '{setting} is %', current_setting('{setting}'); end $$"
        ))
        .await?;
    Ok(())
}

#[tokio::test]
async fn each_setting_holds_while_the_statement_runs() {
    on_catalog(Catalog::Ours, async |test| {
        index(&test, "hnsw (embedding vector_cosine_ops)").await?;
        let expected = ["17", "relaxed_order", "500", "relaxed_order", "3", "2"];
        for (setting, expected) in SETTINGS.into_iter().zip(expected) {
            during(&test.db, setting).await?;
            let told = with_everything()
                .filter(Expr::cust("tell(notes.id)"))
                .all(&test.db)
                .await
                .unwrap_err();
            let told = DbErr::from(told).to_string();
            assert!(told.contains(&format!("{setting} is {expected}")), "{told}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_pooled_connection_is_as_it_was() {
    on_both_catalogs(async |test| {
        index(&test, "hnsw (embedding vector_cosine_ops)").await?;
        let options = ConnectOptions::new(test.url.clone())
            .max_connections(1)
            .sqlx_logging(false)
            .to_owned();
        let pool = Database::connect(options).await?;
        // the very first statement: pgvector's library is not loaded yet
        assert_eq!(with_everything().all(&pool).await?.len(), 3);
        assert_eq!(settings(&pool).await?, ["40", "off", "20000", "off", "32768", "1"]);

        pool.execute_unprepared(
            "set hnsw.ef_search = 33; set hnsw.iterative_scan = relaxed_order; set hnsw.max_scan_tuples = 1234;
             set ivfflat.iterative_scan = relaxed_order; set ivfflat.max_probes = 12; set ivfflat.probes = 4",
        )
        .await?;
        let own = ["33", "relaxed_order", "1234", "relaxed_order", "12", "4"];
        assert_eq!(with_everything().all(&pool).await?.len(), 3);
        assert_eq!(settings(&pool).await?, own);
        let failed = with_everything()
            .filter(Expr::cust("notes.id / 0 > 1"))
            .all(&pool)
            .await;
        assert!(failed.is_err());
        assert_eq!(settings(&pool).await?, own);
        pool.close().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_callers_transaction_goes_on_with_its_own_settings() {
    on_both_catalogs(async |test| {
        index(&test, "hnsw (embedding vector_cosine_ops)").await?;
        let transaction = with_index(&test).await?;
        transaction
            .execute_unprepared(
                "set local hnsw.ef_search = 33; set local hnsw.max_scan_tuples = 1234; set local ivfflat.probes = 4",
            )
            .await?;
        let own = ["33", "off", "1234", "off", "32768", "4"];
        // found something, found nothing, found too little
        assert_eq!(with_everything().all(&transaction).await?.len(), 3);
        assert_eq!(settings(&transaction).await?, own);
        let none = with_everything()
            .filter(note::Column::Author.eq("nobody"))
            .all(&transaction)
            .await?;
        assert!(none.is_empty());
        assert_eq!(settings(&transaction).await?, own);
        let none = with_everything().offset(100_000).all(&transaction).await?;
        assert!(none.is_empty());
        assert_eq!(settings(&transaction).await?, own);
        let some = with_everything()
            .filter(note::Column::Author.eq("rare"))
            .limit(20)
            .all(&transaction)
            .await?;
        assert!(
            some.len() < 20 && some.missing() > 0,
            "{} {}",
            some.len(),
            some.missing()
        );
        assert_eq!(settings(&transaction).await?, own);
        // and with the row asked for alone
        assert!(with_everything().one(&transaction).await?.is_some());
        assert_eq!(settings(&transaction).await?, own);

        // a search that fails takes its savepoint along, and the settings with it
        let savepoint = transaction.begin().await?;
        let failed = with_everything()
            .filter(Expr::cust("notes.id / 0 > 1"))
            .all(&savepoint)
            .await;
        assert!(failed.is_err());
        savepoint.rollback().await?;
        assert_eq!(settings(&transaction).await?, own);
        transaction.commit().await?;
        Ok(())
    })
    .await;
}

/// A statement that was prepared for one search serves the next with other values; the sixth time PostgreSQL may keep
/// its plan.
#[tokio::test]
async fn the_same_statement_is_good_for_many_searches() {
    on_catalog(Catalog::Ours, async |test| {
        index(&test, "hnsw (embedding vector_cosine_ops)").await?;
        let options = ConnectOptions::new(test.url.clone())
            .max_connections(1)
            .sqlx_logging(false)
            .to_owned();
        let pool = Database::connect(options).await?;
        for round in 1..=20_u32 {
            let hits = search()
                .filter(note::Column::Id.ne(i32::try_from(round)?))
                .ef_search(40 + round)
                .limit(10)
                .all(&pool)
                .await?;
            assert_eq!(hits.len(), 10);
            assert!(hits.is_sorted_by(|a, b| a.distance <= b.distance));
            assert_eq!(settings(&pool).await?[0], "40");
        }
        let statements: i64 = value(
            &pool,
            "select count(*)::text from pg_prepared_statements where statement like '%notes\\_embedding%'",
        )
        .await?
        .parse()?;
        assert_eq!(statements, 1);
        pool.close().await?;
        Ok(())
    })
    .await;
}

/// To a plan for all values a bound `LIMIT` is a tenth of the table: no search would keep one, until some long pages
/// cost more than that.
#[tokio::test]
async fn the_plan_of_a_short_page_is_kept_whatever_long_ones_cost() {
    on_catalog(Catalog::Ours, async |test| {
        index(&test, "hnsw (embedding vector_cosine_ops)").await?;
        let options = ConnectOptions::new(test.url.clone())
            .max_connections(1)
            .sqlx_logging(false)
            .to_owned();
        let pool = Database::connect(options).await?;
        let common = || search().filter(note::Column::Author.ne("rare"));
        for _ in 0..8 {
            for search in [search(), common()] {
                assert_eq!(search.clone().limit(1_500).all(&pool).await?.len(), 1_500);
                assert_eq!(search.all(&pool).await?.len(), 10);
            }
        }
        let kept = "select string_agg(generic_plans::text, ' ') from pg_prepared_statements
                    where statement like '%notes\\_embedding%LIMIT 10%'";
        let kept = value(&pool, kept).await?;
        let kept: Vec<i64> = kept.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        assert_eq!(kept.len(), 2);
        assert!(kept.iter().all(|kept| *kept > 0), "{kept:?}");
        pool.close().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn more_probes_of_an_ivfflat_index_find_more() {
    on_both_catalogs(async |test| {
        index(&test, "ivfflat (embedding vector_cosine_ops) with (lists = 50)").await?;
        let transaction = with_index(&test).await?;
        let explained = search().explain(&transaction).await?;
        assert_eq!(
            explained.index(),
            Some("notes_embedding_store_embedding_idx"),
            "{explained}"
        );
        let count = async |search: pgai_sea::search::Search<'static, note::embeddings::Entity>| {
            let hits = search
                .limit(1_500)
                .iterative_scan(IterativeScan::Off)
                .all(&transaction)
                .await?;
            assert_eq!(hits.missing(), 1_500 - hits.len() as u64);
            Ok::<_, SearchError>(hits.len())
        };
        // how many rows a list has is drawn by lot: what the index finds when the connection says so
        let mut of = Vec::new();
        for probes in [1, 5, 50] {
            let savepoint = transaction.begin().await?;
            savepoint
                .execute_unprepared(&format!("set local ivfflat.probes = {probes}"))
                .await?;
            let bare = "select count(*)::text from (select id from notes_embedding_store
                            order by embedding <=> '[1,2,-0.5]' limit 1500) hits";
            let bare: usize = value(&savepoint, bare).await?.parse()?;
            savepoint.rollback().await?;
            assert_eq!(count(search().probes(probes)).await?, bare);
            of.push(bare);
        }
        let [one, five, all] = of[..] else {
            return Err("three numbers of probes".into());
        };
        assert_eq!(count(search()).await?, one);
        assert!(one <= five && one < all && all == 1_500, "{one} {five} {all}");

        // carried on with, up to so many lists
        let some = search()
            .limit(1_500)
            .iterative_scan(IterativeScan::Strict)
            .max_probes(5)
            .all(&transaction)
            .await?;
        assert_eq!(some.len(), five);
        assert!(some.is_sorted_by(|a, b| a.distance <= b.distance));
        for search in [search(), search().iterative_scan(IterativeScan::Relaxed)] {
            let hits = search.limit(1_500).all(&transaction).await?;
            assert_eq!((hits.len(), hits.missing()), (1_500, 0));
            assert!(hits.is_sorted_by(|a, b| a.distance <= b.distance));
        }
        assert_eq!(
            settings(&transaction).await?,
            ["40", "off", "20000", "off", "32768", "1"]
        );
        Ok(())
    })
    .await;
}

/// A connection may have been told that order does not matter much; a search's does.
#[tokio::test]
async fn hits_are_in_order_whatever_the_connection_was_told() {
    on_catalog(Catalog::Ours, async |test| {
        index(
            &test,
            "hnsw (embedding vector_l2_ops) with (m = 2, ef_construction = 4)",
        )
        .await?;
        let transaction = with_index(&test).await?;
        transaction
            .execute_unprepared("set local hnsw.iterative_scan = relaxed_order; set local hnsw.ef_search = 1")
            .await?;
        let mut unsorted = 0;
        for id in (1..=NOTES).step_by(40) {
            let query = vector(id);
            // the index by itself, so that this cannot pass by chance
            let bare = format!(
                "select string_agg(d::text, ' ') from (select embedding <-> '{query:?}' as d from notes_embedding_store
                     order by embedding <-> '{query:?}' limit 30) hits"
            );
            let bare = value(&transaction, &bare).await?;
            let bare: Vec<f64> = bare.split(' ').map(str::parse).collect::<Result<_, _>>()?;
            unsorted += usize::from(!bare.is_sorted());
            let search = note::embeddings::Entity::search(query).metric(Metric::L2).limit(30);
            let hits = search.all(&transaction).await?;
            assert_eq!(hits.len(), 30);
            assert!(hits.is_sorted_by(|a, b| a.distance <= b.distance));
        }
        assert!(unsorted > 0, "the index is in order by itself");
        Ok(())
    })
    .await;
}
