//! API keys that the database keeps.

use pgai_sea::worker::Worker;
use pgai_sea_tests::on_both_catalogs;
use pgai_sea_tests::providers::Provider;
use tokio::process::Command;

use super::support::queued;

/// The name of a secret that no environment has.
const NAME: &str = "A_KEY_OF_PGAI_SEAS_TESTS";

#[tokio::test]
async fn a_key_that_the_environment_does_not_have_is_the_databases() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        test.execute(&format!(
            "create table things (id int primary key, body text);
             insert into things values (1, 'text');
             select ai.create_vectorizer('things', name => 'tested', loading => ai.loading_column('body'),
                embedding => ai.embedding_openai('text-embedding-3-small', 8, api_key_name => '{NAME}', base_url => \
                '{}'))",
            provider.openai_url()
        ))
        .await?;
        let run = async || Worker::new(test.db.clone()).run_once().await;
        let report = run().await?;
        let (_, error) = report.errors().next().expect("an error");
        assert!(error.contains(NAME), "{error}");

        // as pgai's extension declares it; its secrets come from a service of Timescale's
        test.execute(&format!(
            "create function ai.reveal_secret(secret_name text, use_cache bool default true) returns text language sql
             as $$ select case secret_name when '{NAME}' then '{}' end $$",
            Provider::API_KEY
        ))
        .await?;
        let report = run().await?;
        assert_eq!(report.errors().count(), 0, "{report:?}");
        assert_eq!(queued(&test).await, 0);

        // one that the role may not see is one that is not there, and said without it
        test.execute(
            "create or replace function ai.reveal_secret(secret_name text, use_cache bool default true) returns text
             language plpgsql as $$ begin raise exception 'you may not'; end $$;
             update things set body = 'new'",
        )
        .await?;
        let report = run().await?;
        let (_, error) = report.errors().next().expect("an error");
        assert!(error.contains(NAME) && !error.contains(Provider::API_KEY), "{error}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn not_the_most_talkative_log_tells_a_key() {
    on_both_catalogs(async |test| {
        let provider = Provider::start();
        // one key from the environment, one from the database, and one that the server refuses and repeats
        test.execute(&format!(
            "create table things (id int primary key, body text);
             insert into things values (1, 'text');
             create function ai.reveal_secret(secret_name text, use_cache bool default true) returns text language sql
             as $$ select '{}' $$;
             select ai.create_vectorizer('things', name => 'one', destination => ai.destination_table('one'),
                loading => ai.loading_column('body'),
                embedding => ai.embedding_openai('text-embedding-3-small', 8, base_url => '{url}'));
             select ai.create_vectorizer('things', name => 'two', destination => ai.destination_table('two'),
                loading => ai.loading_column('body'),
                embedding => ai.embedding_openai('text-embedding-3-small', 8, api_key_name => '{NAME}', base_url => \
                '{url}'));
             select ai.create_vectorizer('things', name => 'three', destination => ai.destination_table('three'),
                loading => ai.loading_column('body'),
                embedding => ai.embedding_litellm('azure/m', 8, api_key_name => 'A_WRONG_KEY',
                    extra_options => '{{\"api_base\": \"{azure}\"}}'))",
            Provider::API_KEY,
            url = provider.openai_url(),
            azure = provider.url("azure"),
        ))
        .await?;
        let output = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
            .args(["worker", "--once", "--log-level", "trace", "-d", &test.url])
            .env("RUST_LOG", "trace")
            .env("OPENAI_API_KEY", Provider::API_KEY)
            .env("A_WRONG_KEY", "hunter2")
            .output()
            .await?;
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        // it did say something, and did the work
        assert!(
            said.contains("http::endpoint: response") && said.contains("does not accept the API key"),
            "{said}"
        );
        assert_eq!(test.value::<i64>("select count(*) from one_store").await?, 1);
        assert_eq!(test.value::<i64>("select count(*) from two_store").await?, 1);
        for key in [Provider::API_KEY, "hunter2"] {
            let line = said.lines().find(|line| line.contains(key));
            assert_eq!(line, None);
        }
        let kept: String = test
            .value(
                "select coalesce(string_agg(details::text, ''), '') from \
            ai.vectorizer_errors",
            )
            .await?;
        assert!(!kept.contains("hunter2") && !kept.contains(Provider::API_KEY), "{kept}");
        Ok(())
    })
    .await;
}
