//! Rows that were there are queued in the background.

use std::time::Duration;

use pgai_sea::catalog::{self, BackfillStatus, VectorizerState};
use pgai_sea::config::{Chunking, Embedding, Formatting, Loading};
use pgai_sea::migration::VectorizerManagerExt;
use pgai_sea::{Backfill, CreateVectorizer};
use pgai_sea_tests::{Catalog, Random, TestDatabase, TestResult, on_catalog, on_own_server, rounds, seed};
use sea_orm::ConnectionTrait as _;
use sea_orm_migration::SchemaManager;

use super::support::{DIMENSIONS, Gate, assert_in_sync, queued, run, soon, start, worker};

const ROWS: i64 = 3_000;

/// As `support::posts`, of rows that are there already.
async fn posts(test: &TestDatabase, backfill: Backfill) -> TestResult {
    test.execute(&format!(
        "create table posts (id int primary key, title text, body text, written timestamptz);
         create index on posts (written);
         insert into posts select i, 'T', 'text ' || i, case when i % 10 > 0 then now() - i * interval '1 minute' end
             from generate_series(1, {ROWS}) i;
         analyze posts"
    ))
    .await?;
    create(test, backfill).await
}

fn vectorizer(backfill: Backfill) -> CreateVectorizer {
    CreateVectorizer::new("posts")
        .name("tested")
        .loading(Loading::column("body"))
        .embedding(Embedding::ollama("gate", i32::try_from(DIMENSIONS).unwrap()))
        .chunking(
            Chunking::character_text_splitter()
                .chunk_size(20)
                .chunk_overlap(4)
                .separator(" "),
        )
        .formatting(Formatting::python_template("$title: $chunk"))
        .backfill(backfill)
}

async fn create(test: &TestDatabase, backfill: Backfill) -> TestResult {
    test.db.query_one_raw(vectorizer(backfill).statement()?).await?;
    Ok(())
}

async fn backfill(test: &TestDatabase) -> Option<BackfillStatus> {
    catalog::status(&test.db, "tested").await.unwrap().backfill
}

#[tokio::test]
async fn rows_are_queued_a_few_at_a_time_and_edits_go_before_them() {
    on_catalog(Catalog::Ours, async |test| {
        posts(&test, Backfill::by_key()).await?;
        assert_eq!(queued(&test).await, 1, "the others are the worker's to queue");
        let status = catalog::status(&test.db, "tested").await?;
        assert_eq!(status.state, VectorizerState::Waiting);
        let begun = status.backfill.unwrap();
        assert_eq!((begun.queued, begun.rows), (0, Some(ROWS.unsigned_abs())));
        let gate = Gate::new();
        gate.hold();
        let running = start(worker(&test, &gate));
        gate.wait_for(1).await;
        gate.admit();
        gate.wait_for(2).await;
        let first = backfill(&test).await.unwrap();
        assert!(first.queued > 0 && first.queued < ROWS.unsigned_abs(), "{first:?}");
        assert!(queued(&test).await <= 2 * i64::try_from(first.queued).unwrap());
        test.execute(&format!("update posts set body = 'edited' where id = {ROWS}"))
            .await?;
        gate.release();
        soon(async || gate.texts().iter().any(|text| text == "T: edited")).await;
        assert!(!gate.texts().contains(&format!("T: text {}", ROWS - 1)));
        soon(async || backfill(&test).await.is_none() && queued(&test).await == 0).await;
        running.stop().await;
        assert_in_sync(&test).await;
        assert_eq!(
            catalog::status(&test.db, "tested").await?.state,
            VectorizerState::InSync
        );
        Ok(())
    })
    .await;
}

/// The newest first; then those without a date. A row whose date changes is passed over, and is embedded all the same.
#[tokio::test]
async fn a_column_says_the_order_and_no_row_is_lost_by_it() {
    on_catalog(Catalog::Ours, async |test| {
        posts(&test, Backfill::order_by("written").descending()).await?;
        let gate = Gate::new();
        gate.hold();
        let running = start(worker(&test, &gate));
        gate.wait_for(1).await;
        gate.admit();
        gate.wait_for(2).await;
        // not what is embedded: no trigger queues them
        test.execute(&format!(
            "update posts set written = now() + interval '1 day' where id > {ROWS} - 50"
        ))
        .await?;
        gate.release();
        soon(async || backfill(&test).await.is_none() && queued(&test).await == 0).await;
        running.stop().await;
        assert_in_sync(&test).await;
        let numbers: Vec<i64> = gate
            .texts()
            .iter()
            .filter_map(|text| text.strip_prefix("T: text ")?.parse().ok())
            .collect();
        let dated: Vec<i64> = numbers
            .iter()
            .copied()
            .filter(|number| number % 10 > 0 && *number <= ROWS - 50)
            .collect();
        // two batches are in hand: one may be overtaken by all others, but none of these by another
        let (mut last, mut overtaken) = (0, 0);
        for number in &dated {
            assert!(number + 256 > overtaken, "{dated:?}");
            if number + 256 < last {
                overtaken = overtaken.max(*number);
            }
            last = last.max(*number);
        }
        let first_without = numbers[1..].iter().position(|number| number % 10 == 0).unwrap();
        assert!(first_without > dated.len() * 9 / 10, "{first_without}");
        assert_eq!(numbers.len(), usize::try_from(ROWS)?, "each is embedded once");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn keys_of_several_columns_and_of_any_type_are_gone_through() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute("create extension if not exists citext").await.ok();
        for (columns, key, value, descending) in [
            ("a text, b int", "a, b", "'k' || i % 7, i", true),
            ("a uuid", "a", "md5(i::text)::uuid", false),
            ("a timestamptz", "a", "now() + i * interval '1.001 seconds'", true),
            (
                "a numeric, b \"char\", c bool",
                "a, b, c",
                "i / 3.0, 'x', i % 2 = 0",
                false,
            ),
            (
                "a citext, b float8",
                "a, b",
                "case when i % 2 = 0 then 'K' else 'k' end || i, i / 7.0::float8",
                false,
            ),
        ] {
            if columns.contains("citext")
                && test
                    .value::<i64>("select count(*) from pg_type where typname = 'citext'")
                    .await?
                    == 0
            {
                continue;
            }
            test.execute(&format!(
                "create table posts ({columns}, title text, body text, primary key ({key}));
                 insert into posts select {value}, 'T', 'text ' || i from generate_series(1, 2500) i"
            ))
            .await?;
            let order = if descending {
                Backfill::by_key().descending()
            } else {
                Backfill::by_key()
            };
            create(&test, order).await?;
            let report = run(&test, &Gate::new()).await;
            assert_eq!(
                (report.rows(), report.errors().count()),
                (2_500, 0),
                "{columns}: {report:?}"
            );
            assert_in_sync(&test).await;
            test.execute("select ai.drop_vectorizer('tested', drop_all => true); drop table posts")
                .await?;
        }
        Ok(())
    })
    .await;
}

/// Workers die at any moment of it, under writes. Nothing is lost, and nothing begins from the front again.
#[tokio::test]
async fn workers_that_are_killed_go_on_where_they_were() {
    on_catalog(Catalog::Ours, async |test| {
        posts(&test, Backfill::order_by("written")).await?;
        let mut random = Random::new(seed(0x0bac_f111));
        let mut most = 0;
        for round in 0..12 * rounds(1) {
            let gate = Gate::new();
            let slowly = || {
                worker(&test, &gate)
                    .lease(Duration::from_secs(1))
                    .backfill_rows_per_second(400)
            };
            let workers = [(); 2].map(|()| start(slowly()));
            let until = most + random.below(500);
            soon(async || backfill(&test).await.is_none_or(|now| now.queued > until)).await;
            test.execute(&format!(
                "update posts set body = body || '.', written = now() where id % 97 = {};
                 delete from posts where id % 89 = {0}; update posts set id = -id where id % 83 = {0}",
                round % 40
            ))
            .await?;
            for worker in workers {
                worker.abort().await;
            }
            let Some(now) = backfill(&test).await else { break };
            assert!(now.queued >= most, "{now:?} after {most}");
            most = now.queued;
        }
        assert!(most > 0);
        run(&test, &Gate::new()).await;
        assert!(backfill(&test).await.is_none());
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_queued_so_is_refused() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute("create table posts (id int primary key, title text, body text, likes int)")
            .await?;
        let refused = create(&test, Backfill::order_by("likes")).await;
        test.execute("insert into posts (id) values (1)").await?;
        for (backfill, said) in [
            (
                Backfill::order_by("likes"),
                "no index of public.posts begins with the column \"likes\"",
            ),
            (Backfill::order_by("nothing"), "has no column \"nothing\""),
        ] {
            let error = create(&test, backfill).await.unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(refused.is_err());
        let error = vectorizer(Backfill::by_key())
            .if_not_exists(true)
            .statement()
            .unwrap_err();
        assert!(error.to_string().contains("if_not_exists"), "{error}");
        let error = vectorizer(Backfill::by_key())
            .enqueue_existing(true)
            .statement()
            .unwrap_err();
        assert!(error.to_string().contains("enqueue_existing"), "{error}");
        Ok(())
    })
    .await;
    on_catalog(Catalog::Pgai, async |test| {
        test.execute("create table posts (id int primary key, title text, body text)")
            .await?;
        let manager = SchemaManager::new(&test.db);
        let error = manager
            .create_vectorizer(vectorizer(Backfill::by_key()))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("leave out .backfill(..)"), "{error}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_standby_that_is_behind_is_waited_for() {
    on_own_server(Catalog::Ours, async |test, server| {
        posts(&test, Backfill::by_key()).await?;
        server.add_standby().await;
        let follows = "select count(*) = 1 from pg_stat_replication where state = 'streaming'";
        soon(async || test.value::<bool>(follows).await.unwrap()).await;
        server.on_standby("select pg_wal_replay_pause()").await;
        test.execute("create table more as select repeat(md5(i::text), 100) from generate_series(1, 20000) i")
            .await?;
        let gate = Gate::new();
        let running = start(worker(&test, &gate).backfill_max_lag(1));
        let waits = async || backfill(&test).await.and_then(|backfill| backfill.waits_for);
        soon(async || waits().await.is_some()).await;
        assert_eq!(waits().await.unwrap(), "a standby is more than 1 MB behind");
        assert_eq!(backfill(&test).await.unwrap().queued, 0);
        server.on_standby("select pg_wal_replay_resume()").await;
        soon(async || backfill(&test).await.is_none() && queued(&test).await == 0).await;
        running.stop().await;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}
