//! What `pg_dump` writes, brought back by `pg_restore`: vectorizers go on.

use pgai_sea::catalog::{self, Installed};
use pgai_sea_tests::{Catalog, Snapshot, TestDatabase, TestResult, on_catalog};

use super::{BLOG, embed, embedded, releases, take, vectorize};

/// Vectorizers of every kind, with embeddings, and a row in a queue.
async fn vectorizers(test: &TestDatabase) -> Result<i32, sea_orm::DbErr> {
    test.execute(BLOG).await?;
    test.execute("insert into blog select i, 'title', 'content' from generate_series(1, 5) i")
        .await?;
    let template =
        ", formatting => ai.formatting_python_template('$title: $chunk'), grant_to => ai.grant_to('pg_monitor')";
    let id = vectorize(test, "blog", template).await?;
    take(test, id).await?;
    embed(test).await?;
    test.execute("insert into blog values (6, 't', 'c')").await?;
    let column = ", destination => ai.destination_column('e'), chunking => ai.chunking_none()";
    vectorize(test, "blog", column).await?;
    test.execute(
        r#"create schema "S.x";
           create table "S.x"."Weird ""Name""" ("Key" int, "select" text collate "C", content text,
               primary key ("select", "Key"));
           create table parts (id int primary key, content text) partition by range (id);
           create table low partition of parts for values from (0) to (100)"#,
    )
    .await?;
    vectorize(
        test,
        r#""S.x"."Weird ""Name""""#,
        ", queue_schema => 'S.x', queue_table => 'q'",
    )
    .await?;
    vectorize(test, "parts", "").await?;
    Ok(id)
}

#[tokio::test]
async fn a_restored_database_is_the_same_and_goes_on() {
    on_catalog(Catalog::Ours, async |test| {
        let id = vectorizers(&test).await?;
        let copy = test.restored().await?;
        let (was, is) = (Snapshot::of(&test.db).await?, Snapshot::of(&copy.db).await?);
        // foreign keys' own triggers are named by numbers, which no dump keeps
        let named = |line: &str| !line.contains("\"RI_ConstraintTrigger_");
        assert_eq!(is.added_since(&was).only(named).to_string(), "");
        assert_eq!(is.removed_since(&was).only(named).to_string(), "");
        assert_eq!(
            catalog::vectorizers(&copy.db).await?,
            catalog::vectorizers(&test.db).await?
        );
        assert_eq!(take(&copy, id).await?, [6]);
        assert_eq!(embedded(&copy).await?, [1, 2, 3, 4, 5]);
        writes(&copy, id).await?;
        upkeep(&copy, id).await?;
        copy.drop().await?;
        Ok(())
    })
    .await;
}

async fn writes(copy: &TestDatabase, id: i32) -> TestResult {
    copy.execute(
        "update blog set views = 7; update blog set content = 'd' where id = 1; update blog set id = 20 where id = 2;
         delete from blog where id = 3; insert into blog values (7, 't', 'c')",
    )
    .await?;
    assert_eq!(take(copy, id).await?, [1, 7, 20]);
    assert_eq!(embedded(copy).await?, [1, 4, 5]);
    copy.execute("begin isolation level repeatable read; delete from blog where id = 4; commit")
        .await?;
    assert_eq!(take(copy, id).await?, [4]);
    copy.execute(concat!(
        r#"insert into "S.x"."Weird ""Name""" values (1, 'a', 'c'); insert into low values (1, 'c'); "#,
        r#"insert into parts values (2, 'c')"#,
    ))
    .await?;
    let queued: String = copy
        .value(r#"select format('%s %s', "Key", "select") from "S.x".q"#)
        .await?;
    assert_eq!(queued, "1 a");
    let parts: i32 = copy
        .value("select id from ai.vectorizer where source_table = 'parts'")
        .await?;
    assert_eq!(take(copy, parts).await?, [1, 2]);
    copy.execute("truncate blog").await?;
    assert!(embedded(copy).await?.is_empty());
    Ok(())
}

/// An earlier version is upgraded where it was restored.
#[tokio::test]
async fn a_restored_database_of_an_earlier_version_is_upgraded_and_goes_on() {
    on_catalog(Catalog::Bare, async |test| {
        releases::install(&test, 1).await?;
        let id = vectorizers(&test).await?;
        let copy = test.restored().await?;
        assert!(matches!(catalog::install(&copy.db).await?, Installed::Upgraded { .. }));
        assert_eq!(take(&copy, id).await?, [6]);
        writes(&copy, id).await?;
        upkeep(&copy, id).await?;
        copy.drop().await?;
        Ok(())
    })
    .await;
}

/// New vectorizers, renames and the end.
async fn upkeep(copy: &TestDatabase, id: i32) -> TestResult {
    let new = vectorize(copy, "blog", ", destination => ai.destination_table('new')").await?;
    assert_eq!(new, id + 4);
    copy.execute(&format!(
        "alter table blog rename content to body; select ai.refresh_vectorizer({id}); insert into blog (id) values (1)"
    ))
    .await?;
    assert_eq!(take(copy, id).await?, [1]);
    copy.execute("update blog set body = 'x'").await?;
    assert_eq!(take(copy, id).await?, [1]);
    copy.execute("select ai.drop_vectorizer(id, drop_all => true) from ai.vectorizer")
        .await?;
    catalog::uninstall(&copy.db).await?;
    let schemas: i64 = copy
        .value("select count(*) from pg_namespace where nspname = 'ai'")
        .await?;
    assert_eq!(schemas, 0);
    Ok(())
}
