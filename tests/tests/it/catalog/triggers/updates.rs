//! Updates: what changes queue a row, and a key's old embeddings go.

use pgai_sea_tests::{Catalog, Version, on_both_catalogs, on_catalog, on_version};

use super::blog;
use crate::catalog::{embed, embedded, take, vectorize};

#[tokio::test]
async fn an_edit_of_the_text_or_of_a_column_in_the_template_queues_the_row() {
    on_both_catalogs(async |test| {
        let id = blog(&test).await?;
        test.execute("update blog set content = 'new' where id = 1").await?;
        test.execute("update blog set title = 'new' where id = 2").await?;
        test.execute("update blog set content = null where id = 3").await?;
        assert_eq!(take(&test, id).await?, [1, 2, 3]);
        assert_eq!(embedded(&test).await?, [1, 2, 3]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_update_that_changes_nothing_queues_nothing() {
    on_both_catalogs(async |test| {
        let id = blog(&test).await?;
        test.execute("update blog set content = content, title = title, id = id")
            .await?;
        assert!(take(&test, id).await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_edit_of_another_column_queues_nothing() {
    on_catalog(Catalog::Ours, async |test| {
        let id = blog(&test).await?;
        test.execute("update blog set views = views + 1").await?;
        assert!(take(&test, id).await?.is_empty());
        Ok(())
    })
    .await;
}

/// Where such a text is kept tells that it stayed, and nothing else.
#[tokio::test]
async fn an_edit_of_a_text_that_is_too_long_for_its_row_queues_the_row() {
    on_both_catalogs(async |test| {
        let id = blog(&test).await?;
        test.execute(
            "alter table blog alter content set storage external;
             create table other (like blog including storage);
             update blog set content = repeat('a', 9000);
             insert into other select * from blog;
             update other set content = repeat('b', 9000)",
        )
        .await?;
        take(&test, id).await?;
        if test.catalog == Catalog::Ours {
            test.execute("update blog set views = views + 1").await?;
            test.execute("update blog set content = content || ''").await?;
            assert!(take(&test, id).await?.is_empty());
        }
        // as long as before: by a value of its own, by one that is kept for another table, and by one that is short
        test.execute("update blog set content = repeat('c', 9000) where id = 1")
            .await?;
        test.execute("update blog b set content = o.content from other o where b.id = 2 and o.id = 2")
            .await?;
        test.execute("update blog set content = 'd' where id = 3").await?;
        assert_eq!(take(&test, id).await?, [1, 2, 3]);
        test.execute("update blog set content = repeat('e', 9000) where id = 3")
            .await?;
        assert_eq!(take(&test, id).await?, [3]);
        Ok(())
    })
    .await;
}

/// A trigger may change what the statement does not name.
#[tokio::test]
async fn an_edit_by_a_trigger_queues_the_row() {
    on_both_catalogs(async |test| {
        let id = blog(&test).await?;
        test.execute(
            "create function edit() returns trigger language plpgsql as
             'begin new.content := new.content || new.views; return new; end';
             create trigger edit before update on blog for each row execute function edit();
             update blog set views = 7 where id = 2",
        )
        .await?;
        assert_eq!(take(&test, id).await?, [2]);
        Ok(())
    })
    .await;
}

/// Columns that no statement names: one that is computed, and a key that follows another table's.
#[tokio::test]
async fn computed_columns_and_cascading_keys() {
    on_both_catalogs(async |test| {
        test.execute(
            "create table author (name text primary key); insert into author values ('a'), ('b');
             create table blog (author text references author on update cascade, id int, first text, last text, views \
             int default 0,
                 content text generated always as (first || last) stored, primary key (author, id));
             insert into blog values ('a', 1, 'x', 'y'), ('b', 2, 'x', 'y')",
        )
        .await?;
        let id = vectorize(&test, "blog", "").await?;
        take(&test, id).await?;
        test.execute(
            "insert into blog_embedding_store (author, id, chunk_seq, chunk, embedding) select author, id, 0, '', \
                '[1,2,3]' from blog;
             update blog set last = 'z' where id = 2; update author set name = 'c' where name = 'a'",
        )
        .await?;
        assert_eq!(embedded(&test).await?, [2]);
        let queued: Vec<String> = test
            .values(&format!("delete from ai._vectorizer_q_{id} returning author || id"))
            .await?;
        assert_eq!(queued, ["b2", "c1"]);
        Ok(())
    })
    .await;
}

/// What a type calls equal, or cannot compare, may still be another text once it is in the template.
#[tokio::test]
async fn a_change_that_the_type_s_own_equality_does_not_see_queues_the_row() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create type mood as enum ('good', 'bad'); create domain label as text;
             create table blog (id int primary key, price numeric, data json, content text, code bpchar, short \
             varchar(9), mood mood, label label,
                 size float8);
             insert into blog select i, 1.0, '{}', 'hello', 'a', 'a', 'good', 'hello', 0 from generate_series(1, 9) i",
        )
        .await?;
        let template = ", formatting => ai.formatting_python_template('${price} $data $code $short $mood $label $size \
            $chunk')";
        let id = vectorize(&test, "blog", template).await?;
        take(&test, id).await?;
        let edits = [
            "content = 'Hello'",
            "price = 1.00",
            "data = '{ }'",
            "code = 'a '",
            "short = 'b'",
            "mood = 'bad'",
            "label \
                = 'Hello'",
            "size = '-0'",
            "short = null",
        ];
        for (row, edit) in (1..).zip(edits) {
            test.execute(&format!("update blog set {edit} where id = {row}"))
                .await?;
            assert_eq!(take(&test, id).await?, [row], "{edit}");
        }
        test.execute(
            "update blog set price = price, data = data, code = code, short = short, mood = mood, label = \
            label",
        )
        .await?;
        assert!(take(&test, id).await?.is_empty());
        // A collation by which different texts may be equal takes ICU, which not every server is built with.
        test.execute(
            "create collation fold from \"C\"; update pg_collation set collisdeterministic = false where \
            collname = 'fold'",
        )
        .await?;
        let asked: Vec<bool> = test
            .values(
                "select ai._vectorizer_equals_bytewise('text'::regtype, oid) from pg_collation where collname in ('C', \
                    'fold')
                 order by collname",
            )
            .await?;
        assert_eq!(asked, [true, false]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_change_of_the_key_deletes_the_old_and_queues_the_new() {
    on_both_catalogs(async |test| {
        let id = blog(&test).await?;
        test.execute("update blog set id = id + 10 where id > 1").await?;
        assert_eq!(embedded(&test).await?, [1]);
        assert_eq!(take(&test, id).await?, [12, 13]);
        Ok(())
    })
    .await;
}

/// Keys that move onto keys that were there: each row's embeddings are made anew, none is lost.
#[tokio::test]
async fn keys_that_change_places() {
    on_both_catalogs(async |test| {
        test.execute(
            "create table blog (id int primary key deferrable, title text, content text);
             insert into blog select i, 't', 'c' from generate_series(1, 3) i",
        )
        .await?;
        let id = vectorize(&test, "blog", "").await?;
        take(&test, id).await?;
        embed(&test).await?;
        test.execute("update blog set id = 4 - id").await?;
        assert_eq!(take(&test, id).await?, [1, 3]);
        assert_eq!(embedded(&test).await?, [2]);
        Ok(())
    })
    .await;
}

/// Names that a template has are those that Python's `string.Template` sees.
#[tokio::test]
async fn the_template_s_names() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create table blog (id int primary key, a text, b text, c text, \"B\" text, _d1 text, content text)",
        )
        .await?;
        test.execute("insert into blog (id) values (1)").await?;
        let template = ", formatting => ai.formatting_python_template('$$a ${b}c $B$_d1 $$$chunk')";
        let id = vectorize(&test, "blog", template).await?;
        take(&test, id).await?;
        for (column, relevant) in [
            ("a", false),
            ("b", true),
            ("c", false),
            ("\"B\"", true),
            ("_d1", true),
            ("content", true),
        ] {
            test.execute(&format!("update blog set {column} = 'x'")).await?;
            assert_eq!(!take(&test, id).await?.is_empty(), relevant, "{column}");
        }
        Ok(())
    })
    .await;
}

/// PostgreSQL 18 computes such a column when it is read.
#[tokio::test]
async fn a_virtual_generated_column() {
    on_version(Version::V18, async |test| {
        if test.catalog == Catalog::Pgai {
            return Ok(());
        }
        test.execute(
            "create table blog (id int primary key, first text, last text, views int default 0,
                 content text generated always as (first || ' ' || last) virtual)",
        )
        .await?;
        test.execute("insert into blog values (1, 'a', 'b')").await?;
        let id = vectorize(&test, "blog", "").await?;
        test.execute(
            "insert into blog values (2, 'a', 'b'); update blog set views = 1; update blog set last = 'c' \
            where id = 2",
        )
        .await?;
        assert_eq!(take(&test, id).await?, [1, 2, 2]);
        let text: String = test
            .value(&format!("select content from ai._vectorizer_src_{id} where id = 2"))
            .await?;
        assert_eq!(text, "a c");
        test.execute(
            "insert into blog_embedding_store (id, chunk_seq, chunk, embedding) select id, 0, content, \
            '[1,2,3]' from blog; delete from blog where id = 2",
        )
        .await?;
        assert_eq!(embedded(&test).await?, [1]);
        Ok(())
    })
    .await;
}
