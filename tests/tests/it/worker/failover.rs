//! A failover: a standby takes the primary's place while workers and writers go on.

use std::process::Stdio;
use std::time::Duration;

use pgai_sea_tests::providers::{Fault, Provider};
use pgai_sea_tests::{Catalog, OwnServer, Random, TestDatabase, TestResult, on_own_server, seed};
use sea_orm::DbErr;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::support::{DIMENSIONS, assert_in_sync, queued, soon};

const PATIENCE: Duration = Duration::from_mins(2);
const SEED: u64 = 0x0fa1_1000;

fn worker(test: &TestDatabase) -> Child {
    Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
        .args([
            "worker",
            "-d",
            &test.url,
            "--lease",
            "2s",
            "--poll-interval",
            "50ms",
            "--log-level",
            "error",
        ])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Inserts and edits, again where the server does not take it; returns how much it wrote.
async fn writer(test: TestDatabase, seed: u64, stop: watch::Receiver<bool>) -> Result<u64, DbErr> {
    let mut random = Random::new(seed);
    let mut written = 0;
    while !*stop.borrow() {
        let (id, text) = (random.below(300), random.bits());
        let write = format!(
            "insert into posts (id, title, body) values ({id}, 'T', 'text {text} of this row')
             on conflict (id) do update set body = excluded.body"
        );
        match test.execute(&write).await {
            Ok(()) => written += 1,
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
        sleep(Duration::from_millis(random.below(6))).await;
    }
    Ok(written)
}

async fn posts(test: &TestDatabase) -> Result<Provider, DbErr> {
    let provider = Provider::start();
    provider.install("gate", DIMENSIONS);
    provider.always(Fault::Delay(Duration::from_millis(5)));
    test.execute(&format!(
        "create table posts (id int primary key, title text, body text);
         select ai.create_vectorizer('posts', name => 'tested', loading => ai.loading_column('body'),
            embedding => ai.embedding_ollama('gate', {DIMENSIONS}, base_url => '{}'),
            chunking => ai.chunking_character_text_splitter(chunk_size => 20, chunk_overlap => 4, separator => ' '),
            formatting => ai.formatting_python_template('$title: $chunk'),
            processing => ai.processing_default(batch_size => 5, concurrency => 2))",
        provider.ollama_url()
    ))
    .await?;
    Ok(provider)
}

/// Four workers and two writers, through `fail_over`. What was written is embedded at the end, exactly once.
async fn through(catalog: Catalog, fail_over: impl AsyncFn(&TestDatabase, &OwnServer)) {
    on_own_server(catalog, async |test, server| -> TestResult {
        let provider = posts(&test).await?;
        server.add_standby().await;
        let seed = seed(SEED);
        let mut workers: Vec<Child> = (0..4).map(|_| worker(&test)).collect();
        let (stop, stopped) = watch::channel(false);
        let writers: Vec<_> = (1..=2)
            .map(|n| tokio::spawn(writer(test.clone(), seed.wrapping_add(n), stopped.clone())))
            .collect();
        provider.wait_for_requests(20).await;
        fail_over(&test, server).await;
        let before = provider.requests().len();
        timeout(PATIENCE, provider.wait_for_requests(before + 20)).await?;
        stop.send_replace(true);
        for writer in writers {
            assert!(writer.await?? > 50);
        }
        soon(async || queued(&test).await == 0).await;
        for worker in &mut workers {
            assert!(worker.try_wait()?.is_none(), "a worker ended by itself");
            worker.kill().await?;
        }
        assert_in_sync(&test).await;
        // nobody's fault
        let charged = "select count(*) from ai.vectorizer_errors where details ? 'key'";
        assert_eq!(test.value::<i64>(charged).await?, 0);
        Ok(())
    })
    .await;
}

/// The primary goes, and the standby is promoted before anybody is let through to it.
#[tokio::test]
async fn a_standby_that_is_promoted_takes_over() {
    through(Catalog::Ours, async |_, server| {
        server.lose_primary().await;
        server.promote().await;
        server.switch().await;
    })
    .await;
}

/// Sessions reach the standby while it still recovers, where nothing can be written, and stay when it is promoted.
#[tokio::test]
async fn sessions_that_began_on_a_standby_do_not_stay_read_only() {
    futures::future::join_all(Catalog::BOTH.map(|catalog| {
        through(catalog, async |test, server| {
            server.lose_primary().await;
            server.switch().await;
            soon(async || {
                // what workers send there is refused, and they end such sessions soon
                let sessions = "select count(*) from pg_stat_activity
                    where datname = current_database() and pid <> pg_backend_pid() and pg_is_in_recovery()";
                test.value::<i64>(sessions).await.is_ok_and(|sessions| sessions > 0)
            })
            .await;
            sleep(Duration::from_secs(2)).await;
            server.promote().await;
        })
    }))
    .await;
}

/// What was embedded is found on a replica once that has replayed it: by every kind of search, where nothing can be
/// written.
#[tokio::test]
async fn a_replica_is_waited_for_and_searched() {
    use pgai_sea::catalog::{WaitError, wait_until_replayed};
    use pgai_sea::prelude::*;

    on_own_server(Catalog::Ours, async |test, server| -> TestResult {
        let _provider = posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 50) i")
            .await?;
        server.add_standby().await;
        let replica = server.of_standby(&test).await;
        replica.execute("select pg_wal_replay_pause()").await?;
        let mut worker = worker(&test);
        soon(async || queued(&test).await == 0).await;
        let behind = wait_until_replayed(&test.db, &replica.db, Duration::from_millis(200)).await;
        assert!(matches!(behind, Err(WaitError::NotReplayed { .. })), "{behind:?}");
        let search = || post::Entity::search(vec![1.0; DIMENSIONS]);
        assert_eq!(search().count(&replica.db).await?, 0);

        replica.execute("select pg_wal_replay_resume()").await?;
        wait_until_replayed(&test.db, &replica.db, PATIENCE).await?;
        assert_eq!(search().count(&replica.db).await?, 50);
        for (limit, ef_search) in [(10, 40), (45, 10)] {
            let on = async |test: &TestDatabase| {
                let search = search().ef_search(ef_search).limit(limit).with_freshness();
                let near = search.clone().all(&test.db).await?;
                let hybrid = search.hybrid(FullText::any("text")).all(&test.db).await?;
                Ok::<_, SearchError>((near, hybrid))
            };
            assert_eq!(on(&replica).await?, on(&test).await?);
        }
        // a primary that replays nothing any more is not waited for, and a standby has no log of its own
        wait_until_replayed(&test.db, &test.db, Duration::ZERO).await?;
        let asked = wait_until_replayed(&replica.db, &replica.db, PATIENCE)
            .await
            .unwrap_err();
        assert!(asked.to_string().starts_with("the primary cannot be asked"), "{asked}");
        replica.db.close().await?;
        worker.kill().await?;
        Ok(())
    })
    .await;
}

mod post {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "posts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub title: String,
        #[vectorizer(dimensions = 8)]
        pub body: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
