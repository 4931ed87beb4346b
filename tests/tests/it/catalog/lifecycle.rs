//! From creation to the drop.

use pgai_sea_tests::{Catalog, Snapshot, on_both_catalogs, on_catalog};

use sea_orm::{ConnectionTrait, TransactionTrait};

use super::{BLOG, embed, embedded, refusal, take, until_waiting, vectorize};

#[tokio::test]
async fn drop_all_leaves_nothing() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        let before = Snapshot::of(&test.db).await?;
        let id = vectorize(&test, "blog", "").await?;
        test.execute(&format!("select ai.drop_vectorizer({id}, drop_all => true)"))
            .await?;
        let after = Snapshot::of(&test.db).await?;
        assert_eq!(after.added_since(&before).to_string(), "");
        assert_eq!(after.removed_since(&before).to_string(), "");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_drop_by_name_keeps_store_and_view() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        test.execute("insert into blog values (1, 't', 'c')").await?;
        vectorize(&test, "blog", ", name => 'posts'").await?;
        embed(&test).await?;
        test.execute("select ai.drop_vectorizer('posts')").await?;
        assert_eq!(test.value::<i64>("select count(*) from ai.vectorizer").await?, 0);
        assert_eq!(test.value::<i64>("select count(*) from blog_embedding").await?, 1);
        test.execute(
            "insert into blog values (2, 't', 'c'); update blog set content = 'd'; delete from blog; truncate blog",
        )
        .await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn unknown_names_are_silent_and_unknown_ids_are_not() {
    on_both_catalogs(async |test| {
        for function in [
            "drop_vectorizer",
            "enable_vectorizer_schedule",
            "disable_vectorizer_schedule",
        ] {
            test.execute(&format!("select ai.{function}('none')")).await?;
            let refused = refusal(&test, &format!("select ai.{function}(77)")).await?;
            assert!(refused.starts_with("P0002 "), "{function}: {refused}");
        }
        assert_eq!(
            test.value::<Option<i64>>("select ai.vectorizer_queue_pending('none')")
                .await?,
            None
        );
        assert!(
            refusal(&test, "select ai.vectorizer_queue_pending(77)")
                .await?
                .starts_with("P0001 ")
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn if_not_exists_answers_the_one_that_is_there() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", ", name => 'posts'").await?;
        let again = vectorize(&test, "blog", ", name => 'posts', if_not_exists => true").await?;
        assert_eq!(id, again);
        assert_eq!(test.value::<i64>("select count(*) from ai.vectorizer").await?, 1);
        Ok(())
    })
    .await;
}

/// Two deployments at once.
#[tokio::test]
async fn two_that_create_the_same_one_at_once() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let (one, other) = tokio::join!(
            vectorize(&test, "blog", ", if_not_exists => true"),
            vectorize(&test, "blog", ", if_not_exists => true"),
        );
        assert_eq!(one?, other?);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn enabling_and_disabling() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", ", name => 'posts'").await?;
        let disabled = "select disabled from ai.vectorizer_status";
        for (call, expected) in [
            (format!("disable_vectorizer_schedule({id})"), true),
            (format!("enable_vectorizer_schedule({id})"), false),
            ("disable_vectorizer_schedule('posts')".to_owned(), true),
            ("enable_vectorizer_schedule('posts')".to_owned(), false),
        ] {
            test.execute(&format!("select ai.{call}")).await?;
            assert_eq!(test.value::<bool>(disabled).await?, expected, "{call}");
        }
        Ok(())
    })
    .await;
}

/// pgai's needs timescaledb even to be told that there is no schedule.
#[tokio::test]
async fn set_scheduling_answers_the_configuration() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", "").await?;
        let opclass: String = test
            .value(&format!(
                "select ai.set_scheduling({id}, indexing => ai.indexing_hnsw(opclass => 'vector_ip_ops')) #>> \
                    '{{indexing,opclass}}'"
            ))
            .await?;
        assert_eq!(opclass, "vector_ip_ops");
        let stored = "select config #>> '{indexing,opclass}' from ai.vectorizer where config ? 'loading'";
        assert_eq!(test.value::<String>(stored).await?, "vector_ip_ops");
        for (arguments, message) in [
            ("77", "P0002 there is no vectorizer 77"),
            ("1, ai.scheduling_timescaledb()", "P0001 scheduling: timescaledb needs"),
            (
                "1, indexing => ai.indexing_hnsw(opclass => 'x')",
                "P0001 indexing: opclass is \"x\"",
            ),
        ] {
            let refused = refusal(&test, &format!("select ai.set_scheduling({arguments})")).await?;
            assert!(refused.starts_with(message), "{refused}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn pending_rows_are_counted_to_ten_thousand() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        test.execute("insert into blog select i, 't', 'c' from generate_series(1, 10000) i")
            .await?;
        let id = vectorize(&test, "blog", "").await?;
        let pending = format!("select ai.vectorizer_queue_pending({id})");
        let status = "select pending_items from ai.vectorizer_status";
        assert_eq!(test.value::<i64>(&pending).await?, 10_000);
        assert_eq!(test.value::<i64>(status).await?, 10_000);
        test.execute("update blog set content = 'd' where id = 1").await?;
        assert_eq!(test.value::<i64>(&pending).await?, i64::MAX);
        assert_eq!(test.value::<i64>(status).await?, i64::MAX);
        let exact = "select ai.vectorizer_queue_pending('public_blog_embedding_store', exact_count => true)";
        assert_eq!(test.value::<i64>(exact).await?, 10_001);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_status_survives_a_queue_that_was_dropped() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", "").await?;
        test.execute(&format!("drop table ai._vectorizer_q_{id}")).await?;
        let pending: Option<i64> = test.value("select pending_items from ai.vectorizer_status").await?;
        assert_eq!(pending, None);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn errors_carry_the_vectorizer_s_name_and_go_with_it() {
    on_both_catalogs(async |test| {
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", ", name => 'posts'").await?;
        test.execute(&format!(
            "insert into ai._vectorizer_errors (id, message, details) values ({id}, 'm', '{{\"a\": 1}}')"
        ))
        .await?;
        assert_eq!(
            test.value::<String>("select name::text from ai.vectorizer_errors")
                .await?,
            "posts"
        );
        test.execute("select ai.drop_vectorizer('posts')").await?;
        assert_eq!(
            test.value::<i64>("select count(*) from ai._vectorizer_errors").await?,
            0
        );
        Ok(())
    })
    .await;
}

/// A table that was dropped leaves its vectorizer behind; a new table of the name can have one of its own.
#[tokio::test]
async fn leftovers_of_a_dropped_table_make_way() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        test.execute("create schema kept").await?;
        let elsewhere = ", destination => ai.destination_table(target_schema => 'kept')";
        vectorize(&test, "blog", elsewhere).await?;
        test.execute("drop table blog cascade").await?;
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", elsewhere).await?;
        test.execute("insert into blog values (1, 't', 'c')").await?;
        assert_eq!(take(&test, id).await?, [1]);
        assert_eq!(test.value::<i64>("select count(*) from ai.vectorizer").await?, 1);
        assert_eq!(
            test.value::<i64>("select count(*) from pg_class where relname like '\\_vectorizer\\_q\\__'")
                .await?,
            1
        );
        Ok(())
    })
    .await;
}

/// Who dropped the triggers by hand has the table and its embeddings still.
#[tokio::test]
async fn what_lacks_its_triggers_alone_is_no_leftover() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        test.execute("insert into blog values (1, 't', 'c')").await?;
        let id = vectorize(&test, "blog", "").await?;
        embed(&test).await?;
        test.execute(&format!("drop function ai._vectorizer_src_trg_{id} cascade"))
            .await?;
        vectorize(&test, "blog", ", destination => ai.destination_table('another')").await?;
        assert_eq!(embedded(&test).await?, [1]);
        assert_eq!(take(&test, id).await?, [1]);
        Ok(())
    })
    .await;
}

/// Two deployments at once that both find what is left of a table.
#[tokio::test]
async fn leftovers_make_way_for_two_at_once() {
    on_catalog(Catalog::Ours, async |test| {
        for _ in 0..5 {
            test.execute(BLOG).await?;
            let (one, other) = tokio::join!(
                vectorize(&test, "blog", ", if_not_exists => true"),
                vectorize(&test, "blog", ", if_not_exists => true"),
            );
            assert_eq!(one?, other?);
            test.execute("drop table blog cascade").await?;
        }
        Ok(())
    })
    .await;
}

/// A table that was renamed is no left-over: its triggers went with it.
#[tokio::test]
async fn a_renamed_table_keeps_its_vectorizer() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let id = vectorize(&test, "blog", "").await?;
        test.execute(
            "create schema other; alter table blog rename to posts; alter table posts set schema \
            other",
        )
        .await?;
        test.execute(BLOG).await?;
        let new = vectorize(&test, "blog", ", destination => ai.destination_table('new')").await?;
        test.execute(
            "insert into other.posts values (1, 't', 'c'); update other.posts set content = 'd'; delete from \
            other.posts; insert into blog values (2, 't', 'c')",
        )
        .await?;
        assert_eq!(take(&test, id).await?, [1, 1]);
        assert_eq!(take(&test, new).await?, [2]);
        test.execute(&format!("select ai.drop_vectorizer({id}, drop_all => true)"))
            .await?;
        test.execute("insert into other.posts values (3, 't', 'c')").await?;
        Ok(())
    })
    .await;
}

/// What a dump writes can be restored: PostgreSQL prints triggers and functions in words of its own.
#[tokio::test]
async fn triggers_can_be_made_from_what_a_dump_says() {
    on_both_catalogs(async |test| {
        test.execute("create table blog (id int, content text, \"B\" json, primary key (id))")
            .await?;
        let id = vectorize(
            &test,
            "blog",
            ", formatting => ai.formatting_python_template('$B $chunk')",
        )
        .await?;
        for (drop, definition) in [
            ("drop trigger %I on blog", "pg_get_triggerdef(oid)"),
            ("drop function if exists %I() cascade", "pg_get_functiondef(tgfoid)"),
        ] {
            let statements: Vec<String> = test
                .values(&format!(
                    "select format('{drop};', case when '{drop}' like '%trigger%' then tgname else 'none' end) || \
                        {definition}
                     from pg_trigger where tgrelid = 'blog'::regclass and tgname like '\\_vectorizer%'"
                ))
                .await?;
            assert!(!statements.is_empty());
            for statement in statements {
                test.execute(&statement).await?;
            }
        }
        test.execute("insert into blog values (1, 'c', '{}'); update blog set content = 'd'")
            .await?;
        assert_eq!(take(&test, id).await?, [1, 1]);
        Ok(())
    })
    .await;
}

/// The store went with the table, and the user has a table of its name: that is theirs.
#[tokio::test]
async fn leftovers_take_no_table_or_view_along_that_is_not_theirs() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        vectorize(&test, "blog", "").await?;
        test.execute(
            "drop table blog, blog_embedding_store cascade; create table blog_embedding_store (id int, note text)",
        )
        .await?;
        test.execute("create view blog_embedding as select 1 as one").await?;
        test.execute(BLOG).await?;
        let other = ", destination => ai.destination_table('other')";
        vectorize(&test, "blog", other).await?;
        test.execute("select id, note from blog_embedding_store; select one from blog_embedding")
            .await?;
        // nor does who drops a vectorizer, or whose store is another's by now
        test.execute("drop table blog, other_store cascade; create table posts (id int primary key, content text)")
            .await?;
        vectorize(
            &test,
            "posts",
            ", destination => ai.destination_table('other'), name => 'second'",
        )
        .await?;
        test.execute("select ai.drop_vectorizer('public_other_store', drop_all => true); select * from other_store")
            .await?;
        Ok(())
    })
    .await;
}

/// Two vectorizers of one new table, whose old one left one behind.
#[tokio::test]
async fn two_different_ones_at_once_both_find_the_leftover() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        vectorize(&test, "blog", "").await?;
        test.execute("drop table blog cascade").await?;
        test.execute(BLOG).await?;
        let first = test.db.begin().await?;
        let create = |name: &str| {
            format!(
                "select ai.create_vectorizer('blog', name => '{name}', loading => ai.loading_column('content'),
                     embedding => ai.embedding_openai('m', 3), destination => ai.destination_table('{name}'))"
            )
        };
        first.execute_unprepared(&create("one")).await?;
        let other = test.clone();
        let second = create("two");
        let second = tokio::spawn(async move { other.execute(&second).await });
        until_waiting(&test, 1).await?;
        first.commit().await?;
        second.await??;
        let names: Vec<String> = test
            .values("select name::text from ai.vectorizer order by name")
            .await?;
        assert_eq!(names, ["one", "two"]);
        Ok(())
    })
    .await;
}

/// Rows that the snapshot does not show would be missed.
#[tokio::test]
async fn an_old_snapshot_is_no_place_to_create_one() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(BLOG).await?;
        let create = "select ai.create_vectorizer('blog', loading => ai.loading_column('content'), embedding => \
            ai.embedding_openai('m', 3)";
        for level in ["repeatable read", "serializable"] {
            let old = test.db.begin().await?;
            old.execute_unprepared(&format!("set transaction isolation level {level}; select 1"))
                .await?;
            let error = old
                .execute_unprepared(&format!("{create})"))
                .await
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(&format!("a transaction at {level} may miss rows of public.blog")),
                "{error}"
            );
            old.rollback().await?;
        }
        test.execute(&format!(
            "begin isolation level repeatable read; {create}, enqueue_existing => false); commit"
        ))
        .await?;
        test.execute("drop table blog cascade").await?;
        test.execute(&format!(
            "begin isolation level serializable; savepoint a; {BLOG}; insert into blog values (1, 't', 'c'); \
                {create}); commit"
        ))
        .await?;
        let id: i32 = test.value("select max(id) from ai.vectorizer").await?;
        assert_eq!(take(&test, id).await?, [1]);
        Ok(())
    })
    .await;
}
