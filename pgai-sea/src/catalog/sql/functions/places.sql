-- Where a chunk is in the text that was split: bytes and characters from its beginning, the page, the headings above it. Workers of
-- this crate write it into columns of the store; pgai's leave them null.
--
-- A store of documents has them, as nobody could say it later: the document's text is not in the database. So has one whose template
-- or chunking makes use of places. Any other does not: its text is in the source, and every edit at the beginning of a long text would
-- write all its chunks anew.

create or replace function ai._vectorizer_wants_places(config jsonb, source regclass)
returns bool language sql stable set search_path to pg_catalog, pg_temp
as $$
    select config #>> '{destination,implementation}' = 'table' and
    (  config #> '{destination,places}' = 'true'
    or config #>> '{loading,implementation}' = 'uri'
    or ai._vectorizer_column_type(source, config #>> '{loading,column_name}') = 'bytea'
    or config #>> '{chunking,implementation}' in ('markdown', 'code')
    or exists (select from ai._vectorizer_template_names(config #>> '{formatting,template}') n
        where n in ('page', 'headings') and ai._vectorizer_column_type(source, n) is null)
    )
$$;

create or replace function ai._vectorizer_add_places(store regclass)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
begin
    execute format
    ( 'alter table %s
         add column if not exists chunk_byte_start int
       , add column if not exists chunk_byte_end int
       , add column if not exists chunk_char_start int
       , add column if not exists chunk_char_end int
       , add column if not exists chunk_page int
       , add column if not exists chunk_headings text[]'
    , store);
end
$$;
