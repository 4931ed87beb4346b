-- Version 11: a store may be partitioned. A change says so by arguments more.
drop function if exists ai.change_vectorizer(int, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb, name[], name, name);
drop function if exists ai.change_vectorizer(text, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb, name[], name, name);
