//! How far vectorizers are.

use std::time::Duration;

use pgai_sea::catalog::{self, CatalogError, VectorizerStatus};
use pgai_sea_tests::{Catalog, TestDatabase, on_both_catalogs};

use super::{BLOG, vectorize};

async fn status(test: &TestDatabase, id: i32) -> Result<VectorizerStatus, CatalogError> {
    catalog::status(&test.db, id).await
}

/// The rows of the queue.
fn queue(id: i32) -> String {
    format!("ai._vectorizer_q_{id}")
}

#[tokio::test]
async fn small_tables_are_counted() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        test.execute("insert into blog select i, 't', case when i < 9 then 'c' end from generate_series(1, 10) i")
            .await?;
        let id = vectorize(&test, "blog", "").await?;
        test.execute(&format!(
            "delete from {0} where id > 6;
             update {0} set queued_at = now() - interval '90 seconds' where id = 3;
             insert into blog_embedding_store (id, chunk_seq, chunk, embedding)
             select i, seq, 'c', '[1,2,3]' from generate_series(1, 2) seq, generate_series(1, 6) i",
            queue(id)
        ))
        .await?;
        let found = status(&test, id).await?;
        let pending = found.pending.unwrap();
        assert_eq!((pending.rows, pending.exact), (6, true));
        let age: f64 = test
            .value(&format!(
                "select extract(epoch from now() - '{}'::timestamptz)::float8",
                found.oldest_pending.unwrap()
            ))
            .await?;
        assert!((90.0..150.0).contains(&age), "{age}");
        let coverage = found.coverage.unwrap();
        assert_eq!(
            (coverage.rows.rows, coverage.embedded.rows, coverage.rows.exact),
            (8, 6, true)
        );
        assert_eq!((found.failed, found.disabled), (Some(0), false));
        assert_eq!(
            (&*found.source, &*found.embeddings),
            (r#""public"."blog""#, r#""public"."blog_embedding_store""#)
        );
        // nobody has worked yet, and pgai's catalog has no place to say so
        assert_eq!(
            (found.rows_per_second, found.time_left, found.input_tokens),
            (None, None, None)
        );

        test.execute(&format!("delete from {}", queue(id))).await?;
        let found = status(&test, id).await?;
        assert_eq!((found.pending.unwrap().rows, found.oldest_pending), (0, None));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn large_tables_are_estimated_from_a_part_of_them() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", "").await?;
        // deleted rows whose space nobody has reclaimed yet are what misleads the planner's own estimates
        test.execute(&format!(
            "insert into blog select i, 't', repeat('c', 100) from generate_series(1, 200000) i;
             delete from {} where id <= 80000;
             insert into blog_embedding_store (id, chunk_seq, chunk, embedding) select i, 0, 'c', '[1,2,3]' from \
             generate_series(1, 80000) i",
            queue(id)
        ))
        .await?;
        let found = status(&test, id).await?;
        // the part is another one each time
        let within = |rows: u64, of: u64| (of * 3 / 5..=of * 7 / 5).contains(&rows);
        let pending = found.pending.unwrap();
        assert!(!pending.exact && within(pending.rows, 120_000), "{found:?}");
        let coverage = found.coverage.unwrap();
        assert!(!coverage.rows.exact && within(coverage.rows.rows, 200_000), "{found:?}");
        assert!((0.25..0.55).contains(&coverage.share()), "{found:?}");
        assert!(found.oldest_pending.is_some());
        // counting all of it takes longer than this on any machine that this passes on
        let (mut took, mut counted) = (Duration::MAX, Duration::MAX);
        for _ in 0..5 {
            let started = std::time::Instant::now();
            status(&test, id).await?;
            took = took.min(started.elapsed());
            let started = std::time::Instant::now();
            test.value::<i64>(
                "select count(*) from blog b where exists (select from blog_embedding_store s where s.id \
                = b.id)",
            )
            .await?;
            counted = counted.min(started.elapsed());
        }
        assert!(
            took < counted.max(Duration::from_millis(300)) * 3,
            "{took:?}, counting takes {counted:?}"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn speed_and_tokens_are_those_of_all_workers_together() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        test.execute("insert into blog select i, 't', 'c' from generate_series(1, 400) i")
            .await?;
        let id = vectorize(&test, "blog", "").await?;
        if test.catalog != Catalog::Ours {
            return Ok(());
        }
        // two workers that have each done 300 rows in 30 seconds
        test.execute(&format!(
            "select ai._worker_usage({id}, 300, 30, 1000);
             select ai._worker_usage({id}, 300, 30, null)"
        ))
        .await?;
        let found = status(&test, id).await?;
        let rate = found.rows_per_second.unwrap();
        // what was done longer ago counts for less, and a report does not say when in its time the rows were done
        assert!((15.0..30.0).contains(&rate), "{rate}");
        let left = found.time_left.unwrap().as_secs_f64();
        assert!((left - 400.0 / rate).abs() < 1.0, "{left} at {rate}");
        assert_eq!(found.input_tokens, Some(1000));
        let usage = format!(
            "select input_tokens = 1000 and working_since < reported_at and recent_rows > 300 from \
                ai.vectorizer_worker_usage
             where vectorizer_id = {id}"
        );
        assert!(test.value::<bool>(&usage).await?);

        // silence is no speed
        test.execute(
            "update ai.vectorizer_worker_usage set reported_at = now() - interval '3 minutes', working_since \
            = now() - interval '4 minutes'",
        )
        .await?;
        let found = status(&test, id).await?;
        assert_eq!(
            (found.rows_per_second, found.time_left, found.input_tokens),
            (None, None, Some(1000))
        );
        // and does not slow down what begins after it
        test.execute(&format!("select ai._worker_usage({id}, 100, 10, 5)"))
            .await?;
        let found = status(&test, id).await?;
        let rate = found.rows_per_second.unwrap();
        assert!((8.0..13.0).contains(&rate), "{rate}");
        assert_eq!(found.input_tokens, Some(1005));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_a_role_may_not_see_is_not_guessed() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        test.execute("insert into blog values (1, 't', 'c')").await?;
        let id = vectorize(&test, "blog", "").await?;
        let role = test.role("guest").await?;
        test.execute(&format!(
            "grant usage on schema ai to {role}; grant select on ai.vectorizer, blog_embedding_store to {role}"
        ))
        .await?;
        let db = test.connect_as(&role).await?;
        let found = catalog::status(&db, id).await?;
        assert_eq!((found.pending, found.oldest_pending, found.failed), (None, None, None));
        assert_eq!(
            (found.coverage, found.rows_per_second, found.input_tokens),
            (None, None, None)
        );
        db.close().await?;
        test.drop_role(&role).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_column_s_coverage_is_its_rows_that_have_a_vector() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        test.execute("insert into blog select i, 't', 'c' from generate_series(1, 5) i")
            .await?;
        let id = vectorize(
            &test,
            "blog",
            ", destination => ai.destination_column('vector'), chunking => ai.chunking_none()",
        )
        .await?;
        test.execute("update blog set vector = '[1,2,3]' where id < 3").await?;
        let coverage = status(&test, id).await?.coverage.unwrap();
        assert_eq!((coverage.embedded.rows, coverage.rows.rows), (2, 5));
        // a source whose columns are called something else is not guessed at
        test.execute("alter table blog rename content to body").await?;
        assert_eq!(status(&test, id).await?.coverage, None);
        Ok(())
    })
    .await;
}
