//! A worker that is killed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pgai_sea_tests::providers::Fault;
use pgai_sea_tests::{TestResult, on_both_catalogs};

use super::blog::Blog;
use super::commands::pgai_sea;

const POSTS: i32 = 500;
/// More than the lease of the killed worker's rows, on a slow machine.
const PATIENCE: Duration = Duration::from_mins(4);

/// Two sentences that do not fit into one chunk of 800 characters together.
fn sentences(post: i32) -> [String; 2] {
    ["first", "second"].map(|which| {
        format!(
            "The {which} sentence of post {post}: {}",
            "word ".repeat(100).trim_end()
        )
    })
}

#[tokio::test]
async fn another_worker_ends_with_exactly_the_right_embeddings_after_kill_9() {
    on_both_catalogs(async |test| -> TestResult {
        let blog = Blog::new(test).await?;
        let posts = (1..=POSTS).map(|post| format!("('Post {post}', '{}')", sentences(post).join(".")));
        let posts: Vec<String> = posts.collect();
        blog.test
            .execute(&format!(
                "insert into blog_posts (title, content) values {}",
                posts.join(", ")
            ))
            .await?;

        // as slow as a provider is, so that there is a middle
        blog.provider.always(Fault::Delay(Duration::from_millis(250)));
        let worker = ["worker", "-d", &blog.test.url];
        let mut first = pgai_sea(&blog).args(worker).spawn()?;
        let embedded = || {
            blog.test
                .value::<i64>("select count(distinct id) from blog_posts_embedding_store")
        };
        let started = Instant::now();
        while embedded().await? == 0 {
            assert!(started.elapsed() < PATIENCE, "nothing was embedded");
            if let Some(status) = first.try_wait()? {
                panic!("the worker ended by itself: {status}");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // in the middle: with a request under way that will not be answered
        blog.provider.hold();
        let arrived = blog.provider.requests().len();
        blog.provider.wait_for_requests(arrived + 1).await;
        first.kill().await?;
        blog.provider.release();
        let done = embedded().await?;
        assert!(
            (1..i64::from(POSTS)).contains(&done),
            "{done} of {POSTS} posts were embedded before the kill"
        );

        let mut second = pgai_sea(&blog).args(worker).spawn()?;
        let started = Instant::now();
        while blog.queued().await?.0 > 0 {
            let waited = started.elapsed();
            assert!(
                waited < PATIENCE,
                "{:?} are queued or dead after {waited:?}",
                blog.queued().await?
            );
            if let Some(status) = second.try_wait()? {
                panic!("the second worker ended by itself: {status}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        second.kill().await?;

        assert_eq!(blog.queued().await?, (0, 0));
        let expected: BTreeMap<i32, Vec<String>> = (1..=POSTS)
            .map(|post| {
                (
                    post,
                    sentences(post)
                        .map(|sentence| format!("Post {post} - {sentence}"))
                        .to_vec(),
                )
            })
            .collect();
        blog.assert_embedded(&expected).await
    })
    .await;
}
