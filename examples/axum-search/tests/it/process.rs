//! The program, as one starts and stops it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::service::client;

/// Ends with the test, whatever becomes of it.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test]
async fn one_command_starts_it_and_sigterm_ends_it_in_order() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_axum-search"))
        .args(["--listen", "127.0.0.1:0"])
        // a database of its name may be someone's there
        .env_remove("DATABASE_URL")
        .stdout(Stdio::piped())
        .spawn()
        .map(Program)
        .unwrap();
    let mut lines = BufReader::new(program.0.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let line = lines
        .by_ref()
        .find(|line| line.starts_with("search at "))
        .expect("an address");
    let url = line.split(' ').nth(2).unwrap().to_owned();

    let client = client();
    let started = Instant::now();
    let hits = loop {
        let response = client
            .get(format!("{url}search?q=how+do+I+keep+passwords"))
            .send()
            .await
            .unwrap();
        let answer: Value = response.json().await.unwrap();
        if answer["indexing"]["indexed"] == answer["indexing"]["articles"] {
            break answer["hits"].clone();
        }
        assert!(
            started.elapsed() < Duration::from_mins(2),
            "not indexed: {}",
            answer["indexing"]
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(hits[0]["title"], "Passwords at rest");

    let stopped = Instant::now();
    let id = program.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", "TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    let said: Vec<String> = lines.collect();
    assert!(program.0.wait().unwrap().success());
    assert!(stopped.elapsed() < Duration::from_secs(10), "{:?}", stopped.elapsed());
    assert_eq!(
        said.last().map(String::as_str),
        Some("The database is gone with its server; --keep keeps it.")
    );
}
