-- What is embedded for a chunk: a template that may name the source's columns. $page and $headings are the chunk's place where the
-- source has no such columns.

create or replace function ai.formatting_python_template(template text default '$chunk')
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $func$
    select jsonb_strip_nulls(jsonb_build_object
    ( 'implementation', 'python_template'
    , 'config_type', 'formatting'
    , 'template', template
    ))
$func$;

-- The names in a template by the rules of Python's string.Template: $name, ${name}, and $$ for a dollar.
-- A dollar that is none of these is answered as null.
create or replace function ai._vectorizer_template_names(template text)
returns setof text language sql immutable set search_path to pg_catalog, pg_temp
as $func$
    select distinct coalesce(m[2], m[3])
    from regexp_matches(template, '\$(?:(\$)|([_a-zA-Z][_a-zA-Z0-9]*)|\{([_a-zA-Z][_a-zA-Z0-9]*)\}|)', 'g') m
    where m[1] is null
$func$;

create or replace function ai._vectorizer_check_formatting(formatting jsonb, source regclass)
returns void language plpgsql stable set search_path to pg_catalog, pg_temp
as $func$
declare
    template text := formatting ->> 'template';
    name text;
    has_chunk bool := false;
begin
    perform ai._vectorizer_implementation('formatting', formatting, 'python_template');
    for name in select * from ai._vectorizer_template_names(template) loop
        if name is null then
            raise exception 'formatting: template "%" has a $ that begins no name', template
                using hint = 'Write $$ for a dollar sign.';
        elsif name = 'chunk' then
            has_chunk := true;
        elsif ai._vectorizer_column_type(source, name) is null and name not in ('page', 'headings') then
            raise exception 'formatting: template "%" names $%, and % has no such column', template, name, source;
        end if;
    end loop;
    if not has_chunk then
        raise exception 'formatting: template "%" does not contain $chunk', coalesce(template, '');
    end if;
    if ai._vectorizer_column_type(source, 'chunk') is not null then
        raise exception 'formatting: % has a column "chunk", which $chunk would hide', source
            using hint = 'Rename the column.';
    end if;
end
$func$;
