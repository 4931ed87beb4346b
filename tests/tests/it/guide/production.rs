//! The page on running the worker.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use pgai_sea::worker::Worker;
use pgai_sea_tests::providers::Provider;
use pgai_sea_tests::{Catalog, TestResult, on_catalog};
use sea_orm::DatabaseConnection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::pages::Page;
use crate::readme::model768;

const PAGE: Page = Page(include_str!("../../../../pgai-sea/src/guide/production.md"));

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "as on the page")]
#[rustfmt::skip] // laid out as on the page
async fn run(db: DatabaseConnection, shutdown: impl Future<Output = ()>) -> TestResult {
    use pgai_sea::worker::{Budget, Event, Worker};

    let worker = Worker::new(db.clone())
        .budget_of("openai", Budget::new().tokens_per_minute(1_000_000).tokens_per_day(50_000_000))
        .on_event(|event| match event {
            Event::DeadLetter(letter) => eprintln!("{} gave up {:?}: {}", letter.vectorizer, letter.key, letter.reason),
            Event::Waiting { vectorizer, reason } => eprintln!("{vectorizer} waits: {reason}"),
            _ => {}
        });
    let report = worker.run_until(shutdown).await?;
    println!("{} rows, {} given up", report.rows(), report.counts().dead_letters);

    assert_eq!((report.rows(), report.counts().dead_letters), (3, 0), "{report:?}");
    Ok(())
}

#[allow(clippy::print_stderr, reason = "as on the page")]
async fn watch(db: DatabaseConnection) -> TestResult {
    use pgai_sea::catalog;

    for status in catalog::statuses(&db).await? {
        if status.state.needs_attention() {
            let reason = status.error.map(|error| error.message).unwrap_or_default();
            eprintln!("{} is {}: {reason}", status.name, status.state);
        }
    }

    for status in catalog::statuses(&db).await? {
        assert_eq!((status.oldest_pending, status.failed), (None, Some(0)), "{status:?}");
        assert_eq!(status.state, catalog::VectorizerState::InSync);
    }
    Ok(())
}

#[tokio::test]
async fn the_worker_of_the_page() {
    on_catalog(Catalog::Bare, async |test| {
        pgai_sea::catalog::install(&test.db).await?;
        let provider = Provider::start();
        test.execute(&format!(
            "create function ai.reveal_secret(secret_name text, use_cache bool default true) returns text language sql
             as $$ select case secret_name when 'KEY_OF_THE_GUIDE' then '{}' end $$;
             create table posts (id int primary key, body text);
             insert into posts select i, 'text ' || i from generate_series(1, 3) i;
             select ai.create_vectorizer('posts', loading => ai.loading_column('body'),
                embedding => ai.embedding_openai('text-embedding-3-small', 768, api_key_name => 'KEY_OF_THE_GUIDE',
                    base_url => '{}'))",
            Provider::API_KEY,
            provider.openai_url()
        ))
        .await?;
        let is_done = async {
            while test
                .value::<i64>("select count(*) from ai._vectorizer_q_1")
                .await
                .unwrap()
                > 0
            {
                tokio::task::yield_now().await;
            }
        };
        run(test.db.clone(), is_done).await?;
        watch(test.db.clone()).await
    })
    .await;
}

fn pgai_sea(arguments: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
    command
        .args(arguments)
        .env("OPENAI_API_KEY", "of nobody")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// A worker that listens, on a port that is free here, until it is ready.
async fn runs_on(arguments: &[String], listen: usize) -> TestResult {
    let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
    let mut arguments = arguments.to_vec();
    arguments[listen + 1] = format!("127.0.0.1:{port}");
    let mut worker = pgai_sea(&arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    loop {
        assert!(worker.try_wait()?.is_none(), "{arguments:?} ended");
        let mut answer = String::new();
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await {
            stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await?;
            stream.read_to_string(&mut answer).await?;
        }
        if answer.contains(" 200 ") {
            worker.kill().await?;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_commands_of_the_page() {
    on_catalog(Catalog::Bare, async |test| {
        super::posts(&test).await?;
        test.execute("update ai.vectorizer set name = 'blog'").await?; // as on the page
        let commands = PAGE.commands(&test.url);
        assert_eq!(commands.len(), 9, "{commands:?}");
        for mut arguments in commands {
            // the page says that it would run on otherwise
            if let Some(listen) = arguments.iter().position(|argument| argument == "--listen") {
                runs_on(&arguments, listen).await?;
                continue;
            } else if arguments[0] == "worker" {
                arguments.push("--once".to_owned());
            }
            // nothing is left to embed
            let output = pgai_sea(&arguments).output().await?;
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{arguments:?}: {errors}");
        }
        Ok(())
    })
    .await;
}

/// The role that the page creates works a vectorizer off and cannot touch the rows.
#[tokio::test]
async fn the_rights_of_the_page() {
    on_catalog(Catalog::Ours, async |test| {
        let role = test.role("embedder").await?;
        let sql = PAGE.block("sql", "create table articles");
        // roles are the server's, and other tests' too
        let (create, rest) = sql.split_once(";\n").expect("statements");
        assert_eq!(create, "create role embedder");
        test.execute(&rest.replace("'embedder'", &format!("'{role}'"))).await?;
        test.execute("insert into articles values (1, 'one'), (2, 'two')")
            .await?;

        let db = test.connect_as(&role).await?;
        let worker = Worker::new(db.clone()).embedder("openai", "text-embedding-3-small", Arc::new(model768()));
        let report = worker.run_once().await?;
        assert_eq!((report.rows(), report.errors().count()), (2, 0), "{report:?}");
        let refused = sea_orm::ConnectionTrait::execute_unprepared(&db, "update articles set body = 'x'").await;
        assert!(refused.unwrap_err().to_string().contains("permission denied"));
        db.close().await?;
        test.execute("select ai.drop_vectorizer(1, drop_all => true)").await?;
        test.drop_role(&role).await?;
        Ok(())
    })
    .await;
}

#[test]
fn the_page_is_this_code() {
    PAGE.is_code_of(include_str!("production.rs"));
}
