//! `pgai-sea worker` ends on SIGTERM: soon, and with nothing lost.

use std::time::Duration;

use pgai_sea_tests::providers::Fault;
use pgai_sea_tests::{TestResult, on_both_catalogs};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::time::{sleep, timeout};

use super::worker_command::{PATIENCE, embedded, ended, tables, worker};

fn signal(running: &Child) -> std::io::Result<()> {
    let pid = running.id().expect("a process").to_string();
    let kill = std::process::Command::new("kill").args(["-TERM", &pid]).status()?;
    assert!(kill.success());
    Ok(())
}

/// Sends SIGTERM, and waits until it is understood.
pub(super) async fn terminate(running: &mut Child) -> std::io::Result<()> {
    signal(running)?;
    let mut said = BufReader::new(running.stderr.take().expect("a pipe")).lines();
    let understood = async {
        while let Some(line) = said.next_line().await? {
            if line.contains("stopping after the batches in hand") {
                return Ok(());
            }
        }
        Err(std::io::Error::other("it ended without a word"))
    };
    timeout(PATIENCE, understood).await.expect("it does not listen")?;
    // it writes on
    tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
    Ok(())
}

#[tokio::test]
async fn sigterm_ends_it_after_the_batches_in_hand() {
    on_both_catalogs(async |test| -> TestResult {
        let provider = tables(&test).await?;
        provider.hold();
        let mut running = worker(&test, &[]).spawn()?;
        provider.wait_for_requests(2).await;
        terminate(&mut running).await?;
        test.execute("insert into one values (4, 'later')").await?;
        provider.release();
        let output = ended(running).await;
        assert!(output.status.success(), "{output:?}");
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("6 rows in sync"),
            "{output:?}"
        );
        assert_eq!(embedded(&test).await?, (3, 3));
        let left: Vec<String> = test
            .values("select concat_ws(' ', id, loading_retries, loading_retry_after) from ai._vectorizer_q_1")
            .await?;
        assert_eq!(left, ["4 0"]);
        Ok(())
    })
    .await;
}

/// Whatever a provider does. What was in hand is free for any worker.
#[tokio::test]
async fn sigterm_ends_it_within_ten_seconds() {
    on_both_catalogs(async |test| -> TestResult {
        let provider = tables(&test).await?;
        provider.hold();
        let mut running = worker(&test, &[]).spawn()?;
        provider.wait_for_requests(2).await;
        let told = std::time::Instant::now();
        terminate(&mut running).await?;
        let output = ended(running).await;
        assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
        assert!(output.status.success(), "{output:?}");
        provider.release();
        let free = "select count(*) from ai._vectorizer_q_1 where loading_retry_after is null and loading_retries = 0";
        assert_eq!(test.value::<i64>(free).await?, 3);
        let next = worker(&test, &["--once"]).output().await?;
        assert!(next.status.success(), "{next:?}");
        assert_eq!(embedded(&test).await?, (3, 3));
        Ok(())
    })
    .await;
}

/// What is in hand then is another worker's once its lease has run out.
#[tokio::test]
async fn a_second_sigterm_ends_it_at_once() {
    on_both_catalogs(async |test| -> TestResult {
        let provider = tables(&test).await?;
        provider.always(Fault::Delay(Duration::from_mins(5)));
        let mut running = worker(&test, &[]).spawn()?;
        provider.wait_for_requests(1).await;
        terminate(&mut running).await?;
        sleep(Duration::from_secs(1)).await;
        assert!(running.try_wait()?.is_none(), "the batch was not waited for");
        signal(&running)?;
        assert_eq!(ended(running).await.status.code(), Some(130));
        Ok(())
    })
    .await;
}

/// What is paid for is kept, and nothing stays leased; that rows are left is an error, as somebody waits for them.
#[tokio::test]
async fn sigterm_ends_a_single_run_after_the_batches_in_hand() {
    on_both_catalogs(async |test| -> TestResult {
        let provider = tables(&test).await?;
        test.execute("insert into one select i, 'text ' || i from generate_series(4, 300) i")
            .await?;
        for (arguments, code) in [(["--once", "-i", "one"].as_slice(), 1), (&["--once", "-i", "other"], 0)] {
            let asked = provider.requests().len();
            provider.hold();
            let mut running = worker(&test, arguments).spawn()?;
            provider.wait_for_requests(asked + 1).await;
            terminate(&mut running).await?;
            provider.release();
            let output = ended(running).await;
            assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        }
        let (one, other) = embedded(&test).await?;
        assert!((50..300).contains(&one) && other == 3, "{one} {other}");
        assert_eq!(
            one + other,
            i64::try_from(provider.texts().len())?,
            "something was paid for and lost"
        );
        let free =
            "select count(*) from ai._vectorizer_q_1 where coalesce(loading_retry_after, now()) <= clock_timestamp()";
        assert_eq!(test.value::<i64>(free).await?, 300 - one);
        Ok(())
    })
    .await;
}
