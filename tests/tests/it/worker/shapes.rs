//! Keys, names, types and destinations of all sorts.

use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};

use super::support::{DIMENSIONS, Gate, assert_in_sync, queued, run, vectorizer};

#[tokio::test]
async fn keys_of_any_type_and_number() {
    for (columns, insert) in [
        ("id uuid primary key default gen_random_uuid()", "(body) select"),
        ("id bigint primary key", "(id, body) select i * 10000000000,"),
        (
            "id text primary key",
            "(id, body) select e'it''s | \"' || i || e' \\\\ é\\n',",
        ),
        (
            "id bool, number numeric(8, 2), primary key (number, id)",
            "(id, number, body) select i % 2 = 0, i + 0.5,",
        ),
        (
            "at timestamptz, code char(5), primary key (at, code)",
            "(at, code, body) select '2024-02-29 12:00:00.123456+02'::timestamptz + make_interval(secs => i), 'c' || \
                i,",
        ),
        ("b int, a int, primary key (b, a)", "(a, b, body) select i, -i,"),
        ("id date primary key", "(id, body) select '2024-01-01'::date + i,"),
    ] {
        on_both_catalogs(async |test| {
            test.execute(&format!("create table things (body text, {columns})"))
                .await?;
            vectorizer(&test, "things", "body", "$chunk", "").await?;
            test.execute(&format!(
                "insert into things {insert} 'text ' || i from generate_series(1, 7) i"
            ))
            .await?;
            let gate = Gate::new();
            assert_eq!(run(&test, &gate).await.rows(), 7);
            assert_in_sync(&test).await;
            test.execute("update things set body = 'more than before, so that there are chunks of it'")
                .await?;
            run(&test, &gate).await;
            assert_in_sync(&test).await;
            test.execute("delete from things").await?;
            run(&test, &gate).await;
            assert_in_sync(&test).await;
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn names_are_ordinary_input() {
    // pgai's own functions fail on such names
    on_catalog(Catalog::Ours, async |test| {
        test.execute(r#"create table "o'clock ""x""" ("the 'key'" int primary key, "b""ody; --" text)"#)
            .await?;
        test.execute(&format!(
            r#"select ai.create_vectorizer('"o''clock ""x"""'::regclass, name => 'tested',
                loading => ai.loading_column('b"ody; --'),
                embedding => ai.embedding_ollama('gate', {DIMENSIONS}), chunking => ai.chunking_none())"#
        ))
        .await?;
        test.execute(r#"insert into "o'clock ""x""" values (1, 'te''xt \ $1 "'), (2, 'other')"#)
            .await?;
        let gate = Gate::new();
        assert_eq!(run(&test, &gate).await.rows(), 2);
        assert_in_sync(&test).await;
        Ok(())
    })
    .await;
}

/// Expected texts: `string.Template` and `str()` of what psycopg gives.
#[tokio::test]
async fn template_values_are_pythons() {
    on_both_catalogs(async |test| {
        test.execute(
            "create domain positive as int check (value > 0);
             create type mood as enum ('fine');
             create table things (id int primary key, body text, b bool, f float8, n numeric, t timestamptz, d date, j \
             jsonb, a text[],
                u uuid, p positive, m mood, c char(4), x bytea, e text)",
        )
        .await?;
        let template = "$$ ${b}|$f|$n|$t|$d|$j|$a|$u|$p|$m|$c|$x|$e|$chunk";
        vectorizer(&test, "things", "body", template, ", if_not_exists => false").await?;
        test.execute(
            "insert into things values (1, 'text', true, 1, 1.50, '2024-02-29 12:00:00.5+00', '2024-02-29', '{\"k\": \
                [null, \"it''s\"]}',
                '{x,NULL}', '00000000-0000-0000-0000-000000000001', 3, 'fine', 'ab', '\\x0041', null)",
        )
        .await?;
        let gate = Gate::new();
        run(&test, &gate).await;
        let expected = "$ True|1.0|1.50|2024-02-29 12:00:00.500000+00:00|2024-02-29|{'k': [None, \"it's\"]}|['x', \
            None]|\
                        00000000-0000-0000-0000-000000000001|3|fine|ab  |b'\\x00A'|None|text";
        assert_eq!(gate.texts(), [expected]);
        let stored: String = test.value("select chunk from things_embedding_store").await?;
        assert_eq!(stored, expected);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_column_as_the_destination() {
    on_both_catalogs(async |test| {
        test.execute("create table things (id int primary key, body text)")
            .await?;
        test.execute(&format!(
            "select ai.create_vectorizer('things', name => 'tested', loading => ai.loading_column('body'),
                embedding => ai.embedding_ollama('gate', {DIMENSIONS}), chunking => ai.chunking_none(),
                destination => ai.destination_column('embedding'))"
        ))
        .await?;
        test.execute("insert into things select i, 'text ' || i from generate_series(1, 10) i")
            .await?;
        let gate = Gate::new();
        assert_eq!(run(&test, &gate).await.rows(), 10);
        // what the worker writes does not queue the row again
        assert_eq!(queued(&test).await, 0);
        let embedded = "select count(*) from things where embedding is not null";
        assert_eq!(test.value::<i64>(embedded).await?, 10);

        gate.hold();
        test.execute("update things set body = 'new ' || id").await?;
        let working = super::support::worker(&test, &gate);
        let working = tokio::spawn(async move { working.run_once().await });
        gate.wait_for(2).await;
        test.execute(
            "update things set body = '' where id = 1; update things set body = 'newer' where id = 2; delete \
            from things where id = 3",
        )
        .await?;
        gate.release();
        working.await??;
        assert_eq!(queued(&test).await, 0);
        for (id, text) in [(2, "newer"), (4, "new 4")] {
            let vector: String = test
                .value(&format!("select embedding::text from things where id = {id}"))
                .await?;
            let vector: Vec<f32> = vector
                .trim_matches(['[', ']'])
                .split(',')
                .map(|number| number.parse().unwrap())
                .collect();
            assert_eq!(
                vector,
                pgai_sea_tests::providers::embedding_of("gate", text, DIMENSIONS)
            );
        }
        assert_eq!(test.value::<i64>(embedded).await?, 8);
        Ok(())
    })
    .await;
}
