//! A column whose vectors have another length than the entity says.

use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, on_catalog};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, TransactionTrait};

use super::like::label;

const QUERY: [f32; 3] = [3.0, 2.0, 1.0];

/// An entity and a database that differ, as after a migration that was not made.
#[tokio::test]
async fn a_column_of_another_length_is_told_from_a_wrong_query() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create table labels (id int primary key, text text not null, embedding vector(4));
             insert into labels values (1, 'one', '[1,0,0,0]'), (2, 'two', '[1,1,0,0]')",
        )
        .await?;
        let search = || label::Entity::search(QUERY);
        for indexes in [
            "",
            "create index on labels using hnsw (embedding vector_cosine_ops); set enable_seqscan = \
            off",
        ] {
            let transaction = test.db.begin().await?;
            transaction.execute_unprepared(indexes).await?;
            for (search, what) in [
                (search(), "plain"),
                (search().exact(), "exact"),
                (search().filter(label::Column::Id.gt(0)), "filtered"),
                (search().quantized(Quantized::halfvec()), "halfvec"),
                (search().quantized(Quantized::binary()), "binary"),
            ] {
                for text in [None, Some(FullText::any("one").on_text(label::Column::Text))] {
                    transaction.execute_unprepared("savepoint before").await?;
                    let refused = match text {
                        None => search.clone().all(&transaction).await.err(),
                        Some(text) => search.clone().hybrid(text).all(&transaction).await.err(),
                    };
                    transaction.execute_unprepared("rollback to before").await?;
                    let refused = refused.ok_or(what)?;
                    assert!(
                        matches!(
                            &refused,
                            SearchError::StoredDimensions { table, stored: 4, query: 3 } if table == "labels"
                        ),
                        "{what}: {refused:?}"
                    );
                    for part in ["3 dimensions", "labels have 4", "pgai_sea::check"] {
                        assert!(refused.to_string().contains(part), "{refused}");
                    }
                }
                transaction.execute_unprepared("savepoint before").await?;
                let refused = search.count(&transaction).await.unwrap_err();
                transaction.execute_unprepared("rollback to before").await?;
                assert!(
                    matches!(refused, SearchError::StoredDimensions { stored: 4, .. }),
                    "{refused:?}"
                );
            }
        }
        // what else the database says is passed on, with the table
        let refused = search()
            .filter(Expr::cust("1 / (id - id) > 0"))
            .all(&test.db)
            .await
            .unwrap_err();
        let said = refused.to_string();
        assert!(
            said.starts_with("searching labels failed: ") && said.contains("division by zero"),
            "{said}"
        );
        Ok(())
    })
    .await;
}
