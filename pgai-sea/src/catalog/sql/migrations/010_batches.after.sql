alter table ai.vectorizer_batch enable row level security;
create policy visible on ai.vectorizer_batch
    using (exists (select from ai.vectorizer v where v.id = vectorizer_id and ai._vectorizer_is_visible(v)))
    with check (exists (select from ai.vectorizer v where v.id = vectorizer_id and ai._vectorizer_is_visible(v)));

-- Whoever may write down documents is a worker.
do $$
declare
    r record;
begin
    for r in
        select case x.grantee when 0 then 'public' else x.grantee::regrole::text end as grantee, bool_or(x.is_grantable) as may_grant
        from pg_class c
        cross join aclexplode(c.relacl) with ordinality x (grantor, grantee, privilege_type, is_grantable, place)
        where c.oid = 'ai.vectorizer_document'::regclass and x.grantee <> c.relowner and x.privilege_type = 'INSERT'
        group by x.grantee
        order by min(x.place)
    loop
        execute format('grant select, insert, update, delete on ai.vectorizer_batch to %s%s', r.grantee
            , case when r.may_grant then ' with grant option' else '' end);
    end loop;
end
$$;
