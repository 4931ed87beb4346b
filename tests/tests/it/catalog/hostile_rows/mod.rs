//! What an owner writes into its own rows and tables stops nobody else, and runs with nobody else's rights.

mod commands;
mod indexes;
mod rows;

use std::sync::Arc;

use pgai_sea::testing::FakeEmbedder;
use pgai_sea::worker::{Report, Worker};
use pgai_sea_tests::TestDatabase;
use sea_orm::{DatabaseConnection, DbErr};

/// A role with a table of its own, the vectorizer of that table, and code that says as whom it runs.
struct Owner {
    role: String,
    id: i32,
}

impl Owner {
    async fn new(test: &TestDatabase, kind: &str) -> Result<Self, DbErr> {
        let role = test.role(kind).await?;
        test.execute(&format!(
            "create table if not exists ran (as_role text); grant insert on ran to public;
             create schema {role} authorization {role}; grant usage on schema {role} to public;
             select ai.grant_vectorizer_usage('{role}')"
        ))
        .await?;
        test.execute(&format!(
            "begin; set local role {role};
             create table {role}.blog (id int primary key, content text);
             insert into {role}.blog values (1, 'one'), (2, 'two');
             select ai.create_vectorizer('{role}.blog', name => '{kind}', loading => ai.loading_column('content'),
                 embedding => ai.embedding_openai('m', 3), chunking => ai.chunking_none());
             create function {role}.says() returns bool language plpgsql as $$
             begin
                 insert into public.ran values (current_user);
                 return true;
             end $$;
             create function {role}.on_trigger() returns trigger language plpgsql as $$
             begin
                 perform {role}.says();
                 return new;
             end $$;
             commit"
        ))
        .await?;
        let id = test
            .value(&format!("select id from ai.vectorizer where name = '{kind}'"))
            .await?;
        Ok(Self { role, id })
    }

    async fn runs(&self, test: &TestDatabase, sql: &str) -> Result<(), DbErr> {
        test.execute(&format!("begin; set local role {}; {sql}; commit", self.role))
            .await
    }
}

/// As whom the owners' code ran, and forgets it.
async fn ran(test: &TestDatabase) -> Result<Vec<String>, DbErr> {
    let ran = test
        .values("with gone as (delete from ran returning as_role) select distinct as_role from gone order by 1")
        .await?;
    Ok(ran)
}

async fn work(db: &DatabaseConnection) -> Result<Report, pgai_sea::worker::WorkerError> {
    Worker::new(db.clone())
        .embedder("openai", "m", Arc::new(FakeEmbedder::new(3)))
        .run_once()
        .await
}
