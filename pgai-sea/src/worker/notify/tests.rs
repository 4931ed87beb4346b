//! Without a database.

use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::*;

/// A listener that cannot connect does not disturb polling.
#[tokio::test]
async fn an_idle_runner_that_nothing_can_wake_polls_no_faster_than_it_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = PgConnectOptions::new()
        .host("127.0.0.1")
        .port(listener.local_addr().unwrap().port())
        .ssl_mode(PgSslMode::Disable);
    let hangs_up = tokio::spawn(async move {
        loop {
            drop(listener.accept().await);
        }
    });
    let pool = PgPoolOptions::new().connect_lazy_with(options);
    let (_stop, stopping) = tokio::sync::watch::channel(None);
    let pool = Database::new(pool, Duration::from_mins(1), stopping);
    let (notifications, listener) = Notifications::new(&pool);
    let listening = tokio::spawn(listener);
    let mut waiter = Waiter::new(1, notifications.requests);
    waiter.looks = LOOKS;
    let started = Instant::now();
    let mut looks = 0;
    while started.elapsed() < Duration::from_secs(3) {
        waiter.wait(Duration::from_secs(1)).await;
        looks += 1;
    }
    // one with each attempt to connect, which becomes rarer, and one a second
    assert!(looks <= 8, "{looks} looks in three seconds");
    hangs_up.abort();
    listening.abort();
}
