//! Whom the worker believes: what a vectorizer's owner writes into the catalog is not the operator's word.

use std::process::Output;

use pgai_sea_tests::providers::Provider;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::{ConnectionTrait, DbErr};
use tokio::process::Command;

/// The command, as an operator starts it who has secrets in the environment.
async fn worker(test: &TestDatabase, more: &[&str], variables: &[(&str, &str)]) -> std::io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
        .args(["worker", "--once", "-d", &test.url])
        .args(more)
        .env("OPENAI_API_KEY", Provider::API_KEY)
        .env("AWS_SECRET_ACCESS_KEY", Provider::API_KEY)
        .env_remove("OPENAI_BASE_URL")
        .env_remove("OLLAMA_HOST")
        .envs(variables.iter().copied())
        .output()
        .await
}

/// A table with a row, and its vectorizer, of a role that the worker has no reason to trust.
async fn create(test: &TestDatabase, owner: &str, embedding: &str) -> Result<(), DbErr> {
    test.execute(&format!(
        "create schema if not exists {owner} authorization {owner}; select ai.grant_vectorizer_usage('{owner}');
         begin; set local role {owner};
         select ai.drop_vectorizer(id, drop_all => true) from ai.vectorizer;
         drop table if exists {owner}.docs;
         create table {owner}.docs (id int primary key, body text);
         insert into {owner}.docs values (1, 'text');
         select ai.create_vectorizer('{owner}.docs', name => 'docs', loading => ai.loading_column('body'),
             embedding => {embedding});
         commit"
    ))
    .await
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test]
async fn texts_and_keys_go_where_the_operator_says() {
    on_both_catalogs(async |test| -> TestResult {
        let provider = Provider::start();
        provider.install("m", 8);
        let (openai, ollama, azure) = (provider.openai_url(), provider.ollama_url(), provider.url("azure"));
        let owner = test.role("app").await?;
        let (host, with_port) = ("127.0.0.1".to_owned(), format!("127.0.0.1:{}", provider.port()));
        let refused = async |embedding: &str, more: &[&str], named: &[&str]| -> TestResult {
            create(&test, &owner, embedding).await?;
            let output = worker(&test, more, &[]).await?;
            let said = said(&output);
            assert_eq!(output.status.code(), Some(1), "{embedding}: {said}");
            for name in named {
                assert!(said.contains(name), "{embedding}: {name}: {said}");
            }
            assert!(provider.requests().is_empty(), "{embedding}");
            let recorded = "select count(*) from ai.vectorizer_errors where details::text like '%--allow-%'";
            assert!(test.value::<i64>(recorded).await? > 0);
            Ok(())
        };
        let embeds = async |embedding: &str, more: &[&str], variables: &[(&str, &str)]| -> TestResult {
            create(&test, &owner, embedding).await?;
            let output = worker(&test, more, variables).await?;
            assert_eq!(output.status.code(), Some(0), "{embedding}: {}", said(&output));
            Ok(())
        };
        let named = format!("ai.embedding_openai('text-embedding-3-small', 8, base_url => '{openai}')");
        let key = format!(
            "ai.embedding_openai('text-embedding-3-small', 8, api_key_name => 'AWS_SECRET_ACCESS_KEY', base_url => \
            '{openai}')"
        );
        let host_is_named = ["docs", owner.as_str(), "`127.0.0.1`", "--allow-host 127.0.0.1"];
        refused(&named, &[], &host_is_named).await?;
        refused(&named, &["--allow-host", "127.0.0.1:1,elsewhere"], &host_is_named).await?;
        refused(
            &format!("ai.embedding_ollama('m', 8, base_url => '{ollama}')"),
            &[],
            &host_is_named,
        )
        .await?;
        for option in ["api_base", "base_url"] {
            let litellm = format!(
                "ai.embedding_litellm('azure/m', 8, extra_options => \
            '{{\"{option}\": \"{azure}\"}}')"
            );
            refused(&litellm, &[], &host_is_named).await?;
        }
        refused(
            &key,
            &["--allow-host", &host],
            &["AWS_SECRET_ACCESS_KEY", "--allow-key AWS_SECRET_ACCESS_KEY"],
        )
        .await?;
        refused(
            "ai.embedding_voyageai('voyage-3', 8, api_key_name => 'AWS_SECRET_ACCESS_KEY')",
            &[],
            &["--allow-key AWS_SECRET_ACCESS_KEY"],
        )
        .await?;

        embeds(&named, &["--allow-host", &host], &[]).await?;
        embeds(&named, &["--allow-host", &format!("elsewhere,{with_port}")], &[]).await?;
        embeds(
            &key,
            &["--allow-host", &host, "--allow-key", "AWS_SECRET_ACCESS_KEY"],
            &[],
        )
        .await?;
        // what the environment says is the operator's word, be it said in the catalog as well
        embeds(
            "ai.embedding_openai('text-embedding-3-small', 8)",
            &[],
            &[("OPENAI_BASE_URL", &openai)],
        )
        .await?;
        embeds(&named, &[], &[("OPENAI_BASE_URL", &openai)]).await?;
        embeds("ai.embedding_ollama('m', 8)", &[], &[("OLLAMA_HOST", &ollama)]).await?;

        test.execute("select ai.drop_vectorizer('docs', drop_all => true)")
            .await?;
        test.drop_role(&owner).await?;
        Ok(())
    })
    .await;
}

/// On pgai's catalog whoever may create vectorizers may write to the rows of all.
#[tokio::test]
async fn a_row_that_others_may_write_is_nobody_s_word() {
    on_catalog(Catalog::Pgai, async |test| {
        let provider = Provider::start();
        let attacker = test.role("attacker").await?;
        test.execute(&format!(
            "create table docs (id int primary key, body text); insert into docs values (1, 'text');
             select ai.create_vectorizer('docs', name => 'docs', loading => ai.loading_column('body'),
                 embedding => ai.embedding_openai('text-embedding-3-small', 8));
             select ai.grant_vectorizer_usage('{attacker}');
             begin; set local role {attacker};
             update ai.vectorizer set config = jsonb_set(config, '{{embedding,base_url}}', '\"{}\"'); commit",
            provider.openai_url()
        ))
        .await?;
        let output = worker(&test, &[], &[]).await?;
        assert!(said(&output).contains("--allow-host 127.0.0.1"), "{}", said(&output));
        assert!(provider.requests().is_empty());
        test.drop_role(&attacker).await?;
        // and without such a role a superuser's row is believed
        let output = worker(&test, &[], &[]).await?;
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        Ok(())
    })
    .await;
}

/// A view that calls a function, where queue, dead letters and store are looked for.
#[tokio::test]
async fn what_is_no_table_of_the_owner_is_not_touched() {
    on_catalog(Catalog::Ours, async |test| {
        let owner = test.role("app").await?;
        test.execute("create table ran (as_role text); grant all on ran to public")
            .await?;
        for table in ["_vectorizer_q", "_vectorizer_q_failed", "docs_embedding_store"] {
            create(
                &test,
                &owner,
                "ai.embedding_ollama('m', 8, base_url => 'http://127.0.0.1:1')",
            )
            .await?;
            let id: i32 = test.value("select id from ai.vectorizer").await?;
            let name = if table == "docs_embedding_store" {
                format!("{owner}.{table}")
            } else {
                format!("ai.{table}_{id}")
            };
            let db = test.connect_as(&owner).await?;
            db.execute_unprepared(&format!(
                "create or replace function {owner}.f() returns bool language plpgsql as
                     'begin insert into public.ran values (current_user); return true; end';
                 alter table {name} rename to hidden;
                 create view {name} as select * from {} where {owner}.f()",
                name.rsplit_once('.')
                    .map_or_else(String::new, |(schema, _)| format!("{schema}.hidden"))
            ))
            .await?;
            db.close().await?;
            let output = worker(&test, &[], &[]).await?;
            assert!(
                said(&output).contains(&format!("names {name}")),
                "{name}: {}",
                said(&output)
            );
            let status = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
                .args(["status", "-d", &test.url])
                .output()
                .await?;
            assert!(said(&status).contains("docs"), "{}", said(&status));
            for sql in [
                "select * from ai.vectorizer_status",
                "select ai.vectorizer_queue_pending('docs')",
                "select ai.refresh_vectorizer('docs')",
                "select ai.drop_vectorizer('docs', drop_all => true)",
            ] {
                test.execute(sql).await.ok(); // it may say that there is no such table
            }
            pgai_sea::catalog::failed_count(&test.db, id).await.ok();
            pgai_sea::catalog::failed(&test.db, id, 1).await.ok();
            pgai_sea::catalog::retry_failed(&test.db, id).await.ok();
            pgai_sea::catalog::wait_until_embedded(&test.db, id, 1, std::time::Duration::ZERO)
                .await
                .ok();
            assert_eq!(
                test.values::<String>("select as_role from ran").await?,
                [""; 0],
                "{name}"
            );
            test.execute(&format!("drop owned by {owner} cascade; delete from ai.vectorizer"))
                .await?;
        }
        test.drop_role(&owner).await?;
        Ok(())
    })
    .await;
}

/// It would be called with the worker's rights.
#[tokio::test]
async fn a_planted_reveal_secret_is_not_called() {
    on_catalog(Catalog::Ours, async |test| {
        let attacker = test.role("attacker").await?;
        test.execute("create table ran (as_role text); grant all on ran to public")
            .await?;
        create(
            &test,
            &attacker,
            "ai.embedding_openai('m', 8, api_key_name => 'NO_SUCH_API_KEY')",
        )
        .await?;
        let db = test.connect_as(&attacker).await?;
        db.execute_unprepared(
            "create function ai.reveal_secret(secret_name text) returns text language plpgsql as
                 $$ begin insert into public.ran values (current_user); return 'key'; end $$",
        )
        .await?;
        db.close().await?;
        let output = worker(&test, &[], &[]).await?;
        assert!(said(&output).contains("NO_SUCH_API_KEY"), "{}", said(&output));
        assert_eq!(test.values::<String>("select as_role from ran").await?, [""; 0]);
        test.execute("select ai.drop_vectorizer('docs', drop_all => true)")
            .await?;
        test.drop_role(&attacker).await?;
        Ok(())
    })
    .await;
}
