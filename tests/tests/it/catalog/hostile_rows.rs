//! What an owner writes into its own rows and tables stops nobody else, and runs with nobody else's rights.

use std::sync::Arc;

use pgai_sea::catalog::{self, VectorizerState};
use pgai_sea::config::Embedding;
use pgai_sea::testing::FakeEmbedder;
use pgai_sea::worker::{Report, Worker};
use pgai_sea::{ChangeVectorizer, change};
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_catalog};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbErr};

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

/// What a queue hides would never be embedded.
#[tokio::test]
async fn a_worker_refuses_a_queue_that_may_hide_rows() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let owner = Owner::new(&test, "one").await?;
        let Owner { role, id } = &owner;
        let worker = test.role("worker").await?;
        test.execute(&format!(
            "select ai.change_vectorizer('one', grant_to => ai.grant_to('{worker}'));
             alter table ai._vectorizer_q_{id} enable row level security"
        ))
        .await?;
        let db = test.connect_as(&worker).await?;
        let report = work(&db).await?;
        let errors: Vec<String> = report.errors().map(|(_, error)| error.to_string()).collect();
        assert!(
            errors.iter().any(|error| error.contains("disable row level security")),
            "{errors:?}"
        );
        owner
            .runs(
                &test,
                &format!("alter table ai._vectorizer_q_{id} disable row level security"),
            )
            .await?;
        assert_eq!(work(&db).await?.rows(), 2);
        db.close().await?;
        for role in [role, &worker] {
            test.drop_role(role).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn another_s_vectorizer_is_nobody_s_generation() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let (one, two) = (Owner::new(&test, "one").await?, Owner::new(&test, "two").await?);
        let claim = format!(
            "update ai.vectorizer_generation set replaces = {} where vectorizer_id = {}",
            two.id, one.id
        );
        let db = test.connect_as(&one.role).await?;
        let refused = db.execute_unprepared(&claim).await.unwrap_err().to_string();
        assert!(refused.contains("row-level security"), "{refused}");
        db.close().await?;
        for owner in [one, two] {
            test.drop_role(&owner.role).await?;
        }
        Ok(())
    })
    .await;
}

/// Nor is a table that does not exist yet anybody's but its maker's.
#[tokio::test]
async fn a_store_is_not_claimed_before_it_exists() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let one = Owner::new(&test, "one").await?;
        let two = test.role("two").await?;
        test.execute(&format!(
            "create schema {two} authorization {two}; select ai.grant_vectorizer_usage('{two}')"
        ))
        .await?;
        let claim = format!(
            r#"update ai.vectorizer set config = jsonb_set(config, '{{destination}}', config -> 'destination' ||
               '{{"target_schema": "{two}", "target_table": "blog_embedding_store"}}')"#
        );
        let db = test.connect_as(&one.role).await?;
        let refused = db.execute_unprepared(&claim).await.unwrap_err().to_string();
        assert!(refused.contains("row-level security"), "{refused}");
        db.close().await?;
        for role in [&one.role, &two] {
            test.drop_role(role).await?;
        }
        Ok(())
    })
    .await;
}

/// What is said of the indexes of a store: their keys, their order and their conditions.
const INDEXES: &str = "select format('%s %s %s %s %s', i.indisunique, (select string_agg(replace(replace(
            pg_get_indexdef(i.indexrelid, n, true), '(3)', '(d)'), '(4)', '(d)'), ', ' order by n)
            from generate_series(1, i.indnatts) n), i.indoption, pg_get_expr(i.indpred, i.indrelid), c.reloptions)
        from pg_index i join pg_class c on c.oid = i.indexrelid
        where i.indrelid = '$store'::regclass and not i.indisprimary order by 1";

#[tokio::test]
async fn an_index_is_copied_as_it_is_whatever_its_text_says() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let owner = Owner::new(&test, "one").await?;
        let role = &owner.role;
        let store = format!("{role}.blog_embedding_store");
        owner
            .runs(
                &test,
                &format!(
                    "create index evil on {store} (chunk_seq)
                         where chunk <> ' USING btree(id);alter role {role} superuser;--';
                     create index on {store} (chunk_seq desc, id) include (chunk) where chunk <> 'USE IT USING CARE';
                     create index on {store} ((chunk || '#(3)')) with (fillfactor = 70);
                     create index on {store} (chunk collate \"C\" text_pattern_ops);
                     create index on {store} using gin (to_tsvector('english', chunk));
                     create index on {store} using hnsw ((embedding::halfvec(3)) halfvec_l2_ops) with (m = 8)"
                ),
            )
            .await?;
        test.execute("select ai.change_vectorizer('one', embedding => ai.embedding_openai('n', 4))")
            .await?;
        let is_superuser = format!("select rolsuper from pg_roles where rolname = '{role}'");
        assert!(!test.value::<bool>(&is_superuser).await?);
        let [before, new]: [Vec<String>; 2] = [
            test.values(&INDEXES.replace("$store", &store)).await?,
            test.values(&INDEXES.replace("$store", &format!("{store}_new"))).await?,
        ];
        // and the unique one, which each store has
        assert_eq!(before.len(), 7, "{before:?}");
        assert_eq!(new, before);
        test.drop_role(role).await?;
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

/// A crash empties it without a trigger.
#[tokio::test]
async fn what_an_unlogged_table_has_lost_is_found() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let owner = Owner::new(&test, "one").await?;
        test.execute(&format!("alter table {}.blog set unlogged", owner.role))
            .await?;
        assert_eq!(work(&test.db).await?.rows(), 2);
        test.execute(&format!(
            "set session_replication_role = replica; delete from {}.blog; reset session_replication_role",
            owner.role
        ))
        .await?;
        work(&test.db).await?;
        let left = format!("select count(*) from {}.blog_embedding_store", owner.role);
        assert_eq!(test.value::<i64>(&left).await?, 0);
        test.drop_role(&owner.role).await?;
        Ok(())
    })
    .await;
}

/// JSON that PostgreSQL takes and nobody else, and JSON of another shape.
const CONFIGS: [&str; 8] = [
    r#"config || '{"x": 1e400}'"#,
    "config || jsonb_build_object('x', (repeat('[', 300) || repeat(']', 300))::jsonb)",
    "'{}'",
    "'null'",
    "'[]'",
    r#"config || '{"destination": 5}'"#,
    r#"jsonb_set(config, '{destination,dimensions}', '"x"')"#,
    r#"jsonb_set(config, '{embedding,dimensions}', '"x"')"#,
];

#[tokio::test]
async fn a_row_that_cannot_be_read_stops_no_other() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let (one, two) = (Owner::new(&test, "one").await?, Owner::new(&test, "two").await?);
        test.execute("create table kept as select id, config from ai.vectorizer")
            .await?;
        for config in CONFIGS {
            let edit = format!("update ai.vectorizer set config = {config} where id = {}", one.id);
            one.runs(&test, &edit).await?;
            test.execute(&format!("update {}.blog set content = content || '.'", two.role))
                .await?;
            let report = work(&test.db).await?;
            assert!(
                report.errors().all(|(vectorizer, _)| vectorizer == "one"),
                "{config}: {report:?}"
            );
            let statuses = catalog::statuses(&test.db).await?;
            let states: Vec<_> = statuses.iter().map(|status| (status.id, status.state)).collect();
            assert!(
                states.contains(&(two.id, VectorizerState::InSync)),
                "{config}: {states:?}"
            );
            let damage = catalog::verify(&test.db).await?;
            assert!(
                damage.iter().all(|damage| damage.vectorizer.as_deref() != Some("two")),
                "{config}: {damage:?}"
            );
            assert_eq!(
                test.value::<i64>("select count(*) from ai.vectorizer_status").await?,
                2,
                "{config}"
            );
            // what an upgrade does
            let upgraded: Vec<i32> = test
                .values(
                    "select (u.v).id from ai._vectorizers_in_use() u
                     cross join lateral ai._vectorizer_create_triggers(u.v, u.source)
                     cross join lateral ai._vectorizer_identity((u.v).config)",
                )
                .await?;
            assert!(upgraded.contains(&two.id), "{config}: {upgraded:?}");
            test.execute("select ai._vectorizer_identity(config) from ai.vectorizer")
                .await?;
            test.execute("update ai.vectorizer v set config = k.config from kept k where k.id = v.id")
                .await?;
        }
        for owner in [one, two] {
            test.drop_role(&owner.role).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_table_that_was_given_away_takes_its_vectorizer_along() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let owner = Owner::new(&test, "one").await?;
        let heir = test.role("heir").await?;
        test.execute(&format!(
            "grant usage, create on schema {0}, ai to {heir}; select ai.grant_vectorizer_usage('{heir}');
             alter table {0}.blog owner to {heir}",
            owner.role
        ))
        .await?;
        let damage = catalog::verify(&test.db).await?;
        assert!(
            damage.len() == 1
                && damage[0].message.contains("belongs to")
                && damage[0].repair.contains("refresh_vectorizer"),
            "{damage:?}"
        );
        let db = test.connect_as(&heir).await?;
        let unknown = db.execute_unprepared("select ai.refresh_vectorizer('one')").await;
        assert!(unknown.unwrap_err().to_string().contains("there is no vectorizer one"));
        test.execute("select ai.refresh_vectorizer('one')").await?;
        assert_eq!(catalog::verify(&test.db).await?, []);
        // it is the heir's now: its worker works, and it may drop it
        let report = work(&test.db).await?;
        assert_eq!(report.rows(), 2, "{report:?}");
        db.execute_unprepared("select ai.drop_vectorizer('one', drop_all => true)")
            .await?;
        assert_eq!(test.value::<i64>("select count(*) from ai.vectorizer").await?, 0);
        db.close().await?;
        for role in [&owner.role, &heir] {
            test.drop_role(role).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn another_key_is_said() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let owner = Owner::new(&test, "one").await?;
        // a rename is another name of the same key
        test.execute(&format!("alter table {}.blog rename id to number", owner.role))
            .await?;
        assert_eq!(catalog::verify(&test.db).await?, []);
        test.execute("select ai.refresh_vectorizer('one')").await?;
        test.execute(&format!(
            "alter table {0}.blog drop constraint blog_pkey, add column uid int generated always as identity;
             alter table {0}.blog add primary key (uid)",
            owner.role
        ))
        .await?;
        let damage = catalog::verify(&test.db).await?;
        assert!(
            damage.len() == 1 && damage[0].message.contains("primary key"),
            "{damage:?}"
        );
        let refused = test.execute("select ai.refresh_vectorizer('one')").await.unwrap_err();
        assert!(refused.to_string().contains("the primary key of"), "{refused}");
        test.drop_role(&owner.role).await?;
        Ok(())
    })
    .await;
}
