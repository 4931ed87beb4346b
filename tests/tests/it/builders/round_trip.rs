//! Whatever strings and options are asked for, the call parses and the catalog stores exactly them; and of what is left
//! out, the defaults that the builders document.

mod asked;

use std::time::Duration;

use pgai_sea::config::{Config, Scheduling};
use pgai_sea::sql::{qualified, quote_identifier};
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};

use asked::{Asked, asked};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What a case left in the catalog, and the queue that it made.
async fn stored(test: &TestDatabase, asked: &Asked) -> Result<Config, Error> {
    let transaction = test.db.begin().await?;
    let (schema, column) = (quote_identifier(&asked.schema), quote_identifier(&asked.column));
    let table = qualified(&asked.schema, &asked.table);
    transaction
        .execute_unprepared(&format!(
            "create schema {schema}; create table {table} (id int primary key, {column} text); insert into {table} \
                values (1, 'text')"
        ))
        .await?;
    let create = asked.create();
    // with parameters, and as text: both have to store the same
    let mut configs = Vec::new();
    for statement in [
        create.statement()?,
        Statement::from_string(DbBackend::Postgres, create.to_sql()?),
    ] {
        let savepoint = transaction.begin().await?;
        savepoint.execute_raw(statement).await?;
        let config = Statement::from_string(
            DbBackend::Postgres,
            "select config, queue_schema::text, queue_table::text from ai.vectorizer where name = 'asked'",
        );
        let row = savepoint.query_one_raw(config).await?.ok_or("nothing was stored")?;
        let queue: (String, String) = (row.try_get("", "queue_schema")?, row.try_get("", "queue_table")?);
        if let Some(asked) = &asked.queue {
            assert_eq!(queue, *asked);
        }
        let queued = Statement::from_string(
            DbBackend::Postgres,
            format!("select count(*) from {}", qualified(&queue.0, &queue.1)),
        );
        let queued: i64 = savepoint
            .query_one_raw(queued)
            .await?
            .ok_or("no count")?
            .try_get_by_index(0)?;
        assert_eq!(queued == 1, asked.enqueue_existing.unwrap_or(true));
        configs.push(row.try_get::<serde_json::Value>("", "config")?);
        savepoint.rollback().await?;
    }
    transaction.rollback().await?;
    assert_eq!(configs[0], configs[1], "bound and literal values");
    Ok(serde_json::from_value(configs.swap_remove(0))?)
}

async fn compare(test: &TestDatabase, asked: Asked) -> TestResult {
    let config = stored(test, &asked)
        .await
        .map_err(|error| format!("{error}\n{asked:#?}"))?;
    let expected = asked.with_defaults();
    assert_eq!(config.embedding, expected.embedding);
    assert_eq!(Some(config.chunking), expected.chunking);
    assert_eq!(Some(config.formatting), expected.formatting);
    assert_eq!(Some(config.processing), expected.processing);
    assert_eq!(config.indexing, expected.indexing);
    assert_eq!(config.scheduling, expected.scheduling);
    assert_eq!(config.parsing, expected.parsing);
    assert_eq!(config.loading, Some(expected.loading));
    assert_eq!(Some(config.destination), expected.destination);
    Ok(())
}

#[tokio::test]
async fn any_strings_and_options_are_stored_as_they_were_given() {
    on_both_catalogs(async |test| {
        // the seed is fixed: a failure is one for everybody
        let mut runner = TestRunner::deterministic();
        let cases = asked(test.catalog == Catalog::Ours);
        for _ in 0..40 {
            let asked = cases
                .new_tree(&mut runner)
                .map_err(|reason| reason.to_string())?
                .current();
            compare(&test, asked).await?;
        }
        Ok(())
    })
    .await;
}

/// No vectorizer has one here, where there is no timescaledb; its function stores what `create_vectorizer` would.
#[tokio::test]
async fn a_schedule_is_read_back_as_it_was_asked() {
    on_both_catalogs(async |test| {
        let start = chrono::DateTime::from_timestamp(1_893_456_000, 123_456_000).ok_or("no time")?;
        for zone in ["UTC", "Asia/Kolkata", "America/New_York"] {
            for interval in [300, 600, 86_400, 360_061]
                .map(Duration::from_secs)
                .into_iter()
                .chain([Duration::from_millis(1500)])
            {
                let asked = Scheduling::timescaledb()
                    .schedule_interval(interval)
                    .initial_start(start)
                    .fixed_schedule(true)
                    .timezone(zone);
                let transaction = test.db.begin().await?;
                transaction
                    .execute_unprepared(&format!("set local time zone '{zone}'"))
                    .await?;
                let call = Statement::from_string(DbBackend::Postgres, format!("select {}", asked.to_sql()));
                let row = transaction.query_one_raw(call).await?.ok_or("no row")?;
                let mut stored: serde_json::Value = row.try_get_by_index(0)?;
                // as pgai's create_vectorizer does
                stored["job_id"] = 1001.into();
                let read: Scheduling = serde_json::from_value(stored)?;
                assert_eq!(read, Scheduling::from(asked), "{zone}");
            }
        }
        Ok(())
    })
    .await;
}
