//! A worker that has nothing to do.

use std::fmt;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::sleep;

use super::load::{median, text};
use super::process::Usage;
use super::program::Program;
use super::server::Server;
use super::with_rows;

/// For how long it is watched.
const WATCHED: Duration = Duration::from_secs(10);
/// Before that: sessions report their transactions ten seconds late.
const SETTLED: Duration = Duration::from_secs(12);
/// Rows that are inserted one by one.
const ROWS: usize = 9;

/// What it costs, and how soon a row is seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Idle {
    /// Of one core.
    cpu: Option<f64>,
    transactions: f64,
    /// From a row's commit to its embedding's; the median.
    visible: Duration,
}

pub(crate) async fn measure(program: &Program, server: &Server) -> Idle {
    let idle = Mutex::new(Idle::default());
    with_rows(0, server, async |test| {
        server.begin(Duration::ZERO, false);
        let mut worker = program.start(&test.url, &["--poll-interval", "1s"]);
        sleep(SETTLED).await;
        let transactions = async || -> i64 {
            let sql = "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()";
            test.value(sql).await.unwrap()
        };
        let (before, cpu, started) = (transactions().await, Usage::of(&worker).cpu, Instant::now());
        sleep(WATCHED).await;
        let seconds = started.elapsed().as_secs_f64();
        let used = Usage::of(&worker)
            .cpu
            .zip(cpu)
            .map(|(after, before)| after.saturating_sub(before).as_secs_f64() / seconds);
        #[expect(clippy::cast_precision_loss, reason = "there are few")]
        let transactions = (transactions().await - before) as f64 / seconds;
        let mut times = Vec::new();
        for id in 0..ROWS {
            // at another moment of the interval each time
            sleep(Duration::from_millis(137 * id as u64 % 1_000)).await;
            test.execute(&format!("insert into articles values ({id}, '{}')", text(id)))
                .await
                .unwrap();
            let committed = Instant::now();
            let embedded = format!("select exists (select from articles_embedding_store where id = {id})");
            while !test.value::<bool>(&embedded).await.unwrap() {
                assert!(
                    committed.elapsed() < Duration::from_mins(1),
                    "{} does not embed",
                    program.name
                );
                sleep(Duration::from_millis(2)).await;
            }
            times.push(committed.elapsed());
        }
        worker.kill().unwrap();
        worker.wait().unwrap();
        *idle.lock().await = Idle {
            cpu: used,
            transactions,
            visible: median(times.into_iter()).unwrap_or_default(),
        };
    })
    .await;
    idle.into_inner()
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cpu) = self.cpu {
            write!(f, "{:.2}% of a core, ", cpu * 100.0)?;
        }
        write!(
            f,
            "{:.1} transactions/s, {:.2} s until a row's embedding is visible",
            self.transactions,
            self.visible.as_secs_f64()
        )
    }
}
