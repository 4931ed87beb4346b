//! A worker of few rights.

use pgai_sea::worker::Worker;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs};
use sea_orm::{ConnectionTrait, DatabaseConnection};

use super::support::{Gate, assert_in_sync, posts, vectorizer, worker};

/// What workers read of the source, on our catalog.
const VIEW: &str = "view _vectorizer_src_1";

fn worker_of(db: &DatabaseConnection, test: &TestDatabase, gate: &std::sync::Arc<Gate>) -> Worker {
    let mut test = test.clone();
    test.db = db.clone();
    worker(&test, gate)
}

/// The database refuses the statement for want of a right on `object`, a table or view.
async fn refused(db: &DatabaseConnection, object: &str, sql: &str) {
    let error = db.execute_unprepared(sql).await.expect_err(sql).to_string();
    // sqlx adds the line of PostgreSQL's own source
    let said = error.rsplit_once(" at line ").map_or(&*error, |(said, _)| said);
    let denied = format!("Execution Error: error returned from database: permission denied for {object}");
    assert_eq!(said, denied, "{sql}");
}

/// Where pgai's grants do not do, the error says what does.
async fn granted(
    test: &TestDatabase,
    db: &DatabaseConnection,
    gate: &std::sync::Arc<Gate>,
    grants: &[&str],
) -> TestResult {
    if test.catalog == Catalog::Ours {
        return Ok(());
    }
    let report = worker_of(db, test, gate).run_once().await?;
    let error = &report.vectorizers[0].errors[0];
    let statements = error.split('`').nth(1).unwrap_or_default();
    assert_eq!(statements.split("; ").collect::<Vec<_>>(), grants, "{error}");
    assert!(gate.texts().is_empty());
    test.execute(statements).await?;
    Ok(())
}

#[tokio::test]
async fn whom_a_vectorizer_is_granted_to_works_it_off_and_changes_no_text() {
    on_both_catalogs(async |test| {
        let role = test.role("embedder").await?;
        let db = test.connect_as(&role).await?;
        test.execute("create table posts (id int primary key, title text, body text, likes int not null default 0)")
            .await?;
        let grant = format!(", grant_to => ai.grant_to('{role}')");
        vectorizer(&test, "posts", "body", "$title: $chunk", &grant).await?;
        test.execute("insert into posts select i, 'T', 'some text number ' || i from generate_series(1, 9) i")
            .await?;
        let gate = Gate::new();
        let posts_update = format!("grant update (id) on public.posts to {role}");
        let store = format!("grant delete on public.posts_embedding_store to {role}");
        let errors = format!("grant insert on ai._vectorizer_errors to {role}");
        granted(&test, &db, &gate, &[&store, &errors, &posts_update]).await?;

        let report = worker_of(&db, &test, &gate).run_once().await?;
        assert_eq!(report.rows(), 9, "{report:?}");
        assert_in_sync(&test).await;
        test.execute(
            "update posts set body = 'short' where id < 5; delete from posts where id = 9; update posts set \
            body = 'poison' where id = 8",
        )
        .await?;
        gate.refuse("poison");
        let worker = worker_of(&db, &test, &gate);
        for _ in 0..20 {
            worker.run_once().await?;
        }
        assert_eq!(
            test.value::<i64>("select count(*) from posts_embedding_store where id in (8, 9)")
                .await?,
            0
        );
        assert!(test.value::<i64>("select count(*) from ai._vectorizer_errors").await? > 0);
        if test.catalog == Catalog::Ours {
            assert_eq!(
                test.value::<i64>("select count(*) from ai._vectorizer_q_failed_1")
                    .await?,
                1
            );
            assert!(
                test.value::<i64>("select count(*) from ai.vectorizer_worker_process")
                    .await?
                    > 0
            );
            refused(&db, "table posts", "update posts set id = 77 where id = 1").await;
            refused(&db, VIEW, "update ai._vectorizer_src_1 set id = 77 where id = 1").await;
        }
        for sql in [
            "update posts set body = 'x'",
            "delete from posts",
            "insert into posts values (99)",
        ] {
            refused(&db, "table posts", sql).await;
        }
        if test.catalog == Catalog::Ours {
            refused(&db, VIEW, "update ai._vectorizer_src_1 set body = 'x'").await;
            refused(&db, VIEW, "delete from ai._vectorizer_src_1").await;
        }
        db.close().await?;
        test.drop_role(&role).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn of_a_column_destination_only_the_embedding_may_be_changed() {
    on_both_catalogs(async |test| {
        let role = test.role("embedder").await?;
        let db = test.connect_as(&role).await?;
        test.execute(&format!(
            "create table notes (id int primary key, body text); insert into notes values (1, 'one'), (2, 'two');
             select ai.create_vectorizer('notes', name => 'tested', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('gate', 8), chunking => ai.chunking_none(),
                destination => ai.destination_column('embedding'), grant_to => ai.grant_to('{role}'))"
        ))
        .await?;
        let gate = Gate::new();
        let embedding = format!("grant update (embedding) on public.notes to {role}");
        let errors = format!("grant insert on ai._vectorizer_errors to {role}");
        granted(&test, &db, &gate, &[&errors, &embedding]).await?;
        let report = worker_of(&db, &test, &gate).run_once().await?;
        assert_eq!(report.rows(), 2, "{report:?}");
        assert_eq!(test.value::<i64>("select count(embedding) from notes").await?, 2);
        for sql in [
            "update notes set body = 'x'",
            "update notes set id = 7",
            "delete from notes",
        ] {
            refused(&db, "table notes", sql).await;
        }
        if test.catalog == Catalog::Ours {
            refused(&db, VIEW, "update ai._vectorizer_src_1 set body = 'x'").await;
            refused(&db, "table notes", "update notes set embedding = null").await;
        }
        db.close().await?;
        test.drop_role(&role).await?;
        Ok(())
    })
    .await;
}

/// A row that is embedded after all is taken from the dead letters.
#[tokio::test]
async fn what_the_dead_letters_take_is_asked_for_beforehand() {
    on_both_catalogs(async |test| {
        let role = test.role("embedder").await?;
        let db = test.connect_as(&role).await?;
        posts(&test).await?;
        test.execute(&format!(
            "insert into posts values (1, 'T', 'text');
             grant usage on schema ai, public to {role};
             grant all on all tables in schema ai, public to {role};
             grant execute on all functions in schema ai to {role};
             revoke select, delete on ai._vectorizer_q_failed_1 from {role}"
        ))
        .await?;
        let gate = Gate::new();
        let report = worker_of(&db, &test, &gate).run_once().await?;
        let errors: Vec<_> = report.errors().collect();
        let [(_, error)] = errors.as_slice() else {
            panic!("{errors:?}")
        };
        let grant = error.split('`').nth(1).unwrap_or_default();
        let rights = grant.strip_suffix(&format!(" on ai._vectorizer_q_failed_1 to {role}"));
        assert!(
            matches!(rights, Some("grant select, delete" | "grant delete, select")),
            "{error}"
        );
        assert!(gate.texts().is_empty(), "it was paid for all the same");
        test.execute(grant).await?;
        let report = worker_of(&db, &test, &gate).run_once().await?;
        assert_eq!((report.rows(), report.errors().count()), (1, 0), "{report:?}");
        db.close().await?;
        test.drop_role(&role).await?;
        Ok(())
    })
    .await;
}
