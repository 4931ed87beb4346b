//! Sources that are called something else by now: triggers follow by themselves, everything else on demand.

use pgai_sea_tests::{Catalog, on_catalog};

use super::{BLOG, embed, embedded, refusal, take, vectorize};

const RENAMED: &str = "alter table blog rename id to post; alter table blog rename content to body; alter table blog \
    rename title to heading;
     alter table blog rename views to title; create schema other; alter table blog rename to posts; alter table posts \
     set schema other";

#[tokio::test]
async fn triggers_follow_key_text_template_and_table() {
    on_catalog(Catalog::Ours, async |test| {
        // a column that goes moves the others' numbers in a copy, not here
        test.execute(&BLOG.replace("(id", "(old int, id")).await?;
        test.execute(
            "alter table blog drop column old; insert into blog select i, 't', 'c' from generate_series(1, 6) \
            i",
        )
        .await?;
        let id = vectorize(
            &test,
            "blog",
            ", formatting => ai.formatting_python_template('$title $chunk')",
        )
        .await?;
        take(&test, id).await?;
        embed(&test).await?;
        // sessions that have used the triggers before know the old names
        test.execute(
            "update blog set content = 'x' where id = 1; insert into blog values (7, 't', 'c'); delete from \
            blog where id = 7",
        )
        .await?;
        take(&test, id).await?;
        test.execute(RENAMED).await?;
        test.execute("update other.posts set title = 9").await?;
        assert!(take(&test, id).await?.is_empty());
        test.execute(
            "update other.posts set body = 'd' where post = 1; update other.posts set heading = 'd' where post = 2;
             insert into other.posts values (8, 't', 'c'); update other.posts set post = 9 where post = 3;
             delete from other.posts where post = 4",
        )
        .await?;
        assert_eq!(take(&test, id).await?, [1, 2, 8, 9]);
        assert_eq!(embedded(&test).await?, [1, 2, 5, 6]);
        test.execute(
            "begin isolation level repeatable read; delete from other.posts where post = 5; update \
            other.posts set post = 60 where post = 6; commit",
        )
        .await?;
        assert_eq!(take(&test, id).await?, [5, 6, 60]);
        assert_eq!(embedded(&test).await?, [1, 2]);
        test.execute(&format!(
            "truncate other.posts; select ai.drop_vectorizer({id}, drop_all => true)"
        ))
        .await?;
        test.execute("insert into other.posts values (3, 't', 'c')").await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn triggers_of_partitions_follow() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create table blog (id int primary key, content text) partition by range (id);
             create table low (content text, gone int, id int not null); alter table low drop column gone;
             alter table blog attach partition low for values from (0) to (100);
             create table high partition of blog for values from (100) to (200)",
        )
        .await?;
        let id = vectorize(&test, "blog", "").await?;
        test.execute(
            "insert into blog values (1, 'c'); insert into low values ('c', 2); alter table blog rename id to \
            post",
        )
        .await?;
        test.execute(
            "insert into blog values (3, 'c'), (103, 'c'); insert into low values ('c', 4); update blog set \
            content = 'd' where post = 1",
        )
        .await?;
        assert_eq!(take(&test, id).await?, [1, 1, 2, 3, 4, 103]);
        test.execute(
            "insert into blog_embedding_store (id, chunk_seq, chunk, embedding) select post, 0, content, \
            '[1,2,3]' from blog",
        )
        .await?;
        test.execute(
            "update blog set post = 104 where post = 4; delete from low where post = 1; delete from blog \
            where post = 103",
        )
        .await?;
        assert_eq!(take(&test, id).await?, [104]);
        assert_eq!(embedded(&test).await?, [2, 3]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_column_destination_follows() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let column = ", destination => ai.destination_column('e'), chunking => ai.chunking_none()";
        let id = vectorize(&test, "blog", column).await?;
        test.execute(RENAMED).await?;
        test.execute(
            "insert into other.posts values (1, 't', 'c'); update other.posts set post = 2; update \
            other.posts set e = '[1,2,3]'",
        )
        .await?;
        assert_eq!(take(&test, id).await?, [1, 2]);
        Ok(())
    })
    .await;
}

/// The names of the day, everywhere; triggers made anew on the way do not forget what they watch.
#[tokio::test]
async fn a_refresh_writes_the_new_names() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let template = ", formatting => ai.formatting_python_template('$$title $title${title}$$$title $titles $chunk')";
        test.execute("alter table blog add titles text; insert into blog values (1, 't', 'c')")
            .await?;
        let id = vectorize(&test, "blog", template).await?;
        take(&test, id).await?;
        embed(&test).await?;
        test.execute(RENAMED).await?;
        // two names that change places, and one that a template cannot have
        test.execute(
            "alter table other.posts rename heading to tmp; alter table other.posts rename titles to heading; \
            alter table other.posts rename tmp to \"a b\"",
        )
        .await?;
        let refused = refusal(&test, &format!("select ai.refresh_vectorizer({id})")).await?;
        assert_eq!(
            refused,
            "P0001 formatting: column \"a b\" of other.posts cannot be named in a template"
        );
        test.execute(
            "alter table other.posts rename title to views; alter table other.posts rename \"a b\" to titles; \
            alter table other.posts rename heading to title",
        )
        .await?;
        test.execute("select ai.refresh_vectorizer('public_blog_embedding_store')")
            .await?;
        let row: String = test
            .value(
                "select concat_ws('|', source_schema, source_table, source_pk, config #>> '{loading,column_name}', \
                config #>> '{formatting,template}') from ai.vectorizer",
            )
            .await?;
        assert_eq!(
            row,
            "other|posts|[{\"pknum\": 1, \"attnum\": 1, \"attname\": \"post\", \"typname\": \"integer\"}]|body|\
             $$title ${titles}${titles}$$${titles} ${title} $chunk"
        );
        test.execute(
            "update other.posts set title = 'x'; update other.posts set titles = 'x'; update other.posts set \
            body = 'x'; update other.posts set views = 9",
        )
        .await?;
        let queued: Vec<i32> = test.values(&format!("select post from ai._vectorizer_q_{id}")).await?;
        assert_eq!(queued, [1, 1, 1]);
        test.execute("delete from other.posts").await?;
        assert_eq!(
            test.values::<i32>("select post from blog_embedding_store").await?,
            [0_i32; 0]
        );
        assert_eq!(
            test.values::<i32>(&format!("select post from ai._vectorizer_q_failed_{id}"))
                .await?,
            [0_i32; 0]
        );
        // what reads the view goes on to
        test.execute("select id, title, content, views, titles from blog_embedding")
            .await?;
        // nothing is left to do
        test.execute(&format!(
            "select ai.refresh_vectorizer({id}); insert into other.posts values (2, 't', \
            'c')"
        ))
        .await?;

        test.execute("drop table other.posts cascade").await?;
        let refused = refusal(&test, &format!("select ai.refresh_vectorizer({id})")).await?;
        assert_eq!(
            refused,
            "42P01 the source of vectorizer public_blog_embedding_store was dropped"
        );
        assert_eq!(
            refusal(&test, "select ai.refresh_vectorizer(77)").await?,
            "P0002 there is no vectorizer 77"
        );
        Ok(())
    })
    .await;
}

/// The store is known to the triggers by name: a delete says what to do.
#[tokio::test]
async fn a_refresh_follows_schemas_and_a_store_that_were_renamed() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create schema website; create schema work; set search_path to website; create table blog (id int \
            primary key, content text); reset search_path",
        )
        .await?;
        test.execute("insert into website.blog select i, 'c' from generate_series(1, 5) i")
            .await?;
        let id = vectorize(&test, "website.blog", ", name => 'posts', queue_schema => 'work'").await?;
        test.execute(
            "insert into website.blog_embedding_store (id, chunk_seq, chunk, embedding) select id, 0, \
            content, '[1,2,3]' from website.blog",
        )
        .await?;
        for (rename, source, store, queue) in [
            (
                "alter schema website rename to site",
                "site.blog",
                "site.blog_embedding_store",
                "work",
            ),
            (
                "alter table site.blog_embedding_store rename to \"The store\"",
                "site.blog",
                "site.\"The \
                store\"",
                "work",
            ),
            (
                "alter schema work rename to \"W k\"",
                "site.blog",
                "site.\"The store\"",
                "\"W k\"",
            ),
        ] {
            test.execute(rename).await?;
            let delete = format!("delete from {source} where id = (select min(id) from {source})");
            let refused = test.execute(&delete).await.unwrap_err();
            assert!(refused.to_string().contains("does not exist"), "{refused}");
            test.execute("select ai.refresh_vectorizer('posts')").await?;
            test.execute(&format!(
                "{delete}; truncate {queue}._vectorizer_q_{id}; update {source} set content = \
                content || '.'"
            ))
            .await?;
            let left: i64 = test.value(&format!("select count(*) from {source}")).await?;
            assert_eq!(test.value::<i64>(&format!("select count(*) from {store}")).await?, left);
            assert_eq!(
                test.value::<i64>(&format!("select count(*) from {queue}._vectorizer_q_{id}"))
                    .await?,
                left
            );
        }
        let names: String = test
            .value(
                "select concat_ws(' ', source_schema, queue_schema, config #>> '{destination,target_schema}', \
                config #>> '{destination,target_table}', config #>> '{destination,view_schema}') from ai.vectorizer",
            )
            .await?;
        assert_eq!(names, "site W k site The store site");
        test.execute("alter schema site rename to third; select ai.drop_vectorizer('posts', drop_all => true)")
            .await?;
        let left: i64 = test
            .value(
                "select count(*) from pg_class where relnamespace = 'third'::regnamespace and \
            relkind in ('r', 'v')",
            )
            .await?;
        assert_eq!(left, 1);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_refresh_follows_the_column_of_the_embeddings() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let column = ", destination => ai.destination_column('e'), chunking => ai.chunking_none()";
        let id = vectorize(&test, "blog", column).await?;
        test.execute(
            "alter table blog rename e to title_; alter table blog rename title to e; alter table blog rename \
            title_ to vector",
        )
        .await?;
        test.execute(&format!("select ai.refresh_vectorizer({id})")).await?;
        let name: String = test
            .value("select config #>> '{destination,embedding_column}' from ai.vectorizer")
            .await?;
        assert_eq!(name, "vector");
        test.execute(&format!(
            "insert into blog values (1, 't', 'c'); update ai._vectorizer_src_{id} set vector = '[1,2,3]'; select \
                ai.refresh_vectorizer({id})"
        ))
        .await?;
        assert_eq!(take(&test, id).await?, [1]);
        Ok(())
    })
    .await;
}
