//! Hybrid searches where they are hard: crowds, joins, ties, bounds, names.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::entity::prelude::*;
use sea_orm::{JoinType, Order};

use super::library::{filled, passage, store};
use super::notes::{create, note};
use super::reference::{Hybrid, fused, give_words, rows};
use super::with_index;

const QUERY: [f32; 3] = [3.0, 2.0, 1.0];

pub(super) fn search() -> pgai_sea::search::Search<'static, passage::chunks::Entity> {
    passage::chunks::Entity::search(QUERY)
}

pub(super) fn lantern() -> FullText {
    FullText::all("lantern")
}

/// How many statements `test.db` sends, of a clone that counts them.
fn counted(test: &TestDatabase) -> (DatabaseConnection, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let mut db = test.db.clone();
    let counter = count.clone();
    db.set_metric_callback(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    (db, count)
}

/// Two passages have the nearest 550 chunks: more than what is scanned first for the best of each of fifty.
#[tokio::test]
async fn every_source_of_the_window_is_ranked_however_many_chunks_the_nearest_have() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        give_words(&test).await?;
        let rows = rows(&test, &chunks, Metric::Cosine, &QUERY).await?;
        let expected = Hybrid {
            is_grouped: true,
            ..Hybrid::of_window(40)
        };
        let expected = expected.of(&rows);
        let hits = search()
            .best_per_source()
            .limit(40)
            .hybrid(lantern())
            .window(40)
            .all(&test.db)
            .await?;
        assert_eq!(hits.iter().filter_map(|hit| hit.vector_rank).max(), Some(40));
        assert_eq!(fused(&hits), expected[..40]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn nothing_is_asked_again_that_is_known() {
    on_catalog(Catalog::Ours, async |test| {
        let mut chunks = filled(&test).await?;
        give_words(&test).await?;
        let (db, count) = counted(&test);
        // the window is full, though nothing of it is near enough, and nothing matches
        let hits = search()
            .max_distance(-1.0)
            .hybrid(FullText::all("nowhere"))
            .all(&db)
            .await?;
        assert!(hits.is_empty());
        assert_eq!(count.swap(0, Ordering::Relaxed), 1);
        let hits = search().max_distance(-1.0).hybrid(lantern()).all(&db).await?;
        assert_eq!(hits.len(), 10);
        assert_eq!(count.swap(0, Ordering::Relaxed), 1);

        // a scan that carried on to the end of all rows: a larger one would find no more
        chunks.truncate(30);
        store(&test, &chunks).await?;
        let _page = search().best_per_source().all(&db).await?;
        assert_eq!(count.swap(0, Ordering::Relaxed), 2);
        // the rows of a small table, and what follows them, are counted
        for offset in [0, 25, 30, 100] {
            let hits = search().offset(offset).limit(40).all(&db).await?;
            assert_eq!(hits.len() as u64, 30_u64.saturating_sub(offset));
            assert_eq!(count.swap(0, Ordering::Relaxed), 2, "{offset}");
        }
        let _page = search().best_per_source().hybrid(lantern()).all(&db).await?;
        assert_eq!(count.swap(0, Ordering::Relaxed), 2);
        Ok(())
    })
    .await;
}

mod matching {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "matching")] // what a statement of a hybrid search might call a part of itself
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub score: i32,
        #[sea_orm(column_type = "Vector(Some(3))", nullable)]
        pub profile: Option<PgVector>,
        #[vectorizer(dimensions = 3, name = "embeddings")]
        pub body: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Five rows: the third has a profile of zeros, the fourth none.
async fn create_matching(test: &TestDatabase) -> TestResult {
    use pgai_sea::migration::prelude::*;

    test.execute(
        "create table matching (id int primary key, score int not null, profile vector(3), body text not null)",
    )
    .await?;
    SchemaManager::new(&test.db)
        .create_vectorizer(
            CreateVectorizer::new("matching")
                .loading(Loading::column("body"))
                .embedding(Embedding::ollama("m", 3)),
        )
        .await?;
    test.execute(
        "insert into matching values (1, 10, '[1,0,0]', 'one'), (2, 20, '[0,1,0]', 'two'), (3, 30, '[0,0,0]', 'three'),
             (4, 40, null, 'four'), (5, 50, '[1,1,0]', 'five');
         insert into matching_embedding_store (id, chunk_seq, chunk, embedding)
             select id, 0, 'the lantern of ' || body, array[id, 0, 1]::vector from matching",
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_users_table_may_be_called_like_a_part_of_the_statement_and_its_columns_as_well() {
    on_both_catalogs(async |test| {
        create_matching(&test).await?;
        let hits = matching::Entity::search([1.0, 0.0, 0.0])
            .filter(matching::Column::Score.gt(10))
            .filter(sea_orm::sea_query::Expr::cust("score < 50"))
            .hybrid(lantern())
            .all(&test.db)
            .await?;
        let found: Vec<_> = hits.iter().map(|hit| (hit.source.id, hit.source.score)).collect();
        assert_eq!(found, [(4, 40), (2, 20), (3, 30)]);
        Ok(())
    })
    .await;
}

/// Each row is compared with a vector of its source, which is zero in one and missing in another.
#[tokio::test]
async fn a_column_of_the_source_may_be_the_query_and_rows_without_a_distance_are_no_hits() {
    on_both_catalogs(async |test| {
        create_matching(&test).await?;
        let search = || matching::embeddings::Entity::search(matching::Column::Profile).metric(Metric::Cosine);
        let ids = |hits: &[Hit<i32>]| hits.iter().map(|hit| hit.embedding.source_key).collect::<Vec<_>>();
        test.execute("update matching set profile = '[0,1,1]' where id = 4")
            .await?;
        for search in [
            search(),
            search().exact(),
            search().best_per_source(),
            search().quantized(Quantized::halfvec()),
        ] {
            let hits = search.clone().all(&test.db).await?;
            assert_eq!(ids(&hits), [1, 5, 4, 2], "{search:?}");
            assert_eq!(search.clone().count(&test.db).await?, 4);
            search.explain(&test.db).await?;
        }
        let none = search().max_distance(-2.0).all(&test.db).await?;
        assert!(none.is_empty());

        test.execute("update matching set profile = null where id = 4").await?;
        let hits = search().hybrid(lantern()).all(&test.db).await?;
        let mut found: Vec<_> = hits.iter().map(|hit| hit.embedding.source_key).collect();
        found.sort_unstable();
        assert_eq!(found, [1, 2, 5], "what matches but is at no distance");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn stored_zeros_do_not_come_back_because_their_words_match() {
    on_catalog(Catalog::Ours, async |test| {
        let mut chunks = filled(&test).await?;
        for chunk in chunks.iter_mut().step_by(2) {
            chunk.vector = [0.0; 3];
        }
        store(&test, &chunks).await?;
        give_words(&test).await?;
        let rows = rows(&test, &chunks, Metric::Cosine, &QUERY).await?;
        let hits = search().exact().limit(5_000).hybrid(lantern()).all(&test.db).await?;
        assert_eq!(fused(&hits), Hybrid::of_window(50).of(&rows));
        assert!(hits.iter().all(|hit| !hit.distance.is_nan()));
        Ok(())
    })
    .await;
}

mod tag {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tags")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub number: i32,
        pub name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[tokio::test]
async fn a_row_that_a_join_has_several_times_is_one_hit() {
    on_both_catalogs(async |test| {
        filled(&test).await?;
        give_words(&test).await?;
        test.execute(
            "create table tags (id int generated always as identity primary key, number int not null, name text not \
                null);
             insert into tags (number, name) select n, tag from generate_series(1, 20) n, unnest(array['a', 'b', 'c']) \
             tag",
        )
        .await?;
        let tags = || -> RelationDef {
            passage::Entity::belongs_to(tag::Entity)
                .from(passage::Column::Number)
                .to(tag::Column::Number)
                .into()
        };
        for search in [search(), search().best_per_source()] {
            let plain = search.clone().exact().limit(80).hybrid(lantern()).all(&test.db).await?;
            for search in [search.clone().exact(), search.clone()] {
                let joined = search
                    .limit(80)
                    .join(JoinType::LeftJoin, tags())
                    .filter(tag::Column::Name.ne("c"))
                    .hybrid(lantern())
                    .all(&test.db)
                    .await?;
                let chunks: HashSet<_> = joined.iter().map(|hit| hit.embedding.embedding_uuid).collect();
                assert_eq!(chunks.len(), joined.len());
                assert_eq!(joined.len(), plain.len());
                assert_eq!(joined[..], plain[..]);
            }
            // nor does a reranker read it several times
            let plain = search
                .clone()
                .exact()
                .limit(80)
                .diversify(1.0)
                .window(80)
                .all(&test.db)
                .await?;
            let joined = search
                .clone()
                .exact()
                .limit(80)
                .join(JoinType::LeftJoin, tags())
                .diversify(1.0)
                .window(80);
            let joined = joined.all(&test.db).await?;
            assert_eq!(joined[..], plain[..]);
            let joined = search
                .limit(80)
                .join(JoinType::LeftJoin, tags())
                .diversify(1.0)
                .window(80);
            let joined = joined.all(&test.db).await?;
            let chunks: HashSet<_> = joined.iter().map(|hit| hit.embedding.embedding_uuid).collect();
            assert_eq!((chunks.len(), joined.len()), (plain.len(), plain.len()));
        }
        // of what is missing each counts once as well
        let hits = search()
            .join(JoinType::LeftJoin, tags())
            .max_scan_tuples(1_000_000)
            .hybrid(lantern())
            .all(&test.db)
            .await?;
        assert_eq!(hits.missing(), 0);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_order_of_ones_own_decides_between_equals_in_both_legs() {
    on_catalog(Catalog::Ours, async |test| {
        let chunks = filled(&test).await?;
        give_words(&test).await?;
        let rows = rows(&test, &chunks, Metric::L1, &QUERY).await?;
        for last_first in [false, true] {
            for is_grouped in [false, true] {
                let expected = Hybrid {
                    is_grouped,
                    last_first,
                    ..Hybrid::of_window(30)
                };
                let mut search = search().metric(Metric::L1).exact().limit(100);
                if last_first {
                    search = search.then_order_by(passage::chunks::Column::ChunkSeq, Order::Desc);
                }
                if is_grouped {
                    search = search.best_per_source();
                }
                let hits = search.hybrid(lantern()).window(30).all(&test.db).await?;
                let expected = expected.of(&rows);
                assert_eq!(
                    fused(&hits),
                    expected[..expected.len().min(100)],
                    "{last_first} {is_grouped}"
                );
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_the_vectors_should_have_proposed_is_missing_however_full_the_page_is() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        test.execute("create index on notes_embedding_store using hnsw (embedding vector_cosine_ops); analyze")
            .await?;
        let transaction = with_index(&test).await?;
        let search = || note::embeddings::Entity::search([1.0, 2.0, -0.5]).iterative_scan(IterativeScan::Off);
        // what the index comes up with in one go: at most as many as ef_search says
        let found = search().limit(100).all(&transaction).await?.len() as u64;
        assert!((30..=40).contains(&found), "{found}");
        for window in [30, 50, 100_u64] {
            let missing = window.saturating_sub(found);
            // every chunk matches
            let hits = search()
                .hybrid(FullText::all("chunk"))
                .window(window)
                .all(&transaction)
                .await?;
            assert_eq!((hits.len(), hits.missing()), (10, missing));
            let hits = search().diversify(1.0).window(window).all(&transaction).await?;
            assert_eq!((hits.len(), hits.missing()), (10, missing));
        }
        let far = search().max_distance(1e-4).exact().limit(100).all(&transaction).await?;
        assert!((1..30).contains(&far.len()), "{}", far.len());
        let near = search().max_distance(1e-4).all(&transaction).await?.len();
        let hits = search()
            .max_distance(1e-4)
            .hybrid(FullText::all("chunk"))
            .all(&transaction)
            .await?;
        let missing = (far.len() - near) as u64;
        assert_eq!(
            hits.missing(),
            missing,
            "those near enough that the index does not find, and no others"
        );
        Ok(())
    })
    .await;
}
