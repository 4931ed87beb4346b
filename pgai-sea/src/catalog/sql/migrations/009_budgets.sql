-- Version 9: workers share what they may ask of a provider.

-- What the workers of one role have asked, by steps of time: some that are short, and one for the day.
create table ai.vectorizer_worker_spending
( role name not null default current_user
, provider text not null -- as a worker's budget is named: openai, openai/text-embedding-3-small
, step interval not null
, since timestamptz not null -- when the step began
, requests bigint not null default 0
, tokens bigint not null default 0
, backfill_requests bigint not null default 0 -- of these, what was asked for rows that are all embedded anew
, backfill_tokens bigint not null default 0
, primary key (role, provider, step, since)
);

-- A wait that a budget asks for is nobody's failure, however long it is: it has no beginning.
alter table ai.vectorizer_worker_wait alter column since drop not null;
