//! The quality of searches, measured on a real PostgreSQL.

use pgai_sea::assert_quality;
use pgai_sea::migration::prelude::*;
use pgai_sea::prelude::*;
use pgai_sea::quality::{Judgments, Measure, evaluate, evaluate_search};
use pgai_sea::search::Location;
use pgai_sea::testing::{FakeEmbedder, embed_all};
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::prelude::*;

use crate::readme::blog_post::{self, content_embeddings};
use crate::readme::m0001_search;

async fn posts(test: &TestDatabase, embedder: &FakeEmbedder) -> TestResult {
    test.execute("create table blog_posts (id serial primary key, title text not null, content text not null)")
        .await?;
    m0001_search::Migration.up(&SchemaManager::new(&test.db)).await?;
    test.execute(
        "insert into blog_posts (title, content) values
         ('bread', 'Flour, water and salt make a loaf of bread'),
         ('index', 'A B-tree keeps the keys of an index in order'),
         ('draft', 'How to knead the dough of a sourdough loaf')",
    )
    .await?;
    embed_all(&test.db, embedder).await?;
    test.execute("insert into blog_posts (title, content) values ('late', 'Not embedded yet')")
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_missed_answer_says_why() {
    on_both_catalogs(async |test| {
        let embedder = FakeEmbedder::new(768);
        posts(&test, &embedder).await?;
        let search = || blog_post::Entity::search_text(&embedder, "flour and water make bread");

        let found = search().locate(1, &test.db).await?;
        assert!(matches!(found, Location::Found { rank: 1, .. }), "{found:?}");
        let behind = search().limit(1).locate(3, &test.db).await?;
        assert!(matches!(behind, Location::BeyondPage { rank: 2 | 3, .. }), "{behind:?}");
        let far = search().max_distance(0.5).locate(2, &test.db).await?;
        assert!(
            matches!(far, Location::TooFar { distance } if distance > 0.5),
            "{far:?}"
        );
        let drafts = || search().filter(blog_post::Column::Title.ne("draft"));
        assert_eq!(drafts().locate(3, &test.db).await?, Location::Filtered);
        assert!(matches!(drafts().locate(1, &test.db).await?, Location::Found { .. }));
        assert_eq!(search().locate(4, &test.db).await?, Location::NotEmbedded);
        assert_eq!(search().locate(99, &test.db).await?, Location::NotEmbedded);
        let like = blog_post::Entity::search_like(1).locate(1, &test.db).await?;
        assert_eq!(like, Location::Incomparable);
        // every page up to this one counts
        let second = search().limit(1).offset(2).locate(1, &test.db).await?;
        assert!(matches!(second, Location::Found { rank: 1, .. }), "{second:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_report_has_the_measures_and_the_causes() {
    on_both_catalogs(async |test| {
        let embedder = FakeEmbedder::new(768);
        posts(&test, &embedder).await?;
        let judgments = Judgments::from_toml(
            r#"
            [[questions]]
            text = "flour and water make bread"
            answers = [1]

            [[questions]]
            text = "knead a sourdough"
            grades = { 3 = 2, 4 = 1 }
            "#,
        )?;
        let search = |question: &str| {
            let search = blog_post::Entity::search_text(&embedder, question).limit(2);
            search.filter(blog_post::Column::Title.ne("draft"))
        };
        let report = evaluate_search(&judgments, &test.db, search).await?;
        assert_eq!((report.k, report.questions.len()), (2, 2));
        assert!(report.questions[0].measures.ndcg > 0.999);
        assert_eq!(report.questions[0].missed.len(), 0);
        assert!(report.questions[1].measures.recall < 0.001);
        assert_eq!(report.questions[1].missed["3"], "is left out by a filter");
        assert!(report.questions[1].missed["4"].starts_with("has no embeddings"));
        assert_quality!(report, ndcg >= 0.5, recall >= 0.5);
        let error = report.at_least(Measure::Recall, 0.9).unwrap_err().to_string();
        assert!(error.contains("0.000 knead a sourdough"), "{error}");
        assert!(error.contains("3 is left out by a filter"), "{error}");

        // any ranking of keys
        let without_filter = evaluate(&judgments, 2, async |question| {
            let hits = blog_post::Entity::search_text(&embedder, question)
                .limit(2)
                .all(&test.db)
                .await?;
            Ok::<_, SearchError>(hits.iter().map(|hit| hit.source.id.to_string()).collect())
        })
        .await?;
        let comparison = without_filter.compare(&report);
        assert_eq!((comparison.questions, comparison.changes.len()), (2, 1));
        assert!(comparison.changes[0].after > comparison.changes[0].before);

        // a key of another form
        let judgments = Judgments::new([("question", ["seven"])]);
        let error = evaluate_search(&judgments, &test.db, search)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("`seven` is no key of the entity"), "{error}");
        // a search that fails
        embedder.only_pinned();
        let error = evaluate_search(&judgments, &test.db, search)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("the question `question` could not be searched for"),
            "{error}"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn questions_are_made_of_the_texts_and_are_answered_by_them() {
    on_both_catalogs(async |test| {
        let embedder = FakeEmbedder::new(768);
        posts(&test, &embedder).await?;
        test.execute(
            "insert into blog_posts (title, content) values ('bread', 'Flour, water and salt make a loaf of bread')",
        )
        .await?;
        test.execute("insert into blog_posts (title, content) values ('regex', 'What (a+)+ [b] $1 does. in \\d* {2}')")
            .await?;
        embed_all(&test.db, &embedder).await?;
        let judgments = Judgments::known_items::<content_embeddings::Entity, _>(&test.db, 10, 7).await?;
        assert_eq!(
            judgments,
            Judgments::known_items::<content_embeddings::Entity, _>(&test.db, 10, 7).await?
        );
        assert_ne!(
            judgments,
            Judgments::known_items::<content_embeddings::Entity, _>(&test.db, 10, 8).await?
        );
        // five texts, one of them twice
        assert_eq!(judgments.questions.len(), 5);
        let bread = judgments
            .questions
            .iter()
            .find(|question| question.grades.contains_key("1"));
        assert_eq!(bread.map(|question| question.grades.len()), Some(2));
        let search = |question: &str| blog_post::Entity::search_text(&embedder, question).limit(3);
        let report = evaluate_search(&judgments, &test.db, search).await?;
        assert_quality!(report, recall >= 1.0, reciprocal_rank >= 1.0);
        Ok(())
    })
    .await;
}

/// An index that is told to look at few rows misses some, and is named as the cause.
#[tokio::test]
async fn an_index_that_misses_a_row_is_named() {
    on_catalog(Catalog::Ours, async |test| {
        let embedder = FakeEmbedder::new(768);
        posts(&test, &embedder).await?;
        test.execute(
            "insert into blog_posts_embedding_store (id, chunk_seq, chunk, embedding)
             select n, 0, n::text, (select array_agg(sin(n * 7.3 + i * 1.7 + (n * i) % 13)::real) from \
             generate_series(1, 768) i)::public.vector
             from generate_series(1000, 3000) n;
             insert into blog_posts (id, title, content) select n, n::text, n::text from generate_series(1000, 3000) n;
             create index on blog_posts_embedding_store using hnsw (embedding public.vector_cosine_ops) with (m = 2, \
             ef_construction = 4)",
        )
        .await?;
        let query: Vec<f32> = (0..768_u16).map(|i| (f32::from(i) * 0.37).cos()).collect();
        let search = || {
            let search = content_embeddings::Entity::search(query.clone()).limit(40);
            search.ef_search(1).iterative_scan(IterativeScan::Off)
        };
        let exact = search().exact().all(&test.db).await?;
        let found = search().all(&test.db).await?;
        let mut missed = 0;
        for hit in &exact {
            let key = hit.embedding.source_key;
            let location = search().locate(key, &test.db).await?;
            if found.iter().any(|found| found.embedding.source_key == key) {
                assert!(matches!(location, Location::Found { .. }), "{location:?}");
            } else {
                assert!(
                    matches!(location, Location::MissedByIndex { rank: 1..=40, .. }),
                    "{location:?}"
                );
                missed += 1;
            }
        }
        assert!(missed > 0, "the index misses nothing");
        Ok(())
    })
    .await;
}
