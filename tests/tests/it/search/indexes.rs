//! Indexes that migrations create: what pgvector has, and what serves which order.

use pgai_sea::migration::prelude::*;
use pgai_sea::pgvector::IndexMethod;
use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, Random, on_both_catalogs, on_catalog};
use sea_orm::ColumnTrait;
use sea_orm::sea_query::{Expr, ExprTrait, SelectStatement};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};
use sea_orm::{Statement, TransactionTrait};

use super::items::{self, by_method as distance, create_table, item, mostly_zero, numbers, random_bits};
use super::notes::{self, note, vector};
use super::with_index;

const METHODS: [IndexMethod; 2] = [IndexMethod::Hnsw, IndexMethod::IvfFlat];
const TYPES: [VectorType; 4] = [
    VectorType::Vector,
    VectorType::HalfVec,
    VectorType::SparseVec,
    VectorType::Bit,
];
const METRICS: [Metric; 6] = [
    Metric::Cosine,
    Metric::L2,
    Metric::InnerProduct,
    Metric::L1,
    Metric::Hamming,
    Metric::Jaccard,
];

fn on(method: IndexMethod, column: item::Column) -> CreateVectorIndex {
    match method {
        IndexMethod::Hnsw => CreateVectorIndex::hnsw_of(column),
        _ => CreateVectorIndex::ivfflat_of(column),
    }
}

fn column_of(vector: VectorType) -> item::Column {
    match vector {
        VectorType::HalfVec => item::Column::Half,
        VectorType::SparseVec => item::Column::Sparse,
        VectorType::Bit => item::Column::Bits,
        _ => item::Column::Whole,
    }
}

/// The plan of a query.
async fn plan<C: ConnectionTrait>(db: &C, select: &SelectStatement) -> Result<String, DbErr> {
    explain(db, DbBackend::Postgres.build(select)).await
}

async fn explain<C: ConnectionTrait>(db: &C, statement: Statement) -> Result<String, DbErr> {
    let explain = Statement {
        sql: format!("explain {}", statement.sql),
        ..statement
    };
    let rows = db.query_all_raw(explain).await?;
    let lines: Vec<String> = rows
        .iter()
        .map(|row| row.try_get_by_index(0))
        .collect::<Result<_, _>>()?;
    Ok(lines.join("\n"))
}

/// The five items nearest by `distance`.
fn nearest(distance: Expr) -> SelectStatement {
    let select = item::Entity::find().select_only().column(item::Column::Id);
    select.order_by(distance, Order::Asc).limit(5).into_query()
}

#[tokio::test]
async fn what_the_builder_takes_is_what_pgvector_has_and_serves_its_own_metric() {
    on_catalog(Catalog::Bare, async |test| {
        let random = &mut Random::new(7);
        items::create(&test, random, 50).await?;
        let manager = SchemaManager::new(&test.db);
        for (method, vector, metric) in METHODS
            .into_iter()
            .flat_map(|method| TYPES.map(|vector| (method, vector)))
            .flat_map(|(method, vector)| METRICS.map(|metric| (method, vector, metric)))
        {
            let column = column_of(vector);
            let create = on(method, column).metric(metric);
            let what = format!("{method:?} {vector:?} {metric:?}");
            let known: i64 = test
                .value(&format!(
                    "select count(*) from pg_opclass o join pg_am a on a.oid = o.opcmethod
                     join pg_amop op on op.amopfamily = o.opcfamily and op.amoppurpose = 'o'
                     where a.amname = '{}' and o.opcintype = '{}'::regtype and right(op.amopopr::regoper::text, 3) = \
                     '{}'",
                    method.name(),
                    vector.name(),
                    metric.operator(),
                ))
                .await?;
            if known == 0 {
                assert!(create.to_sql().is_err(), "{what}");
                continue;
            }
            manager
                .create_vector_index(create.clone())
                .await
                .map_err(|error| format!("{what}: {error}"))?;
            let transaction = with_index(&test).await?;
            for queried in METRICS.into_iter().filter(|of| is_of_bits(*of) == is_of_bits(metric)) {
                let distance = match vector {
                    VectorType::Bit => distance(queried, column, random_bits(random)),
                    VectorType::SparseVec => distance(queried, column, SparseVec::from(mostly_zero(random))),
                    VectorType::HalfVec => distance(queried, column, HalfVec::from(numbers(random))),
                    _ => distance(queried, column, numbers(random)),
                };
                let plan = plan(&transaction, &nearest(distance)).await?;
                let is_served = plan.contains(&format!("Index Scan using {}", create.index_name()));
                assert_eq!(is_served, queried == metric, "{what} asked by {queried:?}:\n{plan}");
            }
            transaction.rollback().await?;
            manager.drop_vector_index(DropVectorIndex::of(&create)).await?;
        }
        let left: i64 = test
            .value("select count(*) from pg_indexes where tablename = 'items'")
            .await?;
        assert_eq!(left, 1, "the primary key's alone");
        Ok(())
    })
    .await;
}

fn is_of_bits(metric: Metric) -> bool {
    matches!(metric, Metric::Hamming | Metric::Jaccard)
}

#[tokio::test]
async fn a_quantized_index_serves_the_same_expression() {
    on_catalog(Catalog::Bare, async |test| {
        let random = &mut Random::new(8);
        items::create(&test, random, 50).await?;
        let manager = SchemaManager::new(&test.db);
        for method in METHODS {
            let halved = on(method, item::Column::Whole).halfvec();
            let binary = on(method, item::Column::Whole).binary();
            manager.create_vector_index(halved.clone()).await?;
            manager.create_vector_index(binary.clone()).await?;
            let transaction = with_index(&test).await?;
            let by_half = item::Column::Whole.cast_halfvec(16).cosine_distance(numbers(random));
            let by_bits = item::Column::Whole
                .binary_quantize()
                .cast_bit(16)
                .hamming_distance(numbers(random).binary_quantize());
            for (create, distance) in [(&halved, by_half), (&binary, by_bits)] {
                let scan = format!("Index Scan using {}", create.index_name());
                let served = plan(&transaction, &nearest(distance)).await?;
                assert!(served.contains(&scan), "{served}");
                let bare = nearest(item::Column::Whole.cosine_distance(numbers(random)));
                let unserved = plan(&transaction, &bare).await?;
                assert!(!unserved.contains("Index Scan using items_whole"), "{unserved}");
            }
            transaction.rollback().await?;
            manager.drop_vector_index(DropVectorIndex::of(&halved)).await?;
            manager.drop_vector_index(DropVectorIndex::of(&binary)).await?;
        }
        Ok(())
    })
    .await;
}

/// A statement that is prepared once is planned without its arguments after a while.
#[tokio::test]
async fn an_index_serves_arguments_of_other_types_and_prepared_statements() {
    on_catalog(Catalog::Bare, async |test| {
        let random = &mut Random::new(10);
        items::create(&test, random, 50).await?;
        let manager = SchemaManager::new(&test.db);
        let whole = CreateVectorIndex::hnsw_of(item::Column::Whole);
        let half = CreateVectorIndex::hnsw_of(item::Column::Half);
        let binary = CreateVectorIndex::hnsw_of(item::Column::Whole).binary();
        for create in [&whole, &half, &binary] {
            manager.create_vector_index(create.clone()).await?;
        }
        let transaction = with_index(&test).await?;
        transaction
            .execute_unprepared("set local plan_cache_mode = force_generic_plan")
            .await?;
        let numbers = numbers(random);
        let by_bits = item::Column::Whole.binary_quantize().cast_bit(16);
        for (create, distance, argument) in [
            (
                &whole,
                item::Column::Whole.cosine_distance(HalfVec::from(numbers.clone())),
                "vector",
            ),
            (&half, item::Column::Half.cosine_distance(numbers.clone()), "vector"),
            (
                &half,
                item::Column::Half.cosine_distance(Expr::val(HalfVec::from(numbers.clone()))),
                "text",
            ),
            (
                &binary,
                by_bits.clone().hamming_distance(numbers.clone().binary_quantize()),
                "vector",
            ),
            (&binary, by_bits.hamming_distance(Bits::quantize(&numbers)), "text"),
        ] {
            let select = nearest(distance);
            let scan = format!("Index Scan using {}", create.index_name());
            let served = plan(&transaction, &select).await?;
            assert!(served.contains(&scan), "{served}");

            let value = if create.index_name() == binary.index_name() && argument == "text" {
                Bits::quantize(&numbers).to_string()
            } else {
                format!("{numbers:?}")
            };
            let statement = DbBackend::Postgres.build(&select).sql;
            let prepare = format!("prepare p ({argument}, bigint) as {statement}");
            transaction.execute_unprepared(&prepare).await?;
            let execute = Statement::from_string(DbBackend::Postgres, format!("execute p ('{value}', 5)"));
            let served = explain(&transaction, execute).await?;
            assert!(served.contains(&scan) && served.contains("$1"), "{served}");
            transaction.execute_unprepared("deallocate p").await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_partial_index_serves_its_own_filter() {
    on_catalog(Catalog::Bare, async |test| {
        items::create(&test, &mut Random::new(9), 50).await?;
        let filter = || item::Column::Id.gt(25).and(item::Column::Half.is_not_null());
        let create = CreateVectorIndex::hnsw_of(item::Column::Whole)
            .name("Half of \"the\" items")
            .filter(filter())
            .m(8);
        SchemaManager::new(&test.db).create_vector_index(create).await?;
        let definition: String = test
            .value("select pg_get_indexdef(indexrelid) from pg_index where indpred is not null")
            .await?;
        assert!(
            definition.contains("WITH (m='8') WHERE ((id > 25) AND (half IS NOT NULL))"),
            "{definition}"
        );
        let transaction = with_index(&test).await?;
        let distance = || item::Column::Whole.cosine_distance([1.0; 16]);
        let served = item::Entity::find()
            .filter(filter())
            .order_by_asc(distance())
            .limit(5)
            .into_query();
        let served = plan(&transaction, &served).await?;
        assert!(
            served.contains("Index Scan using \"Half of \"\"the\"\" items\""),
            "{served}"
        );
        let unserved = plan(&transaction, &nearest(distance())).await?;
        assert!(!unserved.contains("Half of"), "{unserved}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_vectorizers_store_is_indexed_by_its_entity() {
    on_both_catalogs(async |test| {
        notes::create(&test).await?;
        let create = CreateVectorIndex::hnsw_of(note::embeddings::Column::Embedding)
            .m(8)
            .ef_construction(32)
            .if_not_exists(true);
        let manager = SchemaManager::new(&test.db);
        manager.create_vector_index(create.clone()).await?;
        manager.create_vector_index(create.clone()).await?;
        let definition: String = test
            .value("select indexdef from pg_indexes where indexdef like '%hnsw%'")
            .await?;
        assert!(
            definition.ends_with("USING hnsw (embedding) WITH (m='8', ef_construction='32')")
                || definition.ends_with("USING hnsw (embedding vector_cosine_ops) WITH (m='8', ef_construction='32')"),
            "{definition}"
        );
        let transaction = with_index(&test).await?;
        let served = explain(
            &transaction,
            note::embeddings::Entity::search(vector(5)).limit(5).statement()?,
        )
        .await?;
        assert!(served.contains(&create.index_name()), "{served}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_concurrent_build_is_outside_of_transactions_and_an_unfinished_one_is_reported() {
    on_catalog(Catalog::Bare, async |test| {
        create_table(&test).await?;
        let create = CreateVectorIndex::hnsw("items", "whole")
            .concurrently(true)
            .if_not_exists(true);
        let drop = DropVectorIndex::of(&create);

        let transaction = test.db.begin().await?;
        let inside = SchemaManager::new(&transaction);
        for refused in [
            inside.create_vector_index(create.clone()).await.unwrap_err(),
            inside.drop_vector_index(drop.clone()).await.unwrap_err(),
        ] {
            assert!(
                refused
                    .to_string()
                    .contains("`concurrently`: PostgreSQL does it outside of transactions alone"),
                "{refused}"
            );
        }
        transaction.commit().await?; // nothing has failed in it

        let manager = SchemaManager::new(&test.db);
        manager.create_vector_index(create.clone()).await?;
        manager.create_vector_index(create.clone()).await?;
        test.execute(
            "update pg_index set indisvalid = false where indexrelid = 'items_whole_hnsw_vector_cosine'::regclass",
        )
        .await?;
        let refused = manager
            .create_vector_index(create.clone())
            .await
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("index \"items_whole_hnsw_vector_cosine\" is there but invalid"),
            "{refused}"
        );
        manager.drop_vector_index(drop.clone()).await?;
        assert!(manager.drop_vector_index(drop.clone()).await.is_err());
        manager.drop_vector_index(drop.if_exists(true)).await?;
        manager.create_vector_index(create.concurrently(false)).await?;
        Ok(())
    })
    .await;
}

/// The numbers that the builder refuses are those that pgvector refuses.
#[tokio::test]
async fn the_limits_are_pgvectors() {
    on_catalog(Catalog::Bare, async |test| {
        test.execute(
            "create table wide (v3 vector(3), v2000 vector(2000), v2001 vector(2001), h4000 halfvec(4000), h4001 \
                halfvec(4001),
                 v4000 vector(4000), b64000 bit(64000), b64001 bit(64001))",
        )
        .await?;
        let manager = SchemaManager::new(&test.db);
        let fine = |column: &str| CreateVectorIndex::hnsw("wide", column.to_owned()).name("i");
        for create in [
            fine("v2000").dimensions(2000),
            fine("h4000").column_type(VectorType::HalfVec).dimensions(4000),
            fine("b64000").column_type(VectorType::Bit).dimensions(64_000),
            fine("v4000").dimensions(4000).halfvec(),
            fine("v2001").dimensions(2001).binary(),
            fine("v2000").m(2).ef_construction(4),
            fine("v2000").m(100).ef_construction(1000),
            CreateVectorIndex::ivfflat("wide", "v2000").name("i").lists(1),
            CreateVectorIndex::ivfflat("wide", "v3").name("i").lists(32_768),
        ] {
            manager
                .create_vector_index(create.clone())
                .await
                .map_err(|error| format!("{create:?}: {error}"))?;
            manager.drop_vector_index(DropVectorIndex::of(&create)).await?;
        }
        for sql in [
            "hnsw (v2001 vector_l2_ops)",
            "hnsw (h4001 halfvec_l2_ops)",
            "hnsw (b64001 bit_hamming_ops)",
            "ivfflat (v2001 vector_l2_ops)",
            "hnsw (v2000 vector_l2_ops) with (m = 1)",
            "hnsw (v2000 vector_l2_ops) with (m = 101)",
            "hnsw (v2000 vector_l2_ops) with (m = 33)",
            "hnsw (v2000 vector_l2_ops) with (m = 2, ef_construction = 3)",
            "hnsw (v2000 vector_l2_ops) with (ef_construction = 1001)",
            "hnsw (v2000 vector_l2_ops) with (m = 16, ef_construction = 31)",
            "ivfflat (v2000 vector_l2_ops) with (lists = 0)",
            "ivfflat (v3 vector_l2_ops) with (lists = 32769)",
        ] {
            let created = test.execute(&format!("create index on wide using {sql}")).await;
            assert!(created.is_err(), "pgvector takes {sql}");
        }
        Ok(())
    })
    .await;
}
