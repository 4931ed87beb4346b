-- Embeds a text as a vectorizer does. The embedding functions of the extension "ai" do it, so that has to be installed.

create or replace function ai.vectorizer_embed(embedding_config jsonb, input_text text, input_type text default null)
returns vector language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
begin
    if embedding_config ->> 'implementation' = 'local' then
        raise exception 'the model "%" runs in the process that embeds, not in the database', embedding_config ->> 'model'
            using errcode = 'feature_not_supported', hint = 'Embed the text in the application instead.';
    end if;
    perform from pg_extension where extname = 'ai';
    if not found then
        raise exception 'embedding in the database needs the extension ai, which is not installed'
            using errcode = 'undefined_function', hint = 'Embed the text in the application instead.';
    end if;
    case embedding_config ->> 'implementation'
    when 'openai' then
        return ai.openai_embed
        ( embedding_config ->> 'model', input_text
        , api_key_name => embedding_config ->> 'api_key_name'
        , dimensions => (embedding_config ->> 'dimensions')::int
        , openai_user => embedding_config ->> 'user'
        );
    when 'ollama' then
        return ai.ollama_embed
        ( embedding_config ->> 'model', input_text
        , host => embedding_config ->> 'base_url'
        , keep_alive => embedding_config ->> 'keep_alive'
        , embedding_options => embedding_config -> 'options'
        );
    when 'voyageai' then
        return ai.voyageai_embed
        ( embedding_config ->> 'model', input_text
        , input_type => coalesce(vectorizer_embed.input_type, 'query')
        , api_key_name => embedding_config ->> 'api_key_name'
        );
    when 'litellm' then
        return ai.litellm_embed
        ( embedding_config ->> 'model', input_text
        , api_key_name => embedding_config ->> 'api_key_name'
        , extra_options => embedding_config -> 'extra_options'
        );
    else
        raise exception 'embedding: there is no implementation "%"', embedding_config ->> 'implementation';
    end case;
end
$$;

create or replace function ai.vectorizer_embed(vectorizer_id int, input_text text, input_type text default null)
returns vector language sql stable set search_path to pg_catalog, pg_temp
as $$
    select ai.vectorizer_embed(v.config -> 'embedding', input_text, input_type)
    from ai.vectorizer v
    where v.id = vectorizer_id
$$;

create or replace function ai.vectorizer_embed(name text, input_text text, input_type text default null)
returns vector language sql stable set search_path to pg_catalog, pg_temp
as $$
    select ai.vectorizer_embed(v.config -> 'embedding', input_text, input_type)
    from ai.vectorizer v
    where v.name = vectorizer_embed.name
$$;
