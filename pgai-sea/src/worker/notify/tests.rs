//! Without a database.

use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use tokio::net::TcpListener;

use super::*;

/// Whatever the listener's own connection fails of, polling goes on as it would without it.
#[tokio::test]
async fn an_idle_lane_that_nothing_can_wake_polls_no_faster_than_it_is_to() {
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
    let (alarm, watch) = Alarm::new(&pool, Duration::from_millis(50));
    let watching = tokio::spawn(watch);
    let mut sleeper = Sleeper {
        vectorizer: 1,
        is_notified: true,
        peek: "select".into(),
        requests: alarm.requests,
        looked: Instant::now(),
        wake: Arc::default(),
        laid: Laid::NotYet,
        looks: LOOKS.len(),
        vain: 0,
    };
    let started = Instant::now();
    let mut looks = 0;
    while started.elapsed() < Duration::from_secs(3) {
        sleeper.rest(Duration::from_secs(1)).await;
        looks += 1;
    }
    // one with each attempt to connect, which becomes rarer, and one a second
    assert!(looks <= 8, "{looks} looks in three seconds");
    hangs_up.abort();
    watching.abort();
}
