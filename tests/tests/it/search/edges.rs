//! Queries and vectors to which nothing is near: a right answer or a clear error.

use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, TransactionTrait};

use super::library::{Stored, filled, found, passage, ranked, store};

const QUERY: [f32; 3] = [3.0, 2.0, 1.0];
const METRICS: [Metric; 4] = [Metric::Cosine, Metric::L2, Metric::InnerProduct, Metric::L1];

type Search = pgai_sea::search::Search<'static, passage::chunks::Entity>;

/// The same search in all the ways that it can be made.
fn every_way(search: &dyn Fn() -> Search) -> Vec<Search> {
    vec![
        search(),
        search().exact(),
        search().best_per_source(),
        search().best_per_source().exact(),
        search().ef_search(50),
        search().filter(passage::Column::Tenant.eq("a")),
        search().filter(passage::Column::Tenant.eq("nobody")),
        search()
            .filter(passage::Column::Tenant.eq("nobody"))
            .max_scan_tuples(10),
        search().max_distance(0.5),
        search().max_distance(f64::NEG_INFINITY),
        search().limit(10_000),
        search().offset(1_000_000),
        search().quantized(Quantized::halfvec()),
    ]
}

#[tokio::test]
async fn a_query_that_is_null_is_an_error_however_it_is_searched_by() {
    on_both_catalogs(async |test| {
        filled(&test).await?;
        test.execute("create index on passages_embedding_store using hnsw (embedding vector_cosine_ops)")
            .await?;
        test.execute(
            "create function nothing(model text) returns vector language sql immutable as 'select null::vector';
             create function rarely(model text) returns vector language sql volatile as 'select null::vector'",
        )
        .await?;
        let missing = || {
            Query::select()
                .column(passage::chunks::Column::Embedding)
                .from(passage::chunks::Entity)
                .and_where(passage::chunks::Column::Number.eq(-1))
                .take()
        };
        let queries: [&dyn Fn() -> Search; 5] = [
            &|| passage::chunks::Entity::search(Expr::cust("null::vector")),
            &|| passage::chunks::Entity::search(Expr::cust_with_values("nothing($1)", ["m"])),
            &|| passage::chunks::Entity::search(Expr::cust_with_values("rarely($1)", ["m"])),
            &|| passage::chunks::Entity::search(missing()),
            &|| passage::chunks::Entity::search(Expr::cust("null::vector")).metric(Metric::L2),
        ];
        for with_index in [false, true] {
            let transaction = test.db.begin().await?;
            if with_index {
                transaction
                    .execute_unprepared("set local enable_seqscan = off; set local enable_sort = off")
                    .await?;
            }
            for query in queries {
                for search in every_way(query) {
                    let refused = search.clone().all(&transaction).await.map(|hits| hits.len());
                    assert!(
                        matches!(refused, Err(SearchError::NullQuery)),
                        "{refused:?} of {search:?}"
                    );
                    let refused = search.clone().count(&transaction).await;
                    assert!(
                        matches!(refused, Err(SearchError::NullQuery)),
                        "{refused:?} of {search:?}"
                    );
                }
            }
            transaction.commit().await?;
        }
        assert_eq!(
            DbErr::from(SearchError::NullQuery),
            DbErr::Custom("the query expression is NULL: there is no vector to search by".to_owned())
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_query_of_zeros_has_no_direction_but_is_at_a_distance() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        let by_number = || passage::chunks::Entity::search([0.0, -0.0, 0.0]);
        let in_sql = || passage::chunks::Entity::search(Expr::cust("array_fill(0, array[3])::vector"));
        for query in [&by_number as &dyn Fn() -> Search, &in_sql] {
            for search in every_way(query) {
                let refused = search.clone().all(&test.db).await.map(|hits| hits.len());
                assert!(
                    matches!(refused, Err(SearchError::ZeroVector)),
                    "{refused:?} of {search:?}"
                );
                let refused = search.clone().count(&test.db).await;
                assert!(
                    matches!(refused, Err(SearchError::ZeroVector)),
                    "{refused:?} of {search:?}"
                );
            }
            for metric in [Metric::L2, Metric::InnerProduct, Metric::L1] {
                let hits = query().metric(metric).limit(5_000).exact().all(&test.db).await?;
                assert_eq!(found(&hits), ranked(&chunks, metric, &[0.0; 3], |_| true));
            }
        }
        // asked before the database is
        assert!(by_number().statement().is_err());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_empty_table_has_no_hits() {
    on_both_catalogs(async |test| {
        filled(&test).await?;
        test.execute("truncate passages cascade").await?;
        assert_eq!(
            test.value::<i64>("select count(*) from passages_embedding_store")
                .await?,
            0
        );
        for metric in METRICS {
            for search in every_way(&|| passage::chunks::Entity::search(QUERY)) {
                let search = search.metric(metric);
                assert_eq!(search.clone().count(&test.db).await?, 0);
                let hits = search.all(&test.db).await?;
                assert!(hits.is_empty() && hits.missing() == 0);
            }
        }
        let refused = passage::Entity::search_like(("a".to_owned(), 1))
            .all(&test.db)
            .await
            .unwrap_err();
        assert!(matches!(refused, SearchError::RowWithoutVectors { .. }), "{refused}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_is_not_finite_or_of_another_length_is_refused() {
    on_catalog(Catalog::Ours, async |test| {
        filled(&test).await?;
        for (query, at) in [
            ([f32::NAN, 0.0, 0.0], 0),
            ([0.0, f32::INFINITY, f32::NAN], 1),
            ([0.0, 0.0, f32::NEG_INFINITY], 2),
        ] {
            for search in every_way(&|| passage::chunks::Entity::search(query)) {
                let refused = search.all(&test.db).await.unwrap_err();
                assert!(
                    matches!(refused, SearchError::NotFinite { position, .. } if position == at),
                    "{refused}"
                );
            }
        }
        // a bound value has a length as well
        let value = sea_orm::Value::Vector(Some(vec![1.0, 2.0].into()));
        for query in [vec![], vec![1.0], vec![1.0; 4]] {
            let refused = passage::chunks::Entity::search(&query)
                .count(&test.db)
                .await
                .unwrap_err();
            assert!(
                matches!(refused, SearchError::Dimensions { actual, .. } if actual == query.len()),
                "{refused}"
            );
        }
        let refused = passage::chunks::Entity::search(value)
            .count(&test.db)
            .await
            .unwrap_err();
        assert!(
            matches!(refused, SearchError::Dimensions { actual: 2, .. }),
            "{refused}"
        );
        // what an expression is, only the database knows
        let refused = passage::chunks::Entity::search(Expr::cust("'[1,2]'::vector"))
            .all(&test.db)
            .await
            .unwrap_err();
        let said = "searching passages_embedding_store failed: ";
        assert!(refused.to_string().starts_with(said), "{refused}");
        let refused = DbErr::from(refused).to_string();
        assert!(refused.contains("different vector dimensions 3 and 2"), "{refused}");
        Ok(())
    })
    .await;
}

/// pgvector adds up in single precision: an infinite distance to everything is an answer in no order.
#[tokio::test]
async fn what_no_sum_holds_is_refused_and_what_one_holds_is_not() {
    on_catalog(Catalog::Ours, async |test| {
        filled(&test).await?;
        let search = |query: [f32; 3], metric| passage::chunks::Entity::search(query).metric(metric).exact();
        for (query, metric) in [
            ([1e20, 1e20, 1e20], Metric::L2),
            ([1e38, -1e38, 0.0], Metric::InnerProduct),
            ([2e38, 2e38, 0.0], Metric::L1),
        ] {
            let refused = search(query, metric).all(&test.db).await.unwrap_err();
            assert!(
                matches!(refused, SearchError::TooLong { metric: of } if of == metric),
                "{refused}"
            );
        }
        for (query, metric) in [
            ([1e18, -1e18, 1e18], Metric::L2),
            ([1e18, -1e18, 1e18], Metric::InnerProduct),
            ([1e38, -1e38, 1e38], Metric::L1),
        ] {
            let hits = search(query, metric).all(&test.db).await?;
            assert_eq!(hits.len(), 10, "{metric:?}");
            assert!(hits.iter().all(|hit| hit.distance.is_finite()), "{metric:?}");
        }
        Ok(())
    })
    .await;
}

/// Vectors of zeros are at no cosine distance from anything, and never hits; they do not hide others either.
#[tokio::test]
async fn stored_zeros_are_left_out() {
    on_both_catalogs(async |test| {
        let mut chunks = filled(&test).await?;
        for (i, chunk) in chunks.iter_mut().enumerate() {
            if i % 2 == 0 {
                chunk.vector = [0.0; 3];
            }
        }
        store(&test, &chunks).await?;
        for metric in METRICS {
            let all = ranked(&chunks, metric, &QUERY, |_| true);
            let search = || passage::chunks::Entity::search(QUERY).metric(metric).limit(5_000);
            assert_eq!(found(&search().exact().all(&test.db).await?), all, "{metric:?}");
            assert_eq!(search().all(&test.db).await?.len(), all.len());
            assert_eq!(search().count(&test.db).await?, all.len() as u64);
            let far = search()
                .offset(all.len() as u64 - 3)
                .max_scan_tuples(1_000)
                .all(&test.db)
                .await?;
            assert_eq!((far.len(), far.missing()), (3, 0), "{metric:?}");
        }
        Ok(())
    })
    .await;
}

/// Single precision squares neither 1e25 nor 1e-25; the direction is there all the same.
#[tokio::test]
async fn huge_and_tiny_queries_have_a_direction() {
    on_catalog(Catalog::Ours, async |test| {
        let chunks = filled(&test).await?;
        let all = ranked(&chunks, Metric::Cosine, &QUERY, |_| true);
        for scale in [1e-44, 1e-38, 1e-25, 1e-18, 1e18, 1e25, 1e38] {
            let query = QUERY.map(|x| x * scale);
            let hits = passage::chunks::Entity::search(query)
                .limit(5_000)
                .exact()
                .all(&test.db)
                .await?;
            assert_eq!(hits.len(), all.len(), "{scale}");
            for (hit, expected) in hits.iter().zip(&all) {
                // the tiniest numbers have few digits left
                let off = if scale < 1e-40 { 0.3 } else { 1e-6 };
                assert!((hit.distance - expected.0).abs() < off, "{scale} {hit:?} {expected:?}");
            }
        }
        Ok(())
    })
    .await;
}

/// A provider that is called inside the database is called once for each search, not for each row.
#[tokio::test]
async fn an_expression_is_evaluated_once() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        for volatility in ["volatile", "stable"] {
            test.execute(&format!(
                "drop sequence if exists calls cascade; create sequence calls;
                 create or replace function embed(input text) returns vector language plpgsql {volatility} as
                     $$ begin perform nextval('calls'); return '[3,2,1]'; end $$"
            ))
            .await?;
            let mut called = 0;
            let query = || passage::chunks::Entity::search(Expr::cust_with_values("embed($1)", ["text"])).limit(20);
            for (search, times) in [
                (query(), 1),
                (query().exact(), 1),
                (query().filter(passage::Column::Tenant.ne("b")), 1),
                (query().best_per_source().exact(), 1),
                (query().max_distance(0.7).ef_search(60), 1),
                // by the smaller vectors, and by the whole ones
                (query().quantized(Quantized::halfvec()), 2),
            ] {
                let hits = search.clone().all(&test.db).await?;
                assert_eq!(hits.len(), 20);
                let all = test.value::<i64>("select last_value from calls").await?;
                assert_eq!(all - called, times, "{volatility} {search:?}");
                called = all;
            }
            let hits = query().exact().all(&test.db).await?;
            assert_eq!(found(&hits), ranked(&chunks, Metric::Cosine, &QUERY, |_| true)[..20]);
        }
        Ok(())
    })
    .await;
}

/// A column of a joined table as the query: what is compared is in each row.
#[tokio::test]
async fn a_column_may_be_the_query() {
    on_catalog(Catalog::Ours, async |test| {
        filled(&test).await?;
        let vector = |number, vector| Stored {
            key: ("a".to_owned(), number),
            seq: 0,
            vector,
        };
        store(&test, &[vector(1, [1.0, 2.0, 2.0]), vector(2, [1.0, 0.0, 0.0])]).await?;
        let hits = passage::chunks::Entity::search(passage::chunks::Column::Embedding)
            .metric(Metric::InnerProduct)
            .all(&test.db)
            .await?;
        assert_eq!(
            found(&hits),
            [(-9.0, ("a".to_owned(), 1), 0), (-1.0, ("a".to_owned(), 2), 0)]
        );
        let none = passage::chunks::Entity::search(passage::chunks::Column::Embedding)
            .filter(passage::Column::Tenant.eq("nobody"))
            .all(&test.db)
            .await?;
        assert!(none.is_empty());
        assert_eq!(passage::chunks::Entity::find().all(&test.db).await?.len(), 2);
        Ok(())
    })
    .await;
}

/// Rights on the tables are enough.
#[tokio::test]
async fn a_role_that_may_only_read_searches() {
    on_both_catalogs(async |test| readers(&test).await).await;
}

async fn readers(test: &TestDatabase) -> TestResult {
    let chunks = filled(test).await?;
    let role = format!("reader_{}", uuid::Uuid::new_v4().simple());
    test.execute(&format!(
        "create role {role}; grant usage on schema public to {role};
         grant select on passages, passages_embedding_store to {role}"
    ))
    .await?;
    let transaction = test.db.begin().await?;
    transaction
        .execute_unprepared(&format!("set local role {role}"))
        .await?;
    transaction.execute_unprepared("set transaction read only").await?;
    for search in every_way(&|| passage::chunks::Entity::search(QUERY)) {
        search.explain(&transaction).await?;
        let _page = search.all(&transaction).await?;
    }
    let report = passage::chunks::Entity::recall(5, 3).run(&transaction).await?;
    assert_eq!(report.sample, 3);
    let all = ranked(&chunks, Metric::Cosine, &QUERY, |_| true);
    let hits = passage::chunks::Entity::search(QUERY)
        .ef_search(50)
        .limit(5)
        .all(&transaction)
        .await?;
    assert!(hits.iter().map(|hit| hit.distance).eq(all[..5].iter().map(|hit| hit.0)));
    transaction.rollback().await?;
    test.execute(&format!("drop owned by {role}; drop role {role}")).await?;
    Ok(())
}
