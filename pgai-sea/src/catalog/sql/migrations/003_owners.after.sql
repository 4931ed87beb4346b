alter table ai.vectorizer enable row level security;
create policy readable on ai.vectorizer for select using (ai._vectorizer_is_readable(vectorizer));
create policy written on ai.vectorizer for insert with check (ai._vectorizer_may_be_written(vectorizer));
create policy changed on ai.vectorizer for update
    using (ai._vectorizer_is_owned(vectorizer)) with check (ai._vectorizer_may_be_written(vectorizer));
create policy removed on ai.vectorizer for delete using (ai._vectorizer_is_owned(vectorizer));

alter table ai.vectorizer_worker_role enable row level security;
create policy visible on ai.vectorizer_worker_role using (role = current_user or ai._vectorizer_is_admin());
alter table ai.vectorizer_worker_process enable row level security;
create policy visible on ai.vectorizer_worker_process
    using (ai._vectorizer_is_admin() or exists
        ( select from ai.vectorizer_worker_role r where r.id = vectorizer_worker_process.id and r.role = current_user ));
do $$
declare
    worker text;
begin
    for worker in
        select case x.grantee when 0 then 'public' else x.grantee::regrole::text end
        from pg_class c
        cross join aclexplode(c.relacl) with ordinality x (grantor, grantee, privilege_type, is_grantable, place)
        where c.oid = 'ai.vectorizer_worker_process'::regclass and x.privilege_type = 'INSERT' and x.grantee <> c.relowner
        group by x.grantee
        order by min(x.place)
    loop
        execute format('grant select, insert on ai.vectorizer_worker_role to %s', worker);
    end loop;
end
$$;

-- Nobody reports on what they do not see.
alter policy visible on ai._vectorizer_errors
    with check (exists (select from ai.vectorizer v where v.id = _vectorizer_errors.id and ai._vectorizer_is_visible(v)));
alter policy visible on ai.vectorizer_worker_progress
    with check (exists (select from ai.vectorizer v where v.id = vectorizer_id and ai._vectorizer_is_visible(v)));
alter policy visible on ai.vectorizer_worker_usage
    with check (exists (select from ai.vectorizer v where v.id = vectorizer_id and ai._vectorizer_is_visible(v)));

-- Stores of vectorizers in use.
select ai._vectorizer_protect_store(u.v, u.source) from ai._vectorizers_in_use() u where u.source is not null;
