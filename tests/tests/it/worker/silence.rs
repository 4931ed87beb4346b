//! Connections on which nothing comes any more and that nobody closes: a server's machine that is lost, a firewall that
//! forgets.

use std::time::{Duration, Instant};

use pgai_sea_tests::{Catalog, OwnServer, TestDatabase, TestResult, on_own_server, on_own_servers};
use sea_orm::{ConnectOptions, Database, DbErr};

use super::support::{Gate, assert_in_sync, posts, queued, soon, start, worker};

/// The same database with connections of its own: those that there were may be silent.
async fn anew(test: &TestDatabase) -> Result<TestDatabase, DbErr> {
    let mut anew = test.clone();
    let options = ConnectOptions::new(test.url.clone())
        .max_connections(4)
        .sqlx_logging(false)
        .to_owned();
    anew.db = Database::connect(options).await?;
    Ok(anew)
}

#[tokio::test]
async fn a_batch_goes_on_over_other_connections() {
    on_own_servers(async |test, server: &OwnServer| -> TestResult {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 30) i")
            .await?;
        let gate = Gate::new();
        gate.hold();
        let brief = worker(&test, &gate)
            .lease(Duration::from_secs(2))
            .statement_timeout(Duration::from_secs(1));
        let running = start(brief);
        gate.wait_for(1).await;
        server.silence();
        gate.release();
        let test = anew(&test).await?;
        soon(async || queued(&test).await == 0).await;
        assert_in_sync(&test).await;
        // what a silent worker had locked is free
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(31, 40) i")
            .await?;
        server.silence();
        let stopping = Instant::now();
        running.stop().await;
        assert!(stopping.elapsed() < Duration::from_secs(15), "{:?}", stopping.elapsed());
        Ok(())
    })
    .await;
}

/// Nothing on it tells a connection that is silent from one on which nobody notifies.
#[tokio::test]
async fn a_worker_that_sleeps_notices() {
    on_own_server(Catalog::Ours, async |test, server: &OwnServer| -> TestResult {
        posts(&test).await?;
        let gate = Gate::new();
        // the listener notices within half a minute, and then every other connection by itself
        let brief = worker(&test, &gate)
            .poll_interval(Duration::from_mins(10))
            .statement_timeout(Duration::from_secs(1));
        let running = start(brief);
        let sleeps = "select count(*) from pg_locks where locktype = 'advisory' and classid = 1348947831 and mode = \
            'ExclusiveLock'";
        soon(async || test.value::<i64>(sleeps).await.unwrap() > 0).await;
        server.silence();
        let test = anew(&test).await?;
        test.execute("insert into posts values (1, 'T', 'text')").await?;
        soon(async || queued(&test).await == 0).await;
        assert_in_sync(&test).await;
        running.stop().await;
        Ok(())
    })
    .await;
}
