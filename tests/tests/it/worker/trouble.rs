//! Providers and texts that fail.

use std::time::Duration;

use pgai_sea_tests::providers::{Fault, Provider};
use pgai_sea_tests::{TestDatabase, on_both_catalogs};

use super::support::{DIMENSIONS, Gate, assert_in_sync, posts, queued, run, soon, start, worker};
use pgai_sea::worker::Worker;

async fn dead_letters(test: &TestDatabase) -> Vec<String> {
    let table: String = test
        .value("select format('%I.%I', queue_schema, queue_failed_table) from ai.vectorizer where name = 'tested'")
        .await
        .unwrap();
    test.values(&format!("select id || ' ' || failure_step from {table} order by id"))
        .await
        .unwrap()
}

/// Runs until no row waits for another attempt.
async fn run_out(test: &TestDatabase, worker: &Worker) {
    soon(async || {
        worker.run_once().await.unwrap();
        queued(test).await == 0
    })
    .await;
}

#[tokio::test]
async fn a_refused_text_holds_up_no_other_and_becomes_a_dead_letter() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 50) i")
            .await?;
        let gate = Gate::new();
        run(&test, &gate).await;
        gate.refuse("poison");
        test.execute("update posts set body = case id when 13 then 'poison' else 'new ' || id end")
            .await?;
        let patient = worker(&test, &gate).retry_delay(Duration::from_secs(20));
        let report = patient.run_once().await?;
        assert_eq!(
            (report.rows(), report.vectorizers[0].counts.deferred),
            (49, 1),
            "{report:?}"
        );
        assert_eq!(report.vectorizers[0].waiting, 1);

        test.execute("update ai._vectorizer_q_1 set loading_retry_after = null")
            .await?;
        run_out(&test, &worker(&test, &gate)).await;
        assert_eq!(dead_letters(&test).await, ["13 embedding"]);
        // nobody finds it by the text that it had
        let stale: i64 = test
            .value("select count(*) from posts_embedding_store where id = 13")
            .await?;
        assert_eq!(stale, 0);
        // each attempt is there with its reason
        let attempts: Vec<String> = test
            .values(
                "select concat_ws(' ', details->>'attempt', details->'key'->>'id', details->>'error_reason') from \
                ai.vectorizer_errors order by 1",
            )
            .await?;
        assert_eq!(attempts.len(), 7, "{attempts:?}");
        assert!(
            attempts[6].starts_with("7 13 gate refuses the input with 400: not this one"),
            "{attempts:?}"
        );

        // an edit gives it another chance
        test.execute("update posts set body = 'harmless' where id = 13").await?;
        run(&test, &gate).await;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

/// As pgai counts: the first attempt is no retry.
#[tokio::test]
async fn retries_are_what_comes_after_the_first_attempt() {
    on_both_catalogs(async |test| {
        let default: String = test.value("select ai.loading_column('body') ->> 'retries'").await?;
        for (retries, stored) in [(0, true), (1, true), (default.parse()?, false)] {
            test.execute(&format!(
                "create table posts (id int primary key, body text);
                 insert into posts values (1, 'poison');
                 select ai.create_vectorizer('posts', name => 'tested', loading => ai.loading_column('body', retries \
                 => {retries}),
                    embedding => ai.embedding_ollama('gate', {DIMENSIONS}))"
            ))
            .await?;
            if !stored {
                // then the worker's own default is that of the function
                test.execute("update ai.vectorizer set config = config #- '{loading,retries}'")
                    .await?;
            }
            let gate = Gate::new();
            gate.refuse("poison");
            run_out(&test, &worker(&test, &gate)).await;
            assert_eq!(dead_letters(&test).await, ["1 embedding"]);
            // beside them, it is asked whether it embeds anything at all
            let attempts = gate.calls().into_iter().filter(|texts| texts == &["poison"]);
            assert_eq!(attempts.count(), retries + 1, "{retries}");
            test.execute("select ai.drop_vectorizer('tested', drop_all => true); drop table posts")
                .await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_provider_that_is_down_is_nobodys_attempt() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 5) i")
            .await?;
        let gate = Gate::new();
        gate.be_down_for(2);
        let report = run(&test, &gate).await;
        assert_eq!(
            (report.rows(), report.vectorizers[0].counts.deferred),
            (5, 0),
            "{report:?}"
        );
        assert_in_sync(&test).await;

        // a single run gives up after a while, and everything is as it was
        test.execute("update posts set body = 'new ' || id").await?;
        gate.be_down_for(usize::MAX);
        let report = run(&test, &gate).await;
        assert!(
            report
                .errors()
                .any(|(name, error)| name == "tested" && error.contains("503")),
            "{report:?}"
        );
        let queue: String = test
            .value("select format('%I.%I', queue_schema, queue_table) from ai.vectorizer")
            .await?;
        let free: i64 = test
            .value(&format!(
                "select count(*) from {queue} where loading_retries = 0 and (loading_retry_after < clock_timestamp()) \
                    is not false"
            ))
            .await?;
        assert_eq!(free, 5);
        gate.be_down_for(0);
        run(&test, &gate).await;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn one_vectorizers_trouble_is_not_anothers() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        provider.install("model-of-five", DIMENSIONS);
        test.execute("create table broken (id int primary key, body text)")
            .await?;
        test.execute(&format!(
            "select ai.create_vectorizer('broken', name => 'broken', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('model-of-five', 8, base_url => '{}'))",
            provider.ollama_url()
        ))
        .await?;
        posts(&test).await?;
        test.execute("insert into broken select i, 'text ' || i from generate_series(1, 10) i")
            .await?;
        test.execute("insert into posts select i, 'T', 'text ' || i from generate_series(1, 10) i")
            .await?;
        provider.always(Fault::TooManyRequests(Some(1)));
        let gate = Gate::new();
        let running = start(worker(&test, &gate));
        soon(async || queued(&test).await == 0).await;
        assert_in_sync(&test).await;
        // it recovers without being started again
        provider.always(None);
        let stored = "select count(*) from broken_embedding_store";
        soon(async || test.value::<i64>(stored).await.unwrap() == 10).await;
        let report = running.stop().await;
        assert_eq!(report.rows(), 20, "{report:?}");
        assert_eq!(
            report
                .vectorizers
                .iter()
                .map(|vectorizer| vectorizer.counts.deferred)
                .sum::<u64>(),
            0
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn wrong_dimensions_name_both_numbers_and_blame_no_row() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        provider.install("model-of-five", DIMENSIONS);
        test.execute("create table broken (id int primary key, body text)")
            .await?;
        test.execute(&format!(
            "select ai.create_vectorizer('broken', name => 'tested', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('model-of-five', {DIMENSIONS}, base_url => '{}'))",
            provider.ollama_url()
        ))
        .await?;
        test.execute("insert into broken select i, 'text ' || i from generate_series(1, 10) i")
            .await?;
        provider.always(Fault::Dimensions(5));
        let report = Worker::new(test.db.clone()).run_once().await?;
        let (name, error) = report.errors().next().expect("an error");
        assert_eq!(name, "tested");
        for part in ["model-of-five", "8", "5"] {
            assert!(error.contains(part), "{error}");
        }
        let queue: String = test
            .value("select format('%I.%I', queue_schema, queue_table) from ai.vectorizer")
            .await?;
        assert_eq!(
            test.value::<i64>(&format!("select count(*) from {queue} where loading_retries = 0"))
                .await?,
            10
        );
        provider.always(None);
        Worker::new(test.db.clone()).run_once().await?;
        assert_eq!(queued(&test).await, 0);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_text_whose_vector_has_another_length_is_found() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        provider.install("model", DIMENSIONS);
        provider.misfit("odd one", DIMENSIONS + 1);
        test.execute(&format!(
            "create table texts (id int primary key, body text);
             insert into texts select i, case i when 13 then 'the odd one' else 'text ' || i end from \
             generate_series(1, 50) i;
             select ai.create_vectorizer('texts', name => 'tested', loading => ai.loading_column('body', retries => 2),
                embedding => ai.embedding_ollama('model', {DIMENSIONS}, base_url => '{}'))",
            provider.ollama_url()
        ))
        .await?;
        let worker = Worker::new(test.db.clone()).retry_delay(Duration::from_millis(1));
        run_out(&test, &worker).await;
        assert_eq!(dead_letters(&test).await, ["13 embedding"]);
        assert_eq!(
            test.value::<i64>("select count(*) from texts_embedding_store").await?,
            49
        );
        let reasons = "select distinct details->>'error_reason' from ai.vectorizer_errors";
        let reason: String = test.value(reasons).await?;
        assert!(
            reason.contains("a vector of 9 dimensions, configured are 8"),
            "{reason}"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_is_not_supported_is_said_once_and_holds_up_no_other() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'text')").await?;
        test.execute(
            "create table files (id int primary key, uri text);
             insert into files values (1, 'file:///nowhere');
             select ai.create_vectorizer('files', name => 'files', loading => ai.loading_uri('uri'),
                embedding => ai.embedding_ollama('gate', 8), chunking => ai.chunking_none());",
        )
        .await?;
        test.execute(
            "create table garbled (id int primary key, body text);
             insert into garbled values (1, 'x');
             select ai.create_vectorizer('garbled', name => 'garbled', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('gate', 8));
             update ai.vectorizer set config = config - 'embedding' where name = 'garbled';",
        )
        .await?;
        let gate = Gate::new();
        let report = run(&test, &gate).await;
        let errors: Vec<_> = report.errors().collect();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(
            errors
                .iter()
                .any(|(name, error)| *name == "files" && error.contains("uri")),
            "{errors:?}"
        );
        assert!(
            errors
                .iter()
                .any(|(name, error)| *name == "garbled" && error.contains("config")),
            "{errors:?}"
        );
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_database_that_is_restarted_is_waited_for() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        let gate = Gate::new();
        let running = start(worker(&test, &gate));
        for round in 0..5 {
            test.execute(&format!(
                "insert into posts select i, 'T', 'text ' || i from generate_series({round}0, \
                {round}9) i"
            ))
            .await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
            // every connection breaks, in whatever state it is; this one is the last
            test.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() \
                and pid <> pg_backend_pid()",
            )
            .await?;
        }
        soon(async || queued(&test).await == 0).await;
        running.stop().await;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}
