//! An upgrade of vectorizers of every kind, with a worker beside.

use std::time::Duration;

use pgai_sea::catalog::{self, Installed};
use pgai_sea::worker::Worker;
use pgai_sea_tests::providers::{Provider, embedding_of};
use pgai_sea_tests::{Catalog, Snapshot, TestDatabase, TestResult, on_catalog};
use sea_orm::DbErr;
use tokio::sync::oneshot;

use super::releases::{self, RELEASES};
use super::upgrade::{VERSION, same};

/// A vectorizer, its source with the loaded column by today's name, its key and where its embeddings are.
const VECTORIZERS: [(&str, &str, &str, &str); 6] = [
    ("blog", "id", "title || ': ' || content", "blog_embedding_store"),
    ("note", "concat_ws('/', b, a)", "content", "note_embedding_store"),
    ("part", "id", "content", "part_embedding_store"),
    ("vec", "id", "content", ""),
    ("renamed", "key", "body", "old_embedding_store"),
    ("freed", "id", "content", "freed_embedding_store"),
];

const TABLES: &str = r#"
    create table blog (id int primary key, title text, content text);
    create table note (a int, b text, content text, primary key (b, a));
    create table part (id int primary key, content text) partition by range (id);
    create table part_low partition of part for values from (0) to (100);
    create table part_high partition of part for values from (100) to (100000);
    create table vec (id int primary key, content text);
    create table old (id int primary key, content text);
    create table freed (id int primary key, content text)"#;

/// Creates them, in the same way in whichever version.
async fn create(test: &TestDatabase, provider: &Provider, role: &str) -> Result<(), DbErr> {
    test.execute(TABLES).await?;
    for (table, more) in [
        (
            "blog",
            ", formatting => ai.formatting_python_template('$title: $chunk')",
        ),
        ("note", ", grant_to => ai.grant_to('public')"),
        ("part", ""),
        ("vec", ", destination => ai.destination_column('e')"),
        ("old", ""),
        ("freed", ""),
    ] {
        let grant = if table == "note" {
            String::new()
        } else {
            format!(", grant_to => ai.grant_to('{role}')")
        };
        test.execute(&format!(
            "select ai.create_vectorizer('{table}', name => '{table}', loading => ai.loading_column('content'),
                 embedding => ai.embedding_ollama('gate', 8, base_url => '{}'), chunking => \
                 ai.chunking_none(){more}{grant})",
            provider.ollama_url()
        ))
        .await?;
    }
    test.execute(&format!("select ai.grant_vectorizer_usage('{role}')"))
        .await
}

/// Renames one's table and columns, and lets go of another.
async fn rename_and_release(test: &TestDatabase) -> Result<(), DbErr> {
    test.execute(
        "alter table old rename to renamed; alter table renamed rename content to body; alter table renamed rename id \
            to key;
         select ai.release_vectorizer('freed')",
    )
    .await
}

/// A row in each table, by an application that knows nothing of vectorizers.
async fn insert(test: &TestDatabase, key: i32, renamed: bool) -> Result<(), DbErr> {
    let old = if renamed { "renamed" } else { "old" };
    test.execute(&format!(
        "insert into blog values ({key}, 'title {key}', 'blog {key}'); insert into note values ({key}, 'b', 'note \
            {key}');
         insert into part values ({key}, 'part {key}'); insert into vec values ({key}, 'vec {key}');
         insert into {old} values ({key}, 'old {key}'); insert into freed values ({key}, 'freed {key}')"
    ))
    .await
}

fn worker(test: &TestDatabase) -> Worker {
    Worker::new(test.db.clone()).poll_interval(Duration::from_millis(50))
}

/// Each row has the embedding of its text, and no other row is there.
async fn assert_embedded(test: &TestDatabase) -> TestResult {
    for (table, key, text, store) in VECTORIZERS {
        let mut expected: Vec<String> = test
            .values(&format!("select {key} || e'\\t' || {text} from {table}"))
            .await?;
        expected.sort();
        let key = if table == "renamed" { "id" } else { key };
        let stored = if store.is_empty() {
            format!("select {key} || e'\\t' || {text} || e'\\t' || e::text from {table} where e is not null")
        } else {
            format!("select {key} || e'\\t' || chunk || e'\\t' || embedding::text from {store}")
        };
        let stored: Vec<String> = test.values(&stored).await?;
        let mut texts: Vec<&str> = stored
            .iter()
            .map(|row| row.rsplit_once('\t').unwrap_or_default().0)
            .collect();
        texts.sort_unstable();
        assert_eq!(texts, expected, "{table}");
        for row in &stored {
            let mut fields = row.split('\t').skip(1);
            let (text, vector) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            let vector: Vec<f32> = vector
                .trim_matches(['[', ']'])
                .split(',')
                .map(str::parse)
                .collect::<Result<_, _>>()?;
            assert_eq!(vector, embedding_of("gate", text, 8), "{table}: {text}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn vectorizers_in_use_become_as_new_ones_and_miss_nothing() {
    for (version, _) in RELEASES {
        on_catalog(Catalog::Bare, async |test| {
            let role = test.role("user").await?;
            let provider = Provider::start();
            provider.install("gate", 8);
            let (role, provider) = (&role, &provider);
            releases::install(&test, *version).await?;
            create(&test, provider, role).await?;
            for key in 1..5 {
                insert(&test, key, false).await?;
            }
            let report = worker(&test).run_once().await?;
            assert_eq!(report.errors().collect::<Vec<_>>(), []);
            assert_eq!(test.value::<i64>("select count(*) from blog_embedding_store").await?, 4);
            rename_and_release(&test).await?;
            // what waits and what was given up
            insert(&test, 5, true).await?;
            test.execute(
                "insert into ai._vectorizer_q_failed_1 (id) values (1); insert into ai._vectorizer_errors \
                (id, message) values (1, 'm')",
            )
            .await?;

            let (stop, stopped) = oneshot::channel::<()>();
            let beside = worker(&test);
            let beside = tokio::spawn(async move { beside.run_until(stopped).await });
            let meanwhile = async {
                for key in 6..60 {
                    insert(&test, key, true).await?;
                }
                Ok::<(), DbErr>(())
            };
            let (upgraded, written) = tokio::join!(catalog::install(&test.db), meanwhile);
            assert_eq!(
                upgraded?,
                Installed::Upgraded {
                    from: *version,
                    to: VERSION
                }
            );
            written?;
            stop.send(()).ok();
            beside.await??;

            let failed: i64 = test.value("select count(*) from ai._vectorizer_q_failed_1").await?;
            assert_eq!(failed, 1);
            let upgraded = Snapshot::of(&test.db).await?;
            test.execute("select ai.refresh_vectorizer('freed')").await?;
            let refreshed = Snapshot::of(&test.db).await?;
            let (upgraded, refreshed) = (&upgraded, &refreshed);
            on_catalog(Catalog::Ours, async |fresh| {
                create(&fresh, provider, role).await?;
                rename_and_release(&fresh).await?;
                same(upgraded, &Snapshot::of(&fresh.db).await?);
                fresh.execute("select ai.refresh_vectorizer('freed')").await?;
                same(refreshed, &Snapshot::of(&fresh.db).await?);
                Ok(())
            })
            .await;

            insert(&test, 60, true).await?;
            test.execute(
                "update blog set title = 'other' where id = 1; update note set content = 'new', b = 'c' where a = 2;
                 update part set id = 200 where id = 3; update vec set content = 'new' where id = 4;
                 update renamed set body = 'new', key = 100 where key = 5; delete from freed where id = 2; delete from \
                 blog where id = 3",
            )
            .await?;
            worker(&test).run_once().await?;
            assert_embedded(&test).await?;
            test.execute("truncate blog").await?;
            assert_eq!(test.value::<i64>("select count(*) from blog_embedding_store").await?, 0);
            test.execute("select ai.drop_vectorizer(id, drop_all => true) from ai.vectorizer")
                .await?;
            test.drop_role(role).await?;
            Ok(())
        })
        .await;
    }
}

/// What a migration does to every queue: a column and an index, while applications write and a worker of this version
/// runs.
#[tokio::test]
async fn queues_gain_a_column_while_a_worker_runs() {
    on_catalog(Catalog::Ours, async |test| {
        let role = test.role("user").await?;
        let provider = Provider::start();
        provider.install("gate", 8);
        create(&test, &provider, &role).await?;
        test.execute(
            "alter table old rename to renamed; alter table renamed rename content to body; alter table \
            renamed rename id to key",
        )
        .await?;
        let (stop, stopped) = oneshot::channel::<()>();
        let beside = worker(&test);
        let beside = tokio::spawn(async move { beside.run_until(stopped).await });
        for key in 1..10 {
            insert(&test, key, true).await?;
        }
        test.execute(
            "lock table ai.vectorizer in share row exclusive mode;
             do $$
             declare
                 u record;
                 queue text;
             begin
                 for u in select * from ai._vectorizers_in_use() loop
                     assert u.source is not null;
                     queue := format('%I.%I', (u.v).queue_schema, (u.v).queue_table);
                     execute format('alter table %s add column priority int not null default 0', queue);
                     execute format('create index on %s (priority)', queue);
                 end loop;
             end
             $$",
        )
        .await?;
        for key in 10..20 {
            insert(&test, key, true).await?;
        }
        stop.send(()).ok();
        beside.await??;
        worker(&test).run_once().await?;
        assert_embedded(&test).await?;
        let columns: i64 = test
            .value(
                "select count(*) from pg_attribute where attname = 'priority' and attrelid::regclass::text like \
                'ai.\\_vectorizer\\_q\\_%'",
            )
            .await?;
        assert_eq!(columns, 12); // of queues and of their indexes
        test.execute("select ai.drop_vectorizer(id, drop_all => true) from ai.vectorizer")
            .await?;
        test.drop_role(&role).await?;
        Ok(())
    })
    .await;
}
