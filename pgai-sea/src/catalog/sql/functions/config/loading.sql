-- Where the text comes from: a column that holds it, or one that holds the address of a document.

create or replace function ai.loading_column(column_name name, retries int default 6)
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select jsonb_build_object
    ( 'implementation', 'column'
    , 'config_type', 'loading'
    , 'column_name', column_name
    , 'retries', retries
    )
$$;

create or replace function ai.loading_uri(column_name name, retries int default 6, aws_role_arn text default null)
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object
    ( 'implementation', 'uri'
    , 'config_type', 'loading'
    , 'column_name', column_name
    , 'retries', retries
    , 'aws_role_arn', aws_role_arn
    ))
$$;

create or replace function ai._vectorizer_check_loading(loading jsonb, source regclass)
returns void language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    implementation text := ai._vectorizer_implementation('loading', loading, 'column', 'uri');
    column_name text := loading ->> 'column_name';
    type_name name := ai._vectorizer_column_type(source, column_name);
begin
    if column_name is null then
        raise exception 'loading: column_name is missing';
    end if;
    if ai._vectorizer_number_between('loading', loading, 'retries', 0, 2147483647) is null then
        raise exception 'loading: retries is missing, it must be 0 or more';
    end if;
    if loading ->> 'aws_role_arn' not like 'arn:aws:iam::%:role/%' then
        raise exception 'loading: aws_role_arn is "%", it must look like arn:aws:iam::123456789012:role/name', loading ->> 'aws_role_arn';
    end if;
    if type_name is null then
        raise exception 'loading: % has no column "%"', source, column_name;
    end if;
    if type_name not in ('text', 'varchar', 'char', 'bpchar', 'bytea') then
        raise exception 'loading: column "%" is of type %, it must be text, varchar, char, bpchar or bytea', column_name, type_name;
    end if;
    if implementation = 'uri' and type_name = 'bytea' then
        raise exception 'loading: column "%" is of type bytea, a uri must be text, varchar, char or bpchar', column_name
            using hint = 'Use ai.loading_column() for documents in the database.';
    end if;
end
$$;
