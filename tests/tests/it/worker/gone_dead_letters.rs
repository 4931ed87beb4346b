//! Dead letters of rows that are gone.

use std::sync::Arc;

use pgai_sea::catalog;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::DbErr;

use super::support::{DIMENSIONS, Gate, posts, queued, run, soon};

/// Works until nothing is left. What contains `poison` is given up.
async fn work_off(test: &TestDatabase, gate: &Arc<Gate>) {
    gate.refuse("poison");
    soon(async || {
        run(test, gate).await;
        queued(test).await == 0
    })
    .await;
}

/// The rows in the table of dead letters.
async fn kept(test: &TestDatabase) -> Result<i64, DbErr> {
    let table: String = test
        .value("select format('%I.%I', queue_schema, queue_failed_table) from ai.vectorizer")
        .await?;
    test.value(&format!("select count(*) from {table}")).await
}

/// What is said of rows that were given up: how many, by two ways of asking, and of which there are errors.
async fn said(test: &TestDatabase) -> Result<(i64, Option<i64>, usize, usize), catalog::CatalogError> {
    let errors = catalog::errors(&test.db, None, None, 1_000).await?;
    let mut keys: Vec<_> = errors
        .iter()
        .filter_map(|error| Some(format!("{:?}", error.key.as_ref()?)))
        .collect();
    keys.sort();
    keys.dedup();
    let status = catalog::status(&test.db, "tested").await?;
    assert_eq!(status.failed, catalog::failed_count(&test.db, "tested").await?);
    let listed = catalog::failed(&test.db, "tested", 100).await?;
    Ok((kept(test).await?, status.failed, listed.len(), keys.len()))
}

#[tokio::test]
async fn they_are_not_counted_and_a_worker_removes_them() {
    for (gone, left) in [
        ("delete from posts where id = 2", 2),
        ("update posts set id = 102, body = 'fine' where id = 2", 2),
        ("truncate posts", 0),
    ] {
        on_both_catalogs(async |test| -> TestResult {
            posts(&test).await?;
            test.execute("insert into posts select i, 'T', 'poison ' || i from generate_series(1, 3) i")
                .await?;
            let gate = Gate::new();
            work_off(&test, &gate).await;
            assert_eq!(said(&test).await?, (3, Some(3), 3, 3));
            test.execute(gone).await?;
            let left_over = usize::try_from(left)?;
            assert_eq!(said(&test).await?, (3, Some(left), left_over, left_over), "{gone}");
            // few of many errors are found all the same
            assert_eq!(
                catalog::errors(&test.db, Some("tested".into()), None, 1).await?.len(),
                left_over.min(1),
                "{gone}"
            );
            run(&test, &gate).await;
            assert_eq!(said(&test).await?, (left, Some(left), left_over, left_over), "{gone}");
            // who comes again begins anew
            test.execute("insert into posts values (2, 'T', 'fine') on conflict do nothing")
                .await?;
            run(&test, &gate).await;
            assert_eq!(said(&test).await?.1, Some(left), "{gone}");
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn of_keys_of_several_columns_and_of_column_destinations() {
    on_both_catalogs(async |test| -> TestResult {
        test.execute(&format!(
            "create type kind as enum ('a, b', 'c');
             create table things (kind kind, code char(5), at timestamptz, body text, primary key (kind, code, at));
             select ai.create_vectorizer('things', name => 'tested', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('gate', {DIMENSIONS}), chunking => ai.chunking_none(),
                destination => ai.destination_column('vector'));
             insert into things
                select kind, 'x', '2026-01-01 12:00+02', 'poison' from unnest(enum_range(null::kind)) kind"
        ))
        .await?;
        let gate = Gate::new();
        work_off(&test, &gate).await;
        assert_eq!(said(&test).await?, (2, Some(2), 2, 2));
        test.execute("delete from things where kind = 'c'").await?;
        assert_eq!(said(&test).await?, (2, Some(1), 1, 1));
        run(&test, &gate).await;
        assert_eq!(said(&test).await?, (1, Some(1), 1, 1));
        Ok(())
    })
    .await;
}

/// Rows that a role does not see are not gone.
#[tokio::test]
async fn who_may_not_read_the_source_sees_all() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'poison'), (2, 'T', 'poison too')")
            .await?;
        let gate = Gate::new();
        work_off(&test, &gate).await;
        test.execute("delete from posts where id = 2").await?;
        let role = test.role("operator").await?;
        test.execute(&format!(
            "select ai.grant_vectorizer_usage('{role}', admin => true);
             grant select on ai._vectorizer_q_1, ai._vectorizer_q_failed_1 to {role}"
        ))
        .await?;
        let db = test.connect_as(&role).await?;
        assert_eq!(catalog::failed_count(&db, "tested").await?, Some(2));
        assert_eq!(catalog::failed(&db, "tested", 9).await?.len(), 2);
        test.execute(&format!(
            "grant select on posts to {role}; alter table posts enable row level security"
        ))
        .await?;
        assert_eq!(catalog::failed_count(&db, "tested").await?, Some(2));
        db.close().await?;
        assert_eq!(catalog::failed_count(&test.db, "tested").await?, Some(1));
        test.drop_role(&role).await?;
        Ok(())
    })
    .await;
}

/// A key whose type changed since its error was recorded is no error of the command.
#[tokio::test]
async fn errors_of_another_time_are_listed_all_the_same() {
    on_both_catalogs(async |test| -> TestResult {
        posts(&test).await?;
        vectorizer_errors(&test).await?;
        let errors = catalog::errors(&test.db, None, None, 10).await?;
        assert_eq!(errors.len(), 3, "{errors:?}");
        Ok(())
    })
    .await;
}

async fn vectorizer_errors(test: &TestDatabase) -> Result<(), DbErr> {
    test.execute("create table others (id int primary key, body text)")
        .await?;
    test.execute(&format!(
        "select ai.create_vectorizer('others', name => 'other', loading => ai.loading_column('body'),
            embedding => ai.embedding_ollama('gate', {DIMENSIONS}));
         insert into ai._vectorizer_errors (id, message, details) values
            (1, 'a', '{{\"key\": {{\"id\": \"no number\"}}}}'), (1, 'b', '{{\"key\": {{\"id\": \"7\"}}}}'),
            (1, 'c', '{{\"key\": {{\"number\": \"1\"}}}}'), (2, 'd', '{{\"key\": {{\"id\": \"7\"}}}}')"
    ))
    .await
}
