-- One line per object that is not the server's own. Toast tables and row types come and go with their tables.
with schemas as (
    select oid, nspname from pg_namespace
    where nspname <> 'information_schema' and nspname not like 'pg\_%'
)
select format('schema %I owned by %s, rights %s', n.nspname, n.nspowner::regrole, n.nspacl) as object
from pg_namespace n join schemas using (oid)
union all
select format('relation %I.%I of kind %s, rights %s', s.nspname, c.relname, c.relkind, c.relacl)
from pg_class c join schemas s on s.oid = c.relnamespace
union all
select format('column %I.%I.%I of type %s', s.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod))
from pg_attribute a join pg_class c on c.oid = a.attrelid join schemas s on s.oid = c.relnamespace
where a.attnum > 0 and not a.attisdropped
union all
select format('function %I.%I(%s), rights %s, body %s', s.nspname, p.proname,
    pg_get_function_identity_arguments(p.oid), p.proacl, md5(coalesce(p.prosrc, '')))
from pg_proc p join schemas s on s.oid = p.pronamespace
union all
select format('type %I.%I', s.nspname, t.typname)
from pg_type t join schemas s on s.oid = t.typnamespace
union all
select format('trigger %s', pg_get_triggerdef(t.oid)) from pg_trigger t
union all
select format('event trigger %I', evtname) from pg_event_trigger
union all
select format('constraint %I on %s: %s', o.conname, o.conrelid::regclass, pg_get_constraintdef(o.oid))
from pg_constraint o join schemas s on s.oid = o.connamespace
union all
select format('policy %I on %s', polname, polrelid::regclass) from pg_policy
union all
select format('extension %I %s', extname, extversion) from pg_extension
union all
select format('default rights of %s in %s: %s', defaclrole::regrole, defaclnamespace::regnamespace, defaclacl)
from pg_default_acl
union all
select format('setting %s of %s', setting, setrole::regrole)
from pg_db_role_setting, unnest(setconfig) as setting
where setdatabase = (select oid from pg_database where datname = current_database())
