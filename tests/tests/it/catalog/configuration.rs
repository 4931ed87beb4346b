//! The functions that make configurations: the same names, arguments, defaults and jsonb on both catalogs.

use std::sync::Mutex;

use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};
use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};

const CALLS: &[&str] = &[
    "destination_table()",
    "destination_table('d', 'ts', 'tt', 'vs', 'vn')",
    "destination_column('embedding')",
    "loading_column('body')",
    "loading_column('body', null)",
    "loading_uri('body', 3, 'arn:aws:iam::1:role/r')",
    "loading_uri('body', null)",
    "parsing_auto()",
    "parsing_none()",
    "parsing_pymupdf()",
    "parsing_docling()",
    "embedding_openai('m', 3)",
    "embedding_openai('m', 3, 'bob', 'KEY', 'http://localhost')",
    "embedding_openai(null, null, null, null, null)",
    "embedding_ollama('m', 3)",
    "embedding_ollama('m', 3, 'http://localhost', '{\"a\": 1, \"b\": null}', '5m')",
    "embedding_voyageai('m', 3)",
    "embedding_voyageai('m', 3, 'query', 'KEY')",
    "embedding_voyageai('m', 3, null, null)",
    "embedding_litellm('m', 3)",
    "embedding_litellm('m', 3, 'KEY', '{\"a\": {\"b\": 2}}')",
    "chunking_character_text_splitter()",
    "chunking_character_text_splitter(1, 2, E'\\\\', true)",
    "chunking_character_text_splitter(null, null, null, null)",
    "chunking_recursive_character_text_splitter()",
    "chunking_recursive_character_text_splitter(1, 2, array['a', null, ''], true)",
    "chunking_none()",
    "indexing_none()",
    "indexing_default()",
    "indexing_hnsw()",
    "indexing_hnsw(1, 'o', 2, 3, false)",
    "indexing_diskann()",
    "indexing_diskann(1, 'plain', 2, 3, 1.5, 4, 5, false)",
    "formatting_python_template()",
    "formatting_python_template('$title $chunk')",
    "formatting_python_template(null)",
    "scheduling_none()",
    "scheduling_default()",
    "scheduling_timescaledb()",
    "scheduling_timescaledb('1 day 2 hours', '2026-01-02 03:04:05+00', true, 'Europe/Berlin')",
    "processing_default()",
    "processing_default(10, 2)",
];

#[tokio::test]
async fn the_same_calls_make_the_same_jsonb() {
    let made = Mutex::new(Vec::new());
    on_both_catalogs(async |test| {
        let mut lines = Vec::new();
        for call in CALLS {
            let json: Option<String> = test.value(&format!("select ai.{call}::text")).await?;
            lines.push(format!("{call}: {json:?}"));
        }
        for grant in ["ai.grant_to()", "ai.grant_to('b', 'a')"] {
            lines.push(
                test.value(&format!("select array(select unnest({grant}) order by 1)::text"))
                    .await?,
            );
            let transaction = test.db.begin().await?;
            transaction
                .execute_unprepared("set local ai.grant_to_default = 'c, d'")
                .await?;
            let sql = format!("select array(select unnest({grant}) order by 1)::text");
            let row = transaction
                .query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
                .await?;
            lines.push(row.unwrap().try_get_by_index(0)?);
        }
        made.lock().unwrap().push(lines);
        Ok(())
    })
    .await;
    let made = made.into_inner().unwrap();
    for (ours, pgai) in made[0].iter().zip(&made[1]) {
        assert_eq!(ours, pgai);
    }
}

/// Every function of the contract, by name, arguments with defaults, and result.
#[tokio::test]
async fn the_same_functions_with_the_same_arguments_and_defaults() {
    const CONTRACT: &str = "'create_vectorizer', 'drop_vectorizer', 'enable_vectorizer_schedule', \
        'disable_vectorizer_schedule',
        'vectorizer_queue_pending', 'vectorizer_embed', 'set_scheduling', 'grant_vectorizer_usage', \
        'execute_vectorizer',
        'destination_table', 'destination_column', 'loading_column', 'loading_uri', 'parsing_auto', 'parsing_none',
        'parsing_pymupdf', 'parsing_docling', 'embedding_openai', 'embedding_ollama', 'embedding_voyageai', \
        'embedding_litellm',
        'chunking_character_text_splitter', 'chunking_recursive_character_text_splitter', 'chunking_none', \
        'indexing_none',
        'indexing_default', 'indexing_hnsw', 'indexing_diskann', 'formatting_python_template', 'scheduling_none',
        'scheduling_default', 'scheduling_timescaledb', 'processing_default', 'grant_to', '_worker_start', \
        '_worker_heartbeat',
        '_worker_progress'";
    let found = Mutex::new(Vec::new());
    on_both_catalogs(async |test| {
        let functions: Vec<String> = test
            .values(&format!(
                "select format('%s(%s) %s', proname, pg_get_function_arguments(oid), pg_get_function_result(oid)) from \
                    pg_proc
                 where pronamespace = 'ai'::regnamespace and proname in ({CONTRACT}) order by 1"
            ))
            .await?;
        found.lock().unwrap().push(functions);
        Ok(())
    })
    .await;
    let found = found.into_inner().unwrap();
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0].len(), 44);
}

/// Tables and views that others read: the same columns of the same types in the same order.
#[tokio::test]
async fn the_same_tables() {
    let found = Mutex::new(Vec::new());
    on_both_catalogs(async |test| {
        let columns: Vec<String> = test
            .values(
                "select format('%s.%s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), \
                    a.attnotnull,
                     pg_get_expr(d.adbin, d.adrelid))
                 from pg_class c join pg_attribute a on a.attrelid = c.oid
                 left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
                 where c.relnamespace = 'ai'::regnamespace and a.attnum > 0 and not a.attisdropped
                 and c.relname in ('vectorizer', '_vectorizer_errors', 'vectorizer_errors', 'vectorizer_status',
                     'vectorizer_worker_process', 'vectorizer_worker_progress', 'pgai_lib_version')
                 order by c.relname, a.attnum",
            )
            .await?;
        found.lock().unwrap().push(columns);
        Ok(())
    })
    .await;
    let found = found.into_inner().unwrap();
    assert_eq!(found[0], found[1]);
}

/// What is stored, with every default filled in.
#[tokio::test]
async fn the_same_vectorizer_is_stored() {
    let stored = Mutex::new(Vec::new());
    on_both_catalogs(async |test| {
        test.execute(
            "create schema website; create table website.blog (a uuid, content varchar(9), b varchar(7), \
            primary key (b, a))",
        )
        .await?;
        super::vectorize(&test, "website.blog", "").await?;
        super::vectorize(
            &test,
            "website.blog",
            ", name => 'n', destination => ai.destination_table('d', target_schema \
            => 'public')",
        )
        .await?;
        let column = ", destination => ai.destination_column('e'), chunking => ai.chunking_none()";
        super::vectorize(&test, "website.blog", column).await?;
        let rows: Vec<String> = test
            .values(
                "select format('%s %s', to_jsonb(v) - 'source_pk', (select jsonb_agg(k order by k -> 'pknum') from \
                jsonb_array_elements(source_pk) k)) from ai.vectorizer v order by id",
            )
            .await?;
        let status: Vec<String> = test
            .values(
                "select to_jsonb(s)::text from ai.vectorizer_status s order by \
            id",
            )
            .await?;
        stored.lock().unwrap().push((rows, status));
        Ok(())
    })
    .await;
    let stored = stored.into_inner().unwrap();
    assert_eq!(stored[0], stored[1]);
    assert_eq!(stored[0].0.len(), 3);
}

#[tokio::test]
async fn settings_decide_the_defaults() {
    pgai_sea_tests::on_catalog(Catalog::Ours, async |test| {
        test.execute(super::BLOG).await?;
        for (setting, implementation) in [
            ("indexing_hnsw", "hnsw"),
            ("indexing_diskann", "diskann"),
            ("nonsense", "none"),
        ] {
            test.execute(&format!(
                "set ai.indexing_default = '{setting}';
                 select ai.create_vectorizer('blog', name => 'v_{implementation}', loading => \
                 ai.loading_column('content'),
                     embedding => ai.embedding_openai('m', 3), destination => \
                     ai.destination_table('d_{implementation}'));
                 reset ai.indexing_default"
            ))
            .await?;
            let stored = format!(
                "select config #>> '{{indexing,implementation}}' from ai.vectorizer where name = \
                'v_{implementation}'"
            );
            assert_eq!(test.value::<String>(&stored).await?, implementation);
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_schedule_is_that_of_the_setting() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(super::BLOG).await?;
        for (setting, scheduling) in [
            ("", "none"),
            ("scheduling_none", "none"),
            ("scheduling_timescaledb", "timescaledb"),
            ("x", "none"),
        ] {
            let resolved: String = test
                .value(&format!(
                    "select ai._vectorizer_resolve_scheduling(ai.scheduling_default()) ->> 'implementation'
                     from set_config('ai.scheduling_default', '{setting}', true)"
                ))
                .await?;
            assert_eq!(resolved, scheduling, "{setting}");
        }
        let refused = super::refusal(
            &test,
            "set local ai.scheduling_default = 'scheduling_timescaledb'; select ai.create_vectorizer('blog', loading \
                => ai.loading_column('content'), embedding => ai.embedding_openai('m', 3))",
        )
        .await?;
        assert!(refused.starts_with("P0001 scheduling: timescaledb needs"), "{refused}");
        Ok(())
    })
    .await;
}
