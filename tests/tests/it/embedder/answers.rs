//! A server that gives the answers it was told, byte for byte, one after the other.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The running server; what it was sent is known once all answers are given.
pub(crate) struct Answers {
    pub(crate) url: String,
    requests: JoinHandle<Vec<String>>,
}

impl Answers {
    /// Answers one request after the other, each on a connection of its own, then listens no more.
    pub(crate) async fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = tokio::spawn(async move {
            let mut requests = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                requests.push(read(&mut stream).await);
                // a client may hang up before the end
                if stream.write_all(answer.as_bytes()).await.is_ok() {
                    stream.shutdown().await.ok();
                }
            }
            requests
        });
        Self { url, requests }
    }

    /// Whether some answers are still to be given.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.requests.is_finished()
    }

    /// The requests, head and body, after all answers are given.
    pub(crate) async fn requests(self) -> Vec<String> {
        timeout(Duration::from_secs(30), self.requests)
            .await
            .expect("fewer requests than answers")
            .unwrap()
    }
}

/// An answer with this status line, these further headers and this body.
pub(crate) fn answer(status: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: \
            close\r\n{headers}\r\n{body}",
        body.len()
    )
}

/// Reads a request of a declared length.
async fn read(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the request broke off");
        request.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")
                        .map(str::to_owned)
                })
                .and_then(|length| length.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return text.into_owned();
            }
        }
    }
}
