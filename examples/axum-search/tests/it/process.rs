//! The program, as one starts and stops it.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
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

/// What it prints, which can be waited for with a bound.
fn lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
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
    let lines = lines(program.0.stdout.take().unwrap());
    let line = loop {
        let line = lines.recv_timeout(Duration::from_mins(2)).expect("an address");
        if line.starts_with("search at ") {
            break line;
        }
    };
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
    let mut last = None;
    while let Ok(line) = lines.recv_timeout(Duration::from_mins(1)) {
        last = Some(line);
    }
    let status = loop {
        if let Some(status) = program.0.try_wait().unwrap() {
            break status;
        }
        assert!(stopped.elapsed() < Duration::from_mins(1), "it does not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(status.success());
    assert_eq!(
        last.as_deref(),
        Some("The database is gone with its server; --keep keeps it.")
    );
}
