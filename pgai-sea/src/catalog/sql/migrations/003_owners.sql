-- Version 3: a vectorizer is its owner's.
--
-- Roles see the vectorizers that they own, work on or search, and change those that they own. Chunks are seen by those who see their rows.

-- Which role a worker is. Workers see and change their own rows of ai.vectorizer_worker_process, which has pgai's columns.
create table ai.vectorizer_worker_role
( id uuid primary key default gen_random_uuid()
, role name not null default current_user
);
