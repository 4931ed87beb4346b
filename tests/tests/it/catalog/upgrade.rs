//! A released version of the schema, upgraded to what this program brings.

use pgai_sea::catalog::{self, Installed};
use pgai_sea_tests::{Catalog, Snapshot, TestDatabase, on_catalog};
use sea_orm::ConnectionTrait;

use super::install::as_nobody;
use super::releases::{self, RELEASES};
use super::{BLOG, embed, take, vectorize};

/// What this program brings.
pub(super) const VERSION: i32 = 11;

pub(super) const DONE: Installed = Installed::Upgraded { from: 1, to: VERSION };

/// Every trigger is to be replaced: what it was made of was something else.
pub(super) async fn make_triggers_stale(test: &TestDatabase) -> Result<(), sea_orm::DbErr> {
    let stale: String = test
        .value(
            "select string_agg(format('comment on trigger %I on %s is ''another''', t.tgname, t.tgrelid::regclass), ';')
             from pg_trigger t where t.tgname like '\\_vectorizer%' and t.tgparentid = 0",
        )
        .await?;
    test.execute(&stale).await
}

pub(super) async fn version(test: &TestDatabase) -> Result<i32, sea_orm::DbErr> {
    test.value("select max(version) from ai.pgai_sea_migration").await
}

/// Whoever upgrades from any release has what a fresh install has, function for function.
#[tokio::test]
async fn without_vectorizers_an_upgrade_is_a_fresh_install() {
    for (version, _) in RELEASES {
        on_catalog(Catalog::Bare, async |old| {
            releases::install(&old, *version).await?;
            let installed = catalog::install(&old.db).await?;
            assert_eq!(
                installed,
                Installed::Upgraded {
                    from: *version,
                    to: VERSION
                }
            );
            assert_eq!(
                installed.to_string(),
                format!("upgraded the schema ai from version {version} to {VERSION}")
            );
            let upgraded = Snapshot::of(&old.db).await?;
            let upgraded = &upgraded;
            on_catalog(Catalog::Ours, async |new| {
                same(upgraded, &Snapshot::of(&new.db).await?);
                let functions = "select array_agg(f order by f) from ai.pgai_sea_migration, unnest(functions) f
                    where version = (select max(version) from ai.pgai_sea_migration)";
                assert_eq!(
                    new.value::<Vec<String>>(functions).await?,
                    old.value::<Vec<String>>(functions).await?
                );
                Ok(())
            })
            .await;
            assert_eq!(
                catalog::install(&old.db).await?,
                Installed::AlreadyInstalled { version: VERSION }
            );
            catalog::uninstall(&old.db).await?;
            let left: i64 = old
                .value("select count(*) from pg_namespace where nspname = 'ai'")
                .await?;
            assert_eq!(left, 0);
            Ok(())
        })
        .await;
    }
}

/// Foreign keys' own triggers are named by numbers.
pub(crate) fn same(upgraded: &Snapshot, fresh: &Snapshot) {
    let named = |line: &str| !line.contains("\"RI_ConstraintTrigger_");
    assert_eq!(upgraded.added_since(fresh).only(named).to_string(), "");
    assert_eq!(fresh.added_since(upgraded).only(named).to_string(), "");
}

/// A trigger function that does not what it should, and triggers that are not as they should be.
#[tokio::test]
async fn triggers_and_their_functions_are_brought_up() {
    on_catalog(Catalog::Bare, async |test| {
        releases::install(&test, 1).await?;
        test.execute(BLOG).await?;
        test.execute("insert into blog values (1, 't', 'c'), (2, 't', 'c')")
            .await?;
        let id = vectorize(&test, "blog", "").await?;
        let column = ", destination => ai.destination_column('e'), chunking => ai.chunking_none()";
        vectorize(&test, "blog", column).await?;
        embed(&test).await?;
        let triggers = "select array_agg(format('%s %s', pg_get_triggerdef(oid), obj_description(oid)) order by tgname)
            from pg_trigger where tgname like '\\_vectorizer%'";
        let before: Vec<String> = test.value(triggers).await?;
        test.execute(&format!(
            "create or replace function ai._vectorizer_src_trg_{id}() returns trigger language plpgsql security definer
             set search_path to pg_catalog, pg_temp as 'begin return null; end';
             drop function ai.vectorizer_embed(text, text, text);
             drop trigger _vectorizer_src_trg_{id}_delete on blog;
             comment on trigger _vectorizer_src_trg_{id}_insert on blog is 'another'"
        ))
        .await?;

        assert_eq!(catalog::install(&test.db).await?, DONE);
        assert_eq!(test.value::<Vec<String>>(triggers).await?, before);
        take(&test, id).await?;
        test.execute("update blog set content = 'd' where id = 1").await?;
        assert_eq!(take(&test, id).await?, [1]);

        test.execute("update ai.pgai_sea_migration set version = 99 where version > 1")
            .await?;
        let error = catalog::install(&test.db).await.unwrap_err().to_string();
        assert_eq!(
            error,
            format!("the schema ai is of version 99, and this pgai-sea knows {VERSION} at most: upgrade pgai-sea")
        );
        Ok(())
    })
    .await;
}

/// Also one that has the same name and other arguments now.
#[tokio::test]
async fn functions_that_are_no_more_are_dropped() {
    on_catalog(Catalog::Bare, async |test| {
        releases::install(&test, 1).await?;
        test.execute(
            "create function ai._vectorizer_gone(n int) returns int language sql return n;
             create function ai._vectorizer_gone_too() returns int language sql begin atomic select \
             ai._vectorizer_gone(1); end;
             create function ai.grant_to(n int) returns int language sql return n;
             update ai.pgai_sea_migration set functions = functions || '{ai._vectorizer_gone(integer),\
             ai._vectorizer_gone_too(),ai.grant_to(integer),ai._vectorizer_long_gone()}';
             create function ai.of_others() returns int language sql return 1;
             create table mine (id int default ai._vectorizer_gone_too());
             create view uses as select ai._vectorizer_gone(1)",
        )
        .await?;
        let before = Snapshot::of(&test.db).await?;
        let error = catalog::install(&test.db).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "the schema ai cannot be upgraded: view public.uses uses the function ai._vectorizer_gone(integer), which \
                the new version \
             does not have. Drop it or change what it calls, then try again"
        );
        same(&Snapshot::of(&test.db).await?, &before);
        test.execute("drop view uses").await?;
        let error = catalog::install(&test.db).await.unwrap_err().to_string();
        assert!(
            error.contains("default value for public.mine.id uses the function ai._vectorizer_gone_too()"),
            "{error}"
        );
        test.execute("alter table mine alter id drop default").await?;
        assert_eq!(catalog::install(&test.db).await?, DONE);
        let left: Vec<String> = test
            .values(
                "select oid::regprocedure::text from pg_proc where pronamespace = 'ai'::regnamespace
                 and proname in ('_vectorizer_gone', '_vectorizer_gone_too', 'grant_to', 'of_others', \
                 '_vectorizer_create_view') order by 1",
            )
            .await?;
        assert_eq!(
            left,
            [
                "ai._vectorizer_create_view(ai.vectorizer,regclass,name[])",
                "ai.grant_to()",
                "ai.grant_to(name[])",
                "ai.of_others()"
            ]
        );
        Ok(())
    })
    .await;
}

/// The triggers' functions have owners of their own, whom a restored dump or a transfer of the table does not change
/// along.
#[tokio::test]
async fn a_role_is_told_whose_functions_it_would_have_to_change() {
    on_catalog(Catalog::Bare, async |test| {
        releases::install(&test, 1).await?;
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", "").await?;
        let (nobody, role) = as_nobody(&test).await?;
        let owner: String = test.value("select current_user::text").await?;
        test.execute(&format!(
            "create role owner_{role}; grant {owner} to {role}; grant all on schema ai, public to owner_{role};
             alter function ai._vectorizer_src_trg_{id}() owner to owner_{role}"
        ))
        .await?;
        let error = catalog::install(&nobody).await.unwrap_err().to_string();
        assert!(
            error.contains(&format!("run `GRANT owner_{role} TO {role}`")),
            "{error}"
        );
        // and whose view it is
        test.execute(&format!(
            "alter function ai._vectorizer_src_trg_{id}() owner to {owner}; alter view blog_embedding owner to \
                owner_{role}"
        ))
        .await?;
        let error = catalog::install(&nobody).await.unwrap_err().to_string();
        assert!(
            error.contains(&format!("run `GRANT owner_{role} TO {role}`")),
            "{error}"
        );
        nobody.close().await?;
        test.execute(&format!(
            "drop owned by {role} cascade; drop owned by owner_{role} cascade; drop role {role}; drop role owner_{role}"
        ))
        .await?;
        Ok(())
    })
    .await;
}

/// A view that somebody reads who may not read the tables goes on as it was.
#[tokio::test]
async fn whoever_reads_a_view_alone_still_reads_it() {
    on_catalog(Catalog::Bare, async |test| {
        let reader = test.role("reader").await?;
        let clerk = test.role("clerk").await?;
        releases::install(&test, 1).await?;
        test.execute(BLOG).await?;
        test.execute("insert into blog values (1, 't', 'c')").await?;
        vectorize(&test, "blog", "").await?;
        vectorize(
            &test,
            "blog",
            &format!(", destination => ai.destination_table('other'), grant_to => ai.grant_to('{clerk}')"),
        )
        .await?;
        embed(&test).await?;
        test.execute(&format!("grant select on blog_embedding to {reader}"))
            .await?;
        assert_eq!(catalog::install(&test.db).await?, DONE);
        let options = "select coalesce(array_to_string(reloptions, ','), '') from pg_class where relkind = 'v'
            and relname in ('blog_embedding', 'other') order by relname";
        assert_eq!(test.values::<String>(options).await?, ["", "security_invoker=true"]);
        let db = test.connect_as(&reader).await?;
        db.execute_unprepared("select title from blog_embedding").await?;
        db.close().await?;
        test.drop_role(&reader).await?;
        test.drop_role(&clerk).await?;
        Ok(())
    })
    .await;
}
