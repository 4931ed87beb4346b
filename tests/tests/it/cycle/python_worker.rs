//! pgai's own worker, in Python, on the schema that this crate installs.

use pgai_sea_tests::providers::{Provider, embedding_of};
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_catalog};
use tokio::process::Command;

const ROWS: i64 = 60;

async fn drain(test: &TestDatabase) -> TestResult {
    // installing may take a minute, during which the provider goes on
    let worker = tokio::task::spawn_blocking(real_parts::pgai_worker).await??;
    let output = Command::from(worker)
        .args(["vectorizer", "worker", "--once", "-d", &test.url])
        .kill_on_drop(true)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Ok(())
}

#[tokio::test]
async fn it_drains_our_vectorizers_and_follows_edits() {
    on_catalog(Catalog::Ours, async |test| {
        let provider = Provider::start();
        provider.install("all-minilm", 8);
        let embedding = format!(
            "loading => ai.loading_column('body'), embedding => ai.embedding_ollama('all-minilm', 8, base_url => '{}')",
            provider.ollama_url()
        );
        test.execute(&format!(
            "create table posts (lang text, id int, body text, primary key (id, lang));
             insert into posts select 'en', i, 'text ' || i from generate_series(1, {ROWS}) i;
             create table notes (id int primary key, body text);
             insert into notes select i, 'note ' || i from generate_series(1, 3) i;
             select ai.create_vectorizer('posts', name => 'posts', {embedding},
                 formatting => ai.formatting_python_template('$lang: $chunk'));
             select ai.create_vectorizer('notes', name => 'notes', {embedding},
                 destination => ai.destination_column('embedding'), chunking => ai.chunking_none())"
        ))
        .await?;
        drain(&test).await?;
        let pending = "select sum(pending_items)::bigint from ai.vectorizer_status";
        assert_eq!(test.value::<i64>(pending).await?, 0);
        assert_eq!(test.value::<i64>("select count(*) from ai.vectorizer_errors").await?, 0);
        assert_eq!(test.value::<i64>("select count(*) from posts_embedding").await?, ROWS);
        let has = async |from: &str, text: &str| {
            let vector = embedding_of("all-minilm", text, 8);
            test.value::<bool>(&format!("select count(*) = 1 from {from} and embedding = '{vector:?}'"))
                .await
        };
        assert!(
            has(
                "posts_embedding_store where id = 7 and chunk = 'en: text 7'",
                "en: text 7"
            )
            .await?
        );
        assert!(has("notes where id = 2", "note 2").await?);

        test.execute(
            "update posts set body = 'edited' where id = 7; delete from posts where id = 8; update posts set id = 90 \
                where id = 9;
             update notes set body = 'edited' where id = 2",
        )
        .await?;
        // it does not know the columns that this crate's workers write the places of chunks to
        test.execute("select ai.keep_places('posts')").await?;
        drain(&test).await?;
        assert_eq!(test.value::<i64>(pending).await?, 0);
        assert!(
            has(
                "posts_embedding_store where chunk_byte_start is null and id = 7 and chunk = 'en: edited'",
                "en: edited"
            )
            .await?
        );
        assert!(has("notes where id = 2", "edited").await?);
        let ids: Vec<i32> = test
            .values("select id from posts_embedding_store where id in (8, 9, 90)")
            .await?;
        assert_eq!(ids, [90]);

        // what it reports of itself
        let reported: i64 = test
            .value("select sum(success_count)::bigint from ai.vectorizer_worker_progress")
            .await?;
        // the second time all posts, of which one was deleted
        assert_eq!(reported, ROWS + 3 + ROWS - 1 + 1);
        Ok(())
    })
    .await;
}
