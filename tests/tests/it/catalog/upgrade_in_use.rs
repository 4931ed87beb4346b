//! An upgrade of the schema while applications read, write and create vectorizers.

use std::sync::atomic::{AtomicBool, Ordering};

use pgai_sea::catalog;
use pgai_sea_tests::{Catalog, Snapshot, on_catalog};
use sea_orm::{ConnectionTrait, TransactionTrait};

use super::releases;
use super::upgrade::{DONE, VERSION, make_triggers_stale, same, version};
use super::{BLOG, take, until_waiting, vectorize};

/// Neither they nor two that upgrade at once come to harm, and no write is missed.
#[tokio::test]
async fn an_upgrade_while_rows_are_written() {
    for _ in 0..3 {
        on_catalog(Catalog::Bare, async |test| {
            releases::install(&test, 1).await?;
            test.execute(BLOG).await?;
            let id = vectorize(&test, "blog", "").await?;
            make_triggers_stale(&test).await?;
            let writing = AtomicBool::new(true);
            let writers = futures::future::try_join_all((0..3).map(|writer| {
                let (test, writing) = (&test, &writing);
                async move {
                    let mut row = writer;
                    // some before, some meanwhile, some after
                    let mut more = 10;
                    while writing.load(Ordering::Relaxed) || more > 0 {
                        more = if writing.load(Ordering::Relaxed) { 10 } else { more - 1 };
                        test.execute(&format!("insert into blog values ({row}, 't', 'c')"))
                            .await?;
                        test.execute(&format!("update blog set content = 'd' where id = {row}"))
                            .await?;
                        row += 3;
                    }
                    Ok::<i32, sea_orm::DbErr>((row - writer) / 3)
                }
            }));
            let upgrades = async {
                let outcome = tokio::join!(catalog::install(&test.db), catalog::install(&test.db));
                writing.store(false, Ordering::Relaxed);
                outcome
            };
            let (written, (one, other)) = tokio::join!(writers, upgrades);
            let mut outcomes = [one?.to_string(), other?.to_string()];
            outcomes.sort();
            assert_eq!(
                outcomes,
                [
                    format!("the schema ai is there already, version {VERSION}"),
                    format!("upgraded the schema ai from version 1 to {VERSION}")
                ]
            );
            let written: i32 = written?.into_iter().sum();
            assert!(written > 15, "{written}");
            let stale: i64 = test
                .value("select count(*) from pg_description where description = 'another'")
                .await?;
            assert_eq!(stale, 0);
            let mut queued = take(&test, id).await?;
            assert_eq!(queued.len(), 2 * usize::try_from(written)?);
            queued.dedup();
            assert_eq!(queued, test.values::<i32>("select id from blog order by id").await?);
            Ok(())
        })
        .await;
    }
}

/// What it changes nothing of it does not wait for: applications go on reading and writing, and hold it up for nothing.
#[tokio::test]
async fn an_upgrade_waits_for_no_writer_whose_triggers_stay() {
    on_catalog(Catalog::Bare, async |test| {
        releases::install(&test, 1).await?;
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", "").await?;
        test.execute(&format!(
            "create or replace function ai._vectorizer_src_trg_{id}() returns trigger language plpgsql security definer
             set search_path to pg_catalog, pg_temp as 'begin return null; end';
             alter table blog rename content to body"
        ))
        .await?;
        let writer = test.db.begin().await?;
        writer
            .execute_unprepared("insert into blog values (1, 't', 'c')")
            .await?;
        let upgrade = test.db.begin().await?;
        upgrade.execute_unprepared("set local lock_timeout = '5s'").await?;
        assert_eq!(catalog::install(&upgrade).await?, DONE);
        let timeout = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, "show lock_timeout");
        let timeout = upgrade.query_one_raw(timeout).await?.ok_or("no row")?;
        assert_eq!(timeout.try_get_by_index::<String>(0)?, "5s");
        upgrade.commit().await?;
        writer.commit().await?;
        test.execute("insert into blog values (2, 't', 'c')").await?;
        assert_eq!(take(&test, id).await?, [2]);
        Ok(())
    })
    .await;
}

/// The writer has locked what the upgrade wants, and then wants what the upgrade has locked. The writer goes on.
#[tokio::test]
async fn an_upgrade_and_a_writer_of_two_tables_do_not_wait_for_each_other() {
    on_catalog(Catalog::Bare, async |test| {
        releases::install(&test, 1).await?;
        test.execute(BLOG).await?;
        let blog = vectorize(&test, "blog", "").await?;
        test.execute("create table note (id int primary key, content text)")
            .await?;
        let note = vectorize(&test, "note", "").await?;
        make_triggers_stale(&test).await?;

        let writer = test.db.begin().await?;
        writer.execute_unprepared("insert into note values (1, 'c')").await?;
        let other = test.clone();
        let upgrade = tokio::spawn(async move { catalog::install(&other.db).await });
        until_waiting(&test, 1).await?;
        writer
            .execute_unprepared("insert into blog values (1, 't', 'c')")
            .await?;
        writer.commit().await?;
        assert_eq!(upgrade.await??, DONE);
        assert_eq!(take(&test, blog).await?, [1]);
        assert_eq!(take(&test, note).await?, [1]);
        Ok(())
    })
    .await;
}

/// It gives up after the caller's `lock_timeout`, and leaves the version that was there.
#[tokio::test]
async fn an_upgrade_waits_as_long_as_its_caller_allows() {
    on_catalog(Catalog::Bare, async |test| {
        releases::install(&test, 1).await?;
        test.execute(BLOG).await?;
        vectorize(&test, "blog", "").await?;
        make_triggers_stale(&test).await?;
        let before = Snapshot::of(&test.db).await?;
        let writer = test.db.begin().await?;
        writer
            .execute_unprepared("insert into blog values (1, 't', 'c')")
            .await?;
        let upgrade = test.db.begin().await?;
        upgrade.execute_unprepared("set local lock_timeout = '1s'").await?;
        let error = catalog::install(&upgrade).await.unwrap_err().to_string();
        assert!(error.contains("lock timeout"), "{error}");
        upgrade.rollback().await?;
        writer.commit().await?;
        same(&Snapshot::of(&test.db).await?, &before);
        assert_eq!(version(&test).await?, 1);
        assert_eq!(catalog::install(&test.db).await?, DONE);
        Ok(())
    })
    .await;
}

/// The session of an upgrade ends in the middle: the version that was there serves on, and the next one upgrades it.
#[tokio::test]
async fn an_upgrade_that_is_killed_changes_nothing() {
    on_catalog(Catalog::Bare, async |test| {
        releases::install(&test, 1).await?;
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", "").await?;
        make_triggers_stale(&test).await?;
        let before = Snapshot::of(&test.db).await?;
        let writer = test.db.begin().await?;
        writer
            .execute_unprepared("insert into blog values (1, 't', 'c')")
            .await?;
        let other = test.clone();
        let upgrade = tokio::spawn(async move { catalog::install(&other.db).await });
        until_waiting(&test, 1).await?;
        let killed: bool = test
            .value(
                "select pg_terminate_backend(a.pid) from pg_stat_activity a
                 where a.datname = current_database() and a.pid in (select l.pid from pg_locks l where l.locktype = \
                 'advisory' and l.granted)
                 and a.query not ilike 'insert into blog%' and a.pid <> pg_backend_pid()",
            )
            .await?;
        assert!(killed);
        assert!(upgrade.await?.is_err());
        writer.commit().await?;
        same(&Snapshot::of(&test.db).await?, &before);
        assert_eq!((version(&test).await?, take(&test, id).await?), (1, vec![1]));
        assert_eq!(catalog::install(&test.db).await?, DONE);
        Ok(())
    })
    .await;
}

/// A vectorizer that is created while the schema is upgraded is brought up too.
#[tokio::test]
async fn an_upgrade_waits_for_who_creates_a_vectorizer() {
    on_catalog(Catalog::Bare, async |test| {
        releases::install(&test, 1).await?;
        test.execute(BLOG).await?;
        let creator = test.db.begin().await?;
        creator
            .execute_unprepared(
                "select ai.create_vectorizer('blog', loading => ai.loading_column('content'), embedding => \
                    ai.embedding_openai('m', 3));
                 comment on trigger _vectorizer_src_trg_1_insert on blog is 'of the earlier version'",
            )
            .await?;
        let other = test.clone();
        let upgrade = tokio::spawn(async move { catalog::install(&other.db).await });
        until_waiting(&test, 1).await?;
        creator.commit().await?;
        upgrade.await??;
        let old: i64 = test
            .value("select count(*) from pg_description where description = 'of the earlier version'")
            .await?;
        assert_eq!(old, 0);
        let view: Vec<String> = test
            .value("select reloptions from pg_class where relname = 'blog_embedding'")
            .await?;
        assert_eq!(view, ["security_invoker=true"]);
        Ok(())
    })
    .await;
}
