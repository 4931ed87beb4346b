//! What queues a row, and what deletes embeddings. Where pgai does the same, on its catalog as well.

use pgai_sea_tests::{Catalog, TestDatabase, Version, on_both_catalogs, on_catalog, on_version};
use sea_orm::{ConnectionTrait, IsolationLevel, TransactionTrait};

use super::{BLOG, embed, embedded, take, vectorize};

/// A blog of three posts, embedded, with an empty queue.
async fn blog(test: &TestDatabase) -> Result<i32, sea_orm::DbErr> {
    test.execute(BLOG).await?;
    test.execute("insert into blog select i, 'title ' || i, 'content ' || i from generate_series(1, 3) i")
        .await?;
    let id = vectorize(
        test,
        "blog",
        ", formatting => ai.formatting_python_template('$title: $chunk')",
    )
    .await?;
    take(test, id).await?;
    embed(test).await?;
    Ok(id)
}

#[tokio::test]
async fn rows_that_are_there_are_queued_unless_they_should_not_be() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        test.execute("insert into blog select i, 't', 'c' from generate_series(1, 3) i")
            .await?;
        let id = vectorize(&test, "blog", "").await?;
        assert_eq!(take(&test, id).await?, [1, 2, 3]);
        let other = ", enqueue_existing => false, destination => ai.destination_table('other')";
        let id = vectorize(&test, "blog", other).await?;
        assert!(take(&test, id).await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_insert_queues_its_rows() {
    on_both_catalogs(async |test| {
        let id = blog(&test).await?;
        test.execute("insert into blog values (4, 't', 'c')").await?;
        test.execute("insert into blog select i, 't', 'c' from generate_series(5, 7) i")
            .await?;
        test.execute("insert into blog select 8, 't', 'c' where false").await?;
        assert_eq!(take(&test, id).await?, [4, 5, 6, 7]);
        Ok(())
    })
    .await;
}

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
             create table blog (author text references author on update cascade, id int, first text, last text, views int default 0,
                 content text generated always as (first || last) stored, primary key (author, id));
             insert into blog values ('a', 1, 'x', 'y'), ('b', 2, 'x', 'y')",
        )
        .await?;
        let id = vectorize(&test, "blog", "").await?;
        take(&test, id).await?;
        test.execute(
            "insert into blog_embedding_store (author, id, chunk_seq, chunk, embedding) select author, id, 0, '', '[1,2,3]' from blog;
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
             create table blog (id int primary key, price numeric, data json, content text, code bpchar, short varchar(9), mood mood, label label,
                 size float8);
             insert into blog select i, 1.0, '{}', 'hello', 'a', 'a', 'good', 'hello', 0 from generate_series(1, 9) i",
        )
        .await?;
        let template = ", formatting => ai.formatting_python_template('${price} $data $code $short $mood $label $size $chunk')";
        let id = vectorize(&test, "blog", template).await?;
        take(&test, id).await?;
        let edits = [
            "content = 'Hello'", "price = 1.00", "data = '{ }'", "code = 'a '", "short = 'b'", "mood = 'bad'", "label = 'Hello'",
            "size = '-0'", "short = null",
        ];
        for (row, edit) in (1..).zip(edits) {
            test.execute(&format!("update blog set {edit} where id = {row}")).await?;
            assert_eq!(take(&test, id).await?, [row], "{edit}");
        }
        test.execute("update blog set price = price, data = data, code = code, short = short, mood = mood, label = label")
            .await?;
        assert!(take(&test, id).await?.is_empty());
        // A collation by which different texts may be equal takes ICU, which not every server is built with.
        test.execute("create collation fold from \"C\"; update pg_collation set collisdeterministic = false where collname = 'fold'")
            .await?;
        let asked: Vec<bool> = test
            .values(
                "select ai._vectorizer_equals_bytewise('text'::regtype, oid) from pg_collation where collname in ('C', 'fold')
                 order by collname",
            )
            .await?;
        assert_eq!(asked, [true, false]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_delete_takes_the_embeddings_along() {
    on_both_catalogs(async |test| {
        let id = blog(&test).await?;
        test.execute("delete from blog where id = 2").await?;
        assert_eq!(embedded(&test).await?, [1, 3]);
        test.execute("delete from blog").await?;
        assert!(embedded(&test).await?.is_empty());
        assert!(take(&test, id).await?.is_empty());
        Ok(())
    })
    .await;
}

/// Statements of a few rows and of many are planned apart; both in one session.
#[tokio::test]
async fn deletes_of_a_few_and_of_many_rows() {
    on_both_catalogs(async |test| {
        blog(&test).await?;
        test.execute(
            "insert into blog select i, 't', 'c' from generate_series(4, 1000) i; truncate blog_embedding_store",
        )
        .await?;
        embed(&test).await?;
        test.execute("delete from blog where id <= 3; delete from blog where id > 500; delete from blog where id <= 7")
            .await?;
        let left = embedded(&test).await?;
        assert_eq!((left.len(), left.first(), left.last()), (493, Some(&8), Some(&500)));
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

#[tokio::test]
async fn a_truncate_empties_store_and_queue() {
    on_both_catalogs(async |test| {
        let id = blog(&test).await?;
        test.execute("insert into blog values (4, 't', 'c'); truncate blog")
            .await?;
        assert!(embedded(&test).await?.is_empty());
        assert!(take(&test, id).await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn source_and_store_may_be_truncated_by_one_statement() {
    on_catalog(Catalog::Ours, async |test| {
        let id = blog(&test).await?;
        test.execute(&format!("truncate blog, blog_embedding_store, ai._vectorizer_q_{id}"))
            .await?;
        assert!(embedded(&test).await?.is_empty());
        test.execute("insert into blog values (1, 't', 'c'); truncate blog, blog_embedding_store")
            .await?;
        assert!(take(&test, id).await?.is_empty());
        Ok(())
    })
    .await;
}

/// Someone reads the store, and someone holds a row of the queue: a truncate waits for neither.
#[tokio::test]
async fn a_truncate_waits_for_no_reader_and_no_worker() {
    on_catalog(Catalog::Ours, async |test| {
        let id = blog(&test).await?;
        test.execute("insert into blog values (4, 't', 'c'), (5, 't', 'c')")
            .await?;
        let other = test.db.begin().await?;
        other
            .execute_unprepared(&format!("select from ai._vectorizer_q_{id} where id = 4 for update"))
            .await?;
        other
            .execute_unprepared("select count(*) from blog_embedding_store")
            .await?;
        test.execute("begin; set local lock_timeout = '2s'; truncate blog; commit")
            .await?;
        other.commit().await?;
        assert!(embedded(&test).await?.is_empty());
        assert_eq!(take(&test, id).await?, [4]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn on_conflict_merge_copy_and_cascades() {
    on_both_catalogs(async |test| {
        let id = blog(&test).await?;
        test.execute("insert into blog values (3, 't', 'again'), (4, 't', 'c') on conflict (id) do update set content = excluded.content")
            .await?;
        assert_eq!(take(&test, id).await?, [3, 4]);
        test.execute("insert into blog values (3, 't', 'c') on conflict do nothing").await?;
        assert!(take(&test, id).await?.is_empty());
        test.execute(
            "merge into blog using (values (1, 'merged'), (2, null), (5, 'new')) n (id, content) on blog.id = n.id
             when matched and n.content is null then delete
             when matched then update set content = n.content
             when not matched then insert values (n.id, 't', n.content)",
        )
        .await?;
        assert_eq!(take(&test, id).await?, [1, 5]);
        assert_eq!(embedded(&test).await?, [1, 3]);
        test.execute(r"copy blog (id, content) from program 'printf ''6\tc\n7\tc\n'''").await?;
        assert_eq!(take(&test, id).await?, [6, 7]);
        test.execute(
            "create table author (name text primary key);
             insert into author values ('a'), ('b');
             alter table blog add author text references author on delete cascade on update cascade;
             update blog set author = case when id < 4 then 'a' else 'b' end",
        )
        .await?;
        take(&test, id).await?;
        test.execute("delete from author where name = 'a'").await?;
        assert!(embedded(&test).await?.is_empty());
        assert_eq!(test.value::<i64>("select count(*) from blog").await?, 4);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn several_vectorizers_of_one_table() {
    on_both_catalogs(async |test| {
        let first = blog(&test).await?;
        let more = ", destination => ai.destination_table('titles'), formatting => ai.formatting_python_template('$title $chunk')";
        let second: i32 = test
            .value(&format!(
                "select ai.create_vectorizer('blog', loading => ai.loading_column('title'),
                     embedding => ai.embedding_ollama('model', 4){more})"
            ))
            .await?;
        take(&test, second).await?;
        test.execute("update blog set title = 'new' where id = 1; delete from blog where id = 2").await?;
        assert_eq!(take(&test, first).await?, [1]);
        assert_eq!(take(&test, second).await?, [1]);
        assert_eq!(embedded(&test).await?, [1, 3]);
        test.execute(&format!("select ai.drop_vectorizer({second}, drop_all => true)")).await?;
        test.execute("insert into blog values (9, 't', 'c')").await?;
        assert_eq!(take(&test, first).await?, [9]);
        Ok(())
    })
    .await;
}

/// Beyond read committed a delete may not see embeddings that were committed meanwhile: the key is left to the worker.
#[tokio::test]
async fn a_delete_by_an_old_snapshot_queues_the_key() {
    on_catalog(Catalog::Ours, async |test| {
        let id = blog(&test).await?;
        test.execute("truncate blog_embedding_store").await?;
        for (level, queued) in [
            (IsolationLevel::ReadCommitted, vec![]),
            (IsolationLevel::RepeatableRead, vec![2, 3, 30]),
            (IsolationLevel::Serializable, vec![1, 30, 31]),
        ] {
            let snapshot = test.db.begin_with_config(Some(level), None).await?;
            snapshot.execute_unprepared("select count(*) from blog").await?;
            let (deleted, from, to) = match level {
                IsolationLevel::RepeatableRead => (2, 3, 30),
                IsolationLevel::Serializable => (1, 30, 31),
                _ => (0, 0, 0),
            };
            snapshot
                .execute_unprepared(&format!("delete from blog where id = {deleted}"))
                .await?;
            snapshot
                .execute_unprepared(&format!("update blog set id = {to} where id = {from}"))
                .await?;
            snapshot.commit().await?;
            assert_eq!(take(&test, id).await?, queued, "{level:?}");
        }
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

/// A worker holds the key's row, and has not committed: who writes does not wait.
#[tokio::test]
async fn a_writer_does_not_wait_for_a_worker() {
    on_both_catalogs(async |test| {
        let id = blog(&test).await?;
        test.execute("update blog set content = 'x'").await?;
        let worker = test.db.begin().await?;
        worker
            .execute_unprepared(&format!("select * from ai._vectorizer_q_{id} for update"))
            .await?;
        test.execute("begin; set local lock_timeout = '1s'; update blog set content = 'y'; insert into blog values (4, 't', 'c'); commit")
            .await?;
        worker.commit().await?;
        assert_eq!(take(&test, id).await?, [1, 1, 2, 2, 3, 3, 4]);
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
        test.execute("insert into blog values (2, 'a', 'b'); update blog set views = 1; update blog set last = 'c' where id = 2")
            .await?;
        assert_eq!(take(&test, id).await?, [1, 2, 2]);
        let text: String = test.value(&format!("select content from ai._vectorizer_src_{id} where id = 2")).await?;
        assert_eq!(text, "a c");
        test.execute("insert into blog_embedding_store (id, chunk_seq, chunk, embedding) select id, 0, content, '[1,2,3]' from blog; delete from blog where id = 2")
            .await?;
        assert_eq!(embedded(&test).await?, [1]);
        Ok(())
    })
    .await;
}

/// Such a store cannot be truncated; what refers to it decides what becomes of its rows.
#[tokio::test]
async fn a_truncate_where_a_table_of_the_user_s_refers_to_the_store() {
    on_catalog(Catalog::Ours, async |test| {
        let id = blog(&test).await?;
        test.execute("create table notes (chunk uuid references blog_embedding_store on delete set null); insert into notes select embedding_uuid from blog_embedding_store; truncate blog")
            .await?;
        assert!(embedded(&test).await?.is_empty());
        assert!(take(&test, id).await?.is_empty());
        assert_eq!(test.value::<i64>("select count(*) from notes where chunk is null").await?, 3);
        Ok(())
    })
    .await;
}
