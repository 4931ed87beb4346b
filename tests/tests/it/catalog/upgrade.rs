//! An earlier version of the schema, with vectorizers in use.

use std::sync::atomic::{AtomicBool, Ordering};

use pgai_sea::catalog::{self, Installed};
use pgai_sea_tests::{Catalog, Snapshot, on_catalog};
use sea_orm::{ConnectionTrait, TransactionTrait};

use super::install::as_nobody;
use super::{BLOG, embed, take, until_waiting, vectorize};

/// Vectorizers are in use, and their triggers are of the earlier version.
#[tokio::test]
async fn an_earlier_version_is_brought_up() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        test.execute("insert into blog values (1, 't', 'c'), (2, 't', 'c')")
            .await?;
        let id = vectorize(&test, "blog", "").await?;
        let column = ", destination => ai.destination_column('e'), chunking => ai.chunking_none()";
        vectorize(&test, "blog", column).await?;
        embed(&test).await?;
        let before = Snapshot::of(&test.db).await?;
        test.execute(&format!(
            "update ai.pgai_sea_migration set version = version - 1;
             create or replace function ai._vectorizer_src_trg_{id}() returns trigger language plpgsql security definer
             set search_path to pg_catalog, pg_temp as 'begin return null; end';
             drop function ai.vectorizer_embed(text, text, text);
             drop trigger _vectorizer_src_trg_{id}_delete on blog;
             comment on trigger _vectorizer_src_trg_{id}_insert on blog is 'another'"
        ))
        .await?;

        let installed = catalog::install(&test.db).await?;
        assert_eq!(installed, Installed::Upgraded { from: 0, to: 1 });
        assert_eq!(Snapshot::of(&test.db).await?.added_since(&before).to_string(), "");
        assert_eq!(Snapshot::of(&test.db).await?.removed_since(&before).to_string(), "");
        take(&test, id).await?;
        test.execute("update blog set content = 'd' where id = 1").await?;
        assert_eq!(take(&test, id).await?, [1]);

        test.execute("update ai.pgai_sea_migration set version = 99 where version = 1")
            .await?;
        let error = catalog::install(&test.db).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "the schema ai is of version 99, and this pgai-sea knows 1 at most: upgrade pgai-sea"
        );
        Ok(())
    })
    .await;
}

/// Neither they nor two that upgrade at once come to harm, and no write is missed.
#[tokio::test]
async fn an_upgrade_while_rows_are_written() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", "").await?;
        let writing = AtomicBool::new(true);
        let writers = futures::future::try_join_all((0..3).map(|writer| {
            let (test, writing) = (&test, &writing);
            async move {
                let mut row = writer;
                while writing.load(Ordering::Relaxed) {
                    test.execute(&format!("insert into blog values ({row}, 't', 'c')"))
                        .await?;
                    test.execute(&format!("update blog set content = 'd' where id = {row}"))
                        .await?;
                    row += 3;
                }
                Ok::<i32, sea_orm::DbErr>((row - writer) / 3)
            }
        }));
        let upgrading = async {
            for _ in 0..5 {
                test.execute(
                    "delete from ai.pgai_sea_migration where version = 0; update ai.pgai_sea_migration set version = 0",
                )
                .await?;
                let (one, other) = tokio::join!(catalog::install(&test.db), catalog::install(&test.db));
                let mut outcomes = [one?.to_string(), other?.to_string()];
                outcomes.sort();
                assert_eq!(
                    outcomes,
                    [
                        "the schema ai is there already, version 1",
                        "upgraded the schema ai from version 0 to 1"
                    ]
                );
            }
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        };
        let upgrades = async {
            let outcome = upgrading.await;
            writing.store(false, Ordering::Relaxed);
            outcome
        };
        let (written, upgraded) = tokio::join!(writers, upgrades);
        upgraded?;
        let written: i32 = written?.into_iter().sum();
        assert!(written > 15, "{written}");
        let mut queued = take(&test, id).await?;
        assert_eq!(queued.len(), 2 * usize::try_from(written)?);
        queued.dedup();
        assert_eq!(queued, test.values::<i32>("select id from blog order by id").await?);
        Ok(())
    })
    .await;
}

/// What it changes nothing of it does not wait for: applications go on reading and writing, and hold it up for nothing.
#[tokio::test]
async fn an_upgrade_waits_for_no_writer_whose_triggers_stay() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", "").await?;
        test.execute(&format!(
            "update ai.pgai_sea_migration set version = 0;
             create or replace function ai._vectorizer_src_trg_{id}() returns trigger language plpgsql security definer
             set search_path to pg_catalog, pg_temp as 'begin return null; end'"
        ))
        .await?;
        let writer = test.db.begin().await?;
        writer
            .execute_unprepared("insert into blog values (1, 't', 'c')")
            .await?;
        let upgrade = test.db.begin().await?;
        upgrade.execute_unprepared("set local lock_timeout = '5s'").await?;
        assert_eq!(
            catalog::install(&upgrade).await?,
            Installed::Upgraded { from: 0, to: 1 }
        );
        upgrade.commit().await?;
        writer.commit().await?;
        test.execute("insert into blog values (2, 't', 'c')").await?;
        assert_eq!(take(&test, id).await?, [2]);
        Ok(())
    })
    .await;
}

/// The triggers' functions have owners of their own, whom a restored dump or a transfer of the table does not change along.
#[tokio::test]
async fn a_role_is_told_whose_functions_it_would_have_to_change() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", "").await?;
        let (nobody, role) = as_nobody(&test).await?;
        let owner: String = test.value("select current_user::text").await?;
        test.execute(&format!(
            "create role owner_{role}; grant {owner} to {role}; grant all on schema ai to owner_{role};
             alter function ai._vectorizer_src_trg_{id}() owner to owner_{role};
             update ai.pgai_sea_migration set version = 0"
        ))
        .await?;
        let error = catalog::install(&nobody).await.unwrap_err().to_string();
        assert!(
            error.contains(&format!("run `GRANT owner_{role} TO {role}`")),
            "{error}"
        );
        nobody.close().await?;
        test.execute(&format!(
            "drop owned by {role} cascade; drop owned by owner_{role} cascade; drop role {role}; drop role owner_{role}"
        ))
        .await?;
        Ok(())
    })
    .await;
}

/// A vectorizer that is created while the schema is upgraded gets the new triggers too.
#[tokio::test]
async fn an_upgrade_waits_for_who_creates_a_vectorizer() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        test.execute("update ai.pgai_sea_migration set version = 0").await?;
        let creator = test.db.begin().await?;
        creator
            .execute_unprepared(
                "select ai.create_vectorizer('blog', loading => ai.loading_column('content'), embedding => ai.embedding_openai('m', 3));
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
        Ok(())
    })
    .await;
}
