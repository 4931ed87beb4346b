//! What a change does not do: make vectors that are there, and hold up those who write.

use pgai_sea::change::{self, Plan};
use pgai_sea::config::{Chunking, Embedding, Formatting, Indexing, Loading, Processing, Scheduling};
use pgai_sea::{ChangeVectorizer, catalog};
use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};

use super::support::{Models, POSTS, assert_made_by};

const STORE: &str = "posts_embedding_store";

fn to(model: &str, dimensions: i32) -> ChangeVectorizer {
    ChangeVectorizer::new("posts").embedding(Embedding::ollama(model, dimensions))
}

#[tokio::test]
async fn what_needs_no_vector_anew_is_changed_in_place() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let reader = test.role("reader").await?;
        let models = Models::new();
        models.run(&test).await;
        let paid = models.small.paid();
        let id = catalog::vectorizer(&test.db, "posts").await?.id;
        let in_place = ChangeVectorizer::new("posts")
            .loading(Loading::column("body").retries(1))
            .processing(Processing::batches().batch_size(7))
            .embedding(Embedding::ollama("small", 8).base_url("http://elsewhere"))
            .scheduling(Scheduling::none())
            .indexing(Indexing::hnsw().min_rows(10))
            .view_name("searchable_posts")
            .grant_to([reader.as_str()]);
        assert_eq!(change::start(&test.db, &in_place).await?, id);
        assert_eq!(change::find(&test.db, "posts").await?, None);
        let may: bool = test
            .value(&format!(
                "select has_table_privilege('{reader}', 'posts_embedding_store', 'select')"
            ))
            .await?;
        assert!(may);
        models.run(&test).await;
        assert_eq!(models.small.paid(), paid);
        let batch: i32 = test
            .value("select (config #>> '{processing,batch_size}')::int from ai.vectorizer")
            .await?;
        assert_eq!(batch, 7);
        let built: i64 = test
            .value(
                "select count(*) from pg_indexes where tablename = 'posts_embedding_store' and indexdef like '%hnsw%'",
            )
            .await?;
        assert_eq!(built, 1, "the worker builds the index that is asked for now");
        // the view's name is the same after a change, and the other generation's view makes way for it
        let there = "select string_agg(viewname, ' ' order by viewname) from pg_views where schemaname = 'public'";
        assert_eq!(test.value::<String>(there).await?, "searchable_posts");
        change::start(&test.db, &to("other", 8)).await?;
        models.run(&test).await;
        change::cut_over(&test.db, "posts").await?;
        assert_eq!(
            test.value::<String>(there).await?,
            "searchable_posts searchable_posts_old"
        );
        let renamed = ChangeVectorizer::new("posts").view_name("posts_again");
        change::start(&test.db, &renamed).await?;
        change::roll_back(&test.db, "posts").await?;
        change::abort(&test.db, "posts").await?;
        assert_eq!(test.value::<String>(there).await?, "posts_again");
        let taken = ChangeVectorizer::new("posts").view_name("posts");
        let refused = change::start(&test.db, &taken).await.unwrap_err().to_string();
        assert!(refused.contains("exists already"), "{refused}");
        Ok(())
    })
    .await;
}

/// A shorter vector is the beginning of a longer one: of OpenAI's models, and of those of which that is said.
#[tokio::test]
async fn a_shorter_length_is_cut_and_not_paid_for() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let models = Models::new();
        change::start(&test.db, &to("large", 12)).await?;
        models.run(&test).await;
        change::cut_over(&test.db, "posts").await?;
        change::finish(&test.db, "posts").await?;
        let paid = models.large.paid();
        let shorter = to("large", 6);
        let plan = Plan::new()
            .nested_model("ollama", "large")
            .run(&test.db, &shorter)
            .await?;
        assert_eq!((plan.chunks, plan.copied, plan.tokens), (300, 300, 0), "{plan:?}");
        change::start(&test.db, &shorter).await?;
        models.worker(&test).nested_model("ollama", "large").run_once().await?;
        assert_eq!(models.large.paid(), paid, "nothing is asked for");
        let differ: i64 = test
            .value(
                "select count(*) from posts_embedding_store_new n
                 full join posts_embedding_store o using (id, chunk_seq)
                 where n.embedding is distinct from l2_normalize(subvector(o.embedding, 1, 6)) and
                     not coalesce(n.embedding <-> l2_normalize(subvector(o.embedding, 1, 6)) < 1e-5, false)",
            )
            .await?;
        assert_eq!(differ, 0);
        Ok(())
    })
    .await;
}

/// On pgai's catalog, too.
#[tokio::test]
async fn a_batch_size_needs_no_generation() {
    on_both_catalogs(async |test| {
        test.execute(POSTS).await?;
        let id = catalog::vectorizer(&test.db, "posts").await?.id;
        let in_place = ChangeVectorizer::new("posts")
            .processing(Processing::batches().batch_size(7))
            .loading(Loading::column("body").retries(1));
        assert_eq!(change::start(&test.db, &in_place).await?, id);
        assert_eq!(change::find(&test.db, "posts").await?, None);
        let batch: i32 = test
            .value("select (config #>> '{processing,batch_size}')::int from ai.vectorizer")
            .await?;
        assert_eq!(batch, 7);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn chunks_that_stay_the_same_are_paid_for_once() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let models = Models::new();
        models.run(&test).await;
        let paid = models.small.paid();
        // the chunk size stays, the template's title changes in 3 of 300 rows
        let template = ChangeVectorizer::new("posts")
            .formatting(Formatting::python_template("${title}: $chunk"))
            .chunking(
                Chunking::character_text_splitter()
                    .chunk_size(21)
                    .chunk_overlap(4)
                    .separator(" "),
            );
        change::start(&test.db, &template).await?;
        test.execute("update posts set title = 'another' where id in (7, 8, 9)")
            .await?;
        let report = models.run(&test).await;
        assert!(
            models.small.paid() - paid <= 6,
            "{} of 300 texts were paid for",
            models.small.paid() - paid
        );
        // each row once, and those that were edited once more for the generation that answers
        assert_eq!(report.rows(), 303, "{report:?}");
        change::cut_over(&test.db, "posts").await?;
        assert_made_by(&test, STORE, &models.small).await;
        Ok(())
    })
    .await;
}

/// A backfill that takes its time: a fresh edit is embedded for the generation that answers all the same.
#[tokio::test]
async fn a_backfill_goes_at_its_pace_and_edits_do_not_wait() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(POSTS).await?;
        let models = Models::new();
        models.run(&test).await;
        change::start(&test.db, &to("large", 12)).await?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let worker = models.worker(&test).backfill_rows_per_second(50);
        let began = std::time::Instant::now();
        let worker = tokio::spawn(async move { worker.run_until(stopped).await });
        test.execute("update posts set body = 'an edit' where id = 300").await?;
        let embedded = "select exists (select from posts_embedding_store where id = 300 and chunk like '%an edit')";
        while !test.value::<bool>(embedded).await? {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let left: i64 = test.value("select count(*) from posts_embedding_store_new").await?;
        assert!(left < 300, "the edit came after all rows");
        while change::find(&test.db, "posts")
            .await?
            .is_some_and(|change| change.unready.is_some())
        {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        // 300 rows, the first fifty at once
        assert!(
            began.elapsed() >= std::time::Duration::from_millis(4_900),
            "{:?}",
            began.elapsed()
        );
        stop.send(()).ok();
        worker.await??;
        assert_made_by(&test, "posts_embedding_store_new", &models.large).await;
        Ok(())
    })
    .await;
}
