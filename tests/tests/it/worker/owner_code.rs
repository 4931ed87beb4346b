//! Code of a table's owner that runs where the worker touches the table: it has the owner's rights, not the worker's.

use pgai_sea::worker::Report;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use sea_orm::DbErr;

use super::support::{Gate, run};

/// Code of the role `app`: it says as whom it runs, and tries to become more.
async fn owner(test: &TestDatabase) -> Result<String, DbErr> {
    let app = test.role("app").await?;
    test.execute(&format!(
        "create table ran (place text, as_role text); grant insert on ran to public;
         create schema {app} authorization {app}; grant usage on schema {app} to public;
         select ai.grant_vectorizer_usage('{app}');
         begin; set local role {app};
         create function {app}.says(place text) returns bool language plpgsql as $$
         begin
             insert into public.ran values (place, current_user);
             begin execute 'alter role {app} superuser'; exception when others then null; end;
             return true;
         end $$;
         create function {app}.on_trigger() returns trigger language plpgsql as $$
         begin
             perform {app}.says(tg_argv[0]);
             return case tg_op when 'DELETE' then old else new end;
         end $$;
         create function {app}.of_index(text) returns text language plpgsql immutable as $$
         begin
             perform {app}.says('index');
             return $1;
         end $$;
         create domain {app}.k as int;
         commit"
    ))
    .await?;
    Ok(app)
}

/// Where code ran, each with the role that it ran as.
async fn ran(test: &TestDatabase) -> Result<Vec<String>, DbErr> {
    test.values("select distinct format('%s %s', place, as_role) from ran order by 1")
        .await
}

async fn assert_plain(test: &TestDatabase, app: &str) -> TestResult {
    assert!(
        !test
            .value::<bool>(&format!("select rolsuper from pg_roles where rolname = '{app}'"))
            .await?
    );
    Ok(())
}

/// Rows that are embedded, and one that is given up.
async fn work(test: &TestDatabase) -> Report {
    let gate = Gate::new();
    gate.refuse("poison");
    let mut report = run(test, &gate).await;
    for _ in 0..20 {
        report = run(test, &gate).await;
    }
    report
}

#[tokio::test]
async fn a_superuser_s_worker_runs_it_as_the_owner() {
    on_both_catalogs(async |test| {
        let app = owner(&test).await?;
        test.execute(&format!(
            "begin; set local role {app};
             create table {app}.docs (id {app}.k primary key, body text);
             select ai.create_vectorizer('{app}.docs', name => 'docs', loading => ai.loading_column('body', retries \
             => 1),
                embedding => ai.embedding_ollama('gate', 8), chunking => ai.chunking_none());
             insert into {app}.docs values (1, 'one'), (2, 'poison'), (3, 'three');
             alter domain {app}.k add check ({app}.says('domain')) not valid;
             create trigger t before insert or update or delete on {app}.docs_embedding_store for each row
                 execute function {app}.on_trigger('store');
             create constraint trigger late after insert on {app}.docs_embedding_store deferrable initially deferred \
             for each row
                 execute function {app}.on_trigger('late');
             create trigger t before update or delete on ai._vectorizer_q_1 for each row
                 execute function {app}.on_trigger('queue');
             create trigger t before insert on ai._vectorizer_q_failed_1 for each row
                 execute function {app}.on_trigger('failed');
             create index on {app}.docs_embedding_store ({app}.of_index(chunk));
             commit; delete from ran"
        ))
        .await?;
        let report = work(&test).await;
        assert_eq!(report.errors().count(), 0, "{report:?}");
        let expected = ["domain", "failed", "index", "late", "queue", "store"].map(|place| format!("{place} {app}"));
        assert_eq!(ran(&test).await?, expected);
        assert_plain(&test, &app).await?;
        let stored = format!("select count(*) from {app}.docs_embedding_store");
        assert_eq!(test.value::<i64>(&stored).await?, 2);
        // errors are written by the worker itself: the owner may not
        let errors = "select count(*) from ai.vectorizer_errors where details->'key'->>'id' = '2'";
        assert!(test.value::<i64>(errors).await? > 0);
        test.execute("select ai.drop_vectorizer('docs', drop_all => true)")
            .await?;
        test.drop_role(&app).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn so_does_a_worker_that_updates_the_source_s_rows() {
    on_both_catalogs(async |test| {
        let app = owner(&test).await?;
        test.execute(&format!(
            "begin; set local role {app};
             create table {app}.docs (id int primary key, body text);
             select ai.create_vectorizer('{app}.docs', name => 'docs', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('gate', 8), chunking => ai.chunking_none(),
                destination => ai.destination_column('e'));
             insert into {app}.docs values (1, 'one'), (2, 'two');
             create trigger t before update on {app}.docs for each row execute function {app}.on_trigger('source');
             alter table {app}.docs add check ({app}.says('check'));
             commit; delete from ran"
        ))
        .await?;
        assert_eq!(work(&test).await.errors().count(), 0);
        assert_eq!(ran(&test).await?, [format!("check {app}"), format!("source {app}")]);
        assert_plain(&test, &app).await?;
        assert_eq!(test.value::<i64>(&format!("select count(e) from {app}.docs")).await?, 2);
        test.execute("select ai.drop_vectorizer('docs', drop_all => true)")
            .await?;
        test.drop_role(&app).await?;
        Ok(())
    })
    .await;
}

/// A vectorizer that a superuser created of somebody else's table.
#[tokio::test]
async fn who_created_the_vectorizer_makes_no_difference() {
    on_catalog(Catalog::Ours, async |test| {
        let app = owner(&test).await?;
        test.execute(&format!(
            "create table {app}.docs (id {app}.k primary key, body text); alter table {app}.docs owner to {app};
             select ai.create_vectorizer('{app}.docs', name => 'docs', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('gate', 8), chunking => ai.chunking_none());
             insert into {app}.docs values (1, 'one');
             set role {app}; alter domain {app}.k add check ({app}.says('domain')) not valid; reset role; delete from \
             ran"
        ))
        .await?;
        assert_eq!(work(&test).await.errors().count(), 0);
        assert_eq!(ran(&test).await?, [format!("domain {app}")]);
        assert_plain(&test, &app).await?;
        test.execute("select ai.drop_vectorizer('docs', drop_all => true)")
            .await?;
        test.drop_role(&app).await?;
        Ok(())
    })
    .await;
}

/// Where the worker may not take the owner's role, it has what the vectorizer grants, and nothing of the others.
#[tokio::test]
async fn a_worker_of_few_rights_runs_it_with_these() {
    on_catalog(Catalog::Ours, async |test| {
        let (app, embedder) = (owner(&test).await?, test.role("embedder").await?);
        test.execute(&format!(
            "begin; set local role {app};
             create table {app}.docs (id {app}.k primary key, body text);
             select ai.create_vectorizer('{app}.docs', name => 'docs', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('gate', 8), chunking => ai.chunking_none());
             insert into {app}.docs values (1, 'one');
             alter domain {app}.k add check ({app}.says('domain')) not valid;
             commit; delete from ran;
             select ai.grant_vectorizer_usage('{embedder}', admin => true);
             begin; set local role {app}; grant usage on schema {app} to {embedder};
             grant select, update (xmin) on ai._vectorizer_src_1 to {embedder};
             grant select, insert, update, delete on ai._vectorizer_q_1, ai._vectorizer_q_failed_1, \
             {app}.docs_embedding_store
                 to {embedder};
             commit"
        ))
        .await?;
        let mut of_worker = test.clone();
        of_worker.db = test.connect_as(&embedder).await?;
        let report = work(&of_worker).await;
        assert_eq!(report.errors().count(), 0, "{report:?}");
        assert_eq!(ran(&test).await?, [format!("domain {embedder}")]);
        of_worker.db.close().await?;
        // a member of the owner takes its role
        test.execute(&format!(
            "delete from ran; grant {app} to {embedder}; update {app}.docs set body = 'two'; delete from ran"
        ))
        .await?;
        of_worker.db = test.connect_as(&embedder).await?;
        assert_eq!(work(&of_worker).await.errors().count(), 0);
        assert_eq!(ran(&test).await?, [format!("domain {app}")]);
        of_worker.db.close().await?;
        test.execute("select ai.drop_vectorizer('docs', drop_all => true)")
            .await?;
        test.drop_role(&embedder).await?;
        test.drop_role(&app).await?;
        Ok(())
    })
    .await;
}
