-- Names of what a vectorizer makes.

-- Joins a name and a suffix within PostgreSQL's 63 bytes. It cuts the name, never the suffix. Null for null.
create or replace function ai._vectorizer_name_with_suffix(name text, suffix text)
returns name language plpgsql immutable strict set search_path to pg_catalog, pg_temp
as $$
begin
    while octet_length(name) + octet_length(suffix) > 63 loop
        name := left(name, -1);
    end loop;
    return name || suffix;
end
$$;

-- The name of a vectorizer that was given none: schema_table in lower case, with _ for characters that a name may not
-- have.
create or replace function ai._vectorizer_default_name(destination jsonb, source_schema name, source_table name)
returns name language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select ai._vectorizer_name_with_suffix(regexp_replace(regexp_replace(lower(case destination ->> 'implementation'
        when 'table' then concat_ws('_', destination ->> 'target_schema', destination ->> 'target_table')
        else concat_ws('_', source_schema, source_table, destination ->> 'embedding_column')
    end), '[^a-z0-9_]', '_', 'g'), '^(?![a-z])', 'v'), '')
$$;

-- Refuses functions that have the names of the vectorizer's own, whatever their arguments. Whoever made them owns them,
-- and could change what runs with the rights of the vectorizer's owner. Ids are not given twice, so none is left over
-- from another vectorizer.
create or replace function ai._vectorizer_check_functions_free(v ai.vectorizer)
returns void language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    function regprocedure;
begin
    select p.oid into function
    from pg_proc p
    where p.pronamespace = to_regnamespace(quote_ident(v.queue_schema))
    and (p.proname = v.trigger_name or p.proname ~ format('^_vectorizer_src_col_%s_\d+$', v.id))
    limit 1;
    if found then
        raise exception 'there is a function % already, which is not this vectorizer''s', function
            using errcode = 'duplicate_function', hint = 'See who owns it and why, drop it, and try again.';
    end if;
end
$$;

-- Refuses a name that is taken.
create or replace function ai._vectorizer_check_free(object_schema name, object_name name, remedy text)
returns void language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
begin
    if to_regclass(format('%I.%I', object_schema, object_name)) is not null then
        raise exception '% exists already: choose %', format('%I.%I', object_schema, object_name), remedy
            using errcode = 'duplicate_object';
    end if;
end
$$;
