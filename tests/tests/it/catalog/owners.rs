//! A vectorizer is its owner's: who sees it, and who changes it.

use pgai_sea_tests::{Catalog, TestDatabase, on_catalog};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};

use super::{BLOG, vectorize};

/// What nobody but its owner should read.
const SECRET: &str = "hunter2";

async fn one<T: sea_orm::TryGetable>(db: &DatabaseConnection, sql: &str) -> Result<T, DbErr> {
    let row = db
        .query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    row.ok_or_else(|| DbErr::RecordNotFound(sql.to_owned()))?
        .try_get_by_index(0)
}

/// A role that may create vectorizers, with a table and a vectorizer of its own in a schema of its name.
async fn owner(test: &TestDatabase, kind: &str) -> Result<(String, i32), DbErr> {
    let role = test.role(kind).await?;
    test.execute(&format!(
        "create schema {role} authorization {role}; select ai.grant_vectorizer_usage('{role}');
         begin; set local role {role};
         create table {role}.blog (id int primary key, title text, content text);
         select ai.create_vectorizer('{role}.blog', loading => ai.loading_column('content'),
             embedding => ai.embedding_openai('m', 3, base_url => 'https://u:{SECRET}@{kind}/v1'));
         commit"
    ))
    .await?;
    let id = test
        .value(&format!("select id from ai.vectorizer where source_schema = '{role}'"))
        .await?;
    Ok((role, id))
}

/// Every table and view of the schema, whoever adds one.
#[tokio::test]
async fn nothing_in_the_schema_tells_of_the_vectorizers_of_others() {
    on_catalog(Catalog::Ours, async |test| {
        let (victim, id) = owner(&test, "victim").await?;
        let (reader, own) = owner(&test, "reader").await?;
        test.execute(&format!(
            "insert into ai._vectorizer_errors (id, message, details) values ({id}, '{SECRET}',
                '{{\"e\": \"{SECRET}\"}}');
             select ai._worker_heartbeat(w, 0, 1, '{SECRET}'), ai._worker_progress(w, {id}, 0, '{SECRET}'),
                 ai._worker_usage({id}, 1, 1, 1)
             from ai._worker_start('{SECRET}', '1 minute') w;
             grant select on all tables in schema ai to {reader};
             revoke select on ai._vectorizer_q_{id}, ai._vectorizer_q_failed_{id}, ai._vectorizer_src_{id} from
                 {reader}"
        ))
        .await?;
        let db = test.connect_as(&reader).await?;
        let relations: Vec<String> = test
            .values(&format!(
                "select oid::regclass::text from pg_class where relnamespace = 'ai'::regnamespace and relkind in
                    ('r', 'v')
                 and has_table_privilege('{reader}', oid, 'select')"
            ))
            .await?;
        assert!(relations.len() > 8, "{relations:?}");
        for relation in relations {
            let rows: String = one(
                &db,
                &format!(
                    "select coalesce(string_agg(t::text, ''), '') from {relation}
                t"
                ),
            )
            .await?;
            let rows = rows.replace(&format!("u:{SECRET}@reader"), "");
            assert!(!rows.contains(SECRET) && !rows.contains(&victim), "{relation}: {rows}");
        }
        assert_eq!(one::<i32>(&db, "select id from ai.vectorizer").await?, own);
        assert_eq!(one::<i32>(&db, "select id from ai.vectorizer_status").await?, own);
        for report in [
            format!("insert into ai._vectorizer_errors (id, message) values ({id}, 'm')"),
            format!("select ai._worker_progress(null, {id}, 1, null)"),
            format!("select ai._worker_usage({id}, 1, 1, 1)"),
        ] {
            test.execute(&format!(
                "grant insert, update on ai._vectorizer_errors, ai.vectorizer_worker_progress,
                    ai.vectorizer_worker_usage \
                 to {reader}"
            ))
            .await?;
            let refused = db.execute_unprepared(&report).await.unwrap_err().to_string();
            assert!(refused.contains("row-level security"), "{report}: {refused}");
        }
        db.close().await?;
        // the schema's owner, and whom it made an admin, see all
        test.execute(&format!("select ai.grant_vectorizer_usage('{reader}', admin => true)"))
            .await?;
        let admin = test.connect_as(&reader).await?;
        for table in ["vectorizer", "vectorizer_status"] {
            assert_eq!(
                one::<i64>(&admin, &format!("select count(*) from ai.{table}")).await?,
                2
            );
        }
        let reported = "select last_error_message from ai.vectorizer_worker_process";
        assert_eq!(one::<String>(&admin, reported).await?, SECRET);
        admin.close().await?;
        test.drop_role(&reader).await?;
        test.drop_role(&victim).await?;
        Ok(())
    })
    .await;
}

/// Whoever searches, or works on the queue, knows the model.
#[tokio::test]
async fn whoever_may_read_the_embeddings_sees_the_vectorizer() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let table = vectorize(&test, "blog", "").await?;
        let column = ", destination => ai.destination_column('e'), chunking => ai.chunking_none()";
        let column = vectorize(&test, "blog", column).await?;
        for (grant, seen) in [
            ("select on blog_embedding_store".to_owned(), vec![table]),
            ("select on blog".to_owned(), vec![column]),
            (format!("insert on ai._vectorizer_q_{table}"), vec![table]),
            (format!("select on ai._vectorizer_q_failed_{table}"), vec![]),
        ] {
            let role = test.role("reader").await?;
            test.execute(&format!(
                "grant usage on schema ai to {role}; grant select on ai.vectorizer to {role}; grant {grant} to {role}"
            ))
            .await?;
            let db = test.connect_as(&role).await?;
            let found: Vec<i32> = one(&db, "select coalesce(array_agg(id), '{}') from ai.vectorizer").await?;
            assert_eq!(found, seen, "{grant}");
            db.close().await?;
            test.drop_role(&role).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_row_is_changed_by_its_owner_alone_and_names_what_is_the_owner_s() {
    on_catalog(Catalog::Ours, async |test| {
        let (victim, id) = owner(&test, "victim").await?;
        let (attacker, own) = owner(&test, "attacker").await?;
        let rows = "select array_agg(v::text order by id) from ai.vectorizer v";
        let before: Vec<String> = test.value(rows).await?;
        let db = test.connect_as(&attacker).await?;
        // of others, there is nothing to change
        for change in [
            "update ai.vectorizer set config = jsonb_set(config, '{embedding,base_url}', '\"https://attacker\"')",
            "update ai.vectorizer set config = jsonb_set(config, '{embedding,api_key_name}',
                '\"AWS_SECRET_ACCESS_KEY\"')",
            "update ai.vectorizer set disabled = true",
            "delete from ai.vectorizer",
        ] {
            let changed = db.execute_unprepared(&format!("{change} where id <> {own}")).await?;
            assert_eq!(changed.rows_affected(), 0, "{change}");
        }
        for change in [
            format!("select ai.disable_vectorizer_schedule({id})"),
            format!("select ai.set_scheduling({id})"),
            format!("select ai.refresh_vectorizer({id})"),
            format!("select ai.release_vectorizer({id})"),
            format!("select ai.drop_vectorizer({id})"),
        ] {
            let refused = db.execute_unprepared(&change).await.unwrap_err().to_string();
            assert!(
                refused.contains(&format!("there is no vectorizer {id}")),
                "{change}: {refused}"
            );
        }
        // a row of one's own does not lead to what is somebody else's, or to code
        db.execute_unprepared(&format!(
            "create view {attacker}.code as select id, queued_at, loading_retries, loading_retry_after from
                ai._vectorizer_q_{own}"
        ))
        .await?;
        for set in [
            format!("queue_table = '_vectorizer_q_{id}'"),
            format!("queue_failed_table = '_vectorizer_q_failed_{id}'"),
            format!("trigger_name = '_vectorizer_src_trg_{id}'"),
            format!("source_schema = '{victim}'"),
            format!("config = jsonb_set(config, '{{destination,target_schema}}', '\"{victim}\"')"),
            format!("queue_schema = '{attacker}', queue_table = 'code'"),
            format!("queue_schema = '{attacker}', queue_failed_table = 'code'"),
            "queue_table = 'nothing'".to_owned(),
        ] {
            let change = format!("update ai.vectorizer set {set} where id = {own}");
            let refused = db.execute_unprepared(&change).await.unwrap_err().to_string();
            assert!(refused.contains("row-level security"), "{set}: {refused}");
        }
        let copy = "insert into ai.vectorizer select 99, source_schema, source_table, source_pk, trigger_name,
            queue_schema, \
             '_vectorizer_q_{id}', config, false, queue_failed_table, 'copy' from ai.vectorizer";
        let refused = db
            .execute_unprepared(&copy.replace("{id}", &id.to_string()))
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("row-level security"), "{refused}");
        assert_eq!(test.value::<Vec<String>>(rows).await?, before);

        // what is one's own may be changed, renamed and dropped
        for change in [
            format!(
                "update ai.vectorizer set config = jsonb_set(config, '{{embedding,model}}', '\"n\"') where id =
                {own}"
            ),
            format!("select ai.disable_vectorizer_schedule({own}), ai.set_scheduling({own})"),
            format!("alter table {attacker}.blog rename to renamed; select ai.refresh_vectorizer({own})"),
            format!("drop view {attacker}.code; select ai.release_vectorizer({own})"),
            format!("select ai.refresh_vectorizer({own}); select ai.drop_vectorizer({own}, drop_all => true)"),
        ] {
            db.execute_unprepared(&change).await?;
        }
        assert_eq!(
            test.value::<Vec<i32>>("select array_agg(id) from ai.vectorizer")
                .await?,
            [id]
        );
        db.close().await?;

        // a grantee sees a vectorizer that is not its own, and is told so
        test.execute(&format!("grant select on {victim}.blog_embedding_store to {attacker}"))
            .await?;
        let db = test.connect_as(&attacker).await?;
        let disable = format!("select ai.disable_vectorizer_schedule({id})");
        let refused = db.execute_unprepared(&disable).await.unwrap_err().to_string();
        assert!(
            refused.contains(&format!(
                "only the owner of vectorizer {victim}_blog_embedding_store may"
            )),
            "{refused}"
        );
        db.close().await?;
        // of a name that is somebody else's nothing more is said
        test.drop_role(&attacker).await?;
        test.drop_role(&victim).await?;
        Ok(())
    })
    .await;
}

/// Its code would otherwise run with the superuser's rights, at every write.
#[tokio::test]
async fn what_a_superuser_creates_is_of_the_table_s_owner() {
    on_catalog(Catalog::Ours, async |test| {
        let app = test.role("app").await?;
        test.execute(&format!(
            "{BLOG}; alter table blog owner to {app}; grant usage, create on schema public to {app}; create schema far"
        ))
        .await?;
        let far = ", destination => ai.destination_table(target_schema => 'far', target_table => 's')";
        let id = vectorize(&test, "blog", far).await?;
        let others: Vec<String> = test
            .values(&format!(
                "select o.name from (
                     select relname::text, relowner from pg_class where relkind in ('r', 'v')
                     and (relname ~ '^_vectorizer_.*_{id}$' or relname in ('s', 'blog_embedding'))
                     union all
                     select proname, proowner from pg_proc where proname ~ '^_vectorizer_src_(trg|col)_{id}'
                 ) o (name, owner) where o.owner <> '{app}'::regrole"
            ))
            .await?;
        assert_eq!(others, [""; 0]);
        let db = test.connect_as(&app).await?;
        db.execute_unprepared("insert into blog values (1, 't', 'c'); update blog set content = 'd'; delete from blog")
            .await?;
        db.close().await?;
        // a domain's check of a key runs in the trigger
        test.execute(&format!(
            "create table ran (as_role text); grant all on ran to public; create schema {app} authorization {app};
             begin; set local role {app};
             create domain {app}.k as int;
             create function {app}.f(int) returns bool language plpgsql as
                 'begin insert into public.ran values (current_user); return true; end';
             create table {app}.keyed (id {app}.k primary key, content text);
             commit"
        ))
        .await?;
        vectorize(&test, &format!("{app}.keyed"), "").await?;
        test.execute(&format!("alter domain {app}.k add check ({app}.f(value)) not valid"))
            .await?;
        let db = test.connect_as(&app).await?;
        db.execute_unprepared(&format!(
            "insert into {app}.keyed values (1, 'c'); update {app}.keyed set content = 'd'"
        ))
        .await?;
        assert_eq!(
            test.values::<String>("select distinct as_role from ran").await?,
            std::slice::from_ref(&app)
        );
        db.close().await?;
        test.execute("drop schema far cascade; drop table ran").await?;
        test.drop_role(&app).await?;
        Ok(())
    })
    .await;
}
