//! Keys of any type and number of columns find their rows.

use pgai_sea_tests::{Catalog, on_both_catalogs, on_catalog};

use super::vectorize;

#[tokio::test]
async fn composite_keys() {
    on_both_catalogs(async |test| {
        test.execute(
            "create table blog (b varchar(9), content text, a uuid default gen_random_uuid(), primary key (a, b));
             insert into blog values ('x', 'c'), ('y', 'c')",
        )
        .await?;
        let id = vectorize(&test, "blog", "").await?;
        let queue = format!("ai._vectorizer_q_{id}");
        test.execute(&format!(
            "truncate {queue};
             insert into blog_embedding_store (a, b, chunk_seq, chunk, embedding) select a, b, 0, '', '[1,2,3]' from \
             blog;
             update blog set b = 'z' where b = 'x';
             delete from blog where b = 'y'"
        ))
        .await?;
        assert_eq!(test.values::<String>(&format!("select b from {queue}")).await?, ["z"]);
        assert_eq!(test.value::<i64>("select count(*) from blog_embedding_store").await?, 0);
        Ok(())
    })
    .await;
}

/// A key whose type is an extension's, and one whose collation is not the type's: `=` of the search path is not theirs.
#[tokio::test]
async fn a_key_of_an_extension_s_type_and_one_with_a_collation() {
    on_catalog(Catalog::Ours, async |test| {
        for (table, key) in [
            ("one", "text collate \"C\""),
            ("two", "vector(2)"),
            ("three", "char(5)"),
        ] {
            let value = if table == "two" { "[1,2]" } else { "a" };
            test.execute(&format!("create table {table} (id {key} primary key, content text)"))
                .await?;
            vectorize(&test, table, "").await?;
            test.execute(&format!(
                "insert into {table} values ('{value}', 'c');
                 insert into {table}_embedding_store (id, chunk_seq, chunk, embedding) values ('{value}', 0, '', \
                 '[1,2,3]');
                 update {table} set content = 'd';
                 delete from {table}"
            ))
            .await?;
            let left: i64 = test
                .value(&format!("select count(*) from {table}_embedding_store"))
                .await?;
            assert_eq!(left, 0, "{table}");
        }
        Ok(())
    })
    .await;
}

/// Collations and operators are the schemas' that they are in, whatever these are called.
#[tokio::test]
async fn a_key_of_a_collation_and_of_operators_in_a_schema_with_quotes() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create schema \"My \"\"Types\"; create collation \"My \"\"Types\".c (locale = 'C');
             drop extension vector cascade; create extension vector schema \"My \"\"Types\"",
        )
        .await?;
        pgai_sea::catalog::uninstall(&test.db).await.ok();
        pgai_sea::catalog::install(&test.db).await?;
        for (table, key, value) in [
            ("one", "text collate \"My \"\"Types\".c", "a"),
            (
                "two",
                "\"My \
            \"\"Types\".vector(2)",
                "[1,2]",
            ),
        ] {
            test.execute(&format!("create table {table} (id {key} primary key, content text)"))
                .await?;
            vectorize(&test, table, "").await?;
            test.execute(&format!(
                "insert into {table} values ('{value}', 'c');
                 insert into {table}_embedding_store (id, chunk_seq, chunk, embedding) values ('{value}', 0, '', \
                 '[1,2,3]');
                 update {table} set content = 'd';
                 delete from {table}"
            ))
            .await?;
            let left: i64 = test
                .value(&format!("select count(*) from {table}_embedding_store"))
                .await?;
            assert_eq!(left, 0, "{table}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn keys_of_domains_enums_arrays_and_composites() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(
            "create domain slug as varchar(20) check (value <> ''); create type mood as enum ('a', 'b');
             create type place as (shelf int, spot text)",
        )
        .await?;
        for (table, key, values) in [
            ("one", "slug", ["'a'", "'b'"]),
            ("two", "mood", ["'a'", "'b'"]),
            ("three", "int[]", ["'{1,2}'", "'{3}'"]),
            ("four", "place", ["'(1,x)'", "'(2,\"y z\")'"]),
        ] {
            test.execute(&format!("create table {table} (id {key} primary key, content text)"))
                .await?;
            let id = vectorize(&test, table, "").await?;
            let [one, other] = values.map(|value| format!("{value}::{key}"));
            test.execute(&format!(
                "insert into {table} values ({one}, 'c'), ({other}, 'c');
                 insert into {table}_embedding_store (id, chunk_seq, chunk, embedding) select id, 0, '', '[1,2,3]' \
                 from {table};
                 update {table} set content = 'd' where id = {one};
                 delete from {table} where id = {other}"
            ))
            .await?;
            let matches = format!("select count(*) from {table}_embedding where id = {one}");
            assert_eq!(test.value::<i64>(&matches).await?, 1, "{table}");
            let left = format!("select count(*) from {table}_embedding_store");
            assert_eq!(test.value::<i64>(&left).await?, 1, "{table}");
            let queued = format!("select count(*) from ai._vectorizer_q_{id}");
            assert_eq!(test.value::<i64>(&queued).await?, 3, "{table}");
        }
        Ok(())
    })
    .await;
}
