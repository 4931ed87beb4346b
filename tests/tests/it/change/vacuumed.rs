//! An autovacuum of a large store takes hours. A step of a change ends it, and nobody waits meanwhile.

use pgai_sea::change;
use pgai_sea_tests::{Catalog, on_own_server};

use super::support::{Models, POSTS, change_to, dimensions_of};
use crate::worker::support::soon;

#[tokio::test]
async fn an_autovacuum_is_ended_before_anybody_has_to_wait() {
    on_own_server(Catalog::Ours, async |test, _| {
        test.execute(POSTS).await?;
        let models = Models::new();
        models.run(&test).await;
        change::start(&test.db, &change_to("large", 12)).await?;
        models.run(&test).await;
        // it rests for 0.4 s at each page
        test.execute(
            "insert into posts_embedding_store (id, chunk_seq, chunk, embedding)
                 select s.id, n, s.chunk, s.embedding from posts_embedding_store s, generate_series(1, 60) n;
             alter table posts_embedding_store set (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0,
                 autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
             update posts_embedding_store set chunk = chunk",
        )
        .await?;
        test.execute("alter system set autovacuum_naptime = '1s'").await?;
        test.execute("select pg_reload_conf()").await?;
        let vacuum =
            "select coalesce(min(pid), 0) from pg_stat_progress_vacuum where relid = 'posts_embedding_store'::regclass";
        soon(async || test.value::<i32>(vacuum).await.unwrap() > 0).await;
        let pid: i32 = test.value(vacuum).await?;

        let db = test.db.clone();
        let cut_over = tokio::spawn(async move { change::cut_over(&db, "posts").await });
        // who would wait behind these locks could not search or write as long as the vacuum lasts
        let hindered = format!(
            "with l as materialized (select * from pg_locks)
             select count(*) from l w where not w.granted and w.mode in ('ShareRowExclusiveLock', 'AccessExclusiveLock')
             and exists (select from l h where h.pid = {pid} and h.mode = 'ShareUpdateExclusiveLock')"
        );
        while !cut_over.is_finished() {
            assert_eq!(test.value::<i64>(&hindered).await?, 0);
        }
        assert!(cut_over.await??);
        assert_eq!(dimensions_of(&test).await?, 12);
        let vacuumed: i64 = test
            .value(
                "select sum(autovacuum_count)::bigint from pg_stat_user_tables
                 where relname ~ '^posts_embedding_store'",
            )
            .await?;
        assert_eq!(vacuumed, 0, "it came to its end by itself");
        Ok(())
    })
    .await;
}
