//! `ai.vectorizer_embed`, which the functions of the extension `ai` serve.

use pgai_sea_tests::{Catalog, on_catalog};

use super::{BLOG, refusal, vectorize};

/// The extension is on no server here: its functions are put where they would be, and answer what they were called
/// with.
#[tokio::test]
async fn the_extension_s_functions_are_called_with_what_the_vectorizer_has() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        vectorize(&test, "blog", ", name => 'posts'").await?;
        let refused = refusal(&test, "select ai.execute_vectorizer('posts')").await?;
        assert!(refused.starts_with("42883 vectorizers cannot be executed"), "{refused}");
        test.execute(
            "create table calls (call text);
             set allow_system_table_mods = on;
             insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
             select 99999, 'ai', nspowner, oid, false, '0.11.2' from pg_namespace where nspname = 'public';
             reset allow_system_table_mods;
             create function public.called(variadic called text[]) returns public.vector language sql as
                 'insert into public.calls values (array_to_string(called, ''|'', ''-'')); select \
                 ''[1,2,3]''::public.vector';
             create function ai.openai_embed(model text, input_text text, api_key text default null, api_key_name text \
             default null,
                 dimensions int default null, openai_user text default null) returns public.vector language sql as
                 'select public.called(''openai'', model, input_text, api_key_name, dimensions::text, openai_user)';
             create function ai.ollama_embed(model text, input_text text, host text default null, keep_alive text \
             default null,
                 embedding_options jsonb default null) returns public.vector language sql as
                 'select public.called(''ollama'', model, input_text, host, keep_alive, embedding_options::text)';
             create function ai.voyageai_embed(model text, input_text text, input_type text default null, api_key text \
             default null,
                 api_key_name text default null) returns public.vector language sql as
                 'select public.called(''voyageai'', model, input_text, input_type, api_key_name)';
             create function ai.litellm_embed(model text, input_text text, api_key text default null, api_key_name \
             text default null,
                 extra_options jsonb default null) returns public.vector language sql as
                 'select public.called(''litellm'', model, input_text, api_key_name, extra_options::text)'",
        )
        .await?;
        for call in [
            "ai.vectorizer_embed('posts', 'a text')",
            "ai.vectorizer_embed(1, 'b text')",
            "ai.vectorizer_embed(ai.embedding_openai('m', 3, chat_user => 'u', api_key_name => 'K'), 'c')",
            "ai.vectorizer_embed(ai.embedding_ollama('m', 3, base_url => 'http://h', keep_alive => '5m', options => \
                '{\"a\": 1}'), 'd')",
            "ai.vectorizer_embed(ai.embedding_voyageai('m', 3), 'e')",
            "ai.vectorizer_embed(ai.embedding_voyageai('m', 3), 'f', input_type => 'document')",
            "ai.vectorizer_embed(ai.embedding_litellm('m', 3, extra_options => '{\"a\": 1}'), 'g')",
        ] {
            test.execute(&format!("select {call}")).await?;
        }
        let calls: Vec<String> = test
            .values("select call from calls order by split_part(call, '|', 3)")
            .await?;
        assert_eq!(
            calls,
            [
                "openai|model|a text|OPENAI_API_KEY|3|-",
                "openai|model|b text|OPENAI_API_KEY|3|-",
                "openai|m|c|K|3|u",
                "ollama|m|d|http://h|5m|{\"a\": 1}",
                "voyageai|m|e|query|VOYAGE_API_KEY",
                "voyageai|m|f|document|VOYAGE_API_KEY",
                "litellm|m|g|-|{\"a\": 1}",
            ]
        );
        let refused = refusal(&test, "select ai.execute_vectorizer('posts')").await?;
        assert_eq!(
            refused,
            "0A000 vectorizers of this schema are not executed in the database"
        );
        Ok(())
    })
    .await;
}
