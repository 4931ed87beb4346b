-- What roles need to read the embeddings and run a worker, besides what is granted on each object as it is made.
create or replace function ai._vectorizer_grant_catalog(source_schema name, source regclass, grantees name[])
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
begin
    perform ai._vectorizer_grant('usage', 'schema ai', grantees);
    perform ai._vectorizer_grant('select', 'ai.vectorizer, ai.vectorizer_generation', grantees);
    perform ai._vectorizer_grant('update (made_by, anew_since, backfill)', 'ai.vectorizer_generation', grantees);
    -- The tables of workers' reports, if the creator may grant them.
    if has_table_privilege('ai._vectorizer_errors', 'insert with grant option') then
        perform ai._vectorizer_grant('insert', 'ai._vectorizer_errors', grantees);
        perform ai._vectorizer_grant('select, insert, update'
            , 'ai.vectorizer_worker_process, ai.vectorizer_worker_progress, ai.vectorizer_worker_usage', grantees);
        perform ai._vectorizer_grant('select, insert', 'ai.vectorizer_worker_role', grantees);
        perform ai._vectorizer_grant('select, insert, update, delete'
            , 'ai.vectorizer_worker_wait, ai.vectorizer_document, ai.vectorizer_worker_spending, ai.vectorizer_batch', grantees);
    end if;
    perform ai._vectorizer_grant('usage', format('schema %I', source_schema), grantees);
    perform ai._vectorizer_grant('select', source::text, grantees);
end
$$;

-- Checks everything, makes store, queue, view and triggers, and queues the rows that are there.
create or replace function ai.create_vectorizer
( source regclass
, name text default null
, destination jsonb default ai.destination_table()
, loading jsonb default null
, parsing jsonb default ai.parsing_auto()
, embedding jsonb default null
, chunking jsonb default ai.chunking_recursive_character_text_splitter()
, indexing jsonb default ai.indexing_default()
, formatting jsonb default ai.formatting_python_template()
, scheduling jsonb default ai.scheduling_default()
, processing jsonb default ai.processing_default()
, queue_schema name default null
, queue_table name default null
, grant_to name[] default ai.grant_to()
, enqueue_existing bool default true
, if_not_exists bool default false
) returns int language plpgsql set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    v ai.vectorizer;
    dimensions int;
    grantees name[] := ai._vectorizer_existing_roles(grant_to);
    existing int;
    is_tenant bool;
begin
    if embedding is null then
        raise exception 'embedding is missing' using hint = 'Pass one, such as embedding => ai.embedding_openai(model, dimensions).';
    end if;
    if loading is null then
        raise exception 'loading is missing' using hint = 'Pass one, such as loading => ai.loading_column(column_name).';
    end if;

    select n.nspname, c.relname into v.source_schema, v.source_table
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid = source and (pg_has_role(c.relowner, 'member')
        or (select rolsuper from pg_roles where rolname = current_user));
    if not found then
        raise exception 'only the owner of % or a superuser may create a vectorizer on it', source;
    end if;
    perform ai._vectorizer_check_supported(source);
    is_tenant := ai._vectorizer_is_tenant(source);
    -- Beyond read committed, rows that are committed between the snapshot and the triggers would neither be queued nor
    -- fire a trigger. A table of this very transaction is safe. The row of a system column is as old as its table.
    if enqueue_existing and current_setting('transaction_isolation') in ('repeatable read', 'serializable')
    and not exists (select from pg_attribute a where a.attrelid = source and a.attname = 'tableoid'
        and age(a.xmin) <= age(pg_current_xact_id()::xid)) then
        raise exception 'a transaction at % may miss rows of % that are written meanwhile', current_setting('transaction_isolation'), source
            using errcode = 'active_sql_transaction'
                , hint = 'Create the vectorizer in a transaction at read committed, or in the one that creates the table.';
    end if;
    v.source_pk := ai._vectorizer_source_pk(source);
    if v.source_pk is null then
        raise exception '% has no primary key, by which embeddings find their row', source;
    end if;

    dimensions := ai._vectorizer_check_embedding(embedding);
    perform ai._vectorizer_check_loading(loading, source);
    perform ai._vectorizer_check_parsing(parsing, loading, source);
    perform ai._vectorizer_check_chunking(chunking);
    perform ai._vectorizer_check_formatting(formatting, source);
    perform ai._vectorizer_check_processing(processing);
    destination := ai._vectorizer_resolve_partitions(ai._vectorizer_destination(destination, v.source_schema, v.source_table), source);
    indexing := ai._vectorizer_resolve_indexing(indexing);
    perform ai._vectorizer_check_indexing(indexing, dimensions, ai._vectorizer_embedding_type(destination, source));
    scheduling := ai._vectorizer_resolve_scheduling(scheduling);
    perform ai._vectorizer_check_scheduling(scheduling);

    if name is null then
        v.name := ai._vectorizer_default_name(destination, v.source_schema, v.source_table);
    elsif name !~ '^[a-z][a-z_0-9]*$' or octet_length(name) > 63 then
        raise exception 'name is "%", it must be a-z, 0-9 and _, begin with a letter and have at most 63 characters', name
            using errcode = 'check_violation';
    else
        v.name := name;
    end if;

    -- Two may create the same one at once: the second waits, and finds it.
    perform pg_advisory_xact_lock('ai.vectorizer'::regclass::oid::int, hashtext(v.name));
    perform ai._vectorizer_drop_leftovers(v.source_schema, v.source_table);
    select e.id into existing from ai.vectorizer e where e.name = v.name;
    if existing is not null then
        if not if_not_exists then
            raise exception 'a vectorizer named % exists already', v.name
                using errcode = 'duplicate_object', hint = 'Pass another name, or if_not_exists => true.';
        end if;
        raise notice 'a vectorizer named % exists already, skipping', v.name;
        return existing;
    end if;

    v.id := nextval('ai.vectorizer_id_seq');
    v.trigger_name := '_vectorizer_src_trg_' || v.id;
    v.queue_schema := coalesce(queue_schema, case when is_tenant then v.source_schema else 'ai' end);
    v.queue_table := coalesce(queue_table, '_vectorizer_q_' || v.id);
    v.queue_failed_table := '_vectorizer_q_failed_' || v.id;
    v.disabled := false;
    v.config := jsonb_build_object
    ( 'version', '0.12.1' -- of the form of this object, which workers look at
    , 'destination', destination
    , 'loading', loading
    , 'parsing', parsing
    , 'embedding', embedding
    , 'chunking', chunking
    , 'indexing', indexing
    , 'formatting', formatting
    , 'scheduling', scheduling
    , 'processing', processing
    );
    perform ai._vectorizer_check_tenant(source, v.source_schema, destination, v.queue_schema);
    perform ai._vectorizer_check_free(v.queue_schema, v.queue_table, 'another queue_table');
    perform ai._vectorizer_check_destination(destination, chunking);
    perform ai._vectorizer_check_column_names(source, destination);
    if destination ->> 'implementation' = 'column' then
        perform ai._vectorizer_check_column(destination, source, dimensions, indexing);
    end if;
    perform ai._vectorizer_check_functions_free(v);

    -- The queue says whose the vectorizer is.
    perform ai._vectorizer_create_queue_table(v.queue_schema, v.queue_table, source, grantees);
    perform ai._vectorizer_give_queue(v, source);
    perform ai._vectorizer_create_queue_failed_table(v.queue_schema, v.queue_failed_table, source, grantees);
    perform ai._vectorizer_hand_over(v, 'table', format('%I.%I', v.queue_schema, v.queue_failed_table));
    perform ai._vectorizer_distribute(format('%I.%I', v.queue_schema, v.queue_table), source);
    perform ai._vectorizer_distribute(format('%I.%I', v.queue_schema, v.queue_failed_table), source);
    begin
        insert into ai.vectorizer values (v.*);
    exception when unique_violation then
        raise exception 'a vectorizer named % exists already', v.name
            using errcode = 'duplicate_object', hint = 'It is somebody else''s. Pass another name.';
    end;
    insert into ai.vectorizer_generation (vectorizer_id, made_by) values (v.id, ai._vectorizer_identity(v.config));
    perform ai._vectorizer_grant_catalog(v.source_schema, source, grantees);
    if destination ->> 'implementation' = 'table' then
        perform ai._vectorizer_create_store(destination, source, dimensions, grantees);
        if ai._vectorizer_wants_places(v.config, source) then
            perform ai._vectorizer_add_places(format('%I.%I', destination ->> 'target_schema', destination ->> 'target_table'));
        end if;
        perform ai._vectorizer_create_partitions(v);
        perform ai._vectorizer_hand_over(v, 'table', format('%I.%I', destination ->> 'target_schema', destination ->> 'target_table'));
        perform ai._vectorizer_distribute(format('%I.%I', destination ->> 'target_schema', destination ->> 'target_table'), source);
    else
        perform ai._vectorizer_create_column(destination, source, dimensions);
    end if;
    if destination ->> 'implementation' = 'table' then
        perform ai._vectorizer_create_view(v, source, grantees);
    end if;
    perform ai._vectorizer_create_columns(v, source);
    perform ai._vectorizer_create_source_view(v, source, grantees);
    -- From here on writers wait for the end of this transaction, so no row is missed.
    perform ai._vectorizer_create_triggers(v, source);
    perform ai._vectorizer_protect_store(v, source);
    if enqueue_existing then
        execute (
            select format('insert into %I.%I (%s, queued_at) select %s, $1 from %s s', v.queue_schema, v.queue_table
                , string_agg(quote_ident(attname), ', ' order by attnum)
                , string_agg(format('s.%I', attname), ', ' order by attnum), source)
            from ai._vectorizer_source_key(source)
        ) using now(); -- its default would be computed where the rows are, which Citus does not do
    end if;
    return v.id;
end
$$;
