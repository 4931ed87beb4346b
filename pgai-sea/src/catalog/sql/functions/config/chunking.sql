-- How a long text is cut into the pieces that are embedded. Lengths are in characters.

create or replace function ai.chunking_character_text_splitter
( chunk_size int default 800
, chunk_overlap int default 400
, separator text default E'\n\n'
, is_separator_regex bool default false
) returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object
    ( 'implementation', 'character_text_splitter'
    , 'config_type', 'chunking'
    , 'chunk_size', chunk_size
    , 'chunk_overlap', chunk_overlap
    , 'separator', separator
    , 'is_separator_regex', is_separator_regex
    ))
$$;

create or replace function ai.chunking_recursive_character_text_splitter
( chunk_size int default 800
, chunk_overlap int default 400
, separators text[] default array[E'\n\n', E'\n', '.', '?', '!', ' ', '']
, is_separator_regex bool default false
) returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object
    ( 'implementation', 'recursive_character_text_splitter'
    , 'config_type', 'chunking'
    , 'chunk_size', chunk_size
    , 'chunk_overlap', chunk_overlap
    , 'separators', separators
    , 'is_separator_regex', is_separator_regex
    ))
$$;

create or replace function ai.chunking_none()
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$ select jsonb_build_object('implementation', 'none', 'config_type', 'chunking') $$;

-- By the structure of Markdown: at headings first, then between blocks. pgai's worker does not know it.
create or replace function ai.chunking_markdown(chunk_size int default 800, chunk_overlap int default 0)
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object
    ( 'implementation', 'markdown'
    , 'config_type', 'chunking'
    , 'chunk_size', chunk_size
    , 'chunk_overlap', chunk_overlap
    ))
$$;

-- By the syntax of a programming language: rust, python, javascript, go. pgai's worker does not know it.
create or replace function ai.chunking_code(language text, chunk_size int default 800, chunk_overlap int default 0)
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object
    ( 'implementation', 'code'
    , 'config_type', 'chunking'
    , 'language', language
    , 'chunk_size', chunk_size
    , 'chunk_overlap', chunk_overlap
    ))
$$;

create or replace function ai._vectorizer_check_chunking(chunking jsonb)
returns void language plpgsql immutable set search_path to pg_catalog, pg_temp
as $$
declare
    size int;
    overlap int;
begin
    perform ai._vectorizer_implementation
        ('chunking', chunking, 'character_text_splitter', 'recursive_character_text_splitter', 'none', 'markdown', 'code');
    size := ai._vectorizer_number_between('chunking', chunking, 'chunk_size', 1, 2147483647);
    overlap := ai._vectorizer_number_between('chunking', chunking, 'chunk_overlap', 0, 2147483647);
    -- the splitters refuse it as well, but only once a worker starts
    if overlap > size then
        raise exception 'chunking: chunk_overlap is %, it cannot be more than chunk_size, which is %', overlap, size;
    elsif overlap = size and chunking ->> 'implementation' in ('markdown', 'code') then
        raise exception 'chunking: chunk_overlap is %, it has to be less than chunk_size', overlap;
    elsif chunking ->> 'implementation' = 'code' and coalesce(chunking ->> 'language' not in ('rust', 'python', 'javascript', 'go'), true) then
        raise exception 'chunking: language is %, it must be rust, python, javascript or go', coalesce(chunking ->> 'language', 'missing');
    end if;
end
$$;
