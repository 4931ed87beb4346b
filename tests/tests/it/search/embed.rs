//! Query text that the database embeds.

use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryOrder};
use serde_json::json;

use super::notes::{create, note};

/// The extension `ai` cannot be had here; functions of its names and arguments show that the calls are well-formed and
/// that every argument arrives.
#[tokio::test]
async fn query_text_is_embedded_by_the_databases_functions() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        test.execute(
            "create function ai.openai_embed(model text, input_text text, api_key text default null,
                 api_key_name text default null, dimensions int default null, openai_user text default null)
             returns vector language sql immutable as
                 $$ select embedding from notes_embedding_store where id = dimensions * 100 + length(model || \
                 input_text) $$;
             create function ai.ollama_embed(model text, input_text text, host text default null,
                 keep_alive text default null, embedding_options jsonb default null)
             returns vector language sql immutable as
                 $$ select embedding from notes_embedding_store where id = (embedding_options ->> 'id')::int $$;",
        )
        .await?;
        let by_openai = ai::openai_embed("mod'el", "te\"xt").dimensions(3);
        let hit = note::embeddings::Entity::search(by_openai)
            .one(&test.db)
            .await?
            .ok_or("nothing found")?;
        assert_eq!(hit.embedding.source_key, 311);

        let by_ollama = ai::ollama_embed("m", "t").embedding_options(json!({"id": 42}));
        let nearest = note::embeddings::Entity::find()
            .order_by_asc(note::embeddings::Column::Embedding.cosine_distance(by_ollama))
            .one(&test.db)
            .await?;
        assert_eq!(nearest.map(|row| row.id), Some(42));
        Ok(())
    })
    .await;
}

/// As pgai's extension declares them. Each keeps what it got.
const FUNCTIONS: &str = "
    create table got (arguments jsonb);
    create function kept(arguments jsonb) returns vector language sql volatile set search_path to public as
        $$ insert into got values (arguments); select '[1,2,3]'::vector $$;
    create function ai.openai_embed(model text, input_text text, api_key text default null, api_key_name text default \
    null,
        dimensions int default null, openai_user text default null, extra_headers jsonb default null,
        extra_query jsonb default null, extra_body jsonb default null, verbose boolean default false,
        client_config jsonb default null) returns vector language sql volatile as $$ select \
        public.kept(jsonb_build_array(
            model, input_text, api_key, api_key_name, dimensions, openai_user, extra_headers, extra_query, extra_body, \
            \"verbose\",
            client_config)) $$;
    create function ai.ollama_embed(model text, input_text text, host text default null, keep_alive text default null,
        embedding_options jsonb default null, verbose boolean default false) returns vector language sql volatile as
        $$ select public.kept(jsonb_build_array(model, input_text, host, keep_alive, embedding_options, \"verbose\")) \
        $$;
    create function ai.voyageai_embed(model text, input_text text, input_type text default null, api_key text default \
    null,
        api_key_name text default null, verbose boolean default false) returns vector language sql volatile as
        $$ select public.kept(jsonb_build_array(model, input_text, input_type, api_key, api_key_name, \"verbose\")) $$;
    create function ai.cohere_embed(model text, input_text text, api_key text default null, api_key_name text default \
    null,
        input_type text default null, truncate_long_inputs text default null, verbose boolean default false)
        returns vector language sql volatile as $$ select public.kept(jsonb_build_array(
            model, input_text, api_key, api_key_name, input_type, truncate_long_inputs, \"verbose\")) $$;
    create function ai.litellm_embed(model text, input_text text, api_key text default null, api_key_name text default \
    null,
        extra_options jsonb default null, verbose boolean default false) returns vector language sql volatile as
        $$ select public.kept(jsonb_build_array(model, input_text, api_key, api_key_name, extra_options, \"verbose\")) \
        $$;";

#[tokio::test]
async fn every_argument_arrives() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(FUNCTIONS).await?;
        let calls: [(Expr, serde_json::Value); 5] = [
            (
                ai::openai_embed("m", "it's $1?")
                    .api_key("k")
                    .api_key_name("n")
                    .dimensions(3)
                    .openai_user("u")
                    .extra_headers(json!({"a": 1}))
                    .extra_query(json!({"b": 2}))
                    .extra_body(json!({"c": 3}))
                    .verbose(true)
                    .client_config(json!({"d": 4}))
                    .into(),
                json!(["m", "it's $1?", "k", "n", 3, "u", {"a": 1}, {"b": 2}, {"c": 3}, true, {"d": 4}]),
            ),
            (
                ai::ollama_embed("m", "t")
                    .host("h")
                    .keep_alive("5m")
                    .embedding_options(json!({"a": 1}))
                    .verbose(true)
                    .into(),
                json!(["m", "t", "h", "5m", {"a": 1}, true]),
            ),
            (
                ai::voyageai_embed("m", "t")
                    .input_type("query")
                    .api_key("k")
                    .api_key_name("n")
                    .verbose(true)
                    .into(),
                json!(["m", "t", "query", "k", "n", true]),
            ),
            (
                ai::cohere_embed("m", "t")
                    .api_key("k")
                    .api_key_name("n")
                    .input_type("search_query")
                    .truncate_long_inputs("end")
                    .verbose(true)
                    .into(),
                json!(["m", "t", "k", "n", "search_query", "end", true]),
            ),
            (
                ai::litellm_embed("m", "t")
                    .api_key("k")
                    .api_key_name("n")
                    .extra_options(json!({"a": 1}))
                    .verbose(true)
                    .into(),
                json!(["m", "t", "k", "n", {"a": 1}, true]),
            ),
        ];
        for (call, arguments) in calls {
            test.db.query_one(Query::select().expr(call)).await?;
            let got: serde_json::Value = test.value("delete from got returning arguments").await?;
            assert_eq!(got, arguments);
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_text_is_embedded_as_a_vectorizer_embeds() {
    on_both_catalogs(async |test| {
        create(&test).await?;
        let name = "public_notes_embedding_store";
        let id: i32 = test.value("select id from ai.vectorizer").await?;
        let calls = || {
            [
                ai::vectorizer_embed(name, "text"),
                ai::vectorizer_embed(id, "text").input_type("query"),
            ]
        };
        for call in calls() {
            let refused = test
                .db
                .query_one(Query::select().expr(Expr::from(call)))
                .await
                .unwrap_err()
                .to_string();
            let expected = match test.catalog {
                Catalog::Pgai => "function ai.ollama_embed", // does not exist
                _ => "embedding in the database needs the extension ai, which is not installed",
            };
            assert!(refused.contains(expected), "{refused}");
        }
        if test.catalog == Catalog::Pgai {
            test.execute(FUNCTIONS).await?;
            for call in calls() {
                let row = test
                    .db
                    .query_one(Query::select().expr(Expr::from(call)))
                    .await?
                    .ok_or("no row")?;
                assert_eq!(
                    row.try_get_by_index::<sea_orm::prelude::PgVector>(0)?.to_vec(),
                    [1.0, 2.0, 3.0]
                );
                let model: String = test.value("delete from got returning arguments ->> 0").await?;
                assert_eq!(model, "m");
            }
        }
        Ok(())
    })
    .await;
}

/// Each call of a provider is a request that somebody pays for.
#[tokio::test]
async fn a_provider_is_asked_once_for_each_search() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        test.execute(FUNCTIONS).await?;
        let asked = async || {
            test.value::<i64>("with asked as (delete from got returning 1) select count(*) from asked")
                .await
        };
        let search = || note::embeddings::Entity::search(ai::ollama_embed("m", "t")).limit(3);
        for search in [
            search(),
            search().exact(),
            search().best_per_source(),
            search().quantized(Quantized::halfvec()),
            search().ef_search(50),
            // in vain: every attempt is made, and the query is looked into
            search().filter(note::Column::Author.eq("nobody")),
            search().filter(note::Column::Author.eq("nobody")).max_scan_tuples(10),
        ] {
            let what = format!("{search:?}");
            let _page = search.clone().all(&test.db).await?;
            assert_eq!(asked().await?, 1, "{what}");
            search.clone().count(&test.db).await?;
            assert_eq!(asked().await?, 1, "{what}");
            search.explain(&test.db).await?;
            assert_eq!(asked().await?, 1, "{what}");
            let _page = search.clone().hybrid(FullText::all("chunk")).all(&test.db).await?;
            assert_eq!(asked().await?, 1, "{what}");
            let _page = search
                .hybrid(FullText::all("nowhere"))
                .diversify(0.5)
                .all(&test.db)
                .await?;
            assert_eq!(asked().await?, 1, "{what}");
        }
        let hits = search().all(&test.db).await?;
        let expected = note::embeddings::Entity::search([1.0, 2.0, 3.0])
            .limit(3)
            .all(&test.db)
            .await?;
        assert_eq!(hits, expected);

        // it is judged as any other vector is
        for (answer, said) in [
            ("null", "the query expression is NULL"),
            ("'[0,0,0]'", "the query vector has only zeros"),
            ("'[1,2]'", "the query vector has 2 dimensions"),
        ] {
            test.execute(&format!(
                "create or replace function kept(arguments jsonb) returns vector language sql volatile as 'select \
                    {}::vector'",
                answer.replace('\'', "''")
            ))
            .await?;
            let refused = search().all(&test.db).await.unwrap_err().to_string();
            assert!(refused.starts_with(said), "{refused}");
        }
        let refused = search().statement().unwrap_err();
        assert!(matches!(refused, SearchError::NoVectorYet), "{refused}");
        Ok(())
    })
    .await;
}
