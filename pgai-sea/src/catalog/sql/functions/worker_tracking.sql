-- Workers report that they run, and what became of their work.

create or replace function ai._worker_start(version text, expected_heartbeat_interval interval)
returns uuid language plpgsql set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    worker_id uuid;
begin
    insert into ai.vectorizer_worker_role default values returning vectorizer_worker_role.id into worker_id;
    insert into ai.vectorizer_worker_process (id, version, expected_heartbeat_interval)
    values (worker_id, version, expected_heartbeat_interval);
    return worker_id;
end
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

-- With an error message it reports one error, otherwise success.
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

-- Reports what was done in the last seconds, and the tokens that it took (null if the provider does not say). Each row
-- counts for e^(-age / 1 min), so that one number tells how fast all workers are together.
create or replace function ai._worker_usage(worker_vectorizer_id int, num_rows int, seconds float8, num_tokens bigint)
returns void language sql set search_path to pg_catalog, pg_temp
as $$
    insert into ai.vectorizer_worker_usage as u (vectorizer_id, input_tokens, reported_at, working_since, recent_rows)
    select worker_vectorizer_id, num_tokens, now, now - make_interval(secs => seconds), num_rows
    from clock_timestamp() this (now)
    on conflict (vectorizer_id) do update
    set input_tokens = coalesce(u.input_tokens + excluded.input_tokens, u.input_tokens, excluded.input_tokens)
      , reported_at = excluded.reported_at
      , working_since = case when excluded.working_since > u.reported_at + interval '10 seconds' then excluded.working_since
            else least(u.working_since, excluded.working_since) end
      , recent_rows = excluded.recent_rows + case when excluded.working_since > u.reported_at + interval '10 seconds' then 0
            else u.recent_rows * exp(least(extract(epoch from u.reported_at - excluded.reported_at)::float8, 0) / 60) end
$$;

-- Rows per second, of all workers together. Null if none has reported in the last two minutes.
create or replace function ai._worker_rate(u ai.vectorizer_worker_usage)
returns float8 language sql stable set search_path to pg_catalog, pg_temp
as $$
    select u.recent_rows * exp(-silent / 60) / (60 * (1 - exp(-greatest(working, 0.001) / 60)))
    from (select greatest(extract(epoch from clock_timestamp() - u.reported_at)::float8, 0)
        , extract(epoch from clock_timestamp() - u.working_since)::float8) this (silent, working)
    where silent < 120
$$;

-- Says that a vectorizer waits, and what for. Null seconds: nobody tries again by itself. It waits since the first attempt that failed
-- after the last rows that were done. A wait that is meant, as for a budget, has no beginning: nothing failed.
create or replace function ai._worker_waits
( worker_id uuid
, worker_vectorizer_id int
, seconds float8
, needs_change bool
, message text
, is_meant bool default false
)
returns void language sql set search_path to pg_catalog, pg_temp
as $$
    insert into ai.vectorizer_worker_wait as w (vectorizer_id, process_id, message, needs_change, since, last_attempt, next_attempt)
    select worker_vectorizer_id, worker_id, _worker_waits.message, _worker_waits.needs_change, case when not is_meant then now end, now
         , now + make_interval(secs => seconds)
    from clock_timestamp() this (now)
    on conflict (vectorizer_id) do update
    set process_id = excluded.process_id
      , message = excluded.message
      , needs_change = excluded.needs_change
      , since = case when is_meant or w.since is null or exists
            ( select from ai.vectorizer_worker_progress p
              where p.vectorizer_id = worker_vectorizer_id and p.last_success_at > w.last_attempt
            ) then excluded.since else w.since end
      , last_attempt = excluded.last_attempt
      , next_attempt = excluded.next_attempt
$$;

-- Says that it waits no longer.
create or replace function ai._worker_works(worker_vectorizer_id int)
returns void language sql set search_path to pg_catalog, pg_temp
as $$ delete from ai.vectorizer_worker_wait w where w.vectorizer_id = worker_vectorizer_id $$;
