//! Whose fault it is: a text's only if the provider embeds others.

use std::time::Duration;

use pgai_sea::worker::Worker;
use pgai_sea_tests::providers::{Fault, Provider};
use pgai_sea_tests::{Catalog, TestDatabase, on_both_catalogs, on_catalog};

use super::support::{queued, soon, start};

const DIMENSIONS: usize = 8;

/// `texts` with so many rows, each given up after one attempt.
async fn texts(test: &TestDatabase, provider: &Provider, rows: usize) -> Result<(), sea_orm::DbErr> {
    provider.install("m", DIMENSIONS);
    test.execute(&format!(
        "create table texts (id int primary key, body text);
         insert into texts select i, 'text ' || i from generate_series(1, {rows}) i;
         select ai.create_vectorizer('texts', name => 'tested', loading => ai.loading_column('body', retries => 0),
            embedding => ai.embedding_ollama('m', {DIMENSIONS}, base_url => '{}'))",
        provider.ollama_url()
    ))
    .await
}

fn worker(test: &TestDatabase) -> Worker {
    Worker::new(test.db.clone())
        .poll_interval(Duration::from_millis(50))
        .retry_delay(Duration::from_millis(1))
}

async fn stored(test: &TestDatabase) -> i64 {
    let stored = "select count(distinct id) from texts_embedding_store";
    test.value(stored).await.unwrap()
}

async fn dead(test: &TestDatabase) -> Vec<i32> {
    test.values("select id from ai._vectorizer_q_failed_1 order by id")
        .await
        .unwrap()
}

#[tokio::test]
async fn answers_that_are_none_charge_no_row() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        texts(&test, &provider, 10).await?;
        for (fault, seen) in [(Fault::Page, "<html>"), (Fault::Cut, "EOF while parsing")] {
            // a worker records a provider's trouble once in a minute: each of the two has its own
            test.execute("update texts set body = body || '.'").await?;
            let running = start(worker(&test));
            soon(async || queued(&test).await == 0).await;
            provider.always(fault);
            test.execute("update texts set body = body || '.'").await?;
            let told = format!("select exists (select from ai.vectorizer_errors where details::text like '%{seen}%')");
            soon(async || test.value(&told).await.unwrap()).await;
            provider.always(None);
            soon(async || queued(&test).await == 0).await;
            let report = running.stop().await;
            let tested = &report.vectorizers[0];
            assert_eq!(
                (tested.counts.deferred, tested.counts.dead_letters, tested.counts.rows),
                (0, 0, 20),
                "{report:?}"
            );
        }
        assert_eq!(stored(&test).await, 10);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn refused_texts_are_charged_though_nothing_has_worked_yet() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        texts(&test, &provider, 4).await?;
        test.execute("update texts set body = 'poison ' || id").await?;
        provider.refuse("poison");
        let report = worker(&test).run_once().await?;
        assert_eq!(report.errors().count(), 0, "{report:?}");
        assert_eq!((dead(&test).await, queued(&test).await), (vec![1, 2, 3, 4], 0));
        // it embedded a harmless text, once
        let probes = provider
            .requests()
            .into_iter()
            .filter(|request| request.texts == ["hello world"]);
        assert_eq!((probes.count(), provider.requests().len()), (1, 7 + 1));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_text_that_brings_the_provider_down_holds_up_no_other() {
    on_catalog(Catalog::Ours, async |test| {
        let provider = Provider::start();
        texts(&test, &provider, 20).await?;
        test.execute("update texts set body = 'poison' where id = 7").await?;
        provider.crash("poison");
        let running = start(worker(&test));
        soon(async || stored(&test).await == 19).await;
        test.execute("insert into texts select i, 'text ' || i from generate_series(21, 25) i")
            .await?;
        soon(async || stored(&test).await == 24 && queued(&test).await == 0).await;
        let report = running.stop().await;
        assert_eq!(dead(&test).await, [7]);
        assert_eq!(report.vectorizers[0].counts.dead_letters, 1, "{report:?}");
        Ok(())
    })
    .await;
}
