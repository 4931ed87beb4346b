-- What fills the queue.
--
-- An insert queues the keys of the new rows. An update queues a row's key if the key, the loaded column or a column
-- that the template names has changed. If the key has changed, the old key's embeddings go. A delete deletes the
-- embeddings too. A truncate empties store and queue.
--
-- Inserts and deletes are seen once per statement, through transition tables: a row trigger costs several times as
-- much. Updates are seen row by row, because only a row trigger has a condition, which PostgreSQL evaluates before it
-- calls anything. Transition tables would hold every row twice, with its whole text, for an update of another column
-- too. The triggers are not limited to the columns that a statement names, as another trigger may change others. Nor
-- are the keys of a statement's rows gathered first: between two rows' calls they could only be kept in a setting,
-- which whoever writes can set as well.
--
-- In a divided source (a partitioned table, a partition, a table that inherits) everything is seen row by row. A row
-- that is written to a partition by the partition's name, or that an update moves to another, fires no statement
-- trigger of the parent. A row of a child that is written through its parent fires none of the child. A table that
-- becomes a partition or a child later needs its triggers made anew. A table that others inherit from is an ordinary
-- one: its transition tables have its children's rows too. What is written to such a child by its own name fires no
-- trigger of the parent.
--
-- A subscription of logical replication fires only triggers that are enabled for it, and of statement triggers only
-- that of truncate. A vectorizer sees what is replicated after
--     alter table blog enable always trigger _vectorizer_src_trg_1_insert; -- and so on for _update, _delete and _truncate
--     select ai.refresh_vectorizer('public_blog_embedding_store'); -- makes row triggers of them, which stay enabled

-- Whether two values that the type calls equal are the same byte for byte. The type's default operator class for
-- B-trees promises it if such an index may keep one value for several rows: texts under a deterministic collation,
-- integers, uuids and times, but neither numeric nor json. Character is excluded: without a length it keeps blanks that
-- its equality does not see.
create or replace function ai._vectorizer_equals_bytewise(type oid, "collation" oid)
returns bool language sql stable set search_path to pg_catalog, pg_temp
as $$
    select exists
    ( select from pg_opclass c
      join pg_am m on m.oid = c.opcmethod and m.amname = 'btree'
      join pg_amproc p on p.amprocfamily = c.opcfamily and p.amproclefttype = c.opcintype and p.amprocrighttype = c.opcintype
          and p.amprocnum = 4 -- BTEQUALIMAGE_PROC
      where c.opcdefault and c.opcnamespace = 'pg_catalog'::regnamespace and c.opcintype <> 'bpchar'::regtype
      and c.opcintype = case type when 'varchar'::regtype then 'text'::regtype else type end
      and p.amproc in ('btequalimage'::regproc, 'btvarstrequalimage'::regproc)
    ) and coalesce((select l.collisdeterministic from pg_collation l where l.oid = "collation"), true)
$$;

-- The condition of the update trigger: a column that the vectorizer reads differs, byte for byte. 'Title' and 'title'
-- are two texts whatever the column's collation says, and 1.0 and 1.00 two numbers. Where the type's own equality says
-- the same, the condition uses it: PostgreSQL prepares the condition for each statement, and a comparison of rows costs
-- twice as much even for a single row. For other types rows are compared, by a function: the operator *<> between rows
-- does not survive a dump.
--
-- A value that is too long for its row is kept in a table of its own. To compare two of them reads both, which costs
-- several times what an update of another column does. Such an update leaves the value where it is, and PostgreSQL 17
-- and later tell where that is. The numbers of such places come from one counter for all tables. The sizes are compared
-- too, because the counter begins anew one day.
create or replace function ai._vectorizer_update_condition(v ai.vectorizer, source regclass, as_vectorizer bool)
returns text language sql stable set search_path to pg_catalog, pg_temp
as $$
    with columns as
    ( select quote_ident(case when as_vectorizer then c.name else c.attname end) as name, c.attnum
           , a.attlen = -1 and a.attstorage <> 'p' and to_regproc('pg_column_toast_chunk_id') is not null as has_place
           , ai._vectorizer_equals_bytewise(a.atttypid, a.attcollation) as equals_bytewise
      from ai._vectorizer_columns(v) c
      join pg_attribute a on a.attrelid = source and a.attnum = c.attnum
    )
    , compared as
    ( select min(attnum) as attnum, has_place, min(name) as name
           , case when equals_bytewise then format('old.%1$s is distinct from new.%1$s', min(name))
             else format('record_image_ne(row(%s), row(%s))'
                , string_agg('old.' || name, ', ' order by attnum)
                , string_agg('new.' || name, ', ' order by attnum)) end as differs
      from columns
      group by has_place, equals_bytewise, case when has_place or equals_bytewise then attnum end
    )
    select string_agg(case when has_place then format
            ( 'case when pg_column_toast_chunk_id(old.%1$s) = pg_column_toast_chunk_id(new.%1$s)
               and pg_column_size(old.%1$s) = pg_column_size(new.%1$s) then false else %2$s end', name, differs)
            else differs end
        , ' or ' order by attnum)
    from compared
$$;

-- Whether a key's lock has the same number in every session. The number comes from the key's text, and the text of a
-- moment, say, depends on the session's time zone.
create or replace function ai._vectorizer_has_one_lock(v ai.vectorizer, source regclass)
returns bool language sql stable set search_path to pg_catalog, pg_temp
as $$
    with recursive types as (
        select a.atttypid as type
        from ai._vectorizer_columns(v) c
        join pg_attribute a on a.attrelid = source and a.attnum = c.attnum
        where c.pknum is not null
        union
        select t.typbasetype from types y join pg_type t on t.oid = y.type where t.typtype = 'd'
    )
    select not exists (
        select from types y
        join pg_type t on t.oid = y.type
        where t.typtype not in ('d', 'e') and y.type <> all
            ('{int2,int4,int8,oid,numeric,bool,uuid,text,varchar,bpchar,"\"char\"",name}'::regtype[])
    )
$$;

-- The body of the trigger function, which all triggers of a vectorizer share.
--
-- The function runs with its owner's rights, as writers to the source need no right on queue and store.
--
-- A delete sees what its snapshot sees. Beyond read committed that may be older than embeddings that a worker has just
-- committed. Keys that go are queued then: a worker that finds no row for a key deletes what is left of it.
--
-- A delete never waits for a worker. pgai's worker locks the embeddings that it is about to replace for as long as the
-- provider takes. Both workers hold a key's advisory lock meanwhile. A delete that finds one held deletes what nobody
-- has locked, which is dearer, and queues the keys. It also queues the keys whose embeddings are still to be written.
-- For many rows it asks the server's list of locks whether there is any of this vectorizer, and so it does where the
-- number of a key's lock differs between sessions. A worker that comes to one of these keys after that is waited for.
--
-- Whoever queues a row wakes a worker that sleeps. A notification is committed under a lock that the whole server
-- shares, so none is sent unless a worker waits for it. A worker that has nothing to do takes the vectorizer's advisory
-- lock exclusively, which it gets when nobody is writing. It then looks into the queue once more, and sleeps. A writer
-- tries the lock shared, until its transaction ends. So each sees the other, whoever comes first. 1348947831 stands for
-- this use of such locks. A transaction that has notified cannot be prepared for a two-phase commit, so no worker takes
-- the lock where those are possible.
create or replace function ai._vectorizer_trigger_body(v ai.vectorizer, source regclass)
returns text language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    by_row bool := ai._vectorizer_is_seen_by_row(v, source);
    is_tenant bool := ai._vectorizer_is_tenant(source);
    queue text := format('%I.%I', v.queue_schema, v.queue_table);
    store text;
    columns text; -- a, b
    new_key text; -- f1(new.*), f2(new.*)
    old_key text; -- f1(old.*), f2(old.*)
    inserted_key text; -- f1(n.*), f2(n.*)
    same_key text; -- f1(old.*) = f1(new.*) and f2(old.*) = f2(new.*)
    of_old_key text; -- s.a = f1(old.*) and s.b = f2(old.*)
    beyond text := 'current_setting(''transaction_isolation'') in (''repeatable read'', ''serializable'')';
    of_deleted text; -- s.a = o.a and s.b = o.b
    deleted_keys text; -- (select f1(o.*) as a, f2(o.*) as b from old_rows o offset 0) o
    deleted_key text; -- f1(o.*), f2(o.*)
    old_lock text; -- 'a', f1(old.*), 'b', f2(old.*)
    deleted_lock text; -- 'a', f1(o.*), 'b', f2(o.*)
    queue_new text;
    queue_old text;
    none_held text := 'not exists (select from pg_locks l join pg_database d on d.oid = l.database and d.datname = current_database()
                where l.locktype = ''advisory'' and l.classid = %1$s and l.objsubid = 2)';
    free text;
    pass_over text;
    refresh text := format('/* not there? select ai.refresh_vectorizer(%s) follows renamed schemas and tables */', v.id);
    queue_inserted text;
    forget_old text;
    forget_deleted text;
    empty_store text;
    wake text := case when is_tenant then '' else format('if not pg_try_advisory_xact_lock_shared(1348947831, %1$s) then
            perform pg_notify(''pgai_sea_wake'', ''%1$s'');
        end if;', v.id) end;
begin
    -- These are the names of queue and store. The source's columns are read through the functions alone. The stars tell
    -- rows from columns that are called new, or n. A shard of a tenant's table has a row type of its own, which the
    -- functions do not take: there columns are read by today's names, which a refresh follows.
    select string_agg(quote_ident(name), ', ' order by attnum)
         , string_agg(new_value, ', ' order by attnum)
         , string_agg(old_value, ', ' order by attnum)
         , string_agg(format(call, 'n.*'), ', ' order by attnum)
         , string_agg(format(call, 'o.*'), ', ' order by attnum)
         , string_agg(format('%L, %s', name, old_value), ', ' order by attnum)
         , string_agg(format('%L, %s', name, format(call, 'o.*')), ', ' order by attnum)
         , string_agg(format('%s %s %s', old_value, equals, new_value), ' and ' order by attnum)
         , string_agg(format('s.%I %s %s', name, equals, old_value), ' and ' order by attnum)
         , string_agg(format('s.%1$I %2$s o.%1$I', name, equals), ' and ' order by attnum)
         , format('(select %s from old_rows o offset 0) o'
                , string_agg(format('%s as %I', format(call, 'o.*'), name), ', ' order by attnum))
    into columns, new_key, old_key, inserted_key, deleted_key, old_lock, deleted_lock, same_key, of_old_key, of_deleted, deleted_keys
    from ai._vectorizer_columns(v)
    cross join lateral
    ( select case when is_tenant then format('new.%I', attname) else format(call, 'new.*') end
           , case when is_tenant then format('old.%I', attname) else format(call, 'old.*') end
    ) x (new_value, old_value)
    where pknum is not null;
    queue_new := format('insert into %s (%s) values (%s);', queue, columns, new_key);
    queue_old := format('insert into %s (%s) values (%s);', queue, columns, old_key);
    queue_inserted := case when by_row then queue_new
        else format('insert into %s (%s) select %s from new_rows n;', queue, columns, inserted_key) end;
    queue_inserted := concat(queue_inserted, ' ', wake);
    queue_new := concat(queue_new, ' ', wake);
    queue_old := concat(queue_old, ' ', wake);

    if v.config #>> '{destination,implementation}' = 'column' then
        return format($body$
begin
    if tg_op = 'INSERT' then
        %s
    elsif tg_op = 'UPDATE' then
        %s
    end if;
    return null;
end
$body$, queue_inserted, queue_new);
    end if;

    store := format('%I.%I', v.config #>> '{destination,target_schema}', v.config #>> '{destination,target_table}');
    -- tried, and given back at once: who deletes many rows in a transaction would fill the server's table of locks
    free := case when ai._vectorizer_has_one_lock(v, source)
        then '(case when pg_try_advisory_lock_shared(%1$s, %2$s) then pg_advisory_unlock_shared(%1$s, %2$s) else false end)'
        else none_held end;
    pass_over := 'delete from %1$s s where s.ctid = any (array(select s.ctid from %1$s s%2$s where %3$s for update of s skip locked))';
    forget_old := format($body$if %1$s then
                delete from %2$s %3$s s where %4$s;
                free := true;
            else
                %5$s;
                free := false;
            end if;
            if not free or %6$s then
                %7$s
            end if;$body$
        , format(free, v.id, format('hashtext(concat_ws(''|'', %s))', old_lock)), store, refresh, of_old_key
        , format(pass_over, store, '', of_old_key), beyond, queue_old);
    if by_row then
        forget_deleted := forget_old;
    else
        -- The plan for a few rows would be remembered and used for many, or the other way round: many are planned anew. The keys
        -- are taken from the rows first: a join carries whole rows along, and reads for it what is kept outside of them.
        forget_deleted := format($body$select count(*), coalesce(bool_and(%1$s), true)
        into few, free
        from (select hashtext(concat_ws('|', %2$s)) as key from old_rows o limit 100) o;
        if few = 100 then
            free := %3$s;
            execute case when free then %4$L else %5$L end;
        elsif free then
            %4$s;
        else
            %5$s;
        end if;
        if not free or %6$s then
            insert into %7$s (%8$s) select %9$s from old_rows o;
            %10$s
        end if;$body$
        , format(free, v.id, 'o.key'), deleted_lock, format(none_held, v.id)
        , format('delete from %s %s s using %s where %s', store, refresh, deleted_keys, of_deleted)
        , format(pass_over, store, ' cross join ' || deleted_keys, of_deleted)
        , beyond, queue, columns, deleted_key, wake);
    end if;

    empty_store := format('delete from %s;', store);
    if not is_tenant then
        empty_store := format($body$-- Truncating waits for whoever reads the store, and who reads its view may be waiting for the source. And it fails
        -- where the store is being truncated already, by the statement that truncates the source.
        begin
            lock table %1$s in access exclusive mode nowait;
            truncate table %1$s;
        exception when lock_not_available or object_in_use or feature_not_supported then
            -- What was committed after the snapshot would stay, and nothing would lead to it.
            if sqlstate <> '55006' and current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
                raise exception using errcode = 'serialization_failure'
                    , message = 'could not serialize access due to readers of the embeddings'
                    , hint = 'Try the transaction again, or truncate at read committed.';
            end if;
            delete from %1$s;
        end;$body$, store);
    end if;

    return format($body$
declare
    few int;
    free bool;
begin
    if tg_op = 'INSERT' then
        %1$s
    elsif tg_op = 'UPDATE' then
        if not (%2$s) then
            %3$s
        end if;
        %4$s
    elsif tg_op = 'DELETE' then
        %5$s
    elsif tg_op = 'TRUNCATE' then
        %6$s
        -- what a worker holds is left to it: it will find no row
        delete from %7$s q where q.ctid in (select f.ctid from %7$s f for update skip locked);
    end if;
    return null;
end
$body$
    , queue_inserted, same_key, forget_old, queue_new, forget_deleted, empty_store, queue);
end
$$;

-- The triggers that a vectorizer has to have: the name, the event, how it fires, and a digest of that. A column that is renamed is the same
-- column, and the trigger follows it, so the digest is made with the vectorizer's names of columns.
create or replace function ai._vectorizer_wanted_triggers(v ai.vectorizer, source regclass)
returns table (name name, event text, fires text, digest text) language sql stable set search_path to pg_catalog, pg_temp
as $$
    select v.trigger_name || '_' || t.event, t.event, t.fires
         , 'pgai-sea ' || encode(sha256(convert_to(t.event || ' ' || coalesce(t.as_vectorizer, t.fires), 'utf8')), 'hex')
    from ai._vectorizer_is_seen_by_row(v, source) by_row
    cross join lateral
    ( values
        ( 'insert', case when by_row then 'for each row' else 'referencing new table as new_rows for each statement' end, null )
      , ( 'update', format('for each row when (%s)', ai._vectorizer_update_condition(v, source, as_vectorizer => false))
        , format('for each row when (%s)', ai._vectorizer_update_condition(v, source, as_vectorizer => true)) )
      , ( 'delete', case when by_row then 'for each row' else 'referencing old table as old_rows for each statement' end, null )
      , ( 'truncate', 'for each statement', null )
    ) t (event, fires, as_vectorizer)
    where v.config #>> '{destination,implementation}' = 'table' or t.event in ('insert', 'update')
$$;

-- Makes the function and the triggers, or makes them anew.
--
-- To make a trigger waits for everybody who writes to the source, and makes new writers wait. So a trigger that is as
-- it should be is left alone. PostgreSQL rewrites definitions, so each trigger's comment holds a digest of what it was
-- made of. A trigger that is replaced stays enabled or disabled as the table's owner has it.
create or replace function ai._vectorizer_create_triggers(v ai.vectorizer, source regclass)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    function text := format('%I.%I()', v.queue_schema, v.trigger_name);
    is_there bool := exists (select from pg_trigger t where t.tgrelid = source and t.tgfoid = to_regprocedure(function));
    wanted record;
    enabled "char";
begin
    -- A function that the source does not use is somebody else's. It must not become ours: it would stay its owner's.
    execute format
    ( 'create %s function %s returns trigger language plpgsql security definer
       set search_path to pg_catalog, pg_temp as %L'
    , case when is_there then 'or replace' end
    , function, ai._vectorizer_trigger_body(v, source));
    -- Nobody else may let a trigger of their own call it.
    execute format('revoke all on function %s from public', function);
    if not is_there then
        perform ai._vectorizer_hand_over(v, 'function', function);
    end if;

    for wanted in select * from ai._vectorizer_wanted_triggers(v, source) loop
        perform from pg_trigger t
        where t.tgrelid = source and t.tgname = wanted.name and t.tgfoid = to_regprocedure(function)
        and obj_description(t.oid, 'pg_trigger') = wanted.digest;
        if not found then
            if current_setting('lock_timeout') <> '0' and has_table_privilege(source, 'update, delete, truncate') then
                perform ai._vectorizer_end_autovacuum(source);
            end if;
            select t.tgenabled into enabled
            from pg_trigger t
            where t.tgrelid = source and t.tgname = wanted.name;
            execute format('create or replace trigger %I after %s on %s %s execute function %s'
                , wanted.name, wanted.event, source, wanted.fires, function);
            execute format('comment on trigger %I on %s is %L', wanted.name, source, wanted.digest);
            if enabled <> 'O' then
                execute format('alter table %s %s trigger %I', source
                    , case enabled when 'A' then 'enable always' when 'R' then 'enable replica' else 'disable' end, wanted.name);
            end if;
        end if;
    end loop;
end
$$;

-- Drops the triggers, wherever the source is and whatever its name is, and their function.
create or replace function ai._vectorizer_drop_triggers(v ai.vectorizer)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    trigger record;
    is_tenant bool := false;
begin
    for trigger in
        select t.tgname, t.tgrelid::regclass as source
        from pg_trigger t
        where t.tgfoid = to_regprocedure(format('%I.%I()', v.queue_schema, v.trigger_name)) and t.tgparentid = 0
    loop
        is_tenant := is_tenant or ai._vectorizer_is_tenant(trigger.source);
        execute format('drop trigger %I on %s', trigger.tgname, trigger.source);
    end loop;
    -- Citus drops the trigger of truncate on the tables alone. A move to another node has made it on the shard too.
    execute format('drop function if exists %I.%I()%s', v.queue_schema, v.trigger_name, case when is_tenant then ' cascade' else '' end);
end
$$;
