-- Version 7: a worker can queue the rows that are there, a few at a time.

alter table ai.vectorizer_generation
    add column backfill jsonb; -- how far it is, as ai.backfill_vectorizer begins it; null where nothing is left to queue
