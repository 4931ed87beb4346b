//! Workers and commands that are killed at any moment of a change, while others write. Whatever was begun is called
//! again and goes on from there.

use std::process::Stdio;
use std::time::Duration;

use pgai_sea::change;
use pgai_sea_tests::providers::{Fault, Provider};
use pgai_sea_tests::{Catalog, Random, TestDatabase, TestResult, on_catalog, rounds, seed};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Kills in CI; see [`rounds`].
const ROUNDS: u64 = 50;
const SEED: u64 = 0x00c4_a4e5;
/// More than the rounds of CI take.
const PATIENCE: Duration = Duration::from_mins(8);

fn pgai_sea(test: &TestDatabase, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
        .args(arguments)
        .args(["-d", &test.url])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn worker(test: &TestDatabase) -> Child {
    let options = ["--lease", "1s", "--poll-interval", "20ms", "--log-level", "error"];
    pgai_sea(test, &[&["worker"], options.as_slice()].concat())
}

/// A command to its end.
async fn carried_out(test: &TestDatabase, arguments: &[&str]) -> TestResult {
    let output = pgai_sea(test, arguments).wait_with_output().await?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

const MODELS: [(&str, &str); 2] = [("even", "8"), ("odd", "12")];

/// The step that a change may take where it is, or one that has nothing to do.
async fn step(test: &TestDatabase, random: &mut Random) -> Result<Vec<String>, change::ChangeError> {
    let change = change::find(&test.db, "posts").await?;
    let words: Vec<&str> = match (&change, random.below(6)) {
        (None, _) => {
            let model = pgai_sea::catalog::vectorizer(&test.db, "posts").await?.config.embedding;
            let (model, dimensions) = MODELS[usize::from(model.model() == MODELS[0].0)];
            vec!["start", "--model", model, "--dimensions", dimensions]
        }
        (Some(change), 0) if !change.is_cut_over => vec!["abort"],
        (Some(change), 1) if change.is_cut_over => vec!["finish"],
        (Some(change), _) if change.is_cut_over => vec!["roll-back"],
        (Some(_), _) => vec!["cut-over", "--force"],
    };
    let words = [&["change"], words.as_slice(), &["-i", "posts"]].concat();
    Ok(words.into_iter().map(str::to_owned).collect())
}

async fn writer(test: TestDatabase, seed: u64, stop: watch::Receiver<bool>) -> Result<(), sea_orm::DbErr> {
    let mut random = Random::new(seed);
    let mut round = 0;
    while !*stop.borrow() {
        round += 1;
        let id = random.below(80);
        let sql = match random.below(10) {
            0 => format!("delete from posts where id = {id}"),
            1 => format!("update posts set title = 'Title {round}' where id = {id}"),
            2..=5 => format!("update posts set body = 'edit {round}' where id = {id}"),
            _ => format!(
                "insert into posts values ({id}, 'T', 'text {round} with some words more') on conflict (id) do update \
                 set body = excluded.body"
            ),
        };
        test.execute(&sql).await?;
        sleep(Duration::from_millis(random.below(20))).await;
    }
    Ok(())
}

#[tokio::test]
async fn the_same_command_goes_on_from_there() {
    let (rounds, seed) = (rounds(ROUNDS), seed(SEED));
    on_catalog(Catalog::Ours, async |test| {
        let provider = Provider::start();
        for (model, dimensions) in MODELS {
            provider.install(model, dimensions.parse()?);
        }
        provider.always(Fault::Delay(Duration::from_millis(3)));
        let url = provider.ollama_url();
        test.execute(&format!(
            "create table posts (id int primary key, title text, body text);
             insert into posts select i, 'T' || i % 10, 'text number ' || i from generate_series(1, 80) i;
             select ai.create_vectorizer('posts', name => 'posts', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('even', 8, base_url => '{url}'),
                chunking => ai.chunking_character_text_splitter(chunk_size => 12, chunk_overlap => 0, separator => \
             ' '),
                formatting => ai.formatting_python_template('$title: $chunk'),
                processing => ai.processing_default(batch_size => 5, concurrency => 2))"
        ))
        .await?;
        let (stop, stopped) = watch::channel(false);
        let writer = tokio::spawn(writer(test.clone(), seed.wrapping_add(1), stopped));
        let mut random = Random::new(seed);
        let mut workers = [worker(&test), worker(&test)];
        let mut unfinished = 0;
        timeout(PATIENCE * u32::try_from(rounds / ROUNDS)?, async {
            for _ in 0..rounds {
                let step = step(&test, &mut random).await?;
                let step: Vec<&str> = step.iter().map(String::as_str).collect();
                let mut command = pgai_sea(&test, &step);
                sleep(Duration::from_micros(random.below(120_000))).await;
                unfinished += u64::from(command.try_wait()?.is_none());
                command.kill().await?;
                let victim = usize::from(random.below(2) == 0);
                workers[victim].kill().await?;
                workers[victim] = worker(&test);
                if random.below(3) == 0 {
                    // the same command again: whatever the first one did is done once
                    match carried_out(&test, &step).await {
                        Err(error) if !error.to_string().contains("is not being changed") => return Err(error),
                        _ => {}
                    }
                }
            }
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        })
        .await??;
        assert!(unfinished > rounds / 4, "{unfinished} of {rounds} commands were killed");
        for mut worker in workers {
            worker.kill().await?;
        }
        stop.send_replace(true);
        writer.await??;

        // whatever is left of a change ends
        if let Some(change) = change::find(&test.db, "posts").await? {
            let end = if change.is_cut_over { "finish" } else { "abort" };
            carried_out(&test, &["change", end, "-i", "posts"]).await?;
        }
        let model = pgai_sea::catalog::vectorizer(&test.db, "posts").await?.config.embedding;
        let (model, dimensions) = (model.model().to_owned(), model.dimensions().unwrap_or_default());
        test.execute(&format!(
            "select ai.create_vectorizer('posts', name => 'fresh', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('{model}', {dimensions}, base_url => '{url}'),
                chunking => ai.chunking_character_text_splitter(chunk_size => 12, chunk_overlap => 0, separator => \
             ' '),
                formatting => ai.formatting_python_template('$title: $chunk'),
                destination => ai.destination_table('fresh'))"
        ))
        .await?;
        timeout(
            PATIENCE,
            carried_out(&test, &["worker", "--once", "--log-level", "error"]),
        )
        .await??;
        let rows = |store: &str| {
            let sql = format!("select format('%s %s %s %s', id, chunk_seq, chunk, embedding) from {store} order by 1");
            let test = test.clone();
            async move { test.values::<String>(&sql).await }
        };
        let (found, fresh) = (rows("posts_embedding_store").await?, rows("fresh_store").await?);
        assert!(fresh.len() > 50, "{} chunks", fresh.len());
        assert_eq!(found, fresh);
        let left: Vec<String> = test
            .values(
                "select name from ai.vectorizer union all select relname from pg_class where relname ~ '_(new|old)$'
                 order by 1",
            )
            .await?;
        assert_eq!(left, ["fresh", "posts"]);
        Ok(())
    })
    .await;
}
