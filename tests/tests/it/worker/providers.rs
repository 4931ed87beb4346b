//! Every provider from configuration to store, on good days and bad ones.

use std::sync::Arc;
use std::time::Duration;

use pgai_sea::catalog;
use pgai_sea::embedder::{Embedder, OpenAi, VoyageAi};
use pgai_sea::worker::Worker;
use pgai_sea_tests::providers::{Fault, Provider, embedding_of};
use pgai_sea_tests::{TestDatabase, on_both_catalogs};

use super::support::soon;

const DIMENSIONS: usize = 8;
/// The name of a secret that no environment has.
const KEY_NAME: &str = "ANOTHER_KEY_OF_PGAI_SEAS_TESTS";

/// A provider, the table that it serves, and the most texts that it is sent.
struct Side {
    name: &'static str,
    model: &'static str,
    inputs: usize,
    server: Provider,
}

/// A server each, and a table with a vectorizer of it.
async fn sides(test: &TestDatabase, rows: usize) -> Result<Vec<Side>, sea_orm::DbErr> {
    test.execute(&format!(
        "create function ai.reveal_secret(secret_name text, use_cache bool default true) returns text language sql
         as $$ select case secret_name when '{KEY_NAME}' then '{}' end $$",
        Provider::API_KEY
    ))
    .await?;
    let mut sides = Vec::new();
    for (name, model, below, inputs) in [
        ("voyageai", "voyage-3.5", "voyage/v1", 1_000),
        ("voyage", "voyage/voyage-3.5", "voyage/v1", 1_000),
        ("cohere", "cohere/embed-v4.0", "cohere", 96),
        ("mistral", "mistral/codestral-embed", "mistral/v1", 128),
        ("azure", "azure/text-embedding-3-small", "azure", 2_048),
        ("huggingface", "huggingface/BAAI/bge-small", "huggingface", 32),
        ("proxy", "litellm_proxy/text-embedding-3-small", "v1", 96),
    ] {
        let server = Provider::start();
        let embedding = if name == "voyageai" {
            format!("ai.embedding_voyageai('{model}', {DIMENSIONS})")
        } else {
            let options = serde_json::json!({ "api_base": server.url(below), "dimensions": DIMENSIONS });
            format!(
                "ai.embedding_litellm('{model}', {DIMENSIONS}, api_key_name => '{KEY_NAME}', extra_options => \
                    '{options}')"
            )
        };
        // this one has no number of dimensions to ask for
        server.always((name == "huggingface").then_some(Fault::Dimensions(DIMENSIONS)));
        test.execute(&format!(
            "create table {name} (id int primary key, body text);
             insert into {name} select i, case i when 13 then 'the poison' else 'text ' || i end from \
             generate_series(1, {rows}) i;
             select ai.create_vectorizer('{name}', name => '{name}', loading => ai.loading_column('body', retries => 1),
                embedding => {embedding}, processing => ai.processing_default(batch_size => {rows}))"
        ))
        .await?;
        let model = model.split_once('/').map_or(model, |(_, model)| model);
        sides.push(Side {
            name,
            model,
            inputs,
            server,
        });
    }
    Ok(sides)
}

/// A worker to which the database tells the keys.
fn worker(test: &TestDatabase, sides: &[Side]) -> Worker {
    let voyage = VoyageAi::new("voyage-3.5", DIMENSIONS)
        .api_key(Provider::API_KEY)
        .base_url(sides[0].server.url("voyage/v1"));
    Worker::new(test.db.clone())
        .embedder("voyageai", "voyage-3.5", Arc::new(voyage) as Arc<dyn Embedder>)
        .poll_interval(Duration::from_millis(50))
        .retry_delay(Duration::from_millis(1))
}

/// So many rows are in the store, each with the vector of its text.
async fn assert_embedded(test: &TestDatabase, side: &Side, rows: i64) {
    let Side { name, model, .. } = side;
    let count = format!("select count(*) from {name}_embedding_store");
    assert_eq!(test.value::<i64>(&count).await.unwrap(), rows, "{name}");
    let stored = format!("select embedding::text from {name}_embedding_store where id = 7");
    let stored: String = test.value(&stored).await.unwrap();
    let stored: Vec<f32> = serde_json::from_str(&stored).unwrap();
    let model = if *name == "huggingface" { "hosted" } else { model };
    assert_eq!(stored, embedding_of(model, "text 7", DIMENSIONS), "{name}");
}

#[tokio::test]
async fn the_refused_text_is_found_at_each_of_them() {
    on_both_catalogs(async |test| {
        let sides = sides(&test, 300).await?;
        for side in &sides {
            side.server.refuse("poison");
        }
        let report = worker(&test, &sides).run_once().await?;
        assert_eq!(report.errors().count(), 0, "{report:?}");
        for side in &sides {
            assert_embedded(&test, side, 299).await;
            let vectorizer = catalog::vectorizer(&test.db, side.name).await?;
            let failed = catalog::failed(&test.db, &vectorizer, 10).await?;
            let [letter] = failed.as_slice() else {
                panic!("{failed:?}")
            };
            assert_eq!(
                (letter.key["id"].as_str(), letter.step.as_str()),
                (Some("13"), "embedding")
            );
            assert!(
                letter.reason.as_ref().unwrap().contains("not allowed") || side.name == "proxy",
                "{letter:?}"
            );
            let largest = side.server.requests().iter().map(|request| request.texts.len()).max();
            assert_eq!(largest, Some(side.inputs.min(300)), "{}", side.name);
        }
        let told: String = test
            .value("select string_agg(details::text, '') from ai.vectorizer_errors")
            .await?;
        assert!(!told.contains(Provider::API_KEY), "{told}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn bad_days_charge_no_row() {
    on_both_catalogs(async |test| {
        let sides = sides(&test, 20).await?;
        for side in &sides {
            let last = match side.name {
                "huggingface" => Fault::Dimensions(DIMENSIONS),
                _ => Fault::Delay(Duration::ZERO),
            };
            for fault in [
                Fault::TooManyRequests(Some(1)),
                Fault::ServerError,
                Fault::Truncated,
                last,
            ] {
                side.server.next(fault);
            }
        }
        let report = worker(&test, &sides).run_once().await?;
        assert_eq!(report.errors().count(), 0, "{report:?}");
        for side in &sides {
            assert_embedded(&test, side, 20).await;
            let at: Vec<_> = side.server.requests().iter().map(|request| request.at).collect();
            assert_eq!(at.len(), 4, "{}", side.name);
            let waited = at[1] - at[0];
            assert!(
                waited >= Duration::from_secs(1),
                "{}: Retry-After, {waited:?}",
                side.name
            );
        }
        let charged = report
            .vectorizers
            .iter()
            .map(|vectorizer| vectorizer.counts.deferred + vectorizer.counts.dead_letters);
        assert_eq!(charged.sum::<u64>(), 0, "{report:?}");
        Ok(())
    })
    .await;
}

/// A table of texts that OpenAI's side of a server embeds.
async fn texts(test: &TestDatabase, rows: usize) -> Result<(), sea_orm::DbErr> {
    test.execute(&format!(
        "create table texts (id int primary key, body text);
         insert into texts select i, 'text ' || i from generate_series(1, {rows}) i;
         select ai.create_vectorizer('texts', name => 'tested', loading => ai.loading_column('body'),
            embedding => ai.embedding_openai('text-embedding-3-small', {DIMENSIONS}))"
    ))
    .await
}

#[tokio::test]
async fn a_provider_that_is_gone_or_silent_is_waited_for() {
    on_both_catalogs(async |test| {
        texts(&test, 30).await?;
        let provider = Provider::start();
        let openai = OpenAi::new("text-embedding-3-small", DIMENSIONS)
            .api_key(Provider::API_KEY)
            .base_url(provider.openai_url())
            .timeout(Duration::from_millis(300));
        provider.always(Fault::Delay(Duration::from_mins(1)));
        let worker = Worker::new(test.db.clone())
            .embedder(
                "openai",
                "text-embedding-3-small",
                Arc::new(openai) as Arc<dyn Embedder>,
            )
            .poll_interval(Duration::from_millis(50))
            .lease(Duration::from_secs(1));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(async move { worker.run_until(stopped).await });
        // no request is answered, and the next comes when its time is over; then there is nobody to ask
        provider.wait_for_requests(2).await;
        let port = provider.port();
        drop(provider);
        // taken, and nobody listens
        let taken = tokio::net::TcpSocket::new_v4()?;
        taken.set_reuseaddr(true)?;
        taken.bind((std::net::Ipv4Addr::LOCALHOST, port).into())?;
        let refused = "select exists (select from ai.vectorizer_errors where details::text like '%cannot be reached%')";
        soon(async || test.value(refused).await.unwrap()).await;
        let charged = "select count(*) from ai._vectorizer_q_1 where loading_retries > 0";
        assert_eq!(test.value::<i64>(charged).await?, 0);

        let _back = Provider::start_on(port);
        drop(taken);
        let stored = "select count(*) from texts_embedding_store";
        soon(async || test.value::<i64>(stored).await.unwrap() == 30).await;
        stop.send(()).ok();
        let report = running.await??;
        assert_eq!(
            (report.rows(), report.vectorizers[0].counts.deferred),
            (30, 0),
            "{report:?}"
        );
        Ok(())
    })
    .await;
}
