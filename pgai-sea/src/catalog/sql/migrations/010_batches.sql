-- Version 10: a backfill can be embedded by OpenAI's batches.

-- The batches of a backfill, in the order of their rows. The field `batch` of ai.vectorizer_generation.backfill says who is at it.
create table ai.vectorizer_batch
( vectorizer_id int not null references ai.vectorizer (id) on delete cascade
, number int not null
, token uuid not null default gen_random_uuid() -- the provider keeps it with the batch: a batch that was made and not noted is found by it
, first_after text[] -- the key of the row before its rows; null where they begin with the first
, last text[] -- the key of its last row; null where no more follow
, texts int not null
, state text not null -- as the provider says it; 'new' before it is there
, batch text -- by the provider's name, as the files
, input_file text
, output_file text
, error_file text
, done int not null default 0
, failed int not null default 0
, created_at timestamptz not null default now()
, handed_in_at timestamptz
, looked_at timestamptz
, primary key (vectorizer_id, number)
);
