-- Grants what a role needs to create vectorizers. With admin, the role may look after those of others and run workers.
--
-- Queues are made in the schema, so the role may create things there, functions among them. Whoever calls the schema's
-- functions trusts all who may do so. Grant it to those who deploy, not to applications.
create or replace function ai.grant_vectorizer_usage(to_user name, admin bool default false)
returns void language plpgsql set search_path to pg_catalog, pg_temp
as $$
declare
    object text;
begin
    if not admin then
        execute format('grant usage, create on schema ai to %I', to_user);
        execute format('grant select, insert, update, delete on ai.vectorizer, ai.vectorizer_generation to %I', to_user);
        execute format('grant select on ai._vectorizer_errors, ai.vectorizer_errors, ai.vectorizer_status to %I', to_user);
        execute format('grant select, usage on sequence ai.vectorizer_id_seq to %I', to_user);
        return;
    end if;
    execute format('grant all on schema ai to %I', to_user);
    foreach object in array array
    [ 'ai.vectorizer', 'ai.vectorizer_generation', 'ai._vectorizer_errors', 'ai.vectorizer_errors', 'ai.vectorizer_status'
    , 'ai.vectorizer_worker_process', 'ai.vectorizer_worker_role', 'ai.vectorizer_worker_progress', 'ai.vectorizer_worker_usage'
    , 'ai.vectorizer_worker_wait', 'ai.vectorizer_document', 'ai.vectorizer_worker_spending', 'ai.vectorizer_batch'
    , 'ai.pgai_lib_version', 'ai.pgai_sea_migration'
    ] loop
        execute format('grant all on %s to %I', object, to_user);
    end loop;
    execute format('grant all on sequence ai.vectorizer_id_seq to %I', to_user);
end
$$;
