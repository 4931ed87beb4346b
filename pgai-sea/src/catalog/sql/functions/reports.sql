-- What went wrong, of the vectorizers that the reader sees. The view reads with its owner's rights, so it chooses the rows itself.
create or replace view ai.vectorizer_errors with (security_barrier = true) as
select e.id, e.message, e.details, e.recorded, v.name
from ai._vectorizer_errors e
join (select v.id, v.name from ai.vectorizer v where ai._vectorizer_is_visible(v) offset 0) v on v.id = e.id;
