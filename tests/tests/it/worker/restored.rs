//! A database that was dumped and restored while there was work left.

use pgai_sea_tests::on_both_catalogs;

use super::support::{Gate, assert_in_sync, posts, queued, run};

#[tokio::test]
async fn a_worker_carries_on_in_a_restored_database() {
    on_both_catalogs(async |test| {
        posts(&test).await?;
        let gate = Gate::new();
        test.execute("insert into posts (id, body) select i, 'text ' || i from generate_series(1, 10) i")
            .await?;
        run(&test, &gate).await;
        test.execute("update posts set body = 'new' where id < 4; delete from posts where id = 9")
            .await?;
        let copy = test.restored().await?;
        assert_eq!(queued(&copy).await, 3);
        copy.execute(
            "insert into posts (id, body) values (11, 'after'); update posts set id = 12 where id = 5; delete \
            from posts where id = 6",
        )
        .await?;
        assert_eq!(run(&copy, &gate).await.rows(), 5);
        assert_in_sync(&copy).await;
        copy.drop().await?;
        Ok(())
    })
    .await;
}
