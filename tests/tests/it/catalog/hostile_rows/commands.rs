//! Whoever runs a command runs no code of an owner's with rights of their own.

use pgai_sea::catalog::{self, VectorizerState};
use pgai_sea::config::Embedding;
use pgai_sea::{ChangeVectorizer, change};
use pgai_sea_tests::{Catalog, TestResult, on_catalog};

use super::{Owner, ran};

#[tokio::test]
async fn commands_run_the_owner_s_code_as_the_owner() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let owner = Owner::new(&test, "one").await?;
        let Owner { role, id } = &owner;
        owner
            .runs(
                &test,
                &format!(
                    "insert into ai._vectorizer_q_failed_{id} (id, failure_step) values (1, 'embedding');
                     create trigger t before insert or update on ai._vectorizer_q_{id} for each row
                         execute function {role}.on_trigger();
                     create or replace view ai._vectorizer_src_{id} as
                         select s.tableoid, s.ctid, s.xmin, s.id, s.content from {role}.blog s where {role}.says()"
                ),
            )
            .await?;
        assert_eq!(catalog::retry_failed(&test.db, *id).await?, 1);
        assert_eq!(ran(&test).await?, [role.as_str()]);
        test.execute(&format!(
            "insert into ai._vectorizer_q_failed_{id} (id, failure_step) values (2, 'embedding')"
        ))
        .await?;
        assert_eq!(catalog::retry(&test.db, *id, &[]).await?.given_up, 1);
        assert_eq!(ran(&test).await?, [role.as_str()]);
        test.execute(&format!("truncate ai._vectorizer_q_{id}")).await?;
        test.execute("select ai.refresh_vectorizer('one')").await?;
        assert_eq!(ran(&test).await?, [role.as_str()]);
        // and whoever called is who they were
        assert!(
            test.value::<bool>("select rolsuper from pg_roles where rolname = current_user")
                .await?
        );
        test.drop_role(role).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn whoever_looks_after_vectorizers_runs_no_policy_of_theirs() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let owner = Owner::new(&test, "one").await?;
        let Owner { role, id } = &owner;
        let admin = test.role("admin").await?;
        test.execute(&format!("select ai.grant_vectorizer_usage('{admin}', admin => true)"))
            .await?;
        owner
            .runs(
                &test,
                &format!(
                    "grant select on ai._vectorizer_q_{id}, ai._vectorizer_q_failed_{id}, {role}.blog to {admin};
                     alter table ai._vectorizer_q_{id} enable row level security;
                     create policy p on ai._vectorizer_q_{id} to {admin} using ({role}.says());
                     alter table {role}.blog enable row level security;
                     create policy p on {role}.blog to {admin} using ({role}.says())"
                ),
            )
            .await?;
        let db = test.connect_as(&admin).await?;
        let statuses = catalog::statuses(&db).await?;
        assert_eq!(statuses[0].state, VectorizerState::Unreadable);
        let error = statuses[0].error.as_ref().map(|error| error.message.as_str());
        assert!(
            error.is_some_and(|error| error.contains("DISABLE ROW LEVEL SECURITY")),
            "{error:?}"
        );
        catalog::verify(&db).await?;
        let refused = catalog::retry_failed(&db, *id).await.unwrap_err().to_string();
        assert!(refused.contains("DISABLE ROW LEVEL SECURITY"), "{refused}");
        assert_eq!(ran(&test).await?, Vec::<String>::new());
        db.close().await?;
        for role in [role, &admin] {
            test.drop_role(role).await?;
        }
        Ok(())
    })
    .await;
}

/// Whoever checks and plans calls PostgreSQL's own functions, and reads tables.
#[tokio::test]
async fn checks_and_plans_call_nobody_s_functions() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let owner = Owner::new(&test, "one").await?;
        let role = &owner.role;
        test.execute(&format!("grant create on schema public to {role}"))
            .await?;
        owner
            .runs(
                &test,
                &format!(
                    "create function public.format(text, text) returns text language sql as
                         $$ select {role}.says()::text $$;
                     create function public.quote_ident(name) returns text language sql as
                         $$ select {role}.says()::text $$;
                     create function public.concat(text) returns text language sql as
                         $$ select {role}.says()::text $$"
                ),
            )
            .await?;
        let change = ChangeVectorizer::new("one").embedding(Embedding::openai("n", 4));
        catalog::verify(&test.db).await?;
        change::Plan::new().run(&test.db, &change).await?;
        change::start(&test.db, &change).await?;
        change::Compare::new().run(&test.db, "one").await?;
        assert_eq!(ran(&test).await?, Vec::<String>::new());
        owner
            .runs(
                &test,
                &format!(
                    "alter table {role}.blog_embedding_store rename to kept;
                     create view {role}.blog_embedding_store as select * from {role}.kept where {role}.says()"
                ),
            )
            .await?;
        let compared = change::Compare::new().run(&test.db, "one").await.unwrap_err();
        assert!(compared.to_string().contains("is not a table"), "{compared}");
        let planned = change::Plan::new().run(&test.db, &change).await.unwrap_err();
        assert!(planned.to_string().contains("is not a table"), "{planned}");
        assert_eq!(ran(&test).await?, Vec::<String>::new());
        test.drop_role(role).await?;
        Ok(())
    })
    .await;
}
