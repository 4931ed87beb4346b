//! Letting go of columns, so that their types can change.

use pgai_sea_tests::{Catalog, on_catalog};

use super::{BLOG, embed, embedded, refusal, take, vectorize};

#[tokio::test]
async fn types_change_and_columns_go_while_the_embeddings_stay() {
    on_catalog(Catalog::Ours, async |test| {
        let reader = test.role("reader").await?;
        test.execute(BLOG).await?;
        test.execute("insert into blog select i, 't', 'c' from generate_series(1, 3) i")
            .await?;
        let template = ", name => 'posts', formatting => ai.formatting_python_template('$title $chunk')";
        let id = vectorize(
            &test,
            "blog",
            &format!("{template}, grant_to => ai.grant_to('{reader}')"),
        )
        .await?;
        take(&test, id).await?;
        embed(&test).await?;
        for alteration in [
            "alter id type bigint",
            "alter content type varchar",
            "alter title type varchar",
            "drop \
            column views",
        ] {
            let refused = refusal(&test, &format!("alter table blog {alteration}")).await?;
            assert!(
                refused.starts_with("0A000 ") || refused.starts_with("2BP01 "),
                "{alteration}: {refused}"
            );
        }
        test.execute(
            "alter table blog rename content to body; begin; select ai.release_vectorizer('posts');
             alter table blog alter id type bigint, alter body type varchar, alter title type varchar, drop column \
             views;
             select ai.refresh_vectorizer('posts'); commit",
        )
        .await?;
        assert!(take_long(&test, id).await?.is_empty());
        test.execute(
            "insert into blog values (5000000000, 't', 'c'); update blog set title = 'd' where id = 1; delete \
            from blog where id = 2",
        )
        .await?;
        assert_eq!(take_long(&test, id).await?, [1, 5_000_000_000]);
        assert_eq!(
            test.values::<i64>("select id from blog_embedding order by id").await?,
            [1, 3]
        );
        let readable: i64 = test
            .value(&format!(
                "select count(*) from pg_class where relname in ('blog_embedding', '_vectorizer_src_{id}')
                 and has_table_privilege('{reader}', oid, 'select')"
            ))
            .await?;
        assert_eq!(readable, 2);
        // a column that is read and gone
        let refused = refusal(
            &test,
            "select ai.release_vectorizer('posts'); alter table blog drop column body; select \
            ai.refresh_vectorizer('posts')",
        )
        .await?;
        assert!(refused.contains("body"), "{refused}");
        test.execute("select ai.drop_vectorizer('posts', drop_all => true)")
            .await?;
        test.drop_role(&reader).await?;
        Ok(())
    })
    .await;
}

/// By another statement than `take`, whose plan is made for the type that the key had.
async fn take_long(test: &pgai_sea_tests::TestDatabase, vectorizer: i32) -> Result<Vec<i64>, sea_orm::DbErr> {
    test.values(&format!(
        "with taken as (delete from ai._vectorizer_q_{vectorizer} returning id) select id::bigint from taken order by \
            id"
    ))
    .await
}

/// One that is left released is no left-over of a table that was dropped.
#[tokio::test]
async fn a_released_one_is_kept() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        test.execute("insert into blog values (1, 't', 'c')").await?;
        let id = vectorize(&test, "blog", ", name => 'posts'").await?;
        embed(&test).await?;
        test.execute("select ai.release_vectorizer('posts')").await?;
        vectorize(&test, "blog", ", destination => ai.destination_table('another')").await?;
        assert_eq!(embedded(&test).await?, [1]);
        test.execute("insert into blog values (2, 't', 'c'); select ai.refresh_vectorizer('posts')")
            .await?;
        assert_eq!(take(&test, id).await?, [1, 2]);
        Ok(())
    })
    .await;
}

/// A superuser, and a member of the owner, do for the owner what the owner can: all that is made stays the owner's.
#[tokio::test]
async fn others_refresh_and_release_for_the_owner() {
    on_catalog(Catalog::Ours, async |test| {
        let owner = test.role("owner").await?;
        let member = test.role("member").await?;
        test.execute(&format!(
            "grant {owner} to {member}; select ai.grant_vectorizer_usage('{owner}');
             create schema {owner} authorization {owner};
             create table {owner}.blog (id int primary key, content text); alter table {owner}.blog owner to {owner};
             create table {owner}.parts (id int primary key, content text) partition by range (id); alter table \
             {owner}.parts owner to {owner};
             create table {owner}.low partition of {owner}.parts for values from (0) to (100); alter table {owner}.low \
             owner to {owner}"
        ))
        .await?;
        let db = test.connect_as(&owner).await?;
        for (name, source, more) in [
            ("posts", "blog", ""),
            (
                "vectors",
                "blog",
                ", destination => ai.destination_column('e'), chunking => ai.chunking_none()",
            ),
            ("parts", "parts", ""),
        ] {
            let source = format!("{owner}.{source}");
            sea_orm::ConnectionTrait::execute_unprepared(
                &db,
                &format!(
                    "select ai.create_vectorizer('{source}', loading => ai.loading_column('content'),
                         embedding => ai.embedding_openai('model', 3), name => '{name}'{more})"
                ),
            )
            .await?;
        }
        db.close().await?;
        for role in ["", &format!("set local role {member};")] {
            for (name, row) in [("posts", "blog"), ("vectors", "blog"), ("parts", "parts")] {
                for what in [
                    format!("select ai.refresh_vectorizer('{name}')"),
                    format!("select ai.release_vectorizer('{name}'); select ai.refresh_vectorizer('{name}')"),
                ] {
                    test.execute(&format!("begin; {role} {what}; commit")).await?;
                    let id: i32 = test
                        .value(&format!("select id from ai.vectorizer where name = '{name}'"))
                        .await?;
                    take(&test, id).await?;
                    test.execute(&format!("insert into {owner}.{row} values (1, 'c')"))
                        .await?;
                    assert_eq!(take(&test, id).await?, [1], "{role} {what}");
                    test.execute(&format!("delete from {owner}.{row}")).await?;
                }
            }
        }
        let of_others: Vec<String> = test
            .values(&format!(
                "select p.oid::regprocedure::text from pg_proc p where p.proname like '\\_vectorizer\\_src\\_%' and \
                    p.proowner <> '{owner}'::regrole
                 union all
                 select c.oid::regclass::text from pg_class c where (c.relname ~ '^_vectorizer_(src|q)_' or c.relname \
                 in ('blog_embedding', 'parts_embedding'))
                 and c.relowner <> '{owner}'::regrole
                 union all
                 select t.typname from pg_type t where t.typname ~ '^_vectorizer_src_arg_' and t.typowner <> \
                 '{owner}'::regrole"
            ))
            .await?;
        assert!(of_others.is_empty(), "{of_others:?}");
        test.execute("select ai.drop_vectorizer(id, drop_all => true) from ai.vectorizer")
            .await?;
        test.execute(&format!("drop owned by {member} cascade; drop role {member}"))
            .await?;
        test.drop_role(&owner).await?;
        Ok(())
    })
    .await;
}

/// The view names all columns, as pgai's does. A release frees those that nothing else reads, too, and whoever reads
/// the view finds the new type.
#[tokio::test]
async fn a_column_that_only_the_view_names_is_freed_by_a_release() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        test.execute("insert into blog values (1, 't', 'c', 5)").await?;
        let id = vectorize(&test, "blog", ", name => 'posts'").await?;
        embed(&test).await?;
        take(&test, id).await?;
        for change in [
            "alter column views type numeric(20, 2)",
            "alter column title type varchar(20)",
            "drop column title",
        ] {
            let refused = test.execute(&format!("alter table blog {change}")).await.unwrap_err();
            let refused = refused.to_string();
            assert!(
                refused.contains("view") || refused.contains("other objects"),
                "{refused}"
            );
            test.execute(&format!(
                "begin;
                 select ai.release_vectorizer('posts');
                 alter table blog {change};
                 select ai.refresh_vectorizer('posts');
                 commit"
            ))
            .await?;
        }
        let views = "select views::text from blog_embedding where id = 1";
        assert_eq!(test.value::<String>(views).await?, "5.00");
        // without the view nothing names it, and `check` says how to have the view again
        test.execute("drop view blog_embedding; alter table blog alter column views type text")
            .await?;
        let [damage] = &pgai_sea::catalog::verify(&test.db).await?[..] else {
            panic!("not only the view is missing")
        };
        assert!(damage.message.contains("its view"), "{damage:?}");
        test.execute(&damage.repair).await?;
        assert_eq!(pgai_sea::catalog::verify(&test.db).await?, []);
        let kind = "select pg_typeof(views)::text from blog_embedding where id = 1";
        assert_eq!(test.value::<String>(kind).await?, "text");
        assert_eq!(embedded(&test).await?, [1]);
        assert_eq!(take(&test, id).await?, [0_i32; 0]);
        test.execute("update blog set content = 'd'").await?;
        assert_eq!(take(&test, id).await?, [1]);
        Ok(())
    })
    .await;
}

/// Only the view over the table of embeddings has all columns, as pgai's has. Without one, what the vectorizer does not
/// read is free.
#[tokio::test]
async fn a_column_that_is_not_read_is_free_where_there_is_no_view() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        vectorize(
            &test,
            "blog",
            ", destination => ai.destination_column('vector'), chunking => ai.chunking_none()",
        )
        .await?;
        test.execute("alter table blog alter column views type bigint").await?;
        let error = test
            .execute("alter table blog alter column content type varchar(9)")
            .await
            .unwrap_err();
        assert!(error.to_string().contains("cannot alter type"), "{error}");
        Ok(())
    })
    .await;
}
