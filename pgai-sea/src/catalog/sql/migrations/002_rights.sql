-- Version 2: nobody reads more than they are meant to.
--
-- A role that was granted one vectorizer reads no errors and no progress of others: an error may quote a row's text. A view of a
-- vectorizer reads with the rights of whoever reads the view.

-- Which role a worker runs as. It is null for workers that started before this version.
alter table ai.vectorizer_worker_process add column run_by name;
alter table ai.vectorizer_worker_process alter column run_by set default current_user;
