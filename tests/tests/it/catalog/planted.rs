//! Functions that someone else has put where the vectorizer's, or the schema's, are looked for.

use pgai_sea::catalog;
use pgai_sea_tests::{Catalog, on_catalog};

use super::{BLOG, embed, embedded, releases, take, vectorize};

/// A better match for a partition's rows would run with the rights of the vectorizer's owner.
#[tokio::test]
async fn an_overload_for_a_partition_is_not_called() {
    on_catalog(Catalog::Ours, async |test| {
        let attacker = test.role("attacker").await?;
        test.execute(
            "create table blog (id int primary key, title text, content text) partition by range (id);
             create table blog_part partition of blog for values from (0) to (100)",
        )
        .await?;
        let id = vectorize(&test, "blog", "").await?;
        test.execute(&format!(
            "select ai.grant_vectorizer_usage('{attacker}', admin => true);
             create schema {attacker} authorization {attacker}; begin; set local role {attacker};
             create function ai._vectorizer_src_col_{id}_1(r public.blog_part) returns int language plpgsql as
                 'begin raise exception ''planted''; end';
             create function ai._vectorizer_src_col_{id}_1(r public.blog_part, anyelement, anyelement) returns int \
             language plpgsql as
                 'begin raise exception ''planted''; end';
             create function ai._vectorizer_src_col_{id}_1(r public.blog_part, anyenum, anyenum) returns int language \
             plpgsql as
                 'begin raise exception ''planted''; end';
             create table {attacker}.t (id int primary key, content text);
             create function ai._vectorizer_src_col_{id}_9(id {attacker}.t) returns int language sql immutable begin \
             atomic select ($1).id; end;
             commit"
        ))
        .await?;
        let refused = super::refusal(
            &test,
            &format!(
                "set local role {attacker}; create function ai._vectorizer_src_col_{id}_1(r public.blog_part, \
                    ai._vectorizer_src_arg_{id},
                     ai._vectorizer_src_arg_{id}) returns int language sql return 1"
            ),
        )
        .await?;
        assert_eq!(
            refused,
            format!("42501 permission denied for type ai._vectorizer_src_arg_{id}")
        );
        test.execute("insert into blog values (1, 't', 'c'), (2, 't', 'c'), (3, 't', 'c')")
            .await?;
        embed(&test).await?;
        test.execute("update blog set id = 20 where id = 2; delete from blog where id = 3")
            .await?;
        assert_eq!(embedded(&test).await?, [1]);
        assert_eq!(take(&test, id).await?, [1, 2, 3, 20]);
        // nor is one of another table taken for a column of the source, or dropped
        test.execute(&format!(
            "select ai.refresh_vectorizer({id}); insert into blog values (4, 't', 'c')"
        ))
        .await?;
        assert_eq!(take(&test, id).await?, [4, 20]);
        test.execute(&format!("select ai.drop_vectorizer({id}, drop_all => true)"))
            .await?;
        test.drop_role(&attacker).await?;
        Ok(())
    })
    .await;
}

/// To replace a function leaves it to who made it.
#[tokio::test]
async fn the_schema_is_not_installed_over_functions_of_others() {
    on_catalog(Catalog::Bare, async |test| {
        test.execute("create schema ai; create function ai.grant_to(text) returns int language sql return 1")
            .await?;
        let error = catalog::install(&test.db).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "the schema ai has a function ai.grant_to(text) that is not pgai's: move it to another schema, then try \
                again"
        );
        test.execute("drop function ai.grant_to(text)").await?;
        catalog::install(&test.db).await?;
        catalog::uninstall(&test.db).await?;

        // one that an earlier version did not have
        test.execute("drop schema ai cascade").await?;
        releases::install(&test, 1).await?;
        let planted = "ai.chunking_none()";
        test.execute(&format!(
            "alter function {planted} rename to was_ours;
             create function {planted} returns jsonb language sql return '{{}}'::jsonb;
             update ai.pgai_sea_migration set functions = array_remove(functions, '{planted}')"
        ))
        .await?;
        let error = catalog::install(&test.db).await.unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("the schema ai has a function {planted} that is not pgai's")),
            "{error}"
        );
        test.execute(&format!("drop function {planted}")).await?;
        catalog::install(&test.db).await?;
        test.execute(BLOG).await?;
        vectorize(&test, "blog", "").await?;
        Ok(())
    })
    .await;
}

/// The trigger's function was dropped, and another is there by its name.
#[tokio::test]
async fn a_trigger_function_of_others_does_not_become_the_vectorizer_s() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", "").await?;
        test.execute(&format!(
            "select ai.release_vectorizer({id});
             create function ai._vectorizer_src_trg_{id}() returns trigger language plpgsql as 'begin return null; end'"
        ))
        .await?;
        let refused = super::refusal(&test, &format!("select ai.refresh_vectorizer({id})")).await?;
        assert!(
            refused.starts_with("42P01 ") || refused.starts_with("42723 "),
            "{refused}"
        );
        Ok(())
    })
    .await;
}
