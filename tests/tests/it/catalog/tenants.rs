//! Row-level security of a source holds for its chunks.

use pgai_sea_tests::{Catalog, TestDatabase, on_catalog};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};

use super::releases;

const CHUNKS: &str = "select coalesce(array_agg(chunk order by chunk), '{}') from ";

async fn chunks(db: &DatabaseConnection, relation: &str) -> Result<Vec<String>, DbErr> {
    let row = db
        .query_one_raw(Statement::from_string(
            DbBackend::Postgres,
            format!("{CHUNKS}{relation}"),
        ))
        .await?;
    row.ok_or_else(|| DbErr::RecordNotFound(relation.to_owned()))?
        .try_get_by_index(0)
}

/// Two tenants' rows, of a key of two columns, and what a tenant may read.
async fn source(test: &TestDatabase, tenant: &str) -> Result<(), DbErr> {
    test.execute(&format!(
        "create table docs (part int, id text collate \"C\", tenant text, content text, primary key (id, part));
         insert into docs values (1, 'a', '{tenant}', 'ours'), (2, 'a', 'another', 'theirs'), (1, 'b', '{tenant}',
             'ours too');
         create policy own on docs using (tenant = current_user);
         grant select on docs to {tenant}"
    ))
    .await
}

async fn create(test: &TestDatabase, more: &str) -> Result<(), DbErr> {
    test.execute(&format!(
        "select ai.create_vectorizer('docs', name => 'docs', loading => ai.loading_column('content'),
             embedding => ai.embedding_openai('m', 3){more});
         insert into docs_embedding_store (part, id, chunk_seq, chunk, embedding)
             select part, id, 0, content, '[1,2,3]' from docs"
    ))
    .await
}

#[tokio::test]
async fn a_tenant_sees_chunks_of_its_own_rows_in_store_and_view() {
    on_catalog(Catalog::Ours, async |test| {
        let (tenant, worker) = (test.role("tenant").await?, test.role("worker").await?);
        source(&test, &tenant).await?;
        test.execute("alter table docs enable row level security").await?;
        create(&test, &format!(", grant_to => ai.grant_to('{worker}')")).await?;
        test.execute(&format!(
            "grant select on docs_embedding_store, docs_embedding to {tenant}"
        ))
        .await?;
        let (of_tenant, of_worker) = (test.connect_as(&tenant).await?, test.connect_as(&worker).await?);
        for relation in ["docs_embedding_store", "docs_embedding"] {
            assert_eq!(chunks(&of_tenant, relation).await?, ["ours", "ours too"], "{relation}");
        }
        assert_eq!(chunks(&of_worker, "docs_embedding_store").await?.len(), 3);
        // the worker writes, also for rows that it would not see
        of_worker
            .execute_unprepared(
                "delete from docs_embedding_store where chunk = 'theirs';
                 insert into docs_embedding_store (part, id, chunk_seq, chunk, embedding) values (2, 'a', 0, 'new',
                     '[1,2,3]')",
            )
            .await?;
        assert_eq!(chunks(&of_tenant, "docs_embedding_store").await?.len(), 2);
        let written = "update docs_embedding_store set chunk = 'x'";
        assert!(of_tenant.execute_unprepared(written).await.is_err());
        // the triggers of a writer who sees few rows reach all chunks
        test.execute(&format!(
            "update docs set tenant = '{tenant}' where part = 2; delete from docs where id = 'b'"
        ))
        .await?;
        assert_eq!(chunks(&of_tenant, "docs_embedding").await?, ["new", "ours"]);

        // renamed, released and refreshed; then dropped, and the store kept
        test.execute("alter table docs rename part to section; select ai.refresh_vectorizer('docs')")
            .await?;
        assert_eq!(chunks(&of_tenant, "docs_embedding_store").await?, ["new", "ours"]);
        test.execute("select ai.release_vectorizer('docs')").await?;
        assert_eq!(chunks(&of_tenant, "docs_embedding_store").await?, [""; 0]);
        test.execute("alter table docs alter section type bigint; select ai.refresh_vectorizer('docs')")
            .await?;
        assert_eq!(chunks(&of_tenant, "docs_embedding_store").await?, ["new", "ours"]);
        test.execute("update docs set tenant = 'another' where section = 2; select ai.drop_vectorizer('docs')")
            .await?;
        assert_eq!(chunks(&of_tenant, "docs_embedding_store").await?, ["ours"]);
        of_tenant.close().await?;
        of_worker.close().await?;
        test.execute("drop table docs, docs_embedding_store cascade").await?;
        test.drop_role(&tenant).await?;
        test.drop_role(&worker).await?;
        Ok(())
    })
    .await;
}

/// Switched on later, by an upgrade, and in a store that has policies of its own.
#[tokio::test]
async fn a_store_follows_its_source() {
    for released in [false, true] {
        on_catalog(if released { Catalog::Bare } else { Catalog::Ours }, async |test| {
            let tenant = test.role("tenant").await?;
            if released {
                releases::install(&test, 1).await?;
            }
            source(&test, &tenant).await?;
            create(&test, "").await?;
            test.execute(&format!(
                "grant select on docs_embedding_store, docs_embedding to {tenant}"
            ))
            .await?;
            let db = test.connect_as(&tenant).await?;
            assert_eq!(chunks(&db, "docs_embedding_store").await?.len(), 3);
            test.execute("alter table docs enable row level security").await?;
            if released {
                pgai_sea::catalog::install(&test.db).await?;
            } else {
                test.execute("select ai.refresh_vectorizer('docs')").await?;
            }
            for relation in ["docs_embedding_store", "docs_embedding"] {
                assert_eq!(chunks(&db, relation).await?, ["ours", "ours too"], "{relation}");
            }
            // what somebody made of it by hand stays
            test.execute(
                "drop policy vectorizer_rows on docs_embedding_store; drop policy vectorizer_workers on
                    docs_embedding_store;
                 create policy by_hand on docs_embedding_store using (chunk = 'theirs'); select
                     ai.refresh_vectorizer('docs')",
            )
            .await?;
            assert_eq!(chunks(&db, "docs_embedding_store").await?, ["theirs"]);
            db.close().await?;
            test.execute("select ai.drop_vectorizer('docs', drop_all => true); drop table docs")
                .await?;
            test.drop_role(&tenant).await?;
            Ok(())
        })
        .await;
    }
}

/// Whoever may read the store and not the source sees nothing, rather than everything.
#[tokio::test]
async fn a_store_is_closed_to_whom_the_source_is() {
    on_catalog(Catalog::Ours, async |test| {
        let (tenant, stranger) = (test.role("tenant").await?, test.role("stranger").await?);
        source(&test, &tenant).await?;
        test.execute("alter table docs enable row level security").await?;
        create(&test, "").await?;
        test.execute(&format!("grant select on docs_embedding_store to {stranger}"))
            .await?;
        let db = test.connect_as(&stranger).await?;
        let refused = chunks(&db, "docs_embedding_store").await.unwrap_err().to_string();
        assert!(refused.contains("permission denied for table docs"), "{refused}");
        db.close().await?;
        test.execute("select ai.drop_vectorizer('docs', drop_all => true); drop table docs")
            .await?;
        test.drop_role(&tenant).await?;
        test.drop_role(&stranger).await?;
        Ok(())
    })
    .await;
}
