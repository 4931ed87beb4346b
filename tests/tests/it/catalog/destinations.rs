//! Store, view and column.

use std::sync::Mutex;

use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};

use super::{BLOG, embed, refusal, take, vectorize};

/// Columns, types, defaults, constraints and storage.
const SHAPE: &str =
    "select format('%s.%s %s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
        case c.relkind when 'r' then a.attstorage end, pg_get_expr(d.adbin, d.adrelid)) as line
    from pg_class c join pg_attribute a on a.attrelid = c.oid
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relkind in ('r', 'v') and a.attnum > 0 and not a.attisdropped
    and (c.relname like 'blog%' or c.relname like '\\_vectorizer\\_q%')
    union all
    select format('%s %s', o.conrelid::regclass, pg_get_constraintdef(o.oid)) from pg_constraint o
    where o.conrelid::regclass::text like 'blog%' and o.contype in ('p', 'u')
    order by 1";

#[tokio::test]
async fn store_view_and_queues_are_the_same_on_both_catalogs() {
    let shapes = Mutex::new(Vec::new());
    on_both_catalogs(async |test| {
        test.execute(
            "create table blog (title text, b varchar(20), content text, gone int, a numeric(9, 2), primary \
            key (a, b));
             alter table blog drop column gone",
        )
        .await?;
        vectorize(&test, "blog", "").await?;
        let shape: Vec<String> = test.values(SHAPE).await?;
        shapes.lock().unwrap().push(shape);
        Ok(())
    })
    .await;
    let shapes = shapes.into_inner().unwrap();
    assert_eq!(shapes[0], shapes[1]);
    assert!(shapes[0].len() > 20, "{:?}", shapes[0]);
}

#[tokio::test]
async fn the_view_joins_chunks_to_their_rows() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        test.execute("insert into blog values (1, 'one', 'c'), (2, 'two', 'd')")
            .await?;
        vectorize(&test, "blog", "").await?;
        embed(&test).await?;
        let rows: Vec<String> = test
            .values("select format('%s %s %s %s', id, title, chunk, chunk_seq) from blog_embedding order by id")
            .await?;
        assert_eq!(rows, ["1 one c 0", "2 two d 0"]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_view_goes_where_it_should() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        test.execute("create schema reading; create schema writing").await?;
        vectorize(
            &test,
            "blog",
            ", destination => ai.destination_table(target_schema => 'writing', view_schema => 'reading', view_name => \
                'v')",
        )
        .await?;
        test.execute("select * from reading.v join writing.blog_embedding_store using (id)")
            .await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_column_destination_does_not_trigger_itself() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        test.execute("insert into blog values (1, 't', 'c'), (2, 't', 'c')")
            .await?;
        let column = ", destination => ai.destination_column('embedding'), chunking => ai.chunking_none()";
        let id = vectorize(&test, "blog", column).await?;
        assert_eq!(take(&test, id).await?, [1, 2]);
        test.execute("update blog set embedding = '[1,2,3]'").await?;
        assert!(take(&test, id).await?.is_empty());
        test.execute(
            "update blog set content = 'd' where id = 1; update blog set id = 3 where id = 2; insert into \
            blog values (4, 't', 'c')",
        )
        .await?;
        assert_eq!(take(&test, id).await?, [1, 3, 4]);
        test.execute("delete from blog where id = 1; truncate blog").await?;
        test.execute(&format!("select ai.drop_vectorizer({id}, drop_all => true)"))
            .await?;
        test.execute("insert into blog values (1, 't', 'c', 0, '[1,2,3]')")
            .await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_vector_column_that_is_there_is_used() {
    on_both_catalogs(async |test| {
        test.execute("create table blog (id int primary key, content text, e vector(3))")
            .await?;
        let column = ", destination => ai.destination_column('e'), chunking => ai.chunking_none()";
        vectorize(&test, "blog", column).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn pgvector_may_live_in_any_schema() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute("create schema \"Ex t\"; alter extension vector set schema \"Ex t\"")
            .await?;
        test.execute(BLOG).await?;
        vectorize(&test, "blog", "").await?;
        let column = ", destination => ai.destination_column('e'), chunking => ai.chunking_none()";
        vectorize(&test, "blog", column).await?;
        let types: Vec<String> = test
            .values(
                "select format_type(atttypid, atttypmod) from pg_attribute where attname in ('e', 'embedding') and \
                attrelid::regclass::text in ('blog', 'blog_embedding_store')",
            )
            .await?;
        assert_eq!(types, ["\"Ex t\".vector(3)", "\"Ex t\".vector(3)"]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn without_the_extension_embedding_in_the_database_says_so() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", "").await?;
        let message = "42883 embedding in the database needs the extension ai, which is not installed";
        for call in [
            format!("{id}"),
            "'public_blog_embedding_store'".to_owned(),
            "ai.embedding_openai('m', 3)".to_owned(),
        ] {
            assert_eq!(
                refusal(&test, &format!("select ai.vectorizer_embed({call}, 'text')")).await?,
                message
            );
        }
        assert!(
            refusal(&test, "select ai.execute_vectorizer('public_blog_embedding_store')")
                .await?
                .starts_with("42883 ")
        );
        assert!(
            refusal(&test, "select ai.execute_vectorizer('none')")
                .await?
                .starts_with("P0002 ")
        );
        Ok(())
    })
    .await;
}
