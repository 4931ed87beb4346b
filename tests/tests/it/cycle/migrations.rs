//! The migrations, up and down.

use migration::{Migrator, MigratorTrait};
use pgai_sea_tests::{Catalog, Snapshot, TestDatabase, TestResult, on_both_catalogs, on_catalog};

use super::blog::Blog;

/// SeaORM's own bookkeeping, which stays.
fn is_ours(object: &str) -> bool {
    !object.contains("seaql_migrations")
}

fn assert_same(before: &Snapshot, after: &Snapshot) {
    let (added, removed) = (
        after.added_since(before).only(is_ours),
        after.removed_since(before).only(is_ours),
    );
    assert!(added.is_empty(), "left behind:\n{added}");
    assert!(removed.is_empty(), "gone:\n{removed}");
}

async fn down_leaves_nothing_behind(test: TestDatabase) -> TestResult {
    let before = Snapshot::of(&test.db).await?;
    let blog = Blog::new(test).await?;
    let db = &blog.test.db;
    let during = Snapshot::of(db).await?;
    for object in [
        "relation public.blog_posts ",
        "relation public.blog_posts_embedding_store ",
        "trigger ",
    ] {
        let added = during.added_since(&before).only(|line| line.starts_with(object));
        assert!(!added.is_empty(), "no {object}");
    }
    // with work done and work left
    blog.publish("Done", "this is embedded").await?;
    blog.work().await?;
    blog.publish("Left", "this is still queued").await?;
    Migrator::down(db, None).await?;
    assert_same(&before, &Snapshot::of(db).await?);
    Ok(())
}

#[tokio::test]
async fn up_and_down_leave_nothing_in_a_database_that_had_no_catalog() {
    on_catalog(Catalog::Bare, down_leaves_nothing_behind).await;
}

#[tokio::test]
async fn up_and_down_leave_pgai_s_own_catalog_as_it_was() {
    on_catalog(Catalog::Pgai, down_leaves_nothing_behind).await;
}

#[tokio::test]
async fn a_vectorizer_s_migration_taken_back_leaves_catalog_and_table_as_they_were() {
    on_both_catalogs(async |test| -> TestResult {
        Migrator::up(&test.db, Some(2)).await?;
        let before = Snapshot::of(&test.db).await?;
        Migrator::up(&test.db, None).await?;
        Migrator::down(&test.db, Some(1)).await?;
        assert_same(&before, &Snapshot::of(&test.db).await?);
        assert_eq!(test.value::<i64>("select count(*) from ai.vectorizer").await?, 0);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn down_and_up_again_embeds_what_was_there() {
    on_both_catalogs(async |test| -> TestResult {
        let blog = Blog::new(test).await?;
        let id = blog.publish("Kept", "a text").await?;
        Migrator::down(&blog.test.db, Some(1)).await?;
        Migrator::up(&blog.test.db, None).await?;
        blog.work().await?;
        blog.assert_embedded(&[(id, vec!["Kept - a text".to_owned()])].into())
            .await
    })
    .await;
}

#[tokio::test]
async fn up_twice_changes_nothing() {
    on_both_catalogs(async |test| -> TestResult {
        Migrator::up(&test.db, None).await?;
        let before = Snapshot::of(&test.db).await?;
        Migrator::up(&test.db, None).await?;
        assert_same(&before, &Snapshot::of(&test.db).await?);
        Ok(())
    })
    .await;
}
