-- Workers that say what they made also say how far they have queued.
do $$
declare
    grantee text;
begin
    for grantee in
        select case when x.grantee = 0 then 'public' else x.grantee::regrole::text end
        from pg_attribute a
        cross join aclexplode(a.attacl) x
        where a.attrelid = 'ai.vectorizer_generation'::regclass and a.attname = 'anew_since' and x.privilege_type = 'UPDATE'
    loop
        execute format('grant update (backfill) on ai.vectorizer_generation to %s', grantee);
    end loop;
end
$$;
