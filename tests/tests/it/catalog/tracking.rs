//! What workers report, on both catalogs alike.

use pgai_sea_tests::on_both_catalogs;

use super::{BLOG, vectorize};

#[tokio::test]
async fn processes_and_progress() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", "").await?;
        let worker: sea_orm::prelude::Uuid = test.value("select ai._worker_start('1.2.3', '5 minutes')").await?;
        test.execute(&format!(
            "select ai._worker_heartbeat('{worker}', 7, 0, null);
             select ai._worker_heartbeat('{worker}', 1, 2, 'refused');
             select ai._worker_heartbeat('{worker}', 1, 0, null);
             select ai._worker_progress('{worker}', {id}, 5, null);
             select ai._worker_progress('{worker}', {id}, 4, null);
             select ai._worker_progress('{worker}', {id}, 0, 'refused');
             select ai._worker_progress('{worker}', {id}, 1, null)"
        ))
        .await?;
        let process: String = test
            .value(
                "select format('%s %s %s %s %s %s', version, expected_heartbeat_interval, heartbeat_count, \
                    success_count, error_count,
                     last_error_message) from ai.vectorizer_worker_process where last_heartbeat >= last_error_at",
            )
            .await?;
        assert_eq!(process, "1.2.3 00:05:00 3 9 2 refused");
        let progress: String = test
            .value(&format!(
                "select format('%s %s %s', success_count, error_count, last_error_message) from \
                    ai.vectorizer_worker_progress
                 where vectorizer_id = {id} and last_success_process_id = '{worker}' and last_error_process_id = \
                 '{worker}'
                 and last_success_at >= last_error_at"
            ))
            .await?;
        assert_eq!(progress, "10 1 refused");
        test.execute(&format!("select ai.drop_vectorizer({id})")).await?;
        assert_eq!(
            test.value::<i64>("select count(*) from ai.vectorizer_worker_progress")
                .await?,
            0
        );
        Ok(())
    })
    .await;
}
