//! Databases: new for every test, gone after success, kept after failure.

use std::panic::AssertUnwindSafe;
use std::sync::Mutex;

use futures::FutureExt;
use pgai_sea_tests::{Catalog, Snapshot, on_both_catalogs, on_catalog, server};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};

#[tokio::test]
async fn both_catalogs_answer_create_vectorizer() {
    on_both_catalogs(async |test| {
        let functions: i64 = test
            .value(
                "select count(*) from pg_proc where proname = 'create_vectorizer' and pronamespace = \
                'ai'::regnamespace",
            )
            .await?;
        assert_eq!(functions, 1);
        assert_eq!(test.value::<i64>("select count(*) from ai.vectorizer").await?, 0);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_test_has_a_database_of_its_own_which_goes_when_it_succeeds() {
    let names = Mutex::new(Vec::<String>::new());
    for _ in 0..2 {
        on_catalog(Catalog::Bare, async |test| {
            test.execute("create table only_mine (id int)").await?;
            let name = test.value("select current_database()").await?;
            names.lock().unwrap().push(name);
            Ok(())
        })
        .await;
    }
    let names = names.into_inner().unwrap();
    assert_ne!(names[0], names[1]);
    assert!(
        names[0].starts_with("harness__databases__a_test_has_a_database"),
        "{names:?}"
    );
    for name in names {
        assert!(!exists(&name).await, "{name}");
    }
}

#[tokio::test]
async fn a_failed_test_s_database_is_kept_and_the_failure_names_the_catalog() {
    let name = Mutex::new(String::new());
    let failing = on_catalog(Catalog::Pgai, async |test| {
        let own = test.value("select current_database()").await?;
        *name.lock().unwrap() = own;
        test.execute("select * from no_such_table").await?;
        Ok(())
    });
    let panic = AssertUnwindSafe(failing).catch_unwind().await.unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("on pgai's catalog"), "{message}");
    assert!(message.contains("no_such_table"), "{message}");
    let name = name.into_inner().unwrap();
    assert!(exists(&name).await, "{name}");
    forget(&name).await;
}

#[tokio::test]
async fn so_is_one_whose_test_panics() {
    let name = Mutex::new(String::new());
    let panicking = on_catalog(Catalog::Ours, async |test| {
        let own = test.value("select current_database()").await?;
        *name.lock().unwrap() = own;
        panic!("an assertion");
    });
    let panic = AssertUnwindSafe(panicking).catch_unwind().await.unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"an assertion"));
    let name = name.into_inner().unwrap();
    assert!(exists(&name).await, "{name}");
    forget(&name).await;
}

#[tokio::test]
async fn a_snapshot_sees_what_was_added_and_what_was_removed() {
    on_catalog(Catalog::Bare, async |test| {
        test.execute("create table first (id int)").await?;
        let before = Snapshot::of(&test.db).await?;
        test.execute(
            "drop table first;
             create table second (id int primary key, body text);
             create function f(int) returns int language sql return $1;
             create function t() returns trigger language plpgsql as 'begin return new; end';
             create trigger tr after insert on second for each row execute function t();
             grant select on second to public",
        )
        .await?;
        let after = Snapshot::of(&test.db).await?;
        let added = after.added_since(&before).to_string();
        // since 17 there is a right to vacuum as well
        let version: String = test.value("select current_setting('server_version_num')").await?;
        let maintain = if version.parse::<i32>()? >= 170_000 { "m" } else { "" };
        let owner: String = test.value("select current_user::text").await?;
        let relation = format!(
            "relation public.second of kind r owned by {owner}, rights {{{owner}=arwdDxt{maintain}/{owner},=r/{owner}}}"
        );
        for line in [
            relation.as_str(),
            "column 2 of public.second: body of type text",
            "relation public.second_pkey of kind i",
            "function public.f(integer)",
            "trigger CREATE TRIGGER tr AFTER INSERT ON public.second",
            "constraint second_pkey on second: PRIMARY KEY (id)",
        ] {
            assert!(added.contains(line), "no `{line}` in\n{added}");
        }
        assert!(
            after
                .removed_since(&before)
                .to_string()
                .contains("column 1 of public.first: id of type integer")
        );
        test.execute("drop table second; drop function f, t; create table first (id int)")
            .await?;
        let again = Snapshot::of(&test.db).await?;
        assert!(again.added_since(&before).is_empty(), "{}", again.added_since(&before));
        assert!(again.removed_since(&before).is_empty());
        Ok(())
    })
    .await;
}

async fn maintenance() -> DatabaseConnection {
    Database::connect(server().url()).await.unwrap()
}

async fn exists(name: &str) -> bool {
    let db = maintenance().await;
    let sql = format!("select from pg_database where datname = '{name}'");
    let found = db
        .query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await
        .unwrap();
    db.close().await.unwrap();
    found.is_some()
}

async fn forget(name: &str) {
    let db = maintenance().await;
    db.execute_unprepared(&format!(r#"drop database "{name}" with (force)"#))
        .await
        .unwrap();
    db.close().await.unwrap();
}
