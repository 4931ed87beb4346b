-- Spends a request of so many tokens, or returns for how many seconds a worker has to wait before it asks again. Workers of one role share
-- a provider. Null limits are none. Of each limit, a backfill takes half at most.
--
-- Requests and tokens are counted in steps of a sixtieth of `span`. A step counts until all of it is longer ago than `span`, so no span has
-- more than the limit. A day is one step, and ends at midnight, UTC.
create or replace function ai._worker_spend
( provider text
, num_tokens bigint
, is_backfill bool
, span interval
, most_requests bigint
, most_tokens bigint
, most_tokens_a_day bigint
, out wait float8
, out is_day bool -- the day's tokens are spent, not the span's
) language plpgsql set search_path to pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    a_day constant interval := '1 day';
    step constant interval := span / 60;
    day constant timestamptz := date_trunc('day', clock_timestamp(), 'UTC');
    now timestamptz;
    spent ai.vectorizer_worker_spending;
    ended timestamptz; -- when the oldest step that counts ended
    requests bigint;
    tokens bigint;
    half constant int := case when is_backfill then 2 else 1 end;
begin
    is_day := false;
    -- whoever has the day's row has the turn
    insert into ai.vectorizer_worker_spending as s (provider, step, since) values (provider, a_day, day)
    on conflict on constraint vectorizer_worker_spending_pkey do update set tokens = s.tokens
    returning s.* into spent;
    now := clock_timestamp();
    tokens := case when is_backfill then spent.backfill_tokens else spent.tokens end;
    if tokens > 0 and tokens + num_tokens > (most_tokens_a_day + half - 1) / half
        or is_backfill and spent.tokens > 0 and spent.tokens + num_tokens > most_tokens_a_day then
        is_day := true;
        wait := greatest(extract(epoch from day + a_day - now), 0);
        return;
    end if;
    select min(s.since + s.step), coalesce(sum(s.requests), 0), coalesce(sum(s.tokens), 0) into ended, requests, tokens
    from ai.vectorizer_worker_spending s
    where s.role = current_user and s.provider = provider and s.step <> a_day and s.since + s.step + span > now;
    if requests + 1 > most_requests or tokens > 0 and tokens + num_tokens > most_tokens then
        wait := extract(epoch from ended + span - now);
        return;
    end if;
    if is_backfill then
        select min(s.since + s.step), coalesce(sum(s.backfill_requests), 0), coalesce(sum(s.backfill_tokens), 0) into ended, requests, tokens
        from ai.vectorizer_worker_spending s
        where s.role = current_user and s.provider = provider and s.step <> a_day and s.since + s.step + span > now
        and s.backfill_requests > 0;
        if requests + 1 > (most_requests + 1) / 2 or tokens > 0 and tokens + num_tokens > (most_tokens + 1) / 2 then
            wait := extract(epoch from ended + span - now);
            return;
        end if;
    end if;
    delete from ai.vectorizer_worker_spending s
    where s.role = current_user and s.provider = provider
    and s.since + s.step + case s.step when a_day then a_day else greatest(span, '1 minute') end < now;
    insert into ai.vectorizer_worker_spending as s (provider, step, since, requests, tokens, backfill_requests, backfill_tokens)
    select provider, x.step, x.since, 1, num_tokens
         , case when is_backfill then 1 else 0 end, case when is_backfill then num_tokens else 0 end
    from (values (a_day, day), (step, date_bin(step, now, 'epoch'))) x (step, since)
    on conflict on constraint vectorizer_worker_spending_pkey do update
    set requests = s.requests + 1
      , tokens = s.tokens + excluded.tokens
      , backfill_requests = s.backfill_requests + excluded.backfill_requests
      , backfill_tokens = s.backfill_tokens + excluded.backfill_tokens;
end
$$;
