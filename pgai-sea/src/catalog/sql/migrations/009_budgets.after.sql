alter table ai.vectorizer_worker_spending enable row level security;
create policy own on ai.vectorizer_worker_spending using (role = current_user) with check (role = current_user);

-- Whoever may report usage is a worker.
do $$
declare
    r record;
begin
    for r in
        select case x.grantee when 0 then 'public' else x.grantee::regrole::text end as grantee, bool_or(x.is_grantable) as may_grant
        from pg_class c
        cross join aclexplode(c.relacl) with ordinality x (grantor, grantee, privilege_type, is_grantable, place)
        where c.oid = 'ai.vectorizer_worker_usage'::regclass and x.grantee <> c.relowner and x.privilege_type = 'INSERT'
        group by x.grantee
        order by min(x.place)
    loop
        execute format('grant select, insert, update, delete on ai.vectorizer_worker_spending to %s%s', r.grantee
            , case when r.may_grant then ' with grant option' else '' end);
    end loop;
end
$$;
