//! The migration: up agrees with the entity, down leaves nothing behind.

use axum_search::migration::Migrator;
use pgai_sea_tests::{Catalog, Snapshot, TestDatabase, TestResult, on_catalog};
use sea_orm_migration::MigratorTrait;

#[tokio::test]
async fn it_creates_what_the_entity_declares_and_takes_it_back() {
    for catalog in [Catalog::Bare, Catalog::Pgai] {
        on_catalog(catalog, async |test| up_and_down(test).await).await;
    }
}

async fn up_and_down(test: TestDatabase) -> TestResult {
    let before = Snapshot::of(&test.db).await?;
    Migrator::up(&test.db, None).await?;
    // the harness's own entities are none of this database's business
    let findings = pgai_sea::check::check_module(&test.db, "axum_search").await?;
    assert!(findings.is_empty(), "{findings}");

    test.execute("insert into articles (title, body) values ('Tides', 'The sea rises and falls.')")
        .await?;
    Migrator::down(&test.db, None).await?;
    let after = Snapshot::of(&test.db).await?;
    let lasting = |object: &str| !object.contains("seaql_migrations"); // SeaORM's own, which stays
    let (added, removed) = (
        after.added_since(&before).only(lasting),
        after.removed_since(&before).only(lasting),
    );
    assert!(
        added.is_empty() && removed.is_empty(),
        "added:\n{added}\nremoved:\n{removed}"
    );
    Ok(())
}
