-- Version 2: nobody reads more than they are meant to.
--
-- A role that was granted one vectorizer reads no errors, progress and usage of others: an error may quote a row's text. A
-- view of a vectorizer reads with the rights of whoever reads the view.

-- It returns another column now, so it cannot be replaced.
drop function if exists ai._vectorizer_wanted_triggers(ai.vectorizer, regclass);
