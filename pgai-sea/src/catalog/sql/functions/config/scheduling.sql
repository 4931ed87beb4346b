-- Whether a background job of the database calls a worker. Workers of their own need no schedule.

create or replace function ai.scheduling_none()
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$ select jsonb_build_object('implementation', 'none', 'config_type', 'scheduling') $$;

create or replace function ai.scheduling_default()
returns jsonb language sql immutable set search_path to pg_catalog, pg_temp
as $$ select jsonb_build_object('implementation', 'default', 'config_type', 'scheduling') $$;

-- stable: a timestamp's text follows the session's time zone
create or replace function ai.scheduling_timescaledb
( schedule_interval interval default '5 minutes'
, initial_start timestamptz default null
, fixed_schedule bool default null
, timezone text default null
) returns jsonb language sql stable set search_path to pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object
    ( 'implementation', 'timescaledb'
    , 'config_type', 'scheduling'
    , 'schedule_interval', schedule_interval
    , 'initial_start', initial_start
    , 'fixed_schedule', fixed_schedule
    , 'timezone', timezone
    ))
$$;

-- The default is what the setting ai.scheduling_default says, else none.
create or replace function ai._vectorizer_resolve_scheduling(scheduling jsonb)
returns jsonb language sql stable set search_path to pg_catalog, pg_temp
as $$
    select case
        when scheduling ->> 'implementation' is distinct from 'default' then scheduling
        when current_setting('ai.scheduling_default', true) = 'scheduling_timescaledb' then ai.scheduling_timescaledb()
        else ai.scheduling_none()
    end
$$;

-- timescaledb's jobs call the procedure ai._vectorizer_job, which is a part of the extension "ai" and not of this schema.
create or replace function ai._vectorizer_check_scheduling(scheduling jsonb)
returns void language plpgsql stable set search_path to pg_catalog, pg_temp
as $$
begin
    if ai._vectorizer_implementation('scheduling', scheduling, 'none', 'timescaledb') = 'timescaledb' then
        raise exception 'scheduling: timescaledb needs the extensions ai and timescaledb, which this schema does not use'
            using hint = 'Use ai.scheduling_none() and run a worker, which finds new rows by itself.';
    end if;
end
$$;
