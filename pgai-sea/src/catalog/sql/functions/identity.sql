-- What a store's vectors are made with: what of the configuration says which vector a text gets, and which texts a row
-- gives. The type says it where it is not pgai's, the loading where the column holds addresses, and the partitions where
-- the store has some. Where the provider is, and with which key it is asked, makes no difference. The library says the
-- same of pgai's catalog.
create or replace function ai._vectorizer_identity(config jsonb)
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select jsonb_build_object
    ( 'embedding', e - '{config_type,api_key_name,base_url,user,keep_alive,extra_options}'::text[] || case
        when jsonb_typeof(e -> 'extra_options') = 'object' then jsonb_build_object
            ('extra_options', (e -> 'extra_options') - '{api_base,api_key,api_version}'::text[])
        else '{}'::jsonb end
    , 'text', jsonb_build_object
        ( 'column_name', config #> '{loading,column_name}'
        , 'parsing', config #> '{parsing,implementation}'
        , 'chunking', case jsonb_typeof(config -> 'chunking') when 'object' then (config -> 'chunking') - 'config_type' else config -> 'chunking' end
        , 'template', config #> '{formatting,template}'
        ) || case config #>> '{loading,implementation}' when 'uri' then '{"loading": "uri"}' else '{}' end::jsonb
    ) || case config #>> '{destination,vector_type}' when 'halfvec' then '{"vector_type": "halfvec"}' else '{}' end::jsonb
      || case when config #> '{destination,partitions}' is null then '{}' else jsonb_build_object
        ('partitions', jsonb_build_object('by', config #> '{destination,partition_by}', 'number', config #> '{destination,partitions}')) end
    from (select case jsonb_typeof(config -> 'embedding') when 'object' then config -> 'embedding' else '{}' end) x (e)
$$;
