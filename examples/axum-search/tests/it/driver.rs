//! A browser without a window: Chromium, driven by chromedriver.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a page may take to show what is waited for. Three browsers beside each other take a while on a machine that
/// is busy with something else.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// The page that a person would see.
pub(crate) struct Browser {
    pub(crate) client: Client,
    // ended and removed after the client, in this order
    _driver: Driver,
    _profile: TempDir,
}

impl Browser {
    /// Starts one; `runs_scripts` as a person may have set it.
    pub(crate) async fn start(runs_scripts: bool) -> Self {
        let driver = Driver::start();
        let profile = TempDir::new().unwrap();
        let mut capabilities = Capabilities::new();
        capabilities.insert(
            "goog:chromeOptions".to_owned(),
            json!({
                "args": [
                    "--headless",
                    // as root there is none, and the only pages are this repository's
                    "--no-sandbox",
                    "--disable-gpu",
                    // nothing that is not asked for goes over the network
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-quic",
                    "--disable-sync",
                    "--no-first-run",
                    "--no-proxy-server",
                    "--disable-dev-shm-usage", // small in containers
                    format!("--user-data-dir={}", profile.path().display()),
                ],
                "prefs": {"profile.default_content_setting_values.javascript": if runs_scripts { 1 } else { 2 }},
            }),
        );
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&driver.url)
            .await
            .expect("chromedriver starts a Chromium (`apt-get install chromium`)");
        Self {
            client,
            _driver: driver,
            _profile: profile,
        }
    }

    /// What a script in the page returns.
    pub(crate) async fn ask(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Waits until a script returns true.
    pub(crate) async fn wait_until(&self, script: &str) {
        let started = Instant::now();
        while self.ask(script).await != Value::Bool(true) {
            let page = self.client.source().await.unwrap();
            assert!(
                started.elapsed() < PATIENCE,
                "not so after {PATIENCE:?}: {script}\n{page}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Closes it. Without it the end of chromedriver does the same, less gently.
    pub(crate) async fn close(self) {
        self.client.clone().close().await.unwrap();
    }
}

/// A running chromedriver.
struct Driver {
    process: Child,
    url: String,
}

impl Driver {
    fn start() -> Self {
        // in a group of its own, with the browsers that it starts
        let spawned = Command::new("chromedriver")
            .arg("--port=0")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let mut process = spawned.unwrap_or_else(|error| {
            panic!(
                "chromedriver cannot be run ({error}): `apt-get install chromium chromium-driver`, or what your \
                system calls them"
            )
        });
        let mut port = None;
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some((_, rest)) = line.split_once("started successfully on port ") {
                port = Some(rest.trim_end_matches('.').to_owned());
                break;
            }
        }
        let port = port.expect("chromedriver says where it listens");
        Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let group = format!("-{}", self.process.id());
        let signal = |signal| {
            Command::new("kill")
                .args(["-s", signal, "--", &group])
                .stderr(Stdio::null())
                .status()
        };
        signal("TERM").ok();
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(5) {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        signal("KILL").ok();
        self.process.wait().ok();
    }
}
