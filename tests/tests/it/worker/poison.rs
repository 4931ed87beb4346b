//! One row that spoils what it is in: the others are embedded, and it is named.

use std::time::Duration;

use pgai_sea::catalog;
use pgai_sea::worker::Worker;
use pgai_sea_tests::providers::Provider;
use pgai_sea_tests::{TestDatabase, on_both_catalogs};

use super::support::{queued, soon};

const DIMENSIONS: usize = 8;

async fn dead(test: &TestDatabase) -> Vec<(String, String, String)> {
    let vectorizer = catalog::vectorizer(&test.db, "tested").await.unwrap();
    let mut dead: Vec<_> = catalog::failed(&test.db, &vectorizer, 100)
        .await
        .unwrap()
        .into_iter()
        .map(|letter| {
            let id = letter.key["id"].as_str().unwrap().to_owned();
            (id, letter.step, letter.reason.unwrap_or_default())
        })
        .collect();
    dead.sort();
    dead
}

async fn run_out(test: &TestDatabase) {
    let worker = Worker::new(test.db.clone()).retry_delay(Duration::from_millis(1));
    soon(async || {
        let report = worker.run_once().await.unwrap();
        assert_eq!(report.errors().count(), 0, "{report:?}");
        queued(test).await == 0
    })
    .await;
}

#[tokio::test]
async fn what_is_no_vector_is_its_own_rows_fault() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        provider.install("m", DIMENSIONS);
        for (word, raw) in [
            ("alpha", "NaN"),
            ("beta", "1e39"),
            ("gamma", "null"),
            ("delta", "\"0.5\""),
            ("epsilon", "-Infinity"),
        ] {
            provider.garble(word, raw);
        }
        provider.misfit("zeta", DIMENSIONS - 1);
        provider.misfit("kappa", 0);
        provider.refuse("theta");
        test.execute(&format!(
            "create table texts (id int primary key, body text);
             insert into texts select i, 'text ' || i from generate_series(1, 120) i;
             update texts set body = (array['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta', 'kappa', \
             'theta'])[id / 10]
                where id in (10, 20, 30, 40, 50, 60, 70, 80);
             select ai.create_vectorizer('texts', name => 'tested', loading => ai.loading_column('body', retries => 2),
                embedding => ai.embedding_ollama('m', {DIMENSIONS}, base_url => '{}'))",
            provider.ollama_url()
        ))
        .await?;
        run_out(&test).await;
        let embedded = test
            .value::<i64>("select count(distinct id) from texts_embedding_store")
            .await?;
        let dead = dead(&test).await;
        let ids: Vec<&str> = dead.iter().map(|(id, _, _)| id.as_str()).collect();
        assert_eq!(ids, ["10", "20", "30", "40", "50", "60", "70", "80"], "{dead:?}");
        assert_eq!(embedded, 112);
        for ((id, step, reason), says) in dead.iter().zip([
            "not the JSON that was expected",
            "is not finite",
            "not the JSON that was expected (invalid type: null",
            "not the JSON that was expected (invalid type: string",
            "not the JSON that was expected",
            "a vector of 7 dimensions, configured are 8",
            "a vector of 0 dimensions, configured are 8",
            "exceeds the context length",
        ]) {
            assert_eq!(step, "embedding");
            assert!(reason.contains(says), "{id}: {reason}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn ten_megabytes_in_one_row() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        provider.install("m", DIMENSIONS);
        // cut into chunks, and whole, of which OpenAI reads the beginning
        test.execute(&format!(
            "create table texts (id int primary key, body text);
             insert into texts select i, 'text ' || i from generate_series(1, 20) i;
             insert into texts select 0, string_agg('Sentence ' || i || ' of a very long text. ', '') from \
             generate_series(1, 300000) i;
             select ai.create_vectorizer('texts', name => 'tested', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('m', {DIMENSIONS}, base_url => '{}'),
                chunking => ai.chunking_recursive_character_text_splitter(chunk_size => 4000, chunk_overlap => 0));
             select ai.create_vectorizer('texts', name => 'whole', destination => ai.destination_table('whole'),
                loading => ai.loading_column('body'), chunking => ai.chunking_none(),
                embedding => ai.embedding_openai('text-embedding-3-small', {DIMENSIONS}, base_url => '{}', \
                api_key_name => 'K'));
             create function ai.reveal_secret(secret_name text, use_cache bool default true) returns text language sql
             as $$ select '{}' $$",
            provider.ollama_url(),
            provider.openai_url(),
            Provider::API_KEY,
        ))
        .await?;
        assert!(test.value::<i32>("select length(body) from texts where id = 0").await? > 10_000_000);
        run_out(&test).await;
        assert_eq!(dead(&test).await, []);
        let length = "select sum(length(chunk))::int from texts_embedding_store where id = 0";
        assert!(test.value::<i32>(length).await? > 9_900_000);
        assert_eq!(
            test.value::<i64>("select count(distinct id) from texts_embedding_store")
                .await?,
            21
        );
        assert_eq!(test.value::<i64>("select count(*) from whole_store").await?, 21);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_row_that_cannot_be_cut_holds_up_no_other() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        provider.install("m", DIMENSIONS);
        // Only row 13 is a text on which the expression does not come to an end.
        test.execute(&format!(
            "create table texts (id int primary key, at timestamptz, body text);
             insert into texts select i, 'infinity', case i when 13 then repeat('a', 40) || '!' else 'left and right' \
             end
                from generate_series(1, 30) i;
             select ai.create_vectorizer('texts', name => 'tested', loading => ai.loading_column('body', retries => 2),
                embedding => ai.embedding_ollama('m', {DIMENSIONS}, base_url => '{}'),
                chunking => ai.chunking_character_text_splitter(chunk_size => 5, chunk_overlap => 0,
                    separator => '(?:a+)+(?=b)|\\s', is_separator_regex => true),
                formatting => ai.formatting_python_template('$at: $chunk'))",
            provider.ollama_url()
        ))
        .await?;
        run_out(&test).await;
        let dead = dead(&test).await;
        let [(id, step, reason)] = dead.as_slice() else {
            panic!("{dead:?}")
        };
        assert_eq!((id.as_str(), step.as_str()), ("13", "chunking"));
        assert!(reason.contains("takes too long on this text"), "{reason}");
        assert_eq!(
            test.value::<i64>("select count(distinct id) from texts_embedding_store")
                .await?,
            29
        );
        Ok(())
    })
    .await;
}
