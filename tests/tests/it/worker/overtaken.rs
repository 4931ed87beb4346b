//! Rows that are edited faster than they are embedded.

use pgai_sea_tests::{TestDatabase, on_both_catalogs};

use super::support::{DIMENSIONS, Gate, assert_in_sync, posts, queued, run, soon, worker};

const STORED: &str = "select chunk from posts_embedding_store order by chunk_seq";

async fn edit(test: &TestDatabase, text: &str) -> Result<(), sea_orm::DbErr> {
    test.execute(&format!("update posts set body = '{text}' where id = 1"))
        .await
}

/// Waits until the edit is claimed too. A claim that is under way holds the key, and what was embedded would wait.
async fn claimed(test: &TestDatabase) {
    let leased = "select count(*) from ai._vectorizer_q_1 where loading_retry_after > now()";
    soon(async || test.value::<i64>(leased).await.unwrap() == 2).await;
}

#[tokio::test]
async fn an_edit_while_embedding_does_not_hide_what_was_embedded() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'v0')").await?;
        let gate = Gate::new();
        gate.hold();
        let working = worker(&test, &gate);
        let working = tokio::spawn(async move { working.run_once().await });
        // never at rest: before a version's vector is there, the next version is
        for version in 1..=6 {
            gate.wait_for(version).await;
            edit(&test, &format!("v{version}")).await?;
            if version == 1 {
                claimed(&test).await;
            }
            gate.admit();
            if version == 1 {
                soon(async || test.values::<String>(STORED).await.unwrap() == ["T: v0"]).await;
            }
        }
        let stored: Vec<String> = test.values(STORED).await?;
        assert!(
            matches!(stored.as_slice(), [chunk] if chunk.starts_with("T: v")),
            "{stored:?}"
        );
        assert!(queued(&test).await > 0);
        gate.release();
        working.await??;
        assert_eq!(test.values::<String>(STORED).await?, ["T: v6"]);
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

/// Another worker finds nothing to change for the later queue row and takes it away: nothing would lead to the last
/// text any more.
#[tokio::test]
async fn an_edit_that_was_taken_back_and_seen_by_another_worker() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'first')").await?;
        let (slow, quick) = (Gate::new(), Gate::new());
        run(&test, &quick).await;
        edit(&test, "second").await?;
        slow.hold();
        let working = worker(&test, &slow);
        let working = tokio::spawn(async move { working.run_once().await });
        slow.wait_for(1).await;
        // the worker that waits claims a second batch of its own: nothing of it is needed, and it is not asked for
        edit(&test, "first").await?;
        soon(async || queued(&test).await == 1).await;
        slow.release();
        working.await??;
        assert_eq!(test.values::<String>(STORED).await?, ["T: first"]);
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_column_too() {
    on_both_catalogs(async |test| {
        test.execute(&format!(
            "create table things (id int primary key, body text);
             select ai.create_vectorizer('things', name => 'tested', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('gate', {DIMENSIONS}), chunking => ai.chunking_none(),
                destination => ai.destination_column('embedding'));
             insert into things values (1, 'v0')"
        ))
        .await?;
        let gate = Gate::new();
        gate.hold();
        let working = worker(&test, &gate);
        let working = tokio::spawn(async move { working.run_once().await });
        gate.wait_for(1).await;
        test.execute("update things set body = 'v1'").await?;
        claimed(&test).await;
        gate.admit();
        let embedded = "select count(*) from things where embedding is not null";
        soon(async || test.value::<i64>(embedded).await.unwrap() == 1).await;
        assert!(queued(&test).await > 0);
        gate.release();
        working.await??;
        assert_eq!(queued(&test).await, 0);
        let vector: String = test.value("select embedding::text from things").await?;
        let vector: Vec<f32> = vector
            .trim_matches(['[', ']'])
            .split(',')
            .map(|number| number.parse().unwrap())
            .collect();
        assert_eq!(
            vector,
            pgai_sea_tests::providers::embedding_of("gate", "v1", DIMENSIONS)
        );
        Ok(())
    })
    .await;
}
