//! Sources that are filled by logical replication, whose workers fire triggers per row, and of those per statement the
//! truncate's; and hypertables.

use pgai_sea_tests::{Catalog, TestDatabase, on_catalog};

use super::{BLOG, embed, embedded, releases, take, vectorize};

/// How the vectorizer's triggers are enabled, and what they fire for: insert, update, delete, truncate.
async fn triggers(test: &TestDatabase) -> Result<Vec<String>, sea_orm::DbErr> {
    test.values(
        "select substring(tgname from '[a-z]+$') || ' ' || tgenabled::text || case when tgtype::int & 1 = 1 then ' \
            row' else '' end
         from pg_trigger where tgrelid = 'blog'::regclass and tgname like '\\_vectorizer%' and not tgisinternal order \
         by tgname",
    )
    .await
}

#[tokio::test]
async fn triggers_that_fire_always_see_what_is_replicated() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", "").await?;
        assert_eq!(
            triggers(&test).await?,
            ["delete O", "insert O", "truncate O", "update O row"]
        );
        for trigger in ["insert", "update", "delete"] {
            test.execute(&format!(
                "alter table blog enable always trigger _vectorizer_src_trg_{id}_{trigger}"
            ))
            .await?;
        }
        test.execute(&format!(
            "alter table blog disable trigger _vectorizer_src_trg_{id}_truncate; select ai.refresh_vectorizer({id})"
        ))
        .await?;
        assert_eq!(
            triggers(&test).await?,
            ["delete A row", "insert A row", "truncate D", "update A row"]
        );
        // as the process that applies changes
        test.execute(
            "begin; set local session_replication_role = replica; insert into blog values (1, 't', 'c'), (2, 't', 'c');
             update blog set content = 'd' where id = 1; commit",
        )
        .await?;
        assert_eq!(take(&test, id).await?, [1, 1, 2]);
        embed(&test).await?;
        test.execute("begin; set local session_replication_role = replica; delete from blog where id = 1; commit")
            .await?;
        assert_eq!(embedded(&test).await?, [2]);
        Ok(())
    })
    .await;
}

/// An upgrade that replaces triggers leaves them enabled as they are.
#[tokio::test]
async fn an_upgrade_keeps_how_triggers_are_enabled() {
    on_catalog(Catalog::Bare, async |test| {
        releases::install(&test, 1).await?;
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", "").await?;
        for trigger in ["insert", "update", "delete"] {
            test.execute(&format!(
                "alter table blog enable always trigger _vectorizer_src_trg_{id}_{trigger}"
            ))
            .await?;
        }
        test.execute(&format!(
            "alter table blog disable trigger _vectorizer_src_trg_{id}_truncate; select ai.refresh_vectorizer({id});
             comment on trigger _vectorizer_src_trg_{id}_insert on blog is 'another'; comment on trigger \
             _vectorizer_src_trg_{id}_truncate on blog is 'another'"
        ))
        .await?;
        pgai_sea::catalog::install(&test.db).await?;
        assert_eq!(
            triggers(&test).await?,
            ["delete A row", "insert A row", "truncate D", "update A row"]
        );
        Ok(())
    })
    .await;
}

/// As the extension's catalog names them; the extension is on no server here.
#[tokio::test]
async fn a_hypertable_has_row_triggers() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        test.execute(
            "create schema _timescaledb_catalog; create table _timescaledb_catalog.hypertable (schema_name name, \
                table_name name);
             insert into _timescaledb_catalog.hypertable values ('public', 'blog')",
        )
        .await?;
        let id = vectorize(&test, "blog", "").await?;
        assert_eq!(
            triggers(&test).await?,
            ["delete O row", "insert O row", "truncate O", "update O row"]
        );
        test.execute("insert into blog values (1, 't', 'c'), (2, 't', 'c')")
            .await?;
        assert_eq!(take(&test, id).await?, [1, 2]);
        Ok(())
    })
    .await;
}
