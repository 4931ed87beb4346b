-- How a document becomes text.

create or replace function ai.parsing_auto()
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$ select jsonb_build_object('implementation', 'auto', 'config_type', 'parsing') $$;

create or replace function ai.parsing_none()
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$ select jsonb_build_object('implementation', 'none', 'config_type', 'parsing') $$;

create or replace function ai.parsing_pymupdf()
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$ select jsonb_build_object('implementation', 'pymupdf', 'config_type', 'parsing') $$;

create or replace function ai.parsing_docling()
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$ select jsonb_build_object('implementation', 'docling', 'config_type', 'parsing') $$;

create or replace function ai._vectorizer_check_parsing(parsing jsonb, loading jsonb, source regclass)
returns void language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
declare
    implementation text := ai._vectorizer_implementation('parsing', parsing, 'auto', 'none', 'pymupdf', 'docling');
    type_name name := ai._vectorizer_column_type(source, loading ->> 'column_name');
begin
    if implementation = 'none' and type_name = 'bytea' then
        raise exception 'parsing: column "%" is of type bytea, which has to be parsed', loading ->> 'column_name'
            using hint = 'Use ai.parsing_auto().';
    end if;
    if implementation in ('pymupdf', 'docling') and loading ->> 'implementation' = 'column' and type_name <> 'bytea' then
        raise exception 'parsing: % reads documents, and column "%" is of type % and not bytea'
            , implementation, loading ->> 'column_name', type_name
            using hint = 'Use ai.parsing_auto() or ai.parsing_none().';
    end if;
end
$$;
