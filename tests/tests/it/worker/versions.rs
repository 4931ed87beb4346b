//! PostgreSQL 18: what a vectorizer goes through, on both catalogs. All other tests run on one version, 16 unless
//! `DATABASE_URL` says otherwise.

use pgai_sea_tests::{Catalog, TestDatabase, Version, on_version};
use sea_orm::DbErr;

use super::support::{Gate, assert_in_sync, posts, queued, run, vectorizer};

/// `DATABASE_URL` names a server of another version: there is none of this one.
async fn on_18(body: impl AsyncFn(TestDatabase) -> pgai_sea_tests::TestResult) {
    if std::env::var_os("DATABASE_URL").is_none() {
        on_version(Version::V18, body).await;
    }
}

async fn version(test: &TestDatabase) -> Result<i32, DbErr> {
    test.value("select current_setting('server_version_num')::int / 10000")
        .await
}

#[tokio::test]
async fn writes_of_all_kinds_end_in_sync() {
    on_18(async |test| {
        assert_eq!(version(&test).await?, 18);
        posts(&test).await?;
        let gate = Gate::new();
        for writes in [
            "insert into posts select i, 'T', 'a text of several words, number ' || i from generate_series(1, 60) i",
            "update posts set body = 'short' where id % 3 = 0; update posts set title = null where id = 1; update \
                posts set likes = 1",
            "insert into posts values (1, 'T', 'again'), (61, 'T', 'new') on conflict (id) do update set body = \
                excluded.body",
            "merge into posts using (values (2, 'merged'), (3, null), (62, 'new')) n (id, body) on posts.id = n.id
             when matched and n.body is null then delete when matched then update set body = n.body
             when not matched then insert values (n.id, 'T', n.body)",
            "update posts set id = id + 1000 where id > 30",
            "delete from posts where id < 10; delete from posts where id > 1050",
            "truncate posts; insert into posts values (1, 'T', 'the last')",
        ] {
            test.execute(writes).await?;
            let report = run(&test, &gate).await;
            assert!(report.vectorizers[0].errors.is_empty(), "{writes}: {report:?}");
            assert_in_sync(&test).await;
        }
        test.execute("select ai.drop_vectorizer('tested', drop_all => true)")
            .await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn partitions_and_composite_keys() {
    on_18(async |test| {
        test.execute(
            "create table things (a int, b text, body text, primary key (a, b)) partition by list (a);
             create table things_1 partition of things for values in (1); create table things_2 partition of things \
             for values in (2)",
        )
        .await?;
        vectorizer(&test, "things", "body", "$a $chunk", "").await?;
        test.execute(
            "insert into things select i % 2 + 1, 'b' || i, 'text ' || i from generate_series(1, 9) i; insert \
            into things_1 values (1, 'x', 'y')",
        )
        .await?;
        let gate = Gate::new();
        assert_eq!(run(&test, &gate).await.rows(), 10);
        assert_in_sync(&test).await;
        test.execute(
            "update things set a = 2 where b = 'x'; delete from things_2 where b = 'b1'; update things_1 set \
            body = 'other'",
        )
        .await?;
        run(&test, &gate).await;
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn renames_refusals_and_the_status() {
    on_18(async |test| {
        posts(&test).await?;
        test.execute("insert into posts values (1, 'T', 'one')").await?;
        assert_eq!(
            test.value::<i64>("select pending_items from ai.vectorizer_status")
                .await?,
            1
        );
        let gate = Gate::new();
        if test.catalog == Catalog::Ours {
            test.execute(
                "alter table posts rename id to post; alter table posts rename body to words; update posts \
                set words = 'two'",
            )
            .await?;
            run(&test, &gate).await;
            test.execute("select ai.refresh_vectorizer('tested'); insert into posts values (2, 'T', 'three')")
                .await?;
        }
        run(&test, &gate).await;
        assert_in_sync(&test).await;
        assert_eq!(queued(&test).await, 0);
        let error = vectorizer(&test, "posts", "none", "$chunk", "")
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("none"), "{error}");
        Ok(())
    })
    .await;
}
