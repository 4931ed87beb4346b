//! `pgai-sea worker --listen`, asked over HTTP.

use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use pgai_sea_tests::providers::{Fault, Provider};
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_own_server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::sleep;

/// More than any of this takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// A worker and its pages. It looks every second, and is stuck after one without progress.
struct Watched {
    port: u16,
    worker: Child,
}

impl Watched {
    async fn start(test: &TestDatabase) -> Result<Self, std::io::Error> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port();
        let worker = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
            .args([
                "worker",
                "-d",
                &test.url,
                "--log-level",
                "error",
                "--poll-interval",
                "100ms",
            ])
            .args(["--listen", &format!("127.0.0.1:{port}"), "--stalled-after", "1s"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { port, worker })
    }

    /// The status, the head's other lines, and the body; `None` while nobody listens.
    async fn get(&self, page: &str) -> Option<(u16, String, String)> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.ok()?;
        let request = format!("GET {page} HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, head.to_owned(), body.to_owned()))
    }

    /// Asks until the page is answered so.
    async fn until(&self, page: &str, is_so: impl Fn(u16, &str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let answer = self.get(page).await;
            if let Some((status, _, body)) = &answer
                && is_so(*status, body)
            {
                return body.clone();
            }
            assert!(begun.elapsed() < PATIENCE, "{page} stays {answer:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn posts(test: &TestDatabase) -> Result<Provider, sea_orm::DbErr> {
    let provider = Provider::start();
    provider.install("model", 8);
    test.execute(&format!(
        "create table posts (id int primary key, body text);
         select ai.create_vectorizer('posts', name => 'posts', loading => ai.loading_column('body', retries => 0),
            embedding => ai.embedding_ollama('model', 8, base_url => '{}'))",
        provider.ollama_url()
    ))
    .await?;
    Ok(provider)
}

/// The value of a metric's line that has all of these labels.
fn metric(text: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let line = lines.find(|line| {
        let its = line.split(['{', ' ']).next() == Some(name);
        its && labels.iter().all(|label| line.contains(label))
    })?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn metrics_count_what_is_done_and_what_is_left() {
    on_both_catalogs(async |test| {
        let provider = posts(&test).await?;
        let watched = Watched::start(&test).await?;
        watched.until("/readyz", |status, _| status == 200).await;
        provider.next(Fault::ServerError);
        test.execute("insert into posts select i, 'text ' || i from generate_series(1, 3) i")
            .await?;
        let its = r#"pgai_sea_vectorizer="posts""#;
        watched
            .until("/metrics", |_, text| {
                metric(text, "pgai_sea_rows_total", &[its]) == Some(3.0)
            })
            .await;
        provider.refuse("poison");
        test.execute("insert into posts values (4, 'poison')").await?;
        let text = watched
            .until("/metrics", |_, text| {
                // what the database has, and what the worker has counted and recorded since
                metric(text, "pgai_sea_rows_given_up", &[its]) == Some(1.0)
                    && metric(text, "pgai_sea_dead_letters_total", &[its]) == Some(1.0)
                    && metric(text, "pgai_sea_vectorizer_state", &[its, r#"state_name="in sync""#]) == Some(1.0)
            })
            .await;
        let value = |name: &str, labels: &[&str]| metric(&text, name, &[labels, &[its]].concat());
        assert_eq!(value("pgai_sea_rows_total", &[]), Some(3.0), "{text}");
        assert_eq!(value("pgai_sea_chunks_total", &[]), Some(3.0));
        assert_eq!(value("pgai_sea_dead_letters_total", &[]), Some(1.0));
        assert_eq!(value("pgai_sea_queue_rows", &[]), Some(0.0));
        assert_eq!(value("pgai_sea_queue_due_rows", &[]), Some(0.0));
        assert_eq!(value("pgai_sea_queue_oldest_age_seconds", &[]), Some(0.0));
        assert_eq!(value("pgai_sea_source_embedded_rows", &[]), Some(3.0));
        let state = |name: &str| value("pgai_sea_vectorizer_state", &[&format!(r#"state_name="{name}""#)]);
        assert_eq!((state("in sync"), state("failing")), (Some(1.0), Some(0.0)), "{text}");
        let ollama = [r#"gen_ai_provider_name="ollama""#, r#"gen_ai_request_model="model""#];
        let requests = |more: &str| {
            value(
                "gen_ai_client_operation_duration_seconds_count",
                &[&ollama[..], &[more]].concat(),
            )
        };
        assert_eq!(requests(r#"error_type="500""#), Some(1.0), "{text}");
        assert!(requests(r#"error_type="400""#) >= Some(1.0), "{text}");
        assert!(value("gen_ai_client_token_usage_sum", &ollama) > Some(0.0), "{text}");
        let (_, head, _) = watched.get("/metrics").await.unwrap();
        assert!(head.contains("application/openmetrics-text"), "{head}");
        assert!(text.ends_with("# EOF\n"), "{text}");

        // while a request is under way the queue is not empty, and what is dropped is gone from it
        provider.hold();
        test.execute("update posts set body = 'another' where id = 1").await?;
        watched
            .until("/metrics", |_, text| {
                metric(text, "pgai_sea_queue_rows", &[its]) == Some(1.0)
                    && metric(text, "pgai_sea_queue_oldest_age_seconds", &[its]) > Some(0.0)
            })
            .await;
        test.execute("select ai.drop_vectorizer((select id from ai.vectorizer), drop_all => true)")
            .await?;
        watched
            .until("/metrics", |_, text| {
                metric(text, "pgai_sea_queue_rows", &[its]) == Some(0.0)
            })
            .await;
        provider.release();
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_without_progress_is_not_live() {
    on_both_catalogs(async |test| {
        let provider = posts(&test).await?;
        let mut watched = Watched::start(&test).await?;
        let looks = async || {
            // twice as long as it would take to be stuck
            watched.until("/readyz", |status, _| status == 200).await;
            sleep(Duration::from_secs(3)).await;
        };
        looks().await;
        assert_eq!(watched.get("/livez").await.unwrap().0, 200, "it has nothing to do");
        provider.always(Fault::ServerError);
        test.execute("insert into posts values (1, 'text')").await?;
        let is_stuck = |status, body: &str| status == 503 && body.contains("posts is waiting") && body.contains("500");
        watched.until("/livez", is_stuck).await;
        assert_eq!(watched.get("/readyz").await.unwrap().0, 200);
        // what is paused is no work
        test.execute("update ai.vectorizer set disabled = true").await?;
        watched.until("/livez", |status, _| status == 200).await;
        test.execute("update ai.vectorizer set disabled = false").await?;
        watched.until("/livez", |status, _| status == 503).await;
        provider.always(None);
        watched.until("/livez", |status, _| status == 200).await;
        // a request that is never answered is no progress either
        provider.hold();
        test.execute("update posts set body = 'another'").await?;
        watched.until("/livez", |status, _| status == 503).await;
        provider.release();
        watched.until("/livez", |status, _| status == 200).await;
        watched.worker.kill().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_without_a_database_is_not_ready() {
    on_own_server(Catalog::Ours, async |test, server| -> TestResult {
        let _provider = posts(&test).await?;
        let watched = Watched::start(&test).await?;
        watched.until("/readyz", |status, _| status == 200).await;
        server.cut();
        let body = watched.until("/readyz", |status, _| status == 503).await;
        assert!(body.contains("the database has not been read for"), "{body}");
        assert_eq!(watched.get("/livez").await.unwrap().0, 200, "a restart would not help");
        server.mend().await;
        watched.until("/readyz", |status, _| status == 200).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_at_once() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
        .args(["worker", "-d", "postgres://nobody@127.0.0.1:1/x", "--listen", &address])
        .output()
        .await
        .unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && complaint.contains(&address), "{complaint}");
}
