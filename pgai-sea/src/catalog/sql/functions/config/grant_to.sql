-- Who else may use a vectorizer: the roles named, and those of the setting ai.grant_to_default (names with commas between).

create or replace function ai.grant_to(variadic grantees name[])
returns name[] language sql stable set search_path to pg_catalog, pg_temp
as $$
    select coalesce(array_agg(distinct r.name), '{}')
    from (
        select unnest(grantees)
        union all
        select btrim(d)::name from string_to_table(current_setting('ai.grant_to_default', true), ',') d
    ) r (name)
    where r.name <> ''
$$;

create or replace function ai.grant_to()
returns name[] language sql stable set search_path to pg_catalog, pg_temp
as $$ select ai.grant_to(variadic '{}'::name[]) $$;

-- The roles that exist. The others are warned of, as a role may be missing in another database.
create or replace function ai._vectorizer_existing_roles(grantees name[])
returns name[] language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    missing name[];
    existing name[];
begin
    select array_agg(g.name) filter (where r.oid is null and g.name <> 'public')
         , array_agg(g.name) filter (where r.oid is not null or g.name = 'public')
    into missing, existing
    from unnest(grantees) g (name)
    left join pg_roles r on r.rolname = g.name;
    if missing is not null then
        raise warning 'grant_to: these roles do not exist and are granted nothing: %', array_to_string(missing, ', ');
    end if;
    return coalesce(existing, '{}');
end
$$;

-- The object has its kind and is quoted: table "public"."blog".
create or replace function ai._vectorizer_grant(privileges text, object text, grantees name[])
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    grantee name;
begin
    foreach grantee in array grantees loop
        execute format('grant %s on %s to %I', privileges, object, grantee);
    end loop;
end
$$;
