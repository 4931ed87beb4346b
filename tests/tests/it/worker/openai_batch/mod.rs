//! Backfills through OpenAI's batch interface: the command as a process, and a server that has files and batches.

mod ends;
mod keys;
mod killed;
mod refusals;

use std::collections::BTreeSet;
use std::process::{Output, Stdio};
use std::time::Duration;

use pgai_sea_tests::providers::Provider;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_catalog};
use tokio::process::{Child, Command};

use super::support::soon;

/// What the tests' vectorizers have in common.
const SHAPE: &str = "loading => ai.loading_column('body'), \
    chunking => ai.chunking_character_text_splitter(chunk_size => 12, chunk_overlap => 0, separator => ' '), \
    formatting => ai.formatting_python_template('$title: $chunk'), \
    processing => ai.processing_default(batch_size => 20)";
/// Batches of about so many texts, asked for at once, with a lease that is soon over.
const FAST: [&str; 8] = ["--texts", "60", "--at-once", "3", "--poll", "20ms", "--lease", "1s"];

/// A table, its vectorizer, and the provider.
struct Posts {
    test: TestDatabase,
    provider: Provider,
}

impl Posts {
    /// Rows of two texts each, which no other row has.
    async fn new(test: TestDatabase, rows: u32) -> Result<Self, sea_orm::DbErr> {
        let provider = Provider::start();
        test.execute(&format!(
            "create table posts (id int primary key, title text, body text);
             insert into posts select i, 'T' || i, 'text number of row ' || i from generate_series(1, {rows}) i"
        ))
        .await?;
        let posts = Self { test, provider };
        posts.create().await?;
        Ok(posts)
    }

    fn embedding(&self) -> String {
        let url = self.provider.openai_url();
        format!("embedding => ai.embedding_openai('text-embedding-3-small', 8, base_url => '{url}')")
    }

    async fn create(&self) -> Result<(), sea_orm::DbErr> {
        let embedding = self.embedding();
        self.test
            .execute(&format!(
                "select ai.backfill_vectorizer(ai.create_vectorizer('posts', name => 'posts', {embedding}, {SHAPE}, \
                 enqueue_existing => false))"
            ))
            .await
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
        command
            .args(arguments)
            .args(["-d", &self.test.url])
            .env("OPENAI_API_KEY", Provider::API_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    fn backfill(&self) -> Command {
        self.command(&[&["backfill", "posts", "--openai-batch"], FAST.as_slice()].concat())
    }

    /// To its end, which has to be a good one.
    async fn backfilled(&self) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        let output = self.backfill().output().await?;
        let said = said(&output);
        if output.status.success() {
            Ok(said)
        } else {
            Err(said.into())
        }
    }

    fn worker(&self) -> Result<Child, std::io::Error> {
        let options = [
            "worker",
            "--lease",
            "1s",
            "--poll-interval",
            "20ms",
            "--log-level",
            "error",
        ];
        self.command(&options).spawn()
    }

    /// What is left for the workers.
    async fn worked_off(&self) -> TestResult {
        let output = self
            .command(&["worker", "--once", "--log-level", "error"])
            .output()
            .await?;
        if output.status.success() {
            Ok(())
        } else {
            Err(said(&output).into())
        }
    }

    /// Texts that were not sent in a batch.
    fn ordinary(&self) -> BTreeSet<String> {
        self.provider.texts().into_iter().collect()
    }

    /// The store is as that of a vectorizer that is created anew.
    async fn assert_as_fresh(&self, key: &str, store: &str) -> TestResult {
        let embedding = self.embedding();
        self.test
            .execute(&format!(
                "select ai.create_vectorizer('posts', name => 'fresh', {embedding}, {SHAPE}, \
                 destination => ai.destination_table('fresh'))"
            ))
            .await?;
        self.worked_off().await?;
        let rows = |store: &str| {
            let sql = format!("select concat_ws(' ', {key}, chunk_seq, chunk, embedding) from {store} order by 1");
            let test = self.test.clone();
            async move { test.values::<String>(&sql).await }
        };
        let (found, fresh) = (rows(store).await?, rows("fresh_store").await?);
        assert!(fresh.len() > 50, "{} chunks", fresh.len());
        assert_eq!(found, fresh);
        self.test
            .execute("select ai.drop_vectorizer('fresh', drop_all => true)")
            .await?;
        Ok(())
    }

    /// No text was paid for twice, and nothing is left at the provider or in the catalog.
    async fn assert_paid_once(&self) -> TestResult {
        let texts = self.provider.texts_of_batches();
        let distinct: BTreeSet<&String> = texts.iter().collect();
        assert_eq!(distinct.len(), texts.len(), "a text was in two batches");
        let kept = "select (select count(*) from ai.vectorizer_batch) + (select count(backfill) from \
                    ai.vectorizer_generation)";
        assert_eq!(self.test.value::<i64>(kept).await?, 0);
        Ok(())
    }

    async fn chunks(&self) -> Result<i64, sea_orm::DbErr> {
        self.test.value("select count(*) from posts_embedding_store").await
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test]
async fn all_rows_are_embedded_for_half_the_price_while_workers_embed_edits() {
    on_catalog(Catalog::Ours, async |test| {
        let posts = Posts::new(test, 200).await?;
        posts.provider.batches_take(Duration::from_hours(1));
        let running = posts.backfill().spawn()?;
        soon(async || posts.provider.batches().len() == 3).await;
        soon(async || {
            let handed_in = "select count(*) = 3 from ai.vectorizer_batch where state = 'in_progress'";
            posts.test.value::<bool>(handed_in).await.unwrap()
        })
        .await;
        let status = said(&posts.command(&["status"]).output().await?);
        let texts: usize = posts.provider.batches().iter().sum();
        assert!(texts < 300, "{texts}");
        assert!(
            status.contains(&format!("3 batches of {texts} texts are at OpenAI since 20")),
            "{status}"
        );
        assert!(status.contains(", 0 done"), "{status}");

        // a worker embeds what is edited, and leaves the rest alone
        let mut worker = posts.worker()?;
        posts
            .test
            .execute("update posts set body = 'edited ' || id where id in (3, 150); delete from posts where id = 7")
            .await?;
        soon(async || posts.ordinary().contains("T150: edited 150") && posts.ordinary().contains("T3: edited 3")).await;
        posts
            .test
            .execute("insert into posts values (1000, 'T1000', 'one more')")
            .await?;
        soon(async || posts.ordinary().contains("T1000: one more")).await;
        assert!(posts.ordinary().len() <= 6, "{:?}", posts.ordinary());
        assert!(posts.chunks().await? <= 6);

        posts.provider.batches_take(Duration::from_millis(100));
        let output = running.wait_with_output().await?;
        assert!(output.status.success(), "{output:?}");
        let said = said(&output);
        assert!(said.contains("texts for half the price in"), "{said}");
        assert!(said.contains("batch-2 with "), "{said}");
        posts.worked_off().await?;
        worker.kill().await?;
        assert!(posts.ordinary().len() <= 6, "{:?}", posts.ordinary());
        assert_eq!(
            posts.provider.files(),
            Vec::<String>::new(),
            "files stay at the provider"
        );
        posts.assert_paid_once().await?;
        posts.assert_as_fresh("id", "posts_embedding_store").await?;
        // nothing is left: the same command says so
        let again = posts.backfilled().await?;
        assert!(again.contains("nothing is left of a backfill"), "{again}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_new_generation_is_embedded_so() {
    on_catalog(Catalog::Ours, async |test| {
        let posts = Posts::new(test, 120).await?;
        posts.backfilled().await?;
        posts.worked_off().await?;
        let before = posts.provider.texts_of_batches().len();
        let start = ["change", "start", "-i", "posts", "--template", "$title, anew: $chunk"];
        let output = posts.command(&start).output().await?;
        assert!(output.status.success(), "{output:?}");
        let mut json = posts.command(&[&["backfill", "posts", "--openai-batch", "--json"], FAST.as_slice()].concat());
        let output = json.output().await?;
        assert!(output.status.success(), "{output:?}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        assert_eq!(
            (&report["vectorizer"], &report["rows"]),
            (&"posts_new".into(), &120.into())
        );
        let texts = posts.provider.texts_of_batches().len() - before;
        assert_eq!(
            (report["texts"].as_u64(), report["ordinary_texts"].as_u64()),
            (Some(texts as u64), Some(0))
        );
        posts.worked_off().await?;
        assert_eq!(posts.ordinary().len(), 0, "{:?}", posts.ordinary());
        let output = posts.command(&["change", "cut-over", "-i", "posts"]).output().await?;
        assert!(output.status.success(), "{output:?}");
        let chunks = "select count(*) from posts_embedding_store where chunk like 'T%, anew: %'";
        assert_eq!(posts.test.value::<i64>(chunks).await?, i64::try_from(texts)?);
        posts.assert_paid_once().await
    })
    .await;
}
