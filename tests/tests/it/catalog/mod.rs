//! The `ai` schema: what it makes, what it refuses, what its triggers see.

mod bits;
mod citus;
mod configuration;
mod destinations;
mod divided;
mod dump;
mod embed;
mod halfvec;
mod hostile_rows;
mod in_use;
mod install;
mod keys;
mod lifecycle;
mod migrations;
mod names;
mod overloads;
mod owners;
mod partitions;
mod planted;
mod privileges;
mod reading;
mod refusals;
mod release;
pub(crate) mod releases;
mod renames;
mod replicas;
mod status;
mod tenants;
mod tenants_of_citus;
mod tracking;
mod triggers;
pub(crate) mod upgrade;
mod upgrade_in_use;
mod waiting;
mod waits;

use std::time::Duration;

use pgai_sea_tests::TestDatabase;
use sea_orm::DbErr;

/// A table with a key, a text, a title, and what has nothing to do with it.
const BLOG: &str = "create table blog (id int primary key, title text, content text, views int not null default 0)";

/// Creates a vectorizer of `source`'s column `content`; `more` is further arguments, each after a comma.
async fn vectorize(test: &TestDatabase, source: &str, more: &str) -> Result<i32, DbErr> {
    test.value(&format!(
        "select ai.create_vectorizer('{source}'::regclass, loading => ai.loading_column('content'),
             embedding => ai.embedding_openai('model', 3){more})"
    ))
    .await
}

/// The keys in a vectorizer's queue, in their order, duplicates included; the queue is empty afterwards.
async fn take(test: &TestDatabase, vectorizer: i32) -> Result<Vec<i32>, DbErr> {
    test.values(&format!(
        "with taken as (delete from ai._vectorizer_q_{vectorizer} returning id) select id from taken order by id"
    ))
    .await
}

/// Gives every row of `blog` an embedding.
async fn embed(test: &TestDatabase) -> Result<(), DbErr> {
    test.execute(
        "insert into blog_embedding_store (id, chunk_seq, chunk, embedding) select id, 0, content, '[1,2,3]' from blog",
    )
    .await
}

/// The keys that have embeddings.
async fn embedded(test: &TestDatabase) -> Result<Vec<i32>, DbErr> {
    test.values("select id from blog_embedding_store order by id").await
}

/// How the database refuses a statement: SQLSTATE, a space, and the message. A statement that it does not refuse is
/// undone.
async fn refusal(test: &TestDatabase, sql: &str) -> Result<String, DbErr> {
    test.execute(
        "create or replace function public.refusal(statement text) returns text language plpgsql as $$
         begin
             execute statement;
             raise exception sqlstate '00000' using message = 'not refused';
         exception when others then
             return sqlstate || ' ' || sqlerrm;
         end $$",
    )
    .await?;
    test.value(&format!("select public.refusal($refusal${sql}$refusal$)"))
        .await
}

/// Ends when so many sessions of the database wait for a lock.
async fn until_waiting(test: &TestDatabase, sessions: i64) -> Result<(), DbErr> {
    let waiting =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    for _ in 0..600 {
        if test.value::<i64>(waiting).await? >= sessions {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(DbErr::Custom("nobody waits".to_owned()))
}
