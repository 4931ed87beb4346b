-- Version 5: a store says which configuration made its vectors, and a vectorizer can have a second generation.

create table ai.vectorizer_generation
( vectorizer_id int primary key references ai.vectorizer (id) on delete cascade
, made_by jsonb not null -- what the vectors are made with, as ai._vectorizer_identity says it
, anew_since timestamptz -- since when all rows are embedded anew, as the configuration was edited; null when they are
, replaces int unique references ai.vectorizer (id) on delete set null -- the generation before, while there is one
, cut_over_at timestamptz -- since when this one answers in its place
);
