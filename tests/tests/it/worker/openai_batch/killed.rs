//! The command is killed at any moment, while rows are edited and deleted. The same command goes on from there.

use std::time::Duration;

use pgai_sea_tests::{Catalog, Random, TestDatabase, on_catalog, rounds, seed};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Posts;

const ROUNDS: u64 = 12;
const SEED: u64 = 0x0ba7_c4ed;
const ROWS: u32 = 600;
/// More than the rounds of CI take.
const PATIENCE: Duration = Duration::from_mins(5);

/// Each edit makes a text that there was none of.
async fn writer(test: TestDatabase, seed: u64, stop: watch::Receiver<bool>) -> Result<(), sea_orm::DbErr> {
    let mut random = Random::new(seed);
    let mut round = 0;
    while !*stop.borrow() {
        round += 1;
        let id = random.below(u64::from(ROWS)) + 1;
        let sql = match random.below(5) {
            0 => format!("delete from posts where id = {id}"),
            1 => format!("insert into posts values (1000 + {round}, 'N{round}', 'a row that came')"),
            _ => format!("update posts set body = 'edit {round} of ' || id where id = {id}"),
        };
        test.execute(&sql).await?;
        sleep(Duration::from_millis(random.below(200))).await;
    }
    Ok(())
}

#[tokio::test]
async fn the_same_command_goes_on_and_pays_for_nothing_twice() {
    let (rounds, seed) = (rounds(ROUNDS), seed(SEED));
    on_catalog(Catalog::Ours, async |test| {
        let posts = Posts::new(test, ROWS).await?;
        let (stop, stopped) = watch::channel(false);
        let writer = tokio::spawn(writer(posts.test.clone(), seed.wrapping_add(1), stopped));
        let mut random = Random::new(seed);
        let mut unfinished = 0;
        let mut worker = None;
        for round in 0..rounds {
            posts.provider.batches_take(Duration::from_millis(random.below(400)));
            let mut command = posts.backfill().spawn()?;
            sleep(Duration::from_millis(random.below(2_500))).await;
            unfinished += u64::from(command.try_wait()?.is_none());
            command.kill().await?;
            // rows that a worker queues before the command is there are not its own
            if round == 2 {
                worker = Some(posts.worker()?);
            }
        }
        assert!(unfinished > rounds / 3, "{unfinished} of {rounds} commands were killed");
        let said = timeout(PATIENCE, posts.backfilled()).await??;
        stop.send_replace(true);
        writer.await??;
        if let Some(mut worker) = worker {
            worker.kill().await?;
        }
        posts.worked_off().await?;
        posts.assert_paid_once().await?;
        let (batches, ordinary) = (posts.provider.texts_of_batches().len(), posts.ordinary().len());
        assert!(
            batches > ROWS as usize,
            "{batches} texts through batches, {ordinary} others; {said}"
        );
        posts.assert_as_fresh("id", "posts_embedding_store").await
    })
    .await;
}
