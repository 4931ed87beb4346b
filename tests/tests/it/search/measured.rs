//! What a search says about itself: counts, plans, recall.

use pgai_sea::prelude::*;
use pgai_sea::search::RecallReport;
use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, DbErr, Statement};

use super::notes::{NOTES, create, note};
use super::with_index;

const QUERY: [f32; 3] = [1.0, 2.0, -0.5];
const INDEX: &str = "notes_embedding_store_embedding_idx";

#[tokio::test]
async fn a_count_is_of_all_pages() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        let search = || note::embeddings::Entity::search(QUERY);
        let all = u64::try_from(NOTES)?;
        assert_eq!(search().limit(3).offset(7).count(&test.db).await?, all);
        assert_eq!(search().with_source().best_per_source().count(&test.db).await?, all);
        assert_eq!(
            search().filter(note::Column::Author.eq("rare")).count(&test.db).await?,
            all / 100
        );
        test.execute(
            "insert into notes_embedding_store (id, chunk_seq, chunk, embedding) select id, 1, 'b', embedding \
            from notes_embedding_store",
        )
        .await?;
        assert_eq!(search().count(&test.db).await?, 2 * all);
        assert_eq!(search().best_per_source().count(&test.db).await?, all);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_plan_names_the_index_that_finds_the_nearest_and_no_other() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        let search = || note::embeddings::Entity::search(QUERY);
        assert_eq!(search().explain(&test.db).await?.index(), None);
        test.execute("create index on notes_embedding_store using hnsw (embedding vector_cosine_ops); analyze")
            .await?;
        let transaction = with_index(&test).await?;
        let rare = || search().filter(note::Column::Author.eq("rare"));
        for served in [
            search(),
            search().ef_search(99),
            rare(),
            rare().best_per_source(),
            rare().limit(500),
        ] {
            let explained = served.with_source().explain(&transaction).await?;
            assert_eq!(explained.index(), Some(INDEX), "{explained}");
            assert!(explained.plan().contains(&format!("Index Scan using {INDEX}")));
            assert_eq!(
                explained.to_string(),
                format!("{}\n{}", explained.choice(), explained.plan())
            );
        }
        for other in [
            search().exact(),
            search().exact().best_per_source(),
            search().metric(Metric::L2),
            search().quantized(Quantized::binary()),
            // finds rows by their key, and puts them in order
            search().exact().filter(note::embeddings::Column::Id.eq(7)),
        ] {
            let explained = other.explain(&transaction).await?;
            assert_eq!(explained.index(), None, "{explained}");
        }
        let rough = search().quantized(Quantized::binary());
        for (search, is_approximate) in [
            (search(), true),
            (search().exact(), false),
            (rough.clone(), true),
            (rough.exact(), false),
        ] {
            let explained = search.explain(&transaction).await?;
            assert_eq!(explained.is_approximate(), is_approximate, "{explained}");
        }
        Ok(())
    })
    .await;
}

fn plausible(report: &RecallReport, settings: &[(&'static str, u32)]) {
    assert_eq!(
        (report.k, report.sample, report.index.as_deref()),
        (10, 25, Some(INDEX))
    );
    let tried: Vec<_> = report.at.iter().filter_map(|at| at.setting).collect();
    assert_eq!(tried, settings);
    assert_eq!(report.default.setting, None);
    for at in std::iter::once(&report.default).chain(&report.at) {
        assert!((0.0..=1.0).contains(&at.recall), "{report}");
        assert!(!at.median.is_zero());
    }
    assert!(!report.exact.is_zero());
    let printed = report.to_string();
    for (setting, value) in settings {
        assert!(printed.contains(&format!("{setting} = {value}")), "{printed}");
    }
}

#[tokio::test]
async fn recall_is_of_a_seeds_sample_or_of_questions() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        test.execute(
            "create index on notes_embedding_store using hnsw (embedding vector_cosine_ops) with (m = 2, \
            ef_construction = 4); analyze",
        )
        .await?;
        let transaction = with_index(&test).await?;
        let recall = || note::embeddings::Entity::recall(10, 5).settings([1]);
        let mut shares = Vec::new();
        for seed in 0..5 {
            let reports = [
                recall().seed(seed).run(&transaction).await?,
                recall().seed(seed).run(&transaction).await?,
            ];
            let [first, second] = reports.map(|report| report.at[0].recall.to_string());
            assert_eq!(first, second, "the seed {seed}");
            shares.push(first);
        }
        shares.dedup();
        assert!(shares.len() > 1, "every seed has the same sample: {shares:?}");

        let questions = (1..=7).map(super::notes::vector);
        let report = recall().questions(questions).run(&transaction).await?;
        assert_eq!((report.sample, report.index.as_deref()), (7, Some(INDEX)));
        assert!(report.at[0].recall <= report.default.recall, "{report}");
        // a stored vector as a question is one of its own nearest rows
        let itself = recall()
            .questions([super::notes::vector(7)])
            .settings([1_000])
            .run(&transaction)
            .await?;
        assert!(itself.at[0].recall > 0.0, "{itself}");
        let refused = recall().questions([[1.0, 2.0]]).run(&transaction).await.unwrap_err();
        assert!(
            matches!(
                refused,
                SearchError::Dimensions {
                    expected: 3,
                    actual: 2,
                    ..
                }
            ),
            "{refused:?}"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn recall_is_all_without_an_index_and_grows_with_what_is_looked_at() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        let recall = || note::embeddings::Entity::recall(10, 25);
        let report = recall().run(&test.db).await?;
        assert_eq!((report.index.as_deref(), report.at.len()), (None, 0));
        assert!((report.default.recall - 1.0).abs() < 1e-9, "{report}");

        // a graph with hardly any edges
        test.execute(
            "create index on notes_embedding_store using hnsw (embedding vector_cosine_ops) with (m = 2, \
            ef_construction = 4); analyze",
        )
        .await?;
        let transaction = with_index(&test).await?;
        let report = recall().settings([1, 10, 1_000]).run(&transaction).await?;
        plausible(&report, &[("ef_search", 1), ("ef_search", 10), ("ef_search", 1_000)]);
        assert!(report.at[0].recall < report.at[2].recall, "{report}");
        plausible(
            &recall().run(&transaction).await?,
            &[20, 40, 80, 160, 320].map(|value| ("ef_search", value)),
        );
        let refused = recall().settings([1_001]).run(&transaction).await.unwrap_err();
        assert!(
            matches!(
                refused,
                SearchError::Setting {
                    setter: "ef_search",
                    ..
                }
            ),
            "{refused}"
        );
        transaction.rollback().await?;

        test.execute(&format!(
            "drop index {INDEX}; create index on notes_embedding_store using ivfflat (embedding \
            vector_l2_ops) with (lists = 40); analyze"
        ))
        .await?;
        let transaction = with_index(&test).await?;
        let report = recall().metric(Metric::L2).settings([1, 40]).run(&transaction).await?;
        plausible(&report, &[("probes", 1), ("probes", 40)]);
        assert!(report.at[0].recall < 0.999 && report.at[1].recall > 0.999, "{report}");
        Ok(())
    })
    .await;
}

/// A table of another schema may have an index of the same name, of another kind.
#[tokio::test]
async fn the_index_is_the_tables_own() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(&format!(
            "create schema other; create table other.vectors (embedding vector(3));
             create index {INDEX} on other.vectors using ivfflat (embedding vector_cosine_ops) with (lists = 1)"
        ))
        .await?;
        create(&test).await?;
        test.execute("create index on notes_embedding_store using hnsw (embedding vector_cosine_ops); analyze")
            .await?;
        let transaction = with_index(&test).await?;
        let report = note::embeddings::Entity::recall(3, 2)
            .settings([50])
            .run(&transaction)
            .await?;
        assert_eq!(report.index.as_deref(), Some(INDEX));
        let tried: Vec<_> = report.at.iter().filter_map(|at| at.setting).collect();
        assert_eq!(tried, [("ef_search", 50)]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_setting_is_refused_before_anything_is_measured_and_a_sample_is_what_has_a_direction() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        test.execute(
            "create index on notes_embedding_store using hnsw (embedding vector_cosine_ops);
             delete from notes_embedding_store where id > 30;
             update notes_embedding_store set embedding = '[0,0,0]' where id <= 10; analyze",
        )
        .await?;
        let transaction = with_index(&test).await?;
        let reads = async || {
            let sql = "select seq_scan from pg_stat_xact_user_tables where relname = 'notes_embedding_store'";
            let statement = Statement::from_string(DbBackend::Postgres, sql);
            let row = transaction.query_one_raw(statement).await?;
            row.ok_or_else(|| DbErr::RecordNotFound(sql.to_owned()))?
                .try_get_by_index::<i64>(0)
        };
        let recall = || note::embeddings::Entity::recall(5, u64::MAX);
        let before = reads().await?;
        let refused = recall().settings([40, 1_001]).run(&transaction).await.unwrap_err();
        assert!(
            matches!(
                refused,
                SearchError::Setting {
                    setter: "ef_search",
                    ..
                }
            ),
            "{refused}"
        );
        assert_eq!(reads().await?, before, "the table was read for nothing");
        assert_eq!(recall().run(&transaction).await?.sample, 20);
        assert_eq!(recall().metric(Metric::L2).run(&transaction).await?.sample, 30);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn there_is_nothing_to_recall_in_an_empty_table() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        for (k, sample) in [(0, 5), (5, 0), (u64::MAX, 1)] {
            let report = note::embeddings::Entity::recall(k, sample).run(&test.db).await?;
            assert!((report.default.recall - 1.0).abs() < 1e-9, "{report}");
        }
        test.execute("truncate notes").await?;
        let report = note::embeddings::Entity::recall(5, 5).run(&test.db).await?;
        assert_eq!((report.sample, report.index), (0, None));
        Ok(())
    })
    .await;
}
