//! Batches that end in another way: expired, failed, cancelled, with lines that failed.

use std::time::Duration;

use pgai_sea_tests::providers::BatchEnd;
use pgai_sea_tests::{Catalog, on_catalog};

use super::super::support::soon;
use super::{Posts, said};

#[tokio::test]
async fn what_an_expired_batch_has_is_used_and_the_rest_is_asked_for() {
    on_catalog(Catalog::Ours, async |test| {
        let posts = Posts::new(test, 100).await?;
        posts.provider.batches_end([BatchEnd::Expired]);
        let said = posts.backfilled().await?;
        assert!(
            said.contains("more are embedded at the ordinary price: the batch has expired"),
            "{said}"
        );
        let batches = posts.provider.batches();
        let by_batch = posts.provider.texts_of_batches();
        assert_eq!(by_batch.len(), batches.iter().sum::<usize>() - batches[0] / 2);
        assert_eq!(posts.ordinary().len(), batches[0] / 2);
        assert!(by_batch.iter().all(|text| !posts.ordinary().contains(text)));
        posts.worked_off().await?;
        posts.assert_paid_once().await?;
        posts.assert_as_fresh("id", "posts_embedding_store").await
    })
    .await;
}

#[tokio::test]
async fn a_text_that_is_refused_is_its_rows_failure_alone() {
    on_catalog(Catalog::Ours, async |test| {
        let posts = Posts::new(test, 60).await?;
        posts.provider.refuse("T33:");
        let said = posts.backfilled().await?;
        assert!(
            said.contains("at the ordinary price: The input was rejected."),
            "{said}"
        );
        let missing = "select string_agg(id::text, ' ') from posts p where not exists (select from \
                       posts_embedding_store s where s.id = p.id)";
        assert_eq!(posts.test.value::<String>(missing).await?, "33");
        let deferred = "select count(*) from ai._vectorizer_q_1 where id = 33 and loading_retries = 1";
        assert_eq!(posts.test.value::<i64>(deferred).await?, 1, "it was charged once");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_account_that_may_have_less_in_batches_gets_smaller_ones() {
    on_catalog(Catalog::Ours, async |test| {
        let posts = Posts::new(test, 100).await?;
        posts.provider.batches_hold(45);
        let said = posts.backfilled().await?;
        assert!(said.contains("(token_limit_exceeded)"), "{said}");
        // what was refused beside others waits for one of them
        let made = posts.provider.batches();
        assert!(made.len() <= 15, "{made:?}");
        assert_eq!(posts.ordinary().len(), 0, "{said}");
        posts.worked_off().await?;
        posts.assert_paid_once().await?;
        posts.assert_as_fresh("id", "posts_embedding_store").await
    })
    .await;
}

#[tokio::test]
async fn a_batch_that_failed_is_told_of_and_handed_in_by_the_next_command() {
    on_catalog(Catalog::Ours, async |test| {
        let posts = Posts::new(test, 60).await?;
        posts
            .provider
            .batches_end([BatchEnd::Failed("billing_hard_limit_reached".to_owned())]);
        let error = posts.backfilled().await.unwrap_err().to_string();
        assert!(
            error.contains("failed at OpenAI (billing_hard_limit_reached): Not this one."),
            "{error}"
        );
        assert!(
            error.contains("call the same again: it goes on where it was"),
            "{error}"
        );
        posts.backfilled().await?;
        posts.worked_off().await?;
        posts.assert_paid_once().await?;
        posts.assert_as_fresh("id", "posts_embedding_store").await
    })
    .await;
}

#[tokio::test]
async fn what_is_given_up_is_the_workers() {
    on_catalog(Catalog::Ours, async |test| {
        let posts = Posts::new(test, 100).await?;
        posts.provider.batches_take(Duration::from_hours(1));
        let mut running = posts.backfill().spawn()?;
        soon(async || posts.provider.batches().len() == 3).await;
        running.kill().await?;
        let cancel = ["backfill", "posts", "--cancel", "--lease", "1s"];
        let output = posts.command(&cancel).output().await?;
        assert!(output.status.success(), "{output:?}");
        assert!(said(&output).contains("batches are cancelled at OpenAI"), "{output:?}");
        posts.worked_off().await?;
        assert_eq!(posts.provider.texts_of_batches(), Vec::<String>::new());
        posts.assert_paid_once().await?;
        posts.assert_as_fresh("id", "posts_embedding_store").await?;
        let output = posts.command(&cancel).output().await?;
        assert!(
            said(&output).contains("no backfill through batches is under way"),
            "{output:?}"
        );
        Ok(())
    })
    .await;
}

/// The configuration is edited while batches are at the provider: their vectors are of no use, and none is written.
#[tokio::test]
async fn vectors_of_another_configuration_are_not_written() {
    on_catalog(Catalog::Ours, async |test| {
        let posts = Posts::new(test, 60).await?;
        posts.provider.batches_take(Duration::from_hours(1));
        let running = posts.backfill().spawn()?;
        soon(async || posts.provider.batches().len() >= 2).await;
        posts
            .test
            .execute(
                "update ai.vectorizer set config = jsonb_set(config, '{formatting,template}', '\"$title - $chunk\"')",
            )
            .await?;
        // a worker notices it
        let mut worker = posts.worker()?;
        soon(async || posts.ordinary().iter().any(|text| text.contains(" - "))).await;
        posts.provider.batches_take(Duration::from_millis(50));
        let output = running.wait_with_output().await?;
        assert!(output.status.success(), "{output:?}");
        posts.worked_off().await?;
        worker.kill().await?;
        let wrong = "select count(*) from posts_embedding_store where chunk not like 'T% - %'";
        assert_eq!(posts.test.value::<i64>(wrong).await?, 0);
        assert!(posts.chunks().await? >= 120);
        Ok(())
    })
    .await;
}
