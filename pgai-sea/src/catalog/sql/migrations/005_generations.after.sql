-- What vectorizers in use were made with is what their configuration says.
insert into ai.vectorizer_generation (vectorizer_id, made_by)
select v.id, ai._vectorizer_identity(v.config)
from ai.vectorizer v;

-- Whoever reads and changes vectorizers does so with their generations, and workers say what they made.
do $$
declare
    x record;
begin
    for x in
        select distinct g.privilege_type, case when g.grantee = 0 then 'public' else g.grantee::regrole::text end as grantee
        from pg_class c cross join aclexplode(c.relacl) g
        where c.oid = 'ai.vectorizer'::regclass and g.grantee <> c.relowner
    loop
        execute format('grant %s on ai.vectorizer_generation to %s', x.privilege_type, x.grantee);
    end loop;
    for x in
        select case when g.grantee = 0 then 'public' else g.grantee::regrole::text end as grantee
        from pg_class c cross join aclexplode(c.relacl) g
        where c.oid = 'ai.vectorizer_worker_usage'::regclass and g.privilege_type = 'UPDATE' and g.grantee <> c.relowner
    loop
        execute format('grant select, update (made_by, anew_since) on ai.vectorizer_generation to %s', x.grantee);
    end loop;
end
$$;

-- Whoever sees a vectorizer sees its generation. Its owner and its workers change it.
alter table ai.vectorizer_generation enable row level security;
create policy readable on ai.vectorizer_generation for select
    using (exists (select from ai.vectorizer v where v.id = vectorizer_id));
create policy changed on ai.vectorizer_generation
    using (exists (select from ai.vectorizer v where v.id = vectorizer_id and ai._vectorizer_is_visible(v)))
    with check (exists (select from ai.vectorizer v where v.id = vectorizer_id and ai._vectorizer_is_visible(v)
        -- nobody makes another's vectorizer a generation of their own, which goes with it
        and (replaces is null or replaces <> vectorizer_id and exists (select from ai.vectorizer r where r.id = replaces and ai._vectorizer_owner(r) = ai._vectorizer_owner(v)))));

-- An owner does not name a table that somebody else may make later.
alter policy changed on ai.vectorizer
    with check (ai._vectorizer_may_be_written(vectorizer) and ai._vectorizer_has_store(vectorizer));
