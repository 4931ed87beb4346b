//! Tables that Citus distributes, with a stand-in for its catalogs. `tenants_of_citus` has what works there.

use pgai_sea_tests::{Catalog, Snapshot, TestDatabase, TestResult, on_catalog};

use super::vectorize;

/// Creates the vectorizer and says why it was not made.
async fn refused(test: &TestDatabase, table: &str) -> String {
    vectorize(test, table, "").await.unwrap_err().to_string()
}

async fn tables(test: &TestDatabase) -> TestResult {
    test.execute(
        "create schema tenant;
         create table tenant.notes (id int primary key, content text);
         create table notes (id int primary key, content text);
         create table local (id int primary key, content text);
         create table pg_dist_partition (logicalrelid regclass primary key, partmethod \"char\");
         create table pg_dist_schema (schemaid oid primary key, colocationid int)",
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn what_citus_distributes_is_refused_before_anything_is_made() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        tables(&test).await?;
        test.execute(
            "insert into pg_dist_partition values ('notes', 'h');
             insert into pg_dist_schema values ('tenant'::regnamespace, 1)",
        )
        .await?;
        let before = Snapshot::of(&test.db).await?;
        for table in ["notes", "tenant.notes"] {
            let said = refused(&test, table).await;
            assert!(said.contains("is distributed by Citus"), "{said}");
        }
        let now = Snapshot::of(&test.db).await?;
        assert_eq!(now.added_since(&before).to_string(), "");
        // the application writes on
        test.execute("insert into notes values (1, 'a'); insert into tenant.notes values (1, 'a')")
            .await?;
        // a table that is local to the coordinator is as any other
        vectorize(&test, "local", "").await?;
        Ok(())
    })
    .await;
}

/// A reference table is in the same catalog; a partition is with its parent.
#[tokio::test]
async fn a_reference_table_is_refused_too() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        tables(&test).await?;
        test.execute("insert into pg_dist_partition values ('local', 'n')")
            .await?;
        let said = refused(&test, "local").await;
        assert!(said.contains("is distributed by Citus"), "{said}");
        Ok(())
    })
    .await;
}

/// Whoever may create tables cannot keep others from their vectorizers.
#[tokio::test]
async fn a_table_that_is_only_called_so_says_nothing() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        tables(&test).await?;
        let role = test.role("planter").await?;
        test.execute(&format!(
            "insert into pg_dist_partition values ('notes', 'h');
             alter table pg_dist_partition owner to {role}"
        ))
        .await?;
        vectorize(&test, "notes", "").await?;
        test.execute("drop table pg_dist_partition").await?;
        test.drop_role(&role).await?;
        Ok(())
    })
    .await;
}
