-- Workers say that they are there, and what became of what they did.

create or replace function ai._worker_start(version text, expected_heartbeat_interval interval)
returns uuid language sql set search_path to pg_catalog, pg_temp
as $$
    insert into ai.vectorizer_worker_process (version, expected_heartbeat_interval)
    values (version, expected_heartbeat_interval)
    returning id
$$;

create or replace function ai._worker_heartbeat
( worker_id uuid
, num_successes_since_last_heartbeat int
, num_errors_since_last_heartbeat int
, error_message text
) returns void language sql set search_path to pg_catalog, pg_temp
as $$
    update ai.vectorizer_worker_process p
    set last_heartbeat = clock_timestamp()
      , heartbeat_count = p.heartbeat_count + 1
      , success_count = p.success_count + num_successes_since_last_heartbeat
      , error_count = p.error_count + num_errors_since_last_heartbeat
      , last_error_at = case when error_message is null then p.last_error_at else clock_timestamp() end
      , last_error_message = coalesce(error_message, p.last_error_message)
    where p.id = worker_id
$$;

-- An error message makes it the report of one error, else it is one of success.
create or replace function ai._worker_progress(worker_id uuid, worker_vectorizer_id int, num_successes int, error_message text)
returns void language sql set search_path to pg_catalog, pg_temp
as $$
    insert into ai.vectorizer_worker_progress as p
    ( vectorizer_id
    , success_count, last_success_at, last_success_process_id
    , error_count, last_error_at, last_error_process_id, last_error_message
    )
    select worker_vectorizer_id
         , num_successes, case when ok then now end, case when ok then worker_id end
         , case when ok then 0 else 1 end, case when not ok then now end, case when not ok then worker_id end, error_message
    from (select error_message is null, clock_timestamp()) this (ok, now)
    on conflict (vectorizer_id) do update
    set success_count = p.success_count + excluded.success_count
      , last_success_at = coalesce(excluded.last_success_at, p.last_success_at)
      , last_success_process_id = coalesce(excluded.last_success_process_id, p.last_success_process_id)
      , error_count = p.error_count + excluded.error_count
      , last_error_at = coalesce(excluded.last_error_at, p.last_error_at)
      , last_error_process_id = coalesce(excluded.last_error_process_id, p.last_error_process_id)
      , last_error_message = coalesce(excluded.last_error_message, p.last_error_message)
$$;
