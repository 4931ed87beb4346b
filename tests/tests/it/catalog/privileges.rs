//! Who may do what.

use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::{BLOG, refusal, take, vectorize};

/// Statements as another role, on one connection.
fn as_role(role: &str, sql: &str) -> String {
    format!("begin; set local role {role}; {sql}; commit")
}

#[tokio::test]
async fn who_may_write_to_the_source_needs_no_more_and_gains_no_more() {
    on_both_catalogs(async |test| {
        let writer = test.role("writer").await?;
        test.execute(BLOG).await?;
        test.execute(&format!(
            "grant select, insert, update, delete, truncate on blog to {writer}"
        ))
        .await?;
        let id = vectorize(&test, "blog", "").await?;
        test.execute(&as_role(
            &writer,
            "insert into blog values (1, 't', 'c'), (2, 't', 'c'), (3, 't', 'c'); update blog set content = 'd' where \
                id = 1;
             update blog set id = 9 where id = 2; delete from blog where id = 3",
        ))
        .await?;
        assert_eq!(take(&test, id).await?, [1, 1, 2, 3, 9]);
        test.execute(&as_role(&writer, "truncate blog")).await?;

        test.execute(&format!(
            "create schema {writer} authorization {writer}; grant usage on schema ai to \
            {writer}"
        ))
        .await?;
        for sql in [
            format!("select * from ai._vectorizer_q_{id}"),
            format!("insert into ai._vectorizer_q_{id} values (1)"),
            "select * from blog_embedding_store".to_owned(),
            "select * from blog_embedding".to_owned(),
            // a trigger of their own that fills the queue with what they like
            format!(
                "create table {writer}.t (id int); create trigger t after insert on {writer}.t referencing new table \
                    as new_rows
                 for each statement execute function ai._vectorizer_src_trg_{id}()"
            ),
        ] {
            let refused = refusal(&test, &format!("set local role {writer}; {sql}")).await?;
            assert!(refused.starts_with("42501 "), "{sql}: {refused}");
        }
        test.drop_role(&writer).await?;
        Ok(())
    })
    .await;
}

/// In a database where functions are nobody's unless granted.
#[tokio::test]
async fn writers_need_no_right_on_any_function() {
    on_catalog(Catalog::Bare, async |test| {
        let writer = test.role("writer").await?;
        test.execute("alter default privileges revoke execute on functions from public")
            .await?;
        pgai_sea::catalog::install(&test.db).await?;
        test.execute(BLOG).await?;
        test.execute(&format!(
            "grant select, insert, update, delete, truncate on blog to {writer}"
        ))
        .await?;
        let id = vectorize(
            &test,
            "blog",
            ", formatting => ai.formatting_python_template('$title $chunk')",
        )
        .await?;
        test.execute(&as_role(
            &writer,
            "insert into blog values (1, 't', 'c'), (2, 't', 'c'); update blog set title = 'd' where id = 1;
             update blog set id = 9 where id = 2; delete from blog where id = 1",
        ))
        .await?;
        assert_eq!(take(&test, id).await?, [1, 1, 2, 9]);
        test.execute(&as_role(&writer, "truncate blog")).await?;
        test.drop_role(&writer).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn only_the_owner_creates_and_with_the_usage_granted_does() {
    on_both_catalogs(async |test| {
        let owner = test.role("owner").await?;
        let stranger = test.role("stranger").await?;
        test.execute(&format!(
            "create schema {owner} authorization {owner};
             grant usage on schema {owner} to {stranger};
             select ai.grant_vectorizer_usage('{owner}'); select ai.grant_vectorizer_usage('{stranger}', admin => true)"
        ))
        .await?;
        test.execute(&as_role(
            &owner,
            &format!(
                "create table {owner}.blog (id int primary key, content text); grant all on {owner}.blog to \
                {stranger}"
            ),
        ))
        .await?;
        let create = format!(
            "select ai.create_vectorizer('{owner}.blog', loading => ai.loading_column('content'), embedding => \
                ai.embedding_openai('m', 3),
                 grant_to => ai.grant_to('{stranger}'))"
        );
        let refused = refusal(&test, &format!("set local role {stranger}; {create}")).await?;
        assert!(refused.starts_with("P0001 "), "{refused}");
        test.execute(&as_role(&owner, &create)).await?;
        test.execute(&as_role(&owner, &format!("insert into {owner}.blog values (1, 'c')")))
            .await?;

        // whom it was granted to can work it off
        test.execute(&as_role(
            &stranger,
            &format!(
                "select * from ai.vectorizer_status; select * from {owner}.blog_embedding;
                 delete from ai._vectorizer_q_1; insert into ai._vectorizer_q_failed_1 (id) values (1);
                 insert into {owner}.blog_embedding_store (id, chunk_seq, chunk, embedding) values (1, 0, '', \
                 '[1,2,3]')"
            ),
        ))
        .await?;
        test.execute(&as_role(
            &owner,
            &format!(
                "delete from {owner}.blog; select ai.drop_vectorizer(1, drop_all => \
            true)"
            ),
        ))
        .await?;
        test.drop_role(&owner).await?;
        test.drop_role(&stranger).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_name_that_is_sql_is_a_name() {
    on_catalog(Catalog::Ours, async |test| {
        let attacker = test.role("attacker").await?;
        let refused = refusal(
            &test,
            &format!("select ai.grant_vectorizer_usage('{attacker}; drop table ai.vectorizer')"),
        )
        .await?;
        assert_eq!(
            refused,
            format!("42704 role \"{attacker}; drop table ai.vectorizer\" does not exist")
        );
        test.execute("select * from ai.vectorizer").await?;
        test.drop_role(&attacker).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn roles_of_the_setting_and_public_are_granted_to_and_missing_ones_warned_of() {
    on_both_catalogs(async |test| {
        let reader = test.role("reader").await?;
        test.execute(BLOG).await?;
        test.execute(&format!(
            "set ai.grant_to_default = '{reader}, public, no_such_role';
             select ai.create_vectorizer('blog', loading => ai.loading_column('content'), embedding => \
             ai.embedding_openai('m', 3),
                 grant_to => ai.grant_to('{reader}'));
             reset ai.grant_to_default"
        ))
        .await?;
        let grants: i64 = test
            .value(&format!(
                "select count(*) from pg_class c where relname in ('blog', 'blog_embedding', 'blog_embedding_store', \
                    '_vectorizer_q_1')
                 and has_table_privilege('{reader}', c.oid, 'select') and has_table_privilege('pg_monitor', c.oid, \
                 'select')"
            ))
            .await?;
        assert_eq!(grants, 4);
        test.drop_role(&reader).await?;
        Ok(())
    })
    .await;
}

/// Every function of ours is found by what it says, whatever the caller's search path holds: it has a path of its own,
/// or a body that was understood when it was made.
#[tokio::test]
async fn every_function_has_a_fixed_search_path() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        vectorize(&test, "blog", "").await?;
        let open: Vec<String> = test
            .values(
                "select oid::regprocedure::text from pg_proc where pronamespace = 'ai'::regnamespace and prosqlbody is \
                    null
                 and proconfig is distinct from '{\"search_path=pg_catalog, pg_temp\"}'",
            )
            .await?;
        assert!(open.is_empty(), "{open:?}");
        let definers: Vec<String> = test
            .values("select proname::text from pg_proc where pronamespace = 'ai'::regnamespace and prosecdef")
            .await?;
        assert_eq!(definers, ["_vectorizer_src_trg_1"]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_admin_may_do_what_others_may_not_and_roles_are_quoted() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", "").await?;
        let user = test.role("user").await?;
        let admin = format!("The \"{user}\" admin");
        let quoted = format!("\"The \"\"{user}\"\" admin\"");
        test.execute(&format!(
            "create role {quoted}; select ai.grant_vectorizer_usage('{user}'); select \
            ai.grant_vectorizer_usage('{admin}', admin => true)"
        ))
        .await?;
        for sql in [
            format!("insert into ai._vectorizer_errors (id, message) values ({id}, 'm')"),
            "select ai._worker_start('1', '1 minute')".to_owned(),
            "select * from ai.vectorizer_worker_usage".to_owned(),
            "select * from ai.pgai_sea_migration".to_owned(),
            "grant usage on schema ai to pg_monitor".to_owned(),
        ] {
            test.execute(&as_role(&quoted, &sql)).await?;
            if sql.starts_with("grant") {
                test.execute("revoke usage on schema ai from pg_monitor").await?;
            } else {
                let refused = refusal(&test, &format!("set local role {user}; {sql}")).await?;
                assert!(refused.starts_with("42501 "), "{sql}: {refused}");
            }
        }
        test.drop_role(&user).await?;
        test.drop_role(&quoted).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_role_that_is_missing_is_warned_of_by_name() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let said = tokio::process::Command::new(test.program("psql")?)
            .arg(&test.url)
            .args([
                "-c",
                "select ai.create_vectorizer('blog', loading => ai.loading_column('content'), embedding => \
                ai.embedding_openai('m', 3),
                grant_to => ai.grant_to('nobody_of_that_name'))",
            ])
            .output()
            .await?;
        let said = String::from_utf8(said.stderr)?;
        assert!(
            said.contains(
                "WARNING:  grant_to: these roles do not exist and are granted nothing: \
            nobody_of_that_name"
            ),
            "{said}"
        );
        Ok(())
    })
    .await;
}

/// Errors may quote texts. Whoever looks after all vectorizers sees those of all.
#[tokio::test]
async fn reports_are_seen_by_those_who_may_use_the_vectorizer() {
    on_catalog(Catalog::Ours, async |test| {
        let (one, other, admin) = (
            test.role("one").await?,
            test.role("other").await?,
            test.role("admin").await?,
        );
        test.execute(BLOG).await?;
        let mut ids = Vec::new();
        for role in [&one, &other] {
            let more = format!(", destination => ai.destination_table('{role}'), grant_to => ai.grant_to('{role}')");
            let id = vectorize(&test, "blog", &more).await?;
            test.execute(&format!("select ai.grant_vectorizer_usage('{role}')"))
                .await?;
            test.execute(&as_role(
                role,
                &format!(
                    "insert into ai._vectorizer_errors (id, message) values ({id}, 'm');
                     select ai._worker_progress(ai._worker_start('1', '1 minute'), {id}, 1, null); select \
                     ai._worker_progress(null, {id}, 0, 'm');
                     select ai._worker_usage({id}, 1, 1, 1); select ai._worker_usage({id}, 1, 1, 1)"
                ),
            ))
            .await?;
            ids.push(id);
        }
        test.execute(&format!("select ai.grant_vectorizer_usage('{admin}', admin => true)"))
            .await?;
        let superuser: String = test.value("select current_user::text").await?;
        for (role, seen) in [
            (&one, vec![ids[0]]),
            (&other, vec![ids[1]]),
            (&admin, ids.clone()),
            (&superuser, ids.clone()),
        ] {
            let as_role = test.connect_as(role).await?;
            for (table, id) in [
                ("_vectorizer_errors", "id"),
                ("vectorizer_errors", "id"),
                ("vectorizer_worker_progress", "vectorizer_id"),
                ("vectorizer_worker_usage", "vectorizer_id"),
            ] {
                let statement = format!("select coalesce(array_agg({id} order by {id}), '{{}}') from ai.{table}");
                let statement = Statement::from_string(DbBackend::Postgres, statement);
                let found: Vec<i32> = as_role
                    .query_one_raw(statement)
                    .await?
                    .ok_or("no row")?
                    .try_get_by_index(0)?;
                assert_eq!(found, seen, "{role} {table}");
            }
            as_role.close().await?;
        }
        let refused = refusal(
            &test,
            &format!(
                "set local role {one}; select ai._worker_progress(null, {}, 1, \
            null)",
                ids[1]
            ),
        )
        .await?;
        assert!(refused.starts_with("42501 "), "{refused}");
        for role in [&one, &other, &admin] {
            test.drop_role(role).await?;
        }
        Ok(())
    })
    .await;
}

/// Row-level security of the source holds in the view too.
#[tokio::test]
async fn a_view_shows_of_the_source_what_its_reader_may_see() {
    on_catalog(Catalog::Ours, async |test| {
        let tenant = test.role("tenant").await?;
        let stranger = test.role("stranger").await?;
        test.execute(BLOG).await?;
        test.execute(&format!(
            "alter table blog enable row level security; create policy own on blog using (title = current_user);
             insert into blog values (1, '{tenant}', 'c'), (2, 'another', 'c')"
        ))
        .await?;
        let id = vectorize(&test, "blog", &format!(", grant_to => ai.grant_to('{tenant}')")).await?;
        super::embed(&test).await?;
        test.execute(&format!("grant select on blog_embedding to {stranger}"))
            .await?;
        for again in [
            "",
            &format!("select ai.release_vectorizer({id}); select ai.refresh_vectorizer({id})"),
        ] {
            test.execute(again).await?;
            let db = test.connect_as(&tenant).await?;
            let statement = Statement::from_string(
                DbBackend::Postgres,
                "select array_agg(title) from blog_embedding where title is not null",
            );
            let titles: Vec<String> = db
                .query_one_raw(statement)
                .await?
                .ok_or("no row")?
                .try_get_by_index(0)?;
            assert_eq!(titles, std::slice::from_ref(&tenant));
            db.close().await?;
            let refused = refusal(
                &test,
                &format!("set local role {stranger}; select title from blog_embedding"),
            )
            .await?;
            assert!(refused.starts_with("42501 "), "{refused}");
        }
        test.drop_role(&tenant).await?;
        test.drop_role(&stranger).await?;
        Ok(())
    })
    .await;
}
