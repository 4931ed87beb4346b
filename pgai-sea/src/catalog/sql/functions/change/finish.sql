-- The end of a change: one of the two generations goes. Each returns whether there was anything to do.

-- Drops a generation that does not answer, with its store or its column.
create or replace function ai._vectorizer_drop_generation(vectorizer_id int)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    v ai.vectorizer;
    source regclass;
begin
    select * into v from ai.vectorizer where id = vectorizer_id;
    source := ai._vectorizer_source(v);
    perform ai.drop_vectorizer(vectorizer_id, drop_all => true);
    if v.config #>> '{destination,implementation}' = 'column' and source is not null then
        execute format('alter table %s drop column %I', source, v.config #>> '{destination,embedding_column}');
    end if;
end
$$;

create or replace function ai.finish_change(vectorizer_id int)
returns bool language plpgsql set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    change ai.vectorizer_generation := ai._vectorizer_change_of(vectorizer_id);
begin
    if change.vectorizer_id is null then
        return false;
    elsif change.cut_over_at is null then
        raise exception 'the new generation of vectorizer % does not answer yet', vectorizer_id
            using errcode = 'object_not_in_prerequisite_state', hint = 'Call ai.cut_over first, or ai.abort_change to give it up.';
    end if;
    update ai.vectorizer_generation g set replaces = null, cut_over_at = null where g.vectorizer_id = change.vectorizer_id;
    perform ai._vectorizer_drop_generation(change.replaces);
    return true;
end
$$;

create or replace function ai.abort_change(vectorizer_id int)
returns bool language plpgsql set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    change ai.vectorizer_generation := ai._vectorizer_change_of(vectorizer_id);
begin
    if change.vectorizer_id is null then
        return false;
    elsif change.cut_over_at is not null then
        raise exception 'the new generation of vectorizer % answers', vectorizer_id
            using errcode = 'object_not_in_prerequisite_state', hint = 'Call ai.roll_back first.';
    end if;
    perform ai._vectorizer_drop_generation(change.vectorizer_id);
    return true;
end
$$;

create or replace function ai.finish_change(name text)
returns bool language sql set search_path to pg_catalog, pg_temp
as $$ select ai.finish_change(ai._vectorizer_id(name)) $$;

create or replace function ai.abort_change(name text)
returns bool language sql set search_path to pg_catalog, pg_temp
as $$ select ai.abort_change(ai._vectorizer_id(name)) $$;
