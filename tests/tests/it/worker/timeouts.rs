//! Statements that take long, and a role whose statements are cut short.

use std::time::Duration;

use pgai_sea::worker::Worker;
use pgai_sea_tests::{TestDatabase, on_both_catalogs};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbErr, TransactionTrait};

use super::support::{Gate, assert_in_sync, posts, run, worker};

/// A worker whose statements may take half a second.
async fn hasty(test: &TestDatabase, gate: &std::sync::Arc<Gate>) -> Result<Worker, DbErr> {
    let join = if test.url.contains('?') { '&' } else { '?' };
    let url = format!("{}{join}options[statement_timeout]=500", test.url);
    let mut hasty = test.clone();
    let options = ConnectOptions::new(url)
        .max_connections(4)
        .sqlx_logging(false)
        .to_owned();
    hasty.db = Database::connect(options).await?;
    Ok(worker(&hasty, gate))
}

#[tokio::test]
async fn a_batch_takes_as_long_as_it_takes() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute(
            "create function dawdle() returns trigger language plpgsql as $$ begin perform pg_sleep(0.8); return null; \
                end $$;
             create trigger dawdle after insert on posts_embedding_store for each statement execute function dawdle();
             insert into posts select i, 'T', 'text ' || i from generate_series(1, 5) i",
        )
        .await?;
        let report = hasty(&test, &Gate::new()).await?.run_once().await?;
        assert_eq!((report.rows(), report.errors().count()), (5, 0), "{report:?}");
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_claim_that_is_cut_short_is_one_vectorizers_trouble() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute(
            "create table notes (id int primary key, body text);
             insert into notes values (1, 'note');
             select ai.create_vectorizer('notes', name => 'other', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('gate', 8));
             insert into posts values (1, 'T', 'text')",
        )
        .await?;
        let gate = Gate::new();
        let blocker = test.db.begin().await?;
        blocker.execute_unprepared("lock table ai._vectorizer_q_1").await?;
        let brief = worker(&test, &gate).statement_timeout(Duration::from_secs(1));
        let report = brief.run_once().await?;
        let errors: Vec<_> = report.errors().collect();
        assert!(
            matches!(errors.as_slice(), [("tested", error)] if error.contains("statement_timeout")),
            "{errors:?}"
        );
        assert_eq!(report.rows(), 1, "{report:?}");
        blocker.commit().await?;
        run(&test, &gate).await;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}
