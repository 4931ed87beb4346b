-- One line per object that is not the server's own. Toast tables and row types come and go with their tables.
with schemas as (
    select oid, nspname from pg_namespace
    where nspname <> 'information_schema' and nspname not like 'pg\_%'
)
select format('schema %I owned by %s, rights %s', n.nspname, n.nspowner::regrole, n.nspacl) as object
from pg_namespace n join schemas using (oid)
union all
select format('relation %I.%I of kind %s owned by %s, rights %s, options %s, row security %s', s.nspname, c.relname, c.relkind,
    c.relowner::regrole, c.relacl, c.reloptions, c.relrowsecurity)
from pg_class c join schemas s on s.oid = c.relnamespace
union all
select format('column %s of %I.%I: %I of type %s, not null %s, default %s, rights %s', row_number() over (partition by c.oid order by a.attnum),
    s.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attacl)
from pg_attribute a join pg_class c on c.oid = a.attrelid join schemas s on s.oid = c.relnamespace
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attnum > 0 and not a.attisdropped
union all
select format('view %I.%I: %s', s.nspname, c.relname, pg_get_viewdef(c.oid))
from pg_class c join schemas s on s.oid = c.relnamespace
where c.relkind = 'v'
union all
select format('index %s', pg_get_indexdef(i.indexrelid))
from pg_index i join pg_class c on c.oid = i.indexrelid join schemas s on s.oid = c.relnamespace
union all
select format('function %I.%I(%s) owned by %s, rights %s, settings %s, definer %s, body %s', s.nspname, p.proname,
    pg_get_function_identity_arguments(p.oid), p.proowner::regrole, p.proacl, p.proconfig, p.prosecdef, md5(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc)))
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
select format('policy %I on %s for %s: %s, checks %s', polname, polrelid::regclass, polcmd, pg_get_expr(polqual, polrelid),
    pg_get_expr(polwithcheck, polrelid)) from pg_policy
union all
select format('comment on trigger %I on %s: %s', t.tgname, t.tgrelid::regclass, obj_description(t.oid, 'pg_trigger')) from pg_trigger t
where obj_description(t.oid, 'pg_trigger') is not null
union all
select format('extension %I %s', extname, extversion) from pg_extension
union all
select format('default rights of %s in %s: %s', defaclrole::regrole, defaclnamespace::regnamespace, defaclacl)
from pg_default_acl
union all
select format('setting %s of %s', setting, setrole::regrole)
from pg_db_role_setting, unnest(setconfig) as setting
where setdatabase = (select oid from pg_database where datname = current_database())
