-- Version 4: a vectorizer that waits says what for, since when, and until when.

create table ai.vectorizer_worker_wait
( vectorizer_id int primary key references ai.vectorizer (id) on delete cascade
, process_id uuid
, message text not null
, needs_change bool not null -- someone has to change something; anything else may pass by itself
, since timestamptz not null
, last_attempt timestamptz not null
, next_attempt timestamptz -- null if nobody tries again by itself
);
