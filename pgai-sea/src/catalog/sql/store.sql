-- The destination: a table with one row per chunk and a view that joins it to the source, or a column of the source.

create or replace function ai._vectorizer_create_store(destination jsonb, source regclass, dimensions int, grantees name[])
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    store text := format('%I.%I', destination ->> 'target_schema', destination ->> 'target_table');
begin
    execute (
        select format
        ( 'create table %1$s
           ( embedding_uuid uuid not null primary key default gen_random_uuid()
           , %2$s
           , chunk_seq int not null
           , chunk text not null
           , embedding %3$s(%4$s) not null
           , unique (%5$s, chunk_seq)
           )'
        , store
        , string_agg(format('%I %s not null', attname, definition), ', ' order by attnum)
        , ai._vectorizer_vector_type()
        , dimensions
        , string_agg(quote_ident(attname), ', ' order by pknum))
        from ai._vectorizer_source_key(source)
    );
    -- a search reads the vectors: keep them in the row for as long as they fit
    execute format('alter table %s alter column embedding set storage main', store);
    perform ai._vectorizer_grant('usage', format('schema %I', destination ->> 'target_schema'), grantees);
    perform ai._vectorizer_grant('select, insert, update, delete', store, grantees);
end
$$;

create or replace function ai._vectorizer_create_view(destination jsonb, source regclass, grantees name[])
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    view text := format('%I.%I', destination ->> 'view_schema', destination ->> 'view_name');
    columns text;
    same_key text;
begin
    -- The key comes from the store, so that a query that asks for no other column of the source need not read it.
    select string_agg(format('%s.%I', case when k.attnum is null then 's' else 't' end, a.attname), ', ' order by a.attnum)
         , string_agg(format('t.%1$I %2$s s.%1$I', k.attname, k.equals), ' and ' order by k.pknum) filter (where k.attnum is not null)
    into columns, same_key
    from pg_attribute a
    left join ai._vectorizer_source_key(source) k on k.attnum = a.attnum
    where a.attrelid = source and a.attnum > 0 and not a.attisdropped;
    execute format
    ( 'create view %s as
       select t.embedding_uuid, t.chunk_seq, t.chunk, t.embedding, %s
       from %I.%I t left join %s s on %s'
    , view, columns, destination ->> 'target_schema', destination ->> 'target_table', source, same_key);
    perform ai._vectorizer_grant('usage', format('schema %I', destination ->> 'view_schema'), grantees);
    perform ai._vectorizer_grant('select', view, grantees);
end
$$;

-- The type of the column of the embeddings, as it is or will be.
create or replace function ai._vectorizer_embedding_type(destination jsonb, source regclass)
returns name language sql stable set search_path to pg_catalog, pg_temp
as $$ select coalesce(ai._vectorizer_column_type(source, destination ->> 'embedding_column'), 'vector') $$;

-- A column that is there already is used as it is, of any of pgvector's types that numbers are assigned to, and of the length
-- of the vectors or of any. Refuses one that is not, before anything is made.
create or replace function ai._vectorizer_check_column(destination jsonb, source regclass, dimensions int, indexing jsonb)
returns void language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    column_name name := destination ->> 'embedding_column';
    type name;
    length int;
begin
    select t.typname, nullif(a.atttypmod, -1)
    into type, length
    from pg_attribute a
    join pg_type t on t.oid = a.atttypid
    where a.attrelid = source and a.attname = column_name and a.attnum > 0 and not a.attisdropped;
    if not found then
        return;
    end if;
    if type not in ('vector', 'halfvec', 'sparsevec') then
        raise exception 'destination: column "%" is of type % and not vector(%)', column_name, type, dimensions
            using errcode = 'duplicate_column';
    elsif length <> dimensions then
        raise exception 'destination: column "%" is of type %(%), and embedding has % dimensions', column_name, type, length, dimensions
            using errcode = 'datatype_mismatch'
                , hint = format('Alter the column to %s(%s), or use a model of %s dimensions.', type, dimensions, length);
    elsif length is null and indexing ->> 'implementation' = 'hnsw' then
        raise exception 'indexing: column "%" is of type % without a length, which hnsw needs', column_name, type
            using errcode = 'datatype_mismatch', hint = format('Alter the column to %s(%s), or use ai.indexing_none().', type, dimensions);
    end if;
    raise notice '% has a column "%", which will hold the embeddings', source, column_name;
end
$$;

create or replace function ai._vectorizer_create_column(destination jsonb, source regclass, dimensions int)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    column_name name := destination ->> 'embedding_column';
begin
    if ai._vectorizer_column_type(source, column_name) is null then
        execute format('alter table %s add column %I %s(%s)', source, column_name, ai._vectorizer_vector_type(), dimensions);
        execute format('alter table %s alter column %I set storage main', source, column_name);
    end if;
end
$$;
