//! Distances in queries written with SeaORM alone.

use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{QueryOrder, QuerySelect};

use super::notes::{create, note, vector};

#[tokio::test]
async fn columns_order_filter_and_select_by_distance() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        let embedding = note::embeddings::Column::Embedding;
        let nearest = note::embeddings::Entity::find()
            .order_by_asc(embedding.l2_distance(vector(5)))
            .one(&test.db)
            .await?;
        assert_eq!(nearest.map(|row| row.id), Some(5));

        let same_direction = vector(5).map(|x| x * 2.0);
        let near: Vec<(i32, f64)> = note::embeddings::Entity::find()
            .select_only()
            .column(note::embeddings::Column::Id)
            .column_as(embedding.cosine_distance(same_direction), "distance")
            .filter(embedding.cosine_distance(same_direction).lt(1e-6))
            .into_tuple()
            .all(&test.db)
            .await?;
        assert_eq!(near.len(), 1, "{near:?}");
        assert_eq!(near[0].0, 5);

        // against another row's vector, as a subquery
        let of_seven = Query::select()
            .column(note::embeddings::Column::Embedding)
            .from(note::embeddings::Entity)
            .and_where(Expr::col(note::embeddings::Column::Id).eq(7))
            .take();
        let nearest = note::embeddings::Entity::find()
            .order_by_asc(embedding.l1_distance(of_seven))
            .one(&test.db)
            .await?;
        assert_eq!(nearest.map(|row| row.id), Some(7));
        Ok(())
    })
    .await;
}

/// The extension `ai` cannot be had here; functions of its names and arguments show that the calls are well-formed and that every
/// argument arrives.
#[tokio::test]
async fn query_text_is_embedded_by_the_databases_functions() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        test.execute(
            "create function ai.openai_embed(model text, input_text text, api_key text default null,
                 api_key_name text default null, dimensions int default null, openai_user text default null)
             returns vector language sql immutable as
                 $$ select embedding from notes_embedding_store where id = dimensions * 100 + length(model || input_text) $$;
             create function ai.ollama_embed(model text, input_text text, host text default null,
                 keep_alive text default null, embedding_options jsonb default null)
             returns vector language sql immutable as
                 $$ select embedding from notes_embedding_store where id = (embedding_options ->> 'id')::int $$;",
        )
        .await?;
        let by_openai = ai::openai_embed("mod'el", "te\"xt").dimensions(3);
        let hit = note::embeddings::Entity::search(by_openai).one(&test.db).await?.ok_or("nothing found")?;
        assert_eq!(hit.embedding.source_key, 311);

        let by_ollama = ai::ollama_embed("m", "t").embedding_options(serde_json::json!({"id": 42}));
        let nearest = note::embeddings::Entity::find()
            .order_by_asc(note::embeddings::Column::Embedding.cosine_distance(by_ollama))
            .one(&test.db)
            .await?;
        assert_eq!(nearest.map(|row| row.id), Some(42));
        Ok(())
    })
    .await;
}
