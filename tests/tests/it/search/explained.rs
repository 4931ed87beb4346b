//! What PostgreSQL chooses for a search, in words.

use pgai_sea::migration::prelude::*;
use pgai_sea::prelude::*;
use pgai_sea::search::Choice;
use pgai_sea_tests::{Catalog, TestDatabase, on_both_catalogs, on_catalog};
use sea_orm::{ColumnTrait as _, TransactionTrait as _};

use super::notes::{create, note};
use super::with_index;

const QUERY: [f32; 3] = [1.0, 2.0, -0.5];
const INDEX: &str = "notes_embedding_store_embedding_idx";

type Notes = note::embeddings::Entity;

async fn index(test: &TestDatabase, method: &str) -> pgai_sea_tests::TestResult {
    create(test).await?;
    test.execute(&format!(
        "create index on notes_embedding_store using {method}; analyze"
    ))
    .await?;
    Ok(())
}

fn nearest(is_partial: bool, is_iterative: bool) -> Choice {
    Choice::Nearest {
        index: if is_partial { "some_notes" } else { INDEX }.to_owned(),
        is_partial,
        is_iterative,
        is_quantized: false,
    }
}

#[tokio::test]
async fn every_row_or_those_that_an_index_finds() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        test.execute("create index notes_author on notes (author); analyze")
            .await?;
        let every = Notes::search(QUERY).explain(&test.db).await?;
        assert_eq!(every.choice(), &Choice::EveryRow, "{every}");
        assert!(every.to_string().starts_with("exact: every row is read\n"), "{every}");
        // as it is for a large table
        let transaction = test.db.begin().await?;
        let large = "set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off";
        transaction.execute_unprepared(large).await?;
        let filtered = || Notes::search(QUERY).filter(note::Column::Author.eq("rare"));
        for search in [
            filtered(),
            filtered().exact(),
            filtered().best_per_source(),
            filtered().limit(500),
        ] {
            let explained = search.explain(&transaction).await?;
            let index = "notes_author".to_owned();
            assert_eq!(explained.choice(), &Choice::Filtered { index }, "{explained}");
            assert!(!explained.is_approximate());
            assert_eq!(explained.index(), None);
            let words = "exact: the index notes_author finds the rows of the filter, and each is compared\n";
            assert!(explained.to_string().starts_with(words), "{explained}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_index_whose_scan_goes_on_or_ends() {
    on_both_catalogs(async |test| {
        index(&test, "hnsw (embedding vector_cosine_ops)").await?;
        let transaction = with_index(&test).await?;
        let search = || Notes::search(QUERY);
        let rare = || search().filter(note::Column::Author.eq("rare"));
        for (search, goes_on) in [
            (search(), false),
            (search().limit(500), true),
            (rare(), true),
            (rare().iterative_scan(IterativeScan::Relaxed), true),
            (rare().iterative_scan(IterativeScan::Off), false),
        ] {
            let explained = search.explain(&transaction).await?;
            assert_eq!(explained.choice(), &nearest(false, goes_on), "{explained}");
            assert!(explained.is_approximate());
            let words = if goes_on {
                "iterative scan: it goes on until the page is full"
            } else {
                "single scan: it ends after ef_search rows or probes lists"
            };
            let words = format!("approximate: the index {INDEX} proposes the nearest rows, {words}\n");
            assert!(explained.to_string().starts_with(&words), "{explained}");
        }
        // the connection's own setting
        transaction
            .execute_unprepared("set local hnsw.iterative_scan = relaxed_order")
            .await?;
        let explained = search().explain(&transaction).await?;
        assert_eq!(explained.choice(), &nearest(false, true), "{explained}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_ivfflat_index_too() {
    on_both_catalogs(async |test| {
        index(&test, "ivfflat (embedding vector_cosine_ops) with (lists = 20)").await?;
        let transaction = with_index(&test).await?;
        let explained = Notes::search(QUERY).explain(&transaction).await?;
        assert_eq!(explained.choice(), &nearest(false, false), "{explained}");
        let rare = Notes::search(QUERY).filter(note::Column::Author.eq("rare"));
        let explained = rare.explain(&transaction).await?;
        assert_eq!(explained.choice(), &nearest(false, true), "{explained}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_partial_index() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        let some = || note::embeddings::Column::Id.gt(1_000);
        let create = CreateVectorIndex::hnsw_of(note::embeddings::Column::Embedding)
            .name("some_notes")
            .filter(some());
        SchemaManager::new(&test.db).create_vector_index(create).await?;
        test.execute("analyze").await?;
        let transaction = with_index(&test).await?;
        let explained = Notes::search(QUERY).filter(some()).explain(&transaction).await?;
        assert_eq!(explained.choice(), &nearest(true, true), "{explained}");
        let words = "approximate: the partial index some_notes proposes the nearest rows, iterative scan";
        assert!(explained.to_string().starts_with(words), "{explained}");
        let others = Notes::search(QUERY).filter(note::embeddings::Column::Id.gt(999));
        assert_eq!(others.explain(&transaction).await?.index(), None);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn quantized_vectors_with_an_index_and_without() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        let search = || Notes::search(QUERY).quantized(Quantized::halfvec());
        let explained = search().explain(&test.db).await?;
        assert_eq!(explained.choice(), &Choice::EveryQuantized, "{explained}");
        assert!(explained.is_approximate());
        let words = "approximate: every row is ordered by its quantized vector, which no index has\n";
        assert!(explained.to_string().starts_with(words), "{explained}");
        test.execute(
            "create index halves on notes_embedding_store using hnsw ((embedding::halfvec(3)) halfvec_cosine_ops)",
        )
        .await?;
        let transaction = with_index(&test).await?;
        let explained = search().explain(&transaction).await?;
        let expected = Choice::Nearest {
            index: "halves".to_owned(),
            is_partial: false,
            is_iterative: false,
            is_quantized: true,
        };
        assert_eq!(explained.choice(), &expected, "{explained}");
        let words = "; its vectors are quantized, and the exact distances decide\n";
        assert!(explained.to_string().contains(words), "{explained}");
        Ok(())
    })
    .await;
}
