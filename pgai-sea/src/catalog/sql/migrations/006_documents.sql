-- Version 6: stores of documents say where their chunks are, and documents that change at their addresses are noticed.

-- Which version of its document a row was embedded from. Workers that look at documents again write it.
create table ai.vectorizer_document
( vectorizer_id int not null references ai.vectorizer (id) on delete cascade
, key text[] not null -- of the row, in the order of ai.vectorizer.source_pk
, version text -- a tag or a time, as the document's server or file system gave it; null where nobody knows
, checked_at timestamptz not null default now()
, primary key (vectorizer_id, key)
);
create index on ai.vectorizer_document (vectorizer_id, checked_at);
