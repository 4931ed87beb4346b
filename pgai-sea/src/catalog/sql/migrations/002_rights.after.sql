alter table ai._vectorizer_errors enable row level security;
create policy visible on ai._vectorizer_errors
    using (exists (select from ai.vectorizer v where v.id = _vectorizer_errors.id and ai._vectorizer_is_visible(v)))
    with check (true);

alter table ai.vectorizer_worker_progress enable row level security;
create policy visible on ai.vectorizer_worker_progress
    using (exists (select from ai.vectorizer v where v.id = vectorizer_id and ai._vectorizer_is_visible(v)))
    with check (true);

alter table ai.vectorizer_worker_usage enable row level security;
create policy visible on ai.vectorizer_worker_usage
    using (exists (select from ai.vectorizer v where v.id = vectorizer_id and ai._vectorizer_is_visible(v)))
    with check (true);

-- Views of vectorizers in use. A view that somebody reads who may not read both tables stays as it is, and is warned of: that application
-- would stop working.
do $$
declare
    u record;
    store regclass;
    view regclass;
    readers text;
begin
    for u in select * from ai._vectorizers_in_use() loop
        continue when (u.v).config #>> '{destination,implementation}' <> 'table' or u.source is null;
        store := ai._vectorizer_store(u.v, u.source);
        view := ai._vectorizer_view(u.v, store);
        continue when view is null;
        select string_agg(distinct case r.grantee when 0 then 'public' else r.grantee::regrole::text end, ', ') into readers
        from (
            select x.* from pg_class c cross join aclexplode(c.relacl) x where c.oid = view and x.grantee <> c.relowner
            union all
            select x.* from pg_attribute a cross join aclexplode(a.attacl) x where a.attrelid = view
        ) r
        where r.privilege_type = 'SELECT'
        and not case r.grantee
            when 0 then has_table_privilege('public', store, 'select') and has_table_privilege('public', u.source, 'select')
            else has_table_privilege(r.grantee, store, 'select') and has_table_privilege(r.grantee, u.source, 'select')
        end;
        if readers is null then
            execute format('alter view %s set (security_invoker = true)', view);
        else
            raise warning 'the view % of vectorizer % still reads with its owner''s rights, as % may not read % and %'
                , view, (u.v).name, readers, store, u.source
                using hint = format('Grant them select on both, then run: alter view %s set (security_invoker = true)', view);
        end if;
    end loop;
end
$$;
